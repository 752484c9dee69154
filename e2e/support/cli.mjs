// Coder's command line, signed in with a token in its environment, and what of it runs on: `coder ssh` and
// `coder port-forward`, whose bytes are counted.

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { start, until } from './process.mjs';
import { CODER_BIN } from './stack.mjs';

const LINE_EVERY = 100; // milliseconds between two lines that a session sends

/** The environment of a command line that uses this token; `name` names its folder. */
function environment(stack, name, token) {
  const home = join(stack.folder, `cli-${name}`);
  mkdirSync(home, { recursive: true });
  return {
    cwd: home,
    env: {
      PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: home, TMPDIR: home,
      CODER_URL: stack.url, CODER_SESSION_TOKEN: token, CODER_CONFIG_DIR: join(home, 'config'),
    },
  };
}

/**
 * Opens `coder ssh` to the token's workspace `dev`. A line goes in every 100 milliseconds; `tee` in the workspace writes
 * it to a file and sends it back. So `arrived()` counts the bytes that reached the workspace and `returned()` those that came
 * back; `text()` is what came back.
 */
export function openSSH(stack, name, token) {
  const file = join(stack.folder, `arrived-${name}`);
  const log = createWriteStream(join(stack.logs, `ssh-${name}.log`));
  const child = spawn(CODER_BIN, ['ssh', '--disable-autostart', '--wait', 'no', 'dev', `tee ${file}`], {
    ...environment(stack, name, token), stdio: ['pipe', 'pipe', 'pipe'],
  });
  let text = '';
  let alive = true;
  let count = 0;
  child.stdout.on('data', (data) => { text += data; });
  child.stderr.pipe(log);
  child.stdin.on('error', () => {}); // it may have ended
  const pump = setInterval(() => child.stdin.write(`${count++}\n`), LINE_EVERY);
  const ended = new Promise((resolve) => child.once('close', resolve)).then(() => {
    alive = false;
    clearInterval(pump);
  });
  const arrived = () => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const returned = () => text.length;
  return {
    arrived,
    returned,
    text: () => text,
    alive: () => alive,
    /** Waits until bytes flow in both directions that did not before. */
    async flows(seconds = 60) {
      const before = [arrived(), returned()];
      await until(`bytes of ssh of ${name}`, seconds, () => arrived() > before[0] && returned() > before[1], () => alive);
    },
    /** A session whose relay is cut does not end by itself. */
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Runs `coder port-forward` from `port` of this machine to `to` of the workspace `dev`. */
export const forwardPort = (stack, name, token, port, to) => start(
  CODER_BIN, ['port-forward', '--disable-autostart', 'dev', '--tcp', `${port}:${to}`],
  { ...environment(stack, name, token), log: join(stack.logs, `port-forward-${name}.log`), signal: 'SIGKILL' },
);

/** Connects to a port of this machine, and resolves to the text that comes within `seconds` (empty if none). */
export const readPort = (port, seconds) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1');
  const done = (text) => { clearTimeout(timer); socket.destroy(); resolve(text); };
  const timer = setTimeout(() => done(''), seconds * 1000);
  socket.once('data', (data) => done(String(data)));
  socket.once('error', () => done(''));
  socket.once('close', () => done(''));
});
