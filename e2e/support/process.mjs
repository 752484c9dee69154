// The programs that the suite starts: each has its own log, and is stopped by its process id.

import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A port on 127.0.0.1 that is free at the moment. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Repeats `check` until it returns a truthy value, and returns that value; an error counts as "not yet".
 * Gives up after `seconds`, and at once when `alive` returns false.
 */
export async function until(what, seconds, check, alive = () => true) {
  const end = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < end && alive()) {
    try {
      const found = await check();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    await sleep(50);
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause: last });
}

/**
 * Starts a program; its output goes to `log`. `stop()` sends SIGTERM (or `signal`), and SIGKILL after ten seconds; it
 * resolves to the exit code. `alive()` says whether the program still runs.
 */
export function start(command, args, { log, signal = 'SIGTERM', ...options }) {
  mkdirSync(dirname(log), { recursive: true });
  const out = createWriteStream(log);
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.pipe(out, { end: false });
  child.stderr.pipe(out, { end: false });
  const ended = new Promise((resolve) => {
    child.once('error', (error) => { out.end(`${command}: ${error.message}\n`); resolve(127); });
    child.once('close', (code, by) => { out.end(); resolve(code ?? by); });
  });
  let running = true;
  ended.then(() => { running = false; });
  return {
    log,
    alive: () => running,
    async stop() {
      if (running) child.kill(signal);
      const insist = setTimeout(() => { if (running) child.kill('SIGKILL'); }, 10_000);
      const code = await ended;
      clearTimeout(insist);
      return code;
    },
  };
}

/** Runs a program to its end, at most `seconds`; resolves to its output, or fails with it. */
export async function run(command, args, { input = '', seconds = 60, ...options } = {}) {
  const child = spawn(command, args, { timeout: seconds * 1000, ...options });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => { stdout += data; });
  child.stderr.on('data', (data) => { stderr += data; });
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(input);
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ''} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}
