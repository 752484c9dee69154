// Headless Chromium with its own profile; it cannot reach other machines.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ARTIFACTS, CODER_BIN, ICON } from './stack.mjs';

const ICON_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
  + '<rect width="24" height="24" rx="5" fill="#fd4b2d"/><path d="M6 16V9h12v7h-3v-4H9v4z" fill="#fff"/></svg>';

/** Milliseconds for a page or a step on it. Coder's front end has several megabytes of scripts. */
const PATIENCE = CODER_BIN ? 60_000 : 15_000;

/** Starts Debian's Chromium, or the one that CHROMIUM names. */
export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  timeout: 60_000,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});

/** This machine: its address, and the app hosts, which Chromium resolves to loopback (RFC 6761 §6.3). */
const here = ({ hostname }) => hostname === '127.0.0.1' || hostname.endsWith('.localhost');

/**
 * A browser profile of one user. `complaints` collects the errors in the page's console and every request to another
 * machine (except for the provider's icon, which gets a local picture).
 */
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const complaints = [];
  await context.route((url) => !here(url), (route) => {
    if (route.request().url() === ICON) return route.fulfill({ contentType: 'image/svg+xml', body: ICON_PICTURE });
    complaints.push(`asked for ${route.request().url()}`);
    return route.abort();
  });
  context.on('page', (page) => {
    page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
    page.on('pageerror', (error) => complaints.push(String(error)));
  });
  return { context, complaints, page: await context.newPage() };
}

/** Saves a screenshot of the page in e2e/artifacts. */
export async function picture(page, name) {
  const folder = join(ARTIFACTS, CODER_BIN ? 'real' : 'stand-in');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: 'disabled' });
}

/** The link or button that starts the sign-in on the sign-in page. */
export const signInLink = (page) => {
  const named = { name: 'Log in with authentik' };
  return page.getByRole('link', named).or(page.getByRole('button', named));
};

/** Fills in the provider's form. */
export async function fillIn(page, username, password = 'password') {
  await page.getByLabel('Username').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** Signs in from a page that shows the sign-in link, through the provider's form. */
export async function signIn(page, username) {
  await signInLink(page).click();
  await fillIn(page, username);
}

/**
 * Waits until the browser shows the page `path` of Coder. Its front end goes on from `/` to the list of workspaces, and
 * writes queries in its own way.
 */
export async function arrive(page, stack, path = '/') {
  const wanted = new URL(path, stack.url);
  const places = path === '/' ? ['/', '/workspaces'] : [wanted.pathname];
  const query = `${wanted.searchParams}`;
  await page.waitForURL(({ origin, pathname, searchParams }) => (
    origin === stack.url && places.includes(pathname) && (path === '/' || `${searchParams}` === query)));
}

/** Signs a user in with a browser that is then closed; returns the user as Coder knows it, and the session as `token`. */
export async function enter(browser, stack, username) {
  const { context, page } = await visitor(browser);
  await page.goto(stack.url);
  await signIn(page, username);
  await arrive(page, stack);
  const me = await whoAmI(page);
  const token = await sessionCookie(context);
  await context.close();
  return { ...me, token };
}

/** Signs out as Coder's dashboard does; a header equal to the cookie replaces its CSRF token. */
export async function signOut(page, token) {
  const status = await page.evaluate(async (session) => (await fetch('/api/v2/users/logout', {
    method: 'POST', headers: { 'Coder-Session-Token': session },
  })).status, token);
  if (status !== 200) throw new Error(`the sign-out was answered with ${status}`);
}

/** The user that is signed in at Coder, requested by a script in the page. */
export const whoAmI = (page) => page.evaluate(async () => {
  const answer = await fetch('/api/v2/users/me', { headers: { accept: 'application/json' } });
  return answer.json();
});

/** Coder's session cookie, under either of its names. */
export async function sessionCookie(context) {
  const cookies = await context.cookies();
  return cookies.find(({ name }) => /^(__Host-)?coder_session_token$/.test(name))?.value;
}
