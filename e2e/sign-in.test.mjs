// Sign-ins with a real browser at a certified provider, through the gateway, into Coder: the stand-in, or the real one of
// CODER_BIN. A script in the page asks Coder who is signed in; dashboard.test.mjs walks through the real one's own pages.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  arrive, fillIn, launch, picture, sessionCookie, signIn, signInLink, signOut, visitor, whoAmI,
} from './support/browser.mjs';
import { CODER_BIN, startStack } from './support/stack.mjs';

const REQUESTS_AT_ONCE = 40;
const SHORT_LIFE = 3; // seconds

/**
 * Waits until an access token of a short life has run out. The gateway is a process of its own and sees that by the
 * clock of the machine, which no test moves.
 */
const untilExpired = () => sleep((SHORT_LIFE + 1.5) * 1000);

/** Opens Coder's inbox socket from the page: the text of an echo with the stand-in, `open` with the real one. */
const inbox = (page, echo) => page.evaluate((echoed) => new Promise((resolve) => {
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/api/v2/notifications/inbox/watch`);
  socket.onopen = () => (echoed ? socket.send('hello') : resolve('open'));
  socket.onmessage = (event) => resolve(event.data);
  socket.onclose = (event) => resolve(`closed ${event.code}`);
}), echo);

/** Takes screenshots in dark mode and on a phone, where nothing may overflow; leaves the page as it was. */
async function inDarkAndOnAPhone(page, name) {
  await page.emulateMedia({ colorScheme: 'dark' });
  await picture(page, `${name}-dark`);
  await page.setViewportSize({ width: 360, height: 640 });
  await picture(page, `${name}-phone`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, 'nothing sticks out on a phone');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1000, height: 700 });
}

describe('sign-in through the gateway', { timeout: 600_000 }, () => {
  let stack;
  let browser;
  let alice;
  const sessions = [];

  before(async () => {
    stack = await startStack('sign-in');
    browser = await launch();
    alice = await visitor(browser);
  }, { timeout: 240_000 });

  after(async () => {
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  test('a visitor gets the sign-in page in light mode, in dark mode and on a phone', async () => {
    const { page, complaints } = alice;
    const answer = await page.goto(stack.url);
    assert.match(answer.headers()['content-security-policy'], /default-src 'none'/);
    await signInLink(page).waitFor();
    assert.notEqual(await page.title(), '');
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    const icon = page.locator('img').first();
    assert.ok(await icon.evaluate((img) => img.complete && img.naturalWidth > 0), 'the icon is shown');
    await picture(page, '1-sign-in');
    await inDarkAndOnAPhone(page, '1-sign-in');
    assert.deepEqual(complaints, []);
  });

  test("a program without a session gets JSON in Coder's form", async () => {
    const answer = await fetch(`${stack.url}/api/v2/users/me`);
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    assert.equal(typeof (await answer.json()).message, 'string');
  });

  test('the authorization request has PKCE and a nonce, and the right password leads into Coder', async () => {
    const { page, context, complaints } = alice;
    await signInLink(page).click();
    await page.getByLabel('Username').waitFor();
    const asked = stack.provider.authorizations.at(-1);
    assert.equal(asked.code_challenge_method, 'S256');
    assert.ok(asked.nonce.length >= 16 && asked.state.length >= 16);
    assert.deepEqual(asked.scope.split(' ').sort(), ['email', 'offline_access', 'openid', 'profile']);
    await fillIn(page, 'alice', 'wrong');
    await page.getByRole('alert').waitFor();
    await picture(page, '2-provider');
    complaints.length = 0; // the 400 of the wrong password
    await fillIn(page, 'alice');
    await arrive(page, stack);
    const me = await whoAmI(page);
    assert.equal(me.username, 'alice');
    assert.equal(me.email, 'alice@acme.company');
    assert.deepEqual(me.roles.map((role) => role.name), ['owner']);
    sessions.push(await sessionCookie(context));
    assert.deepEqual(stack.provider.counts, { authorization_code: 1, refresh_token: 0, refused: 0, revocation: 0 });
  });

  test('only the gateway sees its cookies, and no cookie of the hand-off is left behind', async () => {
    const cookies = (await alice.context.cookies()).map(({ name }) => name);
    assert.deepEqual(cookies.filter((name) => name.startsWith('oauth_')), []);
    const own = (await alice.context.cookies()).filter(({ name }) => name.includes('vestibule'));
    for (const cookie of own) assert.ok(cookie.httpOnly && cookie.sameSite === 'Lax', cookie.name);
  });

  test('a websocket carries data both ways', async () => {
    const { page, complaints } = alice;
    assert.equal(await inbox(page, !CODER_BIN), CODER_BIN ? 'open' : 'hello');
    if (!CODER_BIN) {
      await page.locator('#user', { hasText: 'alice' }).waitFor();
      await page.locator('#socket', { hasText: 'echo ok' }).waitFor();
    }
    await picture(page, '3-landing');
    assert.deepEqual(complaints, []);
  });

  test('a session token works for a program, which can create its own key with it', async () => {
    const headers = { 'Coder-Session-Token': sessions.at(-1) };
    const made = await fetch(`${stack.url}/api/v2/users/me/keys`, { method: 'POST', headers });
    assert.equal(made.status, 201);
    const { key } = await made.json();
    const me = await fetch(`${stack.url}/api/v2/users/me`, { headers: { 'Coder-Session-Token': key } });
    assert.equal((await me.json()).username, 'alice');
    if (!CODER_BIN) {
      await alice.page.goto(`${stack.url}/cli-auth`);
      await alice.page.locator('#token', { hasText: /^[A-Za-z0-9]{10}-[A-Za-z0-9]{22}$/ }).waitFor();
    }
  });

  test('a sign-out ends the session, also for a copy of its cookie', async () => {
    const { page, context } = alice;
    await page.goto(`${stack.url}/`);
    const token = await sessionCookie(context);
    if (CODER_BIN) {
      await signOut(page, token);
      await page.goto(stack.url);
    } else {
      await page.locator('#sign-out').click();
    }
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    await page.getByRole('link', { name: 'Sign in again' }).waitFor();
    await picture(page, '4-signed-out');
    const copy = await fetch(`${stack.url}/api/v2/users/me`, { headers: { 'Coder-Session-Token': token } });
    assert.equal(copy.status, 401);
  });

  test('a second sign-in is one click, and returns to the same page', async () => {
    const { page, context } = alice;
    await page.goto(`${stack.url}/workspaces?filter=owner%3Ame`);
    await signInLink(page).click();
    await arrive(page, stack, '/workspaces?filter=owner%3Ame');
    assert.equal((await whoAmI(page)).username, 'alice');
    assert.notEqual(await sessionCookie(context), sessions.at(-1));
    sessions.push(await sessionCookie(context));
  });

  test('going back to a completed sign-in leads a signed-in user on', async () => {
    const { page } = alice;
    const over = `${stack.url}/api/v2/users/oidc/callback?code=spent&state=spent`;
    await page.goto(over);
    await arrive(page, stack);
    assert.equal((await whoAmI(page)).username, 'alice');
  });

  test("the sessions page ends another browser's session, and its form leads to a page", async () => {
    const { page, complaints } = alice;
    const other = await visitor(browser);
    await other.page.goto(stack.url);
    await signIn(other.page, 'alice');
    await arrive(other.page, stack);
    sessions.push(await sessionCookie(other.context));
    complaints.length = 0;
    await page.goto(`${stack.url}/vestibule/sessions`);
    await picture(page, '7-sessions');
    await inDarkAndOnAPhone(page, '7-sessions');
    await page.getByRole('button', { name: /^End Chrome/ }).first().click();
    await page.getByRole('status').waitFor();
    await other.page.goto(`${stack.url}/`);
    await signInLink(other.page).waitFor();
    await other.context.close();
    assert.deepEqual(complaints, []);
    await page.evaluate(() => {
      for (const input of document.querySelectorAll('input[name=csrf]')) input.value = 'of another page';
    });
    await page.getByRole('button', { name: /^Sign out everywhere/ }).click();
    await page.getByRole('heading', { name: 'This form is out of date' }).waitFor();
    await page.getByRole('link', { name: 'Your sessions' }).click();
    await page.getByRole('heading', { name: 'Your sessions' }).waitFor();
    complaints.length = 0; // the 403 of the form
  });

  test('two tabs can sign in at once', async () => {
    const bob = await visitor(browser);
    const other = await bob.context.newPage();
    for (const page of [bob.page, other]) {
      await page.goto(`${stack.url}/settings/account?tab=${page === other ? 2 : 1}`);
      await signInLink(page).click();
      await page.getByLabel('Username').waitFor();
    }
    await fillIn(bob.page, 'bob');
    await arrive(bob.page, stack, '/settings/account?tab=1');
    await fillIn(other, 'bob');
    await arrive(other, stack, '/settings/account?tab=2');
    const me = await whoAmI(other);
    assert.equal(me.username, 'bob');
    assert.deepEqual(me.roles, []);
    sessions.push(await sessionCookie(bob.context));
    await bob.context.close();
  });

  test('a refused domain is explained without scripts, and nothing reaches Coder', async () => {
    const eve = await visitor(browser, { javaScriptEnabled: false });
    await eve.page.goto(stack.url);
    await signInLink(eve.page).click();
    const answer = eve.page.waitForResponse((response) => response.url().includes('/oidc/callback?code='));
    await fillIn(eve.page, 'eve');
    assert.equal((await answer).status(), 403);
    await eve.page.waitForLoadState();
    const text = await eve.page.locator('body').innerText();
    assert.match(text, /evil\.example/);
    assert.equal(await sessionCookie(eve.context), undefined);
    await picture(eve.page, '5-refused-domain');
    if (stack.coder.query) {
      assert.deepEqual(await stack.coder.query("select 1 from users where email like '%evil%'"), []);
    }
    await eve.page.getByRole('link', { name: 'Sign in with another account' }).click();
    await eve.page.getByLabel('Username').waitFor(); // asked again, although the session at the provider is alive
    await eve.context.close();
  });

  test('another account is asked for twice in a row, though the provider heeds the prompt once', async () => {
    stack.provider.heedsPromptOnce = true; // authentik 2026.8.0-rc1
    const eve = await visitor(browser);
    await eve.page.goto(`${stack.url}/workspaces?filter=owner%3Ame`);
    await signIn(eve.page, 'eve');
    for (const username of ['eve', 'alice']) {
      await eve.page.getByRole('heading', { name: 'You cannot sign in here' }).waitFor();
      stack.provider.ageSessions(10); // a person reads the page: longer than the max_age of the next sign-in
      await eve.page.getByRole('link', { name: 'Sign in with another account' }).click();
      await fillIn(eve.page, username);
    }
    await arrive(eve.page, stack, '/workspaces?filter=owner%3Ame');
    assert.equal((await whoAmI(eve.page)).username, 'alice');
    assert.equal(stack.provider.authorizations.at(-1).max_age, '3');
    sessions.push(await sessionCookie(eve.context));
    await eve.context.close();
    stack.provider.heedsPromptOnce = false;
  });

  test('an attempt that this browser did not begin is an error page with a way to continue', async () => {
    const { page, complaints } = await visitor(browser);
    const answer = await page.goto(`${stack.url}/api/v2/users/oidc/callback?code=x&state=y`);
    assert.ok(answer.status() >= 400 && answer.status() < 500, `${answer.status()}`);
    await picture(page, '6-unknown-attempt');
    assert.ok(await page.getByRole('link').count() > 0, 'there is a link to go on');
    complaints.length = 0;
    await page.context().close();
  });

  test(`${REQUESTS_AT_ONCE} requests at once after expiry are all served by one refresh`, async () => {
    const { page, context } = alice;
    await page.goto(`${stack.url}/`);
    stack.provider.accessTokenSeconds = SHORT_LIFE;
    await context.clearCookies({ name: /coder_session_token/ });
    await page.goto(`${stack.url}/`);
    await signInLink(page).click();
    await arrive(page, stack); // loaded: its content is gone once another page is shown
    const session = await sessionCookie(context);
    sessions.push(session);
    await page.goto('about:blank');
    await untilExpired();
    stack.provider.accessTokenSeconds = 300;

    const before = { ...stack.provider.counts };
    const headers = { 'Coder-Session-Token': session };
    const answers = await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, async () => {
      const answer = await fetch(`${stack.url}/api/v2/users/me`, { headers });
      await answer.arrayBuffer();
      return answer.status;
    }));
    assert.deepEqual(answers, Array(REQUESTS_AT_ONCE).fill(200));
    assert.equal(stack.provider.counts.refresh_token - before.refresh_token, 1);
    assert.equal(stack.provider.counts.refused, before.refused);
  });

  test('a user disabled at the provider loses access as soon as the gateway asks there', async () => {
    const bob = await visitor(browser);
    stack.provider.accessTokenSeconds = SHORT_LIFE;
    await bob.page.goto(stack.url);
    await signIn(bob.page, 'bob');
    await arrive(bob.page, stack);
    const session = await sessionCookie(bob.context);
    sessions.push(session);
    stack.provider.accounts.find(({ username }) => username === 'bob').disabled = true;
    await untilExpired();
    const answer = await fetch(`${stack.url}/api/v2/users/me`, { headers: { 'Coder-Session-Token': session } });
    assert.equal(answer.status, 401);
    assert.equal(typeof (await answer.json()).message, 'string');
    await bob.page.goto(`${stack.url}/workspaces`);
    await signInLink(bob.page).waitFor();
    const notice = await bob.page.getByRole('status').innerText();
    assert.match(notice, /^Your last sign-in ended because the sign-in service refused to renew it/);
    await picture(bob.page, '8-ended-notice');
    await inDarkAndOnAPhone(bob.page, '8-ended-notice');
    await bob.page.reload();
    await signInLink(bob.page).waitFor();
    assert.equal(await bob.page.getByRole('status').count(), 0, 'said once');
    await bob.context.close();
  });

  test('the log has no session, code, token or secret', async () => {
    const log = readFileSync(stack.gateway.log, 'utf8');
    assert.notEqual(log, '');
    const secrets = [...sessions, ...stack.provider.secrets, 'provider-secret', 'coder-secret'];
    assert.ok(secrets.length > 10 && secrets.every(Boolean));
    assert.deepEqual(secrets.filter((secret) => log.includes(secret)), []);
  });
});
