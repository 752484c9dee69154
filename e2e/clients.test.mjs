// Clients without a browser, at the protocol level: IDEs with their token in a header, workspace agents, and the DERP
// relay.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { enter, launch } from './support/browser.mjs';
import { until } from './support/process.mjs';
import { upgrade, websocket } from './support/sockets.mjs';
import { CODER_BIN, startStack } from './support/stack.mjs';
import { writeWorkspace } from './support/workspace.mjs';

const INBOX = '/api/v2/notifications/inbox/watch';
const RPC = '/api/v2/workspaceagents/me/rpc';
const GARBAGE = 'abcdefghij-abcdefghijklmnopqrstuv';
const SHORT_LIFE = 3; // seconds
const SERVER_KEY = 1; // the first frame of a relay: its type, four bytes of length, and this magic in front of the key
const MAGIC = Buffer.from('DERP🔑');

describe('clients without a browser', { timeout: 600_000 }, () => {
  let stack;
  let browser;
  let alice;
  let key;
  let agent = randomUUID();

  /** A request as a program sends it: never a navigation. */
  const ask = (path, headers = {}, method = 'GET') => fetch(stack.url + path, {
    method, headers: { 'User-Agent': 'Coder Toolbox/0.8 (Linux; amd64)', ...headers },
  });
  const newKey = async (token) => {
    const made = await ask('/api/v2/users/me/keys', { 'Coder-Session-Token': token }, 'POST');
    assert.equal(made.status, 201);
    return (await made.json()).key;
  };
  const refusedAsJSON = async (answer, status) => {
    assert.equal(answer.status, status);
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    const { message, detail } = await answer.json();
    assert.ok(message && detail, `${message}: ${detail}`);
  };

  before(async () => {
    stack = await startStack('clients');
    browser = await launch();
    alice = await enter(browser, stack, 'alice');
    key = await newKey(alice.token);
    if (CODER_BIN) agent = await writeWorkspace(stack.coder.query, alice.id);
  }, { timeout: 240_000 });

  after(async () => {
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  test('an IDE reads the version without a token, and is served with its token in the header', async () => {
    assert.equal((await ask('/api/v2/buildinfo')).status, 200);
    assert.equal((await ask('/api/v2/users/first')).status, 200);
    const me = await ask('/api/v2/users/me', { 'Coder-Session-Token': key });
    assert.equal((await me.json()).username, 'alice');
    const bearer = await ask('/api/v2/users/me', { Authorization: `Bearer ${key}` });
    assert.equal((await bearer.json()).username, 'alice');
  });

  test('an IDE without a valid token is refused in JSON, whatever it accepts', async () => {
    await refusedAsJSON(await ask('/api/v2/users/me'), 401);
    for (const accept of ['application/json', '*/*', 'text/html']) {
      const answer = await ask('/api/v2/workspaces', { 'Coder-Session-Token': GARBAGE, Accept: accept });
      assert.match(answer.headers.get('www-authenticate'), /^Bearer /);
      await refusedAsJSON(answer, 401);
    }
    await refusedAsJSON(await ask('/api/v2/users/me', {
      'Coder-Session-Token': key, Cookie: `coder_session_token=${alice.token}`,
    }), 400);
  });

  test('a websocket opens only with the token in the header', async () => {
    const { status, socket } = await websocket(stack.url + INBOX, { 'Coder-Session-Token': key });
    assert.equal(status, 101);
    if (!CODER_BIN) {
      socket.send('hello');
      assert.equal(String(await socket.receive()), 'hello');
    }
    socket.end();
    for (const headers of [{}, { 'Coder-Session-Token': GARBAGE }, { 'Coder-Session-Token': agent }]) {
      const refused = await websocket(stack.url + INBOX, headers);
      assert.equal(refused.status, 401);
      assert.ok(JSON.parse(refused.body).message);
    }
  });

  test("an agent's token opens the agent's socket, in the header and in an old agent's cookie", async () => {
    for (const headers of [{ 'Coder-Session-Token': agent }, { Cookie: `coder_session_token=${agent}` }]) {
      const { status, socket } = await websocket(`${stack.url}${RPC}?version=2.0`, headers);
      assert.equal(status, 101);
      if (CODER_BIN) {
        await until('Coder sees the agent', 10, async () => (
          await stack.coder.query(`select 1 from workspace_agents where first_connected_at is not null`)).length);
      } else {
        socket.send('over the tunnel');
        assert.equal(String(await socket.receive()), 'over the tunnel');
      }
      socket.end();
    }
  });

  test("Coder decides about an agent's token on agent routes, and every other token is refused there", async () => {
    // Coder does not know this agent: the refusal is Coder's own, word for word.
    const unknown = { 'Coder-Session-Token': randomUUID() };
    const through = await ask('/api/v2/workspaceagents/me/gitsshkey', unknown);
    const direct = await fetch(`${stack.coder.url}/api/v2/workspaceagents/me/gitsshkey`, { headers: unknown });
    assert.equal(through.status, direct.status);
    assert.equal(await through.text(), await direct.text());
    for (const headers of [{}, { 'Coder-Session-Token': key }, { Cookie: `coder_session_token=${alice.token}` }]) {
      assert.equal((await websocket(stack.url + RPC, headers)).status, 401);
    }
  });

  test("an agent's token opens no route for users", async () => {
    for (const [method, path] of [
      ['GET', '/api/v2/users/me'], ['POST', '/api/v2/users/me/keys'], ['GET', '/api/v2/workspaces'],
      ['GET', '/api/v2/deployment/config'], ['GET', '/workspaces'],
    ]) {
      await refusedAsJSON(await ask(path, { 'Coder-Session-Token': agent }, method), 401);
    }
  });

  test('the relay opens by `Upgrade: derp` for a client without a credential', async () => {
    const { status, headers, stream } = await upgrade(`${stack.url}/derp`, 'derp');
    assert.equal(status, 101);
    assert.match(headers.upgrade, /^derp$/i);
    if (CODER_BIN) {
      const frame = await stream.read(5 + MAGIC.length);
      assert.equal(frame[0], SERVER_KEY);
      assert.deepEqual(frame.subarray(5), MAGIC);
    } else {
      stream.write('frames of the relay');
      assert.equal(String(await stream.read(19)), 'frames of the relay');
    }
    stream.end();
  });

  test('the relay opens as a websocket, and refuses a client with a bad credential', async () => {
    const protocol = { 'Sec-WebSocket-Protocol': 'derp' };
    const { status, socket } = await websocket(`${stack.url}/derp`, protocol);
    assert.equal(status, 101);
    if (CODER_BIN) {
      const frame = await socket.receive();
      assert.equal(frame[0], SERVER_KEY);
      assert.deepEqual(frame.subarray(5, 5 + MAGIC.length), MAGIC);
    } else {
      socket.send('frames of the relay');
      assert.equal(String(await socket.receive()), 'frames of the relay');
    }
    socket.end();
    const bad = { 'Coder-Session-Token': GARBAGE };
    assert.equal((await websocket(`${stack.url}/derp`, { ...protocol, ...bad })).status, 401);
    assert.equal((await upgrade(`${stack.url}/derp`, 'derp', bad)).status, 401);
    assert.equal((await fetch(`${stack.url}/derp`)).status, 426);
  });

  test("for a user disabled at the provider the key is refused and its socket closed, but an agent's stays open", async () => {
    stack.provider.accessTokenSeconds = SHORT_LIFE;
    const bob = await enter(browser, stack, 'bob');
    const bobs = { 'Coder-Session-Token': await newKey(bob.token) };
    const { socket } = await websocket(stack.url + INBOX, bobs);
    const relay = await websocket(`${stack.url}/derp`, { 'Sec-WebSocket-Protocol': 'derp', ...bobs });
    const machine = await websocket(`${stack.url}${RPC}?version=2.0`, { 'Coder-Session-Token': agent });
    stack.provider.accounts.find(({ username }) => username === 'bob').disabled = true;
    assert.equal(await socket.closed(), 1008);
    assert.equal(await relay.socket.closed(), 1008);
    await refusedAsJSON(await ask('/api/v2/users/me', bobs), 401);
    assert.equal(machine.stream.socket.destroyed, false);
    if (!CODER_BIN) {
      machine.socket.send('still here');
      assert.equal(String(await machine.socket.receive()), 'still here');
    }
    machine.socket.end();
  });

  test('the log has none of their tokens', () => {
    const log = readFileSync(stack.gateway.log, 'utf8');
    assert.match(log, /class="?agent/);
    for (const secret of [key, alice.token, agent, GARBAGE]) assert.equal(log.includes(secret), false);
  });
});
