// What only a real Coder can show (CODER_BIN): who its users become, what its database says, its own command line.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { subjectOf } from './provider.mjs';
import { launch, sessionCookie, signIn, visitor, whoAmI } from './support/browser.mjs';
import { run } from './support/process.mjs';
import { CODER_BIN, startStack } from './support/stack.mjs';

describe('a real Coder behind the gateway', { skip: !CODER_BIN && 'CODER_BIN is not set', timeout: 300_000 }, () => {
  let stack;
  let browser;
  let session;

  const enter = async (username) => {
    const { context, page } = await visitor(browser);
    await page.goto(stack.url);
    await signIn(page, username);
    await page.waitForURL(`${stack.url}/`);
    const me = await whoAmI(page);
    const token = await sessionCookie(context);
    await context.close();
    return { ...me, token };
  };

  before(async () => {
    stack = await startStack('real-coder');
    browser = await launch();
  }, { timeout: 240_000 });

  after(async () => {
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  test('the first user becomes owner, the second is a member', async () => {
    const alice = await enter('alice');
    const bob = await enter('bob');
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

  test('`coder login` takes a pasted token through the gateway', async () => {
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
  });
});
