// Workspace apps on hosts of their own, in a real browser: on another host than the dashboard, with separate cookies. With
// a real Coder a real agent serves them, from a server of this file.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { startAgent } from './support/agent.mjs';
import { enter, launch, picture, sessionCookie, signIn, signInLink, signOut, visitor } from './support/browser.mjs';
import { until } from './support/process.mjs';
import { CODER_BIN, startStack } from './support/stack.mjs';
import { writeWorkspace } from './support/workspace.mjs';

const APP = 'code--main--dev--alice';
const PUBLIC = 'public--main--dev--alice';
const APP_SESSION = /^coder_subdomain_app_session_token(_[0-9a-f]{32})?$/; // with the host's hash since 2.27
const CODERS = ['csrf_token', 'coder_signed_app_token'];

const needsReal = !CODER_BIN && 'the stand-in has every app';

describe('workspace apps on hosts of their own', { timeout: 600_000 }, () => {
  let stack;
  let browser;
  let alice;
  let key;
  let app; // the origin on which the browser ends up
  let agent;
  let server; // what the apps of the real workspace lead to

  /** A program's request to an app's host. */
  const ask = (origin, path, headers = {}, method = 'GET') => new Promise((resolve, reject) => {
    const { host } = new URL(origin);
    const asked = request(stack.url + path, { agent: false, method, headers: { Host: host, ...headers } }, (answer) => {
      answer.resume().once('end', () => resolve(answer));
    });
    asked.once('error', reject).end();
  });
  /** The gateway's log line of the last request to an app at `path`: status, and whether a user made it. */
  const served = (path) => until(`${path} in the gateway's log`, 5, () => {
    const lines = readFileSync(stack.gateway.log, 'utf8').split('\n');
    const line = lines.findLast((one) => one.includes('class="app-host"') && one.includes(`path="${path}"`));
    return line && { status: Number(/ status=(\d+)/.exec(line)[1]), person: line.includes(' user=') };
  });
  const appSession = async () => {
    const cookies = await alice.context.cookies(app);
    return cookies.find(({ name }) => APP_SESSION.test(name));
  };

  before(async () => {
    stack = await startStack('apps', { apps: true });
    browser = await launch();
    const { id } = await enter(browser, stack, 'alice');
    if (CODER_BIN) {
      server = createServer((_, answer) => {
        answer.writeHead(200, { 'content-type': 'text/html' }).end('<link rel="icon" href="data:,"><p>a public app</p>');
      });
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      const token = await writeWorkspace(stack.coder.query, id, `http://127.0.0.1:${server.address().port}`);
      agent = await startAgent(stack, token, 'alice');
    }
    alice = await visitor(browser);
  }, { timeout: 240_000 });

  after(async () => {
    await agent?.stop();
    server?.close();
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  test('a public app opens without a sign-in', async () => {
    const { page, context } = await visitor(browser);
    const answer = await page.goto(`${stack.app(PUBLIC)}/`);
    assert.equal(answer.status(), 200);
    assert.equal(answer.request().redirectedFrom(), null);
    await page.getByText('a public app').waitFor();
    const names = (await context.cookies()).map(({ name }) => name);
    assert.deepEqual(names.filter((name) => !CODERS.includes(name)), []);
    await context.close();
  });

  test('an app leads to the sign-in page, and from there to itself', async () => {
    const { page } = alice;
    // Newer versions of Coder omit the name of the only agent in the redirect.
    const isThere = ({ hostname, pathname, search }) => (
      /^code--(main--)?dev--alice\./.test(hostname) && pathname === '/some/page' && search === '');
    await page.goto(`${stack.app(APP)}/some/page`);
    assert.equal(new URL(page.url()).origin, stack.url);
    await signInLink(page).waitFor();
    await picture(page, '7-app-sign-in');
    const answer = page.waitForResponse((one) => isThere(new URL(one.url())) && one.status() === 200);
    await signIn(page, 'alice');
    await answer;
    await page.waitForURL(isThere); // without the key of the app redirect
    app = new URL(page.url()).origin;
    await picture(page, '8-app');
    key = await appSession();
    assert.ok(key.httpOnly, 'the app has a session of its own');
    assert.deepEqual(await served('/some/page'), { status: 200, person: true });
  });

  test("neither the dashboard's session nor a cookie of the gateway is on the app's host", async () => {
    const names = (await alice.context.cookies(app)).map(({ name }) => name);
    assert.deepEqual(names.filter((name) => !APP_SESSION.test(name) && !CODERS.includes(name)), []);
    assert.notEqual(await sessionCookie(alice.context), key.value);
  });

  test('an app that is opened again needs no app redirect', async () => {
    const asked = [];
    const note = (one) => asked.push(new URL(one.url()).pathname);
    alice.page.on('request', note);
    const answer = await alice.page.goto(`${app}/again`);
    alice.page.off('request', note);
    assert.equal(answer.status(), 200);
    assert.deepEqual(asked.filter((path) => path.startsWith('/api/')), []);
    assert.deepEqual(await served('/again'), { status: 200, person: true });
  });

  test('Coder reports a missing app without a redirect loop', { skip: needsReal }, async () => {
    const { page, context } = await visitor(browser);
    const answer = await page.goto(`${stack.app('nothing--main--dev--nobody')}/`);
    assert.equal(answer.status(), 404);
    assert.equal(answer.request().redirectedFrom(), null);
    await context.close();
  });

  test("the app's host serves neither the dashboard nor an endpoint of the gateway", async () => {
    const me = await ask(app, '/api/v2/users/me', { 'Coder-Session-Token': await sessionCookie(alice.context) });
    assert.ok(!me.headers['content-type']?.startsWith('application/json'), 'it is a page of the app');
    const own = await alice.page.goto(`${app}/vestibule/sessions`);
    assert.equal(own.status(), 200);
    assert.equal((await ask(stack.app('a.b'), '/')).statusCode, 421);
  });

  test('a preflight without a cookie is not redirected to the sign-in', async () => {
    const preflight = { Origin: stack.app('other--main--dev--alice'), 'Access-Control-Request-Method': 'GET' };
    const { statusCode, headers } = await ask(stack.app(PUBLIC), '/preflight', preflight, 'OPTIONS');
    assert.equal(headers.location, undefined);
    assert.notEqual(statusCode, 401);
    assert.equal((await served('/preflight')).status, statusCode, "it is the app's to answer");
  });

  test("a sign-out on the dashboard ends the app's session, also for a copy of its cookie", async () => {
    const { page, context } = alice;
    await page.goto(`${stack.url}/`);
    await signOut(page, await sessionCookie(context));
    const copy = { Cookie: `${key.name}=${key.value}`, Accept: 'text/html' };
    const { statusCode, headers } = await ask(app, '/a/copy', copy);
    assert.deepEqual(await served('/a/copy'), { status: 303, person: false });
    assert.equal(statusCode, 303);
    assert.ok(headers.location.startsWith(`${stack.url}/api/v2/applications/auth-redirect?`), headers.location);
    await page.goto(`${app}/some/page`);
    assert.equal(new URL(page.url()).origin, stack.url);
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    await page.goto(`${app}/some/page`);
    await signInLink(page).waitFor();
    assert.deepEqual(alice.complaints, []);
  });
});
