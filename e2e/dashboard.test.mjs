// Coder's own front end behind the gateway, in a real browser: the one that CODER_BIN was built with.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startAgent } from './support/agent.mjs';
import { arrive, enter, launch, picture, sessionCookie, signIn, signInLink, visitor, whoAmI } from './support/browser.mjs';
import { run, until } from './support/process.mjs';
import { CODER_BIN, startStack } from './support/stack.mjs';
import { writeWorkspace } from './support/workspace.mjs';

const TOKEN = /^[A-Za-z0-9]{10}-[A-Za-z0-9]{22}$/;

const QUIET_WITHIN = 5_000; // milliseconds

/** Pages of the front end that its owner's menus lead to. A version without one shows its own page for that. */
const PAGES = [
  '/workspaces', '/templates', '/starter-templates', '/organizations', '/audit', '/connectionlog', '/install', '/icons',
  '/settings/account', '/settings/appearance', '/settings/schedule', '/settings/security', '/settings/ssh-keys',
  '/settings/external-auth', '/settings/tokens', '/settings/notifications', '/deployment/overview',
  '/deployment/security', '/deployment/network', '/deployment/userauth', '/deployment/observability',
  '/deployment/external-auth', '/deployment/users', '/deployment/licenses', '/deployment/appearance',
  '/deployment/workspace-proxies', '/deployment/notifications', '/health/access-url', '/health/derp',
  '/health/websocket', '/health/database', '/@alice/dev', '/tasks', '/agents',
];

describe("Coder's front end", { skip: !CODER_BIN && 'CODER_BIN is not set', timeout: 900_000 }, () => {
  let stack;
  let browser;
  let alice;
  let agent;
  let hasFrontEnd;

  /** A test for Coders that were built with their front end. */
  const walk = (name, body) => test(name, async (t) => {
    if (!hasFrontEnd) t.skip('this Coder was built without its front end');
    else await body(t);
  });
  const status = async (token) => {
    const answer = await fetch(`${stack.url}/api/v2/users/me`, { headers: { 'Coder-Session-Token': token } });
    await answer.arrayBuffer();
    return answer.status;
  };

  before(async () => {
    stack = await startStack('dashboard');
    hasFrontEnd = (await (await fetch(`${stack.coder.url}/login`)).text()).includes('/assets/');
    browser = await launch();
    const { id } = await enter(browser, stack, 'alice');
    agent = await startAgent(stack, await writeWorkspace(stack.coder.query, id), 'alice');
    alice = await visitor(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
    await alice.page.goto(stack.url);
    await signIn(alice.page, 'alice');
    await arrive(alice.page, stack);
  }, { timeout: 300_000 });

  after(async () => {
    await agent?.stop();
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  walk('its pages open, and the gateway refuses nothing that they request', async (t) => {
    const { page, complaints } = alice;
    const refused = [];
    const faults = [];
    page.on('response', (answer) => {
      const { pathname } = new URL(answer.url());
      // Every response of Coder's API names its build; the gateway's own responses do not.
      const ours = !('x-coder-build-version' in answer.headers());
      if (answer.status() >= 400 && (ours || !pathname.startsWith('/api/'))) refused.push(`${answer.status()} ${pathname}`);
    });
    page.on('pageerror', (error) => faults.push(`${page.url()}: ${error}`));
    page.on('console', (message) => { if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text()); });
    complaints.length = 0;
    for (const path of PAGES) {
      const answer = await page.goto(stack.url + path);
      assert.equal(answer.status(), 200, path);
      await page.waitForFunction(() => document.title.includes('Coder') && document.querySelector('#root')?.innerText);
      // Some pages request something all the time.
      await page.waitForLoadState('networkidle', { timeout: QUIET_WITHIN }).catch(() => {});
      assert.ok(!page.url().includes('/login'), `${path} is at ${page.url()}`);
    }
    await picture(page, '10-last-page');
    t.diagnostic(`console errors: ${[...new Set(complaints)].join(' | ')}`);
    assert.deepEqual([...new Set(refused)], []);
    assert.deepEqual(faults, []);
    assert.deepEqual(complaints.filter((said) => said.startsWith('asked for ')), [], 'requests to other machines');
  });

  walk('a token that is created on the tokens page works until it is deleted there', async () => {
    const { page } = alice;
    await page.goto(`${stack.url}/settings/tokens/new`);
    await page.getByLabel('Name').fill('made-by-hand');
    await page.getByRole('button', { name: 'Create token' }).click();
    const shown = page.getByRole('dialog').locator('code').last();
    const token = (await shown.innerText()).trim();
    assert.equal(await status(token), 200);
    await page.getByTestId('confirm-button').click();
    await page.getByRole('row', { name: /made-by-hand/ }).getByRole('button', { name: 'Delete token' }).click();
    await page.getByRole('textbox').fill('made-by-hand').catch(() => {}); // some versions ask for the name
    await page.getByTestId('confirm-button').click();
    await page.getByText('made-by-hand').first().waitFor({ state: 'detached' });
    await until('the token is refused', 10, async () => await status(token) === 401);
  });

  walk('the token of /cli-auth signs the command line in', async () => {
    const { page } = alice;
    await page.goto(`${stack.url}/cli-auth`);
    await page.getByRole('button', { name: 'Copy session token' }).click();
    const token = await until('the token in the clipboard', 10, async () => {
      const text = await page.evaluate(() => navigator.clipboard.readText());
      return TOKEN.test(text) && text;
    });
    const home = join(stack.folder, 'cli-auth');
    const cli = (args, input) => run(CODER_BIN, ['--global-config', home, ...args], {
      input, cwd: stack.folder, env: { PATH: '/usr/bin:/bin', HOME: stack.folder, LANG: 'C.UTF-8' },
    });
    await cli(['login', stack.url, '--no-open'], `${token}\n`);
    assert.match(await cli(['whoami']), /authenticated as alice/);
  });

  walk('the terminal runs commands in the workspace', async () => {
    const { page } = alice;
    const file = join(stack.folder, 'typed');
    await page.goto(`${stack.url}/@alice/dev/terminal`);
    await page.locator('[data-status=connected]').first().waitFor({ timeout: 60_000 });
    await page.locator('.xterm-helper-textarea').focus();
    await page.keyboard.type(`touch ${file}\n`);
    await until('the file', 20, () => existsSync(file));
    await picture(page, '10-terminal');
  });

  walk('the sign-out of its menu ends the session, and one click signs in again', async () => {
    const { page, context } = alice;
    await page.goto(`${stack.url}/workspaces`);
    const session = await sessionCookie(context);
    await page.getByRole('button', { name: /^al?$/i }).first().click(); // the avatar: her initials
    await page.getByRole('menuitem', { name: 'Sign Out' }).click();
    await until('the session is refused', 10, async () => await status(session) === 401);
    await signInLink(page).waitFor();
    await picture(page, '10-signed-out');
    await signInLink(page).click();
    await arrive(page, stack, '/workspaces');
    assert.equal((await whoAmI(page)).username, 'alice');
    assert.notEqual(await sessionCookie(context), session);
  });
});
