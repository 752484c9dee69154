// Emergencies with CODER_BIN: while the provider is down, an account with a password signs in on Coder's own page, where
// `policy.passwordSignIn` allows it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { arrive, enter, launch, picture, sessionCookie, visitor, whoAmI } from './support/browser.mjs';
import { until } from './support/process.mjs';
import { CODER_BIN, startStack } from './support/stack.mjs';

const RESCUE = { username: 'rescue', email: 'rescue@acme.company', password: 'Correct-Horse-1' };

describe('break-glass sign-in', { skip: !CODER_BIN && 'CODER_BIN is not set', timeout: 300_000 }, () => {
  let stack;
  let browser;
  let hasFrontEnd;

  before(async () => {
    const sections = 'policy:\n  passwordSignIn:\n    allow: true\n    from: [127.0.0.1/32]\n';
    stack = await startStack('break-glass', { sections });
    hasFrontEnd = (await (await fetch(`${stack.coder.url}/login`)).text()).includes('/assets/');
    browser = await launch();
    const { token } = await enter(browser, stack, 'alice');
    const headers = { 'Coder-Session-Token': token, 'Content-Type': 'application/json' };
    const [organization] = await (await fetch(`${stack.url}/api/v2/users/me/organizations`, { headers })).json();
    const made = await fetch(`${stack.url}/api/v2/users`, {
      method: 'POST', headers,
      body: JSON.stringify({ ...RESCUE, login_type: 'password', organization_ids: [organization.id] }),
    });
    assert.equal(made.status, 201, await made.text());
    await stack.provider.close();
  }, { timeout: 240_000 });

  after(async () => {
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  test('a browser signs in with a password while the provider is down', async (t) => {
    if (!hasFrontEnd) return t.skip('this Coder was built without its front end');
    const { page, context } = await visitor(browser);
    await page.goto(`${stack.url}/login`);
    await page.getByLabel(/^Email/).fill(RESCUE.email);
    await page.getByLabel(/^Password/).fill(RESCUE.password);
    await picture(page, '11-break-glass');
    await page.getByRole('button', { name: /^Sign in$/i }).click();
    await arrive(page, stack);
    // The front end loads its page a second time after a sign-in by password.
    await until('the rescuer is signed in', 30, async () => (await whoAmI(page)).username === RESCUE.username);
    assert.ok(await sessionCookie(context));
    await page.goto(`${stack.url}/settings/account`);
    assert.equal(await page.getByLabel(/^Username/).first().inputValue(), RESCUE.username);
    await context.close();
  });
});
