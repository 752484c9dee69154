// Tests that need a real Coder (CODER_BIN): its users, its database and its command line.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { subjectOf } from './provider.mjs';
import { enter, launch } from './support/browser.mjs';
import { run } from './support/process.mjs';
import { websocket } from './support/sockets.mjs';
import { CODER_BIN, VESTIBULE, startStack } from './support/stack.mjs';

const TOKEN = /^[A-Za-z0-9]{10}-[A-Za-z0-9]{22}$/;

/** The routes that anyone reaches by GET, and those that the gateway serves itself. */
const PUBLIC = [
  '/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource', '/api/v2/', '/api/v2/auth/scopes',
  '/api/v2/buildinfo', '/api/v2/derp-map', '/api/v2/entitlements', '/api/v2/init-script/{os}/{arch}',
  '/api/v2/updatecheck', '/api/v2/users/first', '/oauth2/clients/{client_id}',
];
const ANSWERED = ['/api/v2/users/authmethods', '/api/v2/users/oidc/callback'];

describe('a real Coder behind the gateway', { skip: !CODER_BIN && 'CODER_BIN is not set', timeout: 300_000 }, () => {
  let stack;
  let browser;
  let session;

  before(async () => {
    stack = await startStack('real-coder');
    browser = await launch();
  }, { timeout: 240_000 });

  after(async () => {
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  test('the first user becomes owner, the second is a member', async () => {
    const alice = await enter(browser, stack, 'alice');
    const bob = await enter(browser, stack, 'bob');
    session = alice.token;
    assert.deepEqual(alice.roles.map((role) => role.name), ['owner']);
    assert.deepEqual(bob.roles, []);
    assert.equal(bob.login_type, 'oidc');
  });

  test("users are linked by the provider's issuer and subject, not by the gateway's", async () => {
    const linked = await stack.coder.query(`
      select username, linked_id from user_links join users on users.id = user_id order by username`);
    const { issuer } = stack.provider;
    assert.deepEqual(linked, ['alice', 'bob'].map((name) => `${name}|${issuer}||${subjectOf(name)}`));
  });

  test("Coder's database holds no refresh token of the provider", async () => {
    const [kept] = await stack.coder.query(`
      select oauth_refresh_token from user_links join users on users.id = user_id where username = 'alice'`);
    assert.ok(kept.length > 16);
    assert.equal(stack.provider.secrets.has(kept), false);
  });

  test('`coder login` accepts a pasted token through the gateway, and creates and lists tokens', async () => {
    const made = await fetch(`${stack.url}/api/v2/users/me/keys`, {
      method: 'POST', headers: { 'Coder-Session-Token': session },
    });
    const { key } = await made.json();
    const home = join(stack.folder, 'cli');
    mkdirSync(home);
    const cli = (args, input) => run(CODER_BIN, ['--global-config', join(home, 'config'), ...args], {
      input, cwd: home, env: { PATH: '/usr/bin:/bin', HOME: home, LANG: 'C.UTF-8' },
    });
    await cli(['login', stack.url, '--no-open'], `${key}\n`);
    assert.match(await cli(['users', 'show', 'me', '--output', 'json']), /"username": "alice"/);
    assert.match(await cli(['whoami']), /authenticated as alice/);
    const token = (await cli(['tokens', 'create', '--name', 'ci', '--lifetime', '24h'])).trim();
    assert.match(token, TOKEN);
    assert.match(await cli(['tokens', 'list']), /\bci\b/);
    const me = await fetch(`${stack.url}/api/v2/users/me`, { headers: { 'Coder-Session-Token': token } });
    assert.equal((await me.json()).username, 'alice');
  });

  test("a scoped token that an administrator creates for a user belongs to that user, and reaches Coder", async () => {
    const asAlice = { 'Coder-Session-Token': session, 'Content-Type': 'application/json' };
    const body = JSON.stringify({ scope: 'application_connect', token_name: 'scoped', lifetime: 3_600_000_000_000 });
    const made = await fetch(`${stack.url}/api/v2/users/bob/keys/tokens`, { method: 'POST', headers: asAlice, body });
    assert.equal(made.status, 201);
    const { key } = await made.json();
    // Coder itself refuses it, without saying whose token it is.
    const answer = await fetch(`${stack.url}/api/v2/users/me`, { headers: { 'Coder-Session-Token': key } });
    assert.ok(answer.headers.has('x-coder-build-version'), `${answer.status}`);
    const listed = await run(VESTIBULE, ['sessions', 'list', '--user', 'bob@acme.company', '--json', '--config',
      stack.configurationFile], { cwd: stack.folder });
    assert.ok(JSON.parse(listed).sessions.some((one) => one.kind === 'token' && one.made_for === 'token'), listed);
  });

  test('the socket of the inbox opens with a token in the header', async () => {
    const { status, socket } = await websocket(`${stack.url}/api/v2/notifications/inbox/watch`, {
      'Coder-Session-Token': session,
    });
    assert.equal(status, 101);
    socket.end();
  });

  test('of all routes that Coder describes, GET without a credential reaches only the public list', async (t) => {
    const vectors = new URL('../tests/vectors/', import.meta.url);
    for (const version of ['2025-07', '2026-02']) {
      const { routes } = JSON.parse(readFileSync(new URL(`coder-routes-${version}.json`, vectors), 'utf8'));
      const paths = Object.keys(routes).filter((pattern) => routes[pattern].includes('GET'));
      const reached = [];
      for (const pattern of paths) {
        const answer = await fetch(stack.url + pattern.replace(/\{[^}]+\}/g, '7c3a'), { redirect: 'manual' });
        await answer.arrayBuffer();
        // Every response of Coder's API names its build; the gateway's own responses do not.
        if (answer.headers.has('x-coder-build-version')) reached.push(pattern);
        else if (!ANSWERED.includes(pattern)) assert.match(`${answer.status}`, /^40[13]$/, pattern);
      }
      t.diagnostic(`${version}: ${paths.length} asked, ${reached.length} reached Coder: ${reached.join(' ')}`);
      assert.deepEqual(reached.filter((pattern) => !PUBLIC.includes(pattern)), []);
      assert.ok(reached.includes('/api/v2/buildinfo'), 'the header tells');
    }
  });
});
