// A real Coder server with its own PostgreSQL. It sends nothing to other machines, and downloads nothing.
//
// As a program:  node support/real-coder.mjs --bin coder --listen 127.0.0.1:3100 --env-file FILE --folder DIR
// where FILE has the output of `vestibule coder-env`.

import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres } from './postgres.mjs';
import { start, until } from './process.mjs';

/** Reads `NAME=value` lines as a shell would, with or without `export` and single quotes. */
export function environment(text) {
  const pairs = [...text.matchAll(/^(?:export )?([A-Z0-9_]+)=(.*)$/gm)];
  const unquoted = (value) => value.replace(/^(['"])(.*)\1$/, '$2').replaceAll(`'\\''`, "'");
  return Object.fromEntries(pairs.map(([, name, value]) => [name, unquoted(value)]));
}

/** Starts Coder with `env` (the output of `vestibule coder-env`) and waits until it answers. */
export async function startRealCoder({ bin, port, env, folder, log = join(folder, 'coder.log') }) {
  mkdirSync(folder, { recursive: true });
  const postgres = await startPostgres(join(folder, 'postgres'));
  const home = join(folder, 'coder');
  mkdirSync(join(home, 'tmp'), { recursive: true });
  const nowhere = 'http://127.0.0.1:1';
  const coder = start(realpathSync(bin), ['server'], {
    log,
    cwd: home,
    env: {
      PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', HOME: home, TMPDIR: join(home, 'tmp'),
      // Go's clients use a proxy for everything but loopback: a proxy that does not exist keeps Coder off the network.
      HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, NO_PROXY: '127.0.0.1,localhost,::1',
      CODER_HTTP_ADDRESS: `127.0.0.1:${port}`,
      CODER_PG_CONNECTION_URL: postgres.url,
      CODER_CACHE_DIRECTORY: join(home, 'cache'),
      CODER_CONFIG_DIR: join(home, 'config'),
      CODER_TELEMETRY_ENABLE: 'false',
      CODER_UPDATE_CHECK: 'false',
      CODER_DERP_SERVER_STUN_ADDRESSES: 'disable',
      CODER_BLOCK_DIRECT: 'true',
      CODER_PROVISIONER_DAEMONS: '0', // each one would download Terraform
      ...env,
    },
  });
  const stop = async () => {
    await coder.stop();
    await postgres.stop();
  };
  try {
    await until('Coder', 300, async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok, coder.alive);
  } catch (error) {
    await stop();
    throw new Error(`Coder did not start, see ${coder.log}`, { cause: error });
  }
  return { url: `http://127.0.0.1:${port}`, query: postgres.query, stop };
}

async function main() {
  const { values } = parseArgs({
    options: {
      bin: { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1:3100' },
      'env-file': { type: 'string' },
      folder: { type: 'string' },
    },
  });
  const coder = await startRealCoder({
    bin: values.bin,
    port: Number(values.listen.split(':').at(-1)),
    env: environment(readFileSync(values['env-file'], 'utf8')),
    folder: values.folder,
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => coder.stop().then(() => process.exit(0)));
  console.log(`coder listens on ${coder.url}`);
}

if (import.meta.filename === process.argv[1]) await main();
