// Out means out, with real workspace agents and `coder ssh` of CODER_BIN: a relayed session stops when its user's access
// ends, and nobody else's does. A session that is cut does not end by itself: the tests count bytes.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ACCOUNTS } from './provider.mjs';
import { startAgent } from './support/agent.mjs';
import { enter, launch } from './support/browser.mjs';
import { forwardPort, openSSH, readPort } from './support/cli.mjs';
import { freePort, run, until } from './support/process.mjs';
import { CODER_BIN, VESTIBULE, startStack } from './support/stack.mjs';
import { writeWorkspace } from './support/workspace.mjs';

const SHORT_LIFE = 5; // seconds that an access token lives, after which the gateway asks the provider again
const CUT_WITHIN = 2; // seconds after the end of a user's access, after which no byte may pass
const SILENCE = 40; // seconds without a byte: longer than the 30 s that the relay gives unknown keys, and the client's retries
// How long carol's session must last: longer than WireGuard keeps a key (120 s). Ten minutes take LONG_SSH_SECONDS=600.
const LONG = Number(process.env.LONG_SSH_SECONDS || 150);

const CAROL = { username: 'carol', name: 'Carol Example', email: 'carol@acme.company', groups: ['coder-users'] };

describe('relayed sessions of a real Coder', { skip: !CODER_BIN && 'CODER_BIN is not set', timeout: 1_500_000 }, () => {
  let stack;
  let browser;
  let service; // what the forwarded port leads to
  const stops = [];
  const users = {};
  let carols; // her session runs from the first test to the last
  let opened;

  const key = async (token) => {
    const made = await fetch(`${stack.url}/api/v2/users/me/keys`, {
      method: 'POST', headers: { 'Coder-Session-Token': token },
    });
    assert.equal(made.status, 201);
    return (await made.json()).key;
  };
  const status = async (token) => {
    const answer = await fetch(`${stack.url}/api/v2/users/me`, { headers: { 'Coder-Session-Token': token } });
    await answer.arrayBuffer();
    return answer.status;
  };
  const ssh = async (user, name) => {
    const session = openSSH(stack, name, users[user].key);
    stops.push(session.stop);
    await session.flows(120);
    return session;
  };
  /** No byte passes `session` in `SILENCE` seconds, while `other` goes on all the time. */
  const silent = async (session, other) => {
    const before = [session.arrived(), session.returned()];
    const end = Date.now() + SILENCE * 1000;
    while (Date.now() < end) {
      await other.flows(10);
      await sleep(1000);
    }
    assert.deepEqual([session.arrived(), session.returned()], before, 'bytes that arrived and that came back');
  };
  const disable = (username) => {
    stack.provider.accounts.find((account) => account.username === username).disabled = true;
  };

  before(async () => {
    stack = await startStack('relay', { accounts: [...ACCOUNTS, CAROL] });
    stack.provider.accessTokenSeconds = SHORT_LIFE;
    browser = await launch();
    for (const username of ['alice', 'bob', 'carol']) {
      const { id, token } = await enter(browser, stack, username);
      users[username] = { id, key: await key(token) };
      const agent = await writeWorkspace(stack.coder.query, id);
      stops.push((await startAgent(stack, agent, username)).stop);
    }
    service = createServer((socket) => socket.on('error', () => {}).end('from the workspace\n'));
    await new Promise((resolve) => service.listen(0, '127.0.0.1', resolve));
  }, { timeout: 900_000 });

  after(async () => {
    await Promise.all(stops.map((stop) => stop()));
    service?.close();
    await browser?.close();
    await stack?.stop();
  }, { timeout: 120_000 });

  test('ssh goes through the gateway', async () => {
    carols = await ssh('carol', 'carol');
    opened = Date.now();
    assert.match(carols.text(), /^0\n1\n/);
  });

  test("`sessions revoke` stops a user's ssh and forwarded ports, and no other user's", async () => {
    const session = await ssh('alice', 'alice');
    let connections = 0;
    service.on('connection', () => { connections += 1; });
    const port = await freePort();
    const forward = forwardPort(stack, 'alice', users.alice.key, port, service.address().port);
    stops.push(forward.stop);
    await until('the forwarded port', 60, async () => await readPort(port, 5) === 'from the workspace\n', forward.alive);
    const before = connections;

    await run(VESTIBULE, ['sessions', 'revoke', '--user', 'alice@acme.company', '--config', stack.configurationFile], {
      cwd: stack.folder,
    });
    await sleep(CUT_WITHIN * 1000);
    const tries = Array.from({ length: 5 }, async (_, number) => {
      await sleep(number * 4000);
      return readPort(port, 10);
    });
    await silent(session, carols);
    assert.deepEqual(await Promise.all(tries), Array(5).fill(''));
    assert.equal(connections, before, 'connections to the workspace');
    assert.equal(await status(users.alice.key), 401);
  });

  test('after a new sign-in the same user reaches the same agent again', async () => {
    const { token } = await enter(browser, stack, 'alice');
    users.alice.key = await key(token);
    await (await ssh('alice', 'alice-again')).flows();
  });

  test("a disable at the provider stops the user's ssh, and no other user's", async () => {
    const session = await ssh('bob', 'bob');
    disable('bob');
    await until('the gateway has asked the provider', 60, async () => await status(users.bob.key) === 401);
    await sleep(CUT_WITHIN * 1000);
    await silent(session, carols);
  });

  test('after a restart of the gateway sessions go on and the agents are back', async () => {
    await stack.restartGateway();
    await carols.flows(120);
    await (await ssh('alice', 'alice-after-restart')).flows();
  });

  test(`ssh of a user who keeps access lasts ${LONG} seconds and loses nothing`, async () => {
    while (Date.now() < opened + LONG * 1000) {
      await carols.flows(30);
      await sleep(1000);
    }
    assert.ok(carols.alive());
    const lines = carols.text().split('\n').slice(0, -1);
    assert.deepEqual(lines, lines.map((_, number) => `${number}`));
  });
});
