// Sign-outs at the provider, with a real browser: by a link, and by a form when the ID token is too long for a link.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  arrive, fillIn, launch, picture, sessionCookie, signIn, signInLink, signOut, visitor, whoAmI,
} from './support/browser.mjs';
import { ACCOUNTS } from './provider.mjs';
import { startStack } from './support/stack.mjs';

/** A user in many groups: the ID token has more than 4,000 characters. */
const MANY = {
  username: 'many', name: 'Many Groups', email: 'many@acme.company',
  groups: Array.from({ length: 80 }, (_, number) => `group-${String(number).padStart(26, '0')}`),
};

const WANTED = '/workspaces?filter=owner%3Ame';

describe('sign-out at the provider', { timeout: 300_000 }, () => {
  let stack;
  let browser;

  before(async () => {
    const sections = 'signOut:\n  from: provider\n';
    stack = await startStack('sign-out', { sections, accounts: [...ACCOUNTS, MANY] });
    browser = await launch();
  }, { timeout: 240_000 });

  after(async () => {
    await browser?.close();
    await stack?.stop();
  }, { timeout: 60_000 });

  /** Signs a user in and out again, and returns the page that follows. */
  async function signedOut(username) {
    const { context, page } = await visitor(browser);
    await page.goto(stack.url);
    await signIn(page, username);
    await arrive(page, stack);
    await signOut(page, await sessionCookie(context));
    await page.goto(`${stack.url}${WANTED}`);
    return { context, page };
  }

  /** Confirms at the provider, and checks the page to which the browser returns. */
  async function confirmAndComeBack(page, name) {
    await page.getByRole('heading', { name: 'Sign out here too?' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    assert.ok(page.url().startsWith(`${stack.url}/vestibule/signed-out?`), page.url());
    const text = await page.locator('body').innerText();
    assert.match(text, /was asked to sign you out too, but it does not confirm that it did/);
    await picture(page, name);
  }

  test('the browser comes back to a page that claims nothing about the provider, and signs in to the wanted page', async () => {
    const { context, page } = await signedOut('alice');
    await confirmAndComeBack(page, '9-signed-out-at-provider');
    await page.getByRole('link', { name: 'Sign in again' }).click();
    await fillIn(page, 'bob'); // the provider asks for the password: its session has ended
    await arrive(page, stack, WANTED);
    assert.equal((await whoAmI(page)).username, 'bob');
    await context.close();
  });

  test('an ID token that is too long for a link is posted by a form', async () => {
    const { context, page } = await signedOut('many');
    await page.getByRole('button', { name: 'Sign out there too' }).waitFor();
    await picture(page, '9-sign-out-form');
    await page.getByRole('button', { name: 'Sign out there too' }).click();
    await confirmAndComeBack(page, '9-signed-out-by-form');
    await context.close();
  });

  test('a user who stays signed in there also gets the wanted page', async () => {
    const { context, page } = await signedOut('many');
    await page.getByRole('link', { name: 'Stay signed in there' }).click();
    await page.getByRole('link', { name: 'Sign in again' }).click();
    await arrive(page, stack, WANTED); // the provider does not ask for the password
    await context.close();
    const next = await visitor(browser);
    await next.page.goto(stack.url);
    await signInLink(next.page).waitFor();
    await next.context.close();
  });
});
