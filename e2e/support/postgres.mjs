// A separate PostgreSQL: a fresh cluster in a folder, on loopback only, without durable writes.

import { existsSync, mkdirSync, chownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, run, start, until } from './process.mjs';

/** PostgreSQL's programs: in PGBIN, or the newest of Debian's packages. */
function programs() {
  if (process.env.PGBIN) return process.env.PGBIN;
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => b - a) : [];
  const folders = versions.map((version) => join(root, version, 'bin'));
  const found = folders.find((bin) => existsSync(join(bin, 'initdb')));
  if (!found) throw new Error('no PostgreSQL: install it, or say in PGBIN where initdb and postgres are');
  return found;
}

/** PostgreSQL refuses to run as root: then it runs as its own user. */
async function owner() {
  if (process.getuid() !== 0) return {};
  const id = async (flag) => Number(await run('id', [flag, 'postgres']));
  return { uid: await id('-u'), gid: await id('-g') };
}

/** Starts a cluster with an empty database `coder`: `url`, `query(sql)` (rows, fields split by `|`), `stop()`. */
export async function startPostgres(folder) {
  const bin = programs();
  const as = await owner();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (as.uid) chownSync(folder, as.uid, as.gid);
  const options = { ...as, cwd: folder, env: { PATH: `${bin}:/usr/bin:/bin`, LC_ALL: 'C' } };
  const data = join(folder, 'data');
  const kind = ['-U', 'coder', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'];
  await run(join(bin, 'initdb'), ['-D', data, ...kind], options);

  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1', port, unix_socket_directories: '', max_connections: 200,
    fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
  const server = start(join(bin, 'postgres'), ['-D', data, ...args], {
    ...options, log: join(folder, '..', 'postgres.log'), signal: 'SIGINT',
  });
  const psql = (database, sql) => run(join(bin, 'psql'), [
    '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', String(port), '-U', 'coder',
    '-d', database, '-c', sql,
  ], options);
  await until('PostgreSQL', 60, () => psql('postgres', 'select 1'), server.alive);
  await psql('postgres', 'create database coder');
  return {
    url: `postgres://coder@127.0.0.1:${port}/coder?sslmode=disable`,
    query: async (sql) => (await psql('coder', sql)).split('\n').filter(Boolean),
    stop: server.stop,
  };
}
