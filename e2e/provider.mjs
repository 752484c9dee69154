// oidc-provider, the certified OpenID provider, configured like authentik: authentik's paths (an issuer with a trailing
// slash, endpoints outside it), a refresh token with offline_access that rotates at every use, implicit consent, all
// claims in the ID token, a `sid`, and its own sign-in form.
//
// As a program:  node provider.mjs --listen 127.0.0.1:9100 --redirect-uri http://HOST:PORT/api/v2/users/oidc/callback
// As a module:   const provider = await startProvider({ port: 0, redirectURIs: [...] })
//
// Accounts, sessions and the signing key live as long as the process.

import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Provider } from 'oidc-provider';

import { errorPage, loginPage, signedOutPage } from './provider-pages.mjs';

const SLUG = '/application/o/coder/';
const FLOW = '/if/flow/default-authentication-flow/';
const DISCOVERY = '/.well-known/openid-configuration';
const END_SESSION = `${SLUG}end-session/`;
const LONGEST_FORM = 4096; // bytes
// A sign-out by POST (RP-Initiated Logout 1.0 §2), as Keycloak accepts it: oidc-provider 9.13.3 itself answers 404, unless
// its cookies are SameSite=None, which requires https. So it becomes a GET here; Node.js accepts a head of 16 KiB.
const LONGEST_SIGN_OUT = 12_000; // bytes

/** The accounts: name, email, groups. Everybody's password is `password`. */
export const ACCOUNTS = [
  { username: 'alice', name: 'Alice Example', email: 'alice@acme.company', groups: ['coder-admins', 'coder-users'] },
  { username: 'bob', name: 'Bob Example', email: 'bob@acme.company', groups: ['coder-users'] },
  { username: 'eve', name: 'Eve Example', email: 'eve@evil.example', groups: [] },
];
export const PASSWORD = 'password';

/** The subject of an account: 64 hexadecimal digits, as with authentik's default. */
export const subjectOf = (username) => createHash('sha256').update(`install-id-${username}`).digest('hex');

/**
 * Starts a provider on 127.0.0.1.
 *
 * Returned: `issuer`; `accounts` (set `disabled` on one and it is refused from then on); `accessTokenSeconds` (the life
 * of tokens made from then on); `heedsPromptOnce` (as authentik, answers every `prompt=login` but the first by the
 * session alone; `max_age` counts each time); `ageSessions(seconds)` (moves the time of every sign-in at the provider
 * back); `counts` (token requests by grant type, refused ones, revocations); `authorizations`
 * (the query of every authorization request); `secrets` (every code and token made); `close()`.
 */
export async function startProvider({
  port = 9100, clientID = 'cid', clientSecret = 'sec', redirectURIs, logoutURIs = [], backchannelLogoutURI,
  accessTokenSeconds = 300, accounts = ACCOUNTS,
}) {
  const rows = new Map();
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const running = {
    issuer: `http://127.0.0.1:${server.address().port}${SLUG}`,
    accounts: accounts.map((account) => ({ ...account, subject: subjectOf(account.username) })),
    accessTokenSeconds,
    heedsPromptOnce: false,
    ageSessions(seconds) {
      for (const [key, row] of rows) {
        if (key.startsWith('Session:') && row.payload.loginTs) row.payload.loginTs -= seconds;
      }
    },
    counts: { authorization_code: 0, refresh_token: 0, refused: 0, revocation: 0 },
    authorizations: [],
    secrets: new Set(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const client = {
    client_id: clientID,
    client_secret: clientSecret,
    redirect_uris: redirectURIs,
    post_logout_redirect_uris: logoutURIs,
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_basic',
    require_auth_time: true,
    // authentik's ID tokens have a `sid`; oidc-provider adds it for clients with a back-channel logout URI.
    ...(backchannelLogoutURI && {
      backchannel_logout_uri: backchannelLogoutURI,
      backchannel_logout_session_required: true,
    }),
  };
  const provider = new Provider(running.issuer, configuration(running, client, rows));
  watch(provider, running);

  const answer = provider.callback();
  server.on('request', (request, response) => {
    const url = new URL(request.url, running.issuer);
    if (url.pathname.startsWith(FLOW)) {
      flow(provider, running, request, response).catch((error) => fail(response, error));
      return;
    }
    if (url.pathname === '/application/o/revoke/' && request.method === 'POST') running.counts.revocation += 1;
    if (url.pathname === '/application/o/authorize/' && request.method === 'GET') {
      running.authorizations.push(Object.fromEntries(url.searchParams));
    }
    if (url.pathname === END_SESSION && request.method === 'POST') {
      formOf(request, LONGEST_SIGN_OUT).then((form) => {
        request.method = 'GET';
        request.url = `${END_SESSION}?${form}`;
        answer(request, response);
      }, (error) => fail(response, error));
      return;
    }
    request.url = rewritten(url, running);
    answer(request, response);
  });
  return running;
}

/** oidc-provider serves its discovery document at the root, and issues a refresh token only after it has asked for consent. */
function rewritten(url, running) {
  if (url.pathname === SLUG.slice(0, -1) + DISCOVERY) return DISCOVERY;
  const { pathname, searchParams } = url;
  const prompts = searchParams.get('prompt')?.split(' ') ?? [];
  if (pathname === '/application/o/authorize/' && running.heedsPromptOnce && prompts.includes('login')) {
    if (running.prompted) searchParams.set('prompt', prompts.filter((word) => word !== 'login').join(' '));
    if (!searchParams.get('prompt')) searchParams.delete('prompt');
    running.prompted = true;
  }
  const offline = searchParams.get('scope')?.split(' ').includes('offline_access');
  if (pathname === '/application/o/authorize/' && offline && searchParams.get('prompt') !== 'none') {
    const asked = searchParams.get('prompt')?.split(' ') ?? [];
    searchParams.set('prompt', [...new Set([...asked, 'consent'])].join(' '));
  }
  return pathname + url.search;
}

function configuration(running, client, rows) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = createHash('md5').update(publicKey.export({ type: 'spki', format: 'der' })).digest('hex');
  return {
    adapter: memory(rows),
    clients: [client],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] },
    cookies: { keys: [randomBytes(32).toString('hex')], names: { session: 'authentik_session' } },
    routes: {
      authorization: '/application/o/authorize/',
      token: '/application/o/token/',
      userinfo: '/application/o/userinfo/',
      introspection: '/application/o/introspect/',
      revocation: '/application/o/revoke/',
      jwks: `${SLUG}jwks/`,
      end_session: END_SESSION,
    },
    scopes: ['openid', 'email', 'profile', 'offline_access'],
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'preferred_username', 'nickname', 'groups'],
    },
    conformIdTokenClaims: false, // the scope claims in the ID token too
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    pkce: { required: () => false },
    rotateRefreshToken: true,
    expiresWithSession: () => false, // a sign-out at authentik leaves refresh tokens alone
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
      backchannelLogout: { enabled: true },
      introspection: { enabled: true, allowedPolicy: ownToken },
      revocation: { enabled: true, allowedPolicy: ownToken },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => { ctx.body = signedOutPage(form); },
        postLogoutSuccessSource: (ctx) => { ctx.body = signedOutPage(''); },
      },
    },
    interactions: { url: (_ctx, interaction) => FLOW + interaction.uid },
    ttl: {
      AccessToken: () => running.accessTokenSeconds,
      AuthorizationCode: 60,
      Grant: 30 * 24 * 3600,
      IdToken: () => running.accessTokenSeconds, // as at authentik: the ID token expires with the access token
      Interaction: 600,
      RefreshToken: 30 * 24 * 3600,
      Session: 24 * 3600,
    },
    findAccount: (_ctx, subject) => {
      const account = running.accounts.find((one) => one.subject === subject && !one.disabled);
      return account && { accountId: subject, claims: () => claims(account) };
    },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = errorPage(out);
    },
  };
}

const ownToken = (_ctx, asking, token) => token.clientId === asking.clientId;

function claims(account) {
  return {
    sub: account.subject,
    email: account.email,
    email_verified: account.emailVerified ?? true,
    name: account.name,
    given_name: account.name,
    preferred_username: account.username,
    nickname: account.username,
    groups: account.groups,
  };
}

/** The sign-in form, and the consent without a page. */
async function flow(provider, running, request, response) {
  const { prompt, params, session, uid } = await provider.interactionDetails(request, response);
  const grantFor = async (accountId) => {
    const grant = new provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    return { grantId: await grant.save() };
  };
  if (prompt.name === 'consent') {
    const consent = await grantFor(session.accountId);
    await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
    return;
  }
  let mistake = '';
  if (request.method === 'POST') {
    const form = await formOf(request);
    const account = running.accounts.find((one) => one.username === form.get('uid_field'));
    if (account && !account.disabled && form.get('password') === PASSWORD) {
      const consent = await grantFor(account.subject);
      await provider.interactionFinished(request, response, { login: { accountId: account.subject }, consent });
      return;
    }
    mistake = 'Failed to authenticate.';
  }
  const headers = { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' };
  response.writeHead(mistake ? 400 : 200, headers).end(loginPage(FLOW + uid, params.login_hint ?? '', mistake));
}

async function formOf(request, longest = LONGEST_FORM) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > longest) throw new Error('the form is too long');
  }
  return new URLSearchParams(text);
}

function fail(response, error) {
  if (response.headersSent) response.destroy();
  else response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' }).end(errorPage({ error: error.message }));
}

function watch(provider, { counts, secrets }) {
  provider.on('grant.success', (ctx) => { counts[ctx.oidc.params.grant_type] += 1; });
  provider.on('grant.error', () => { counts.refused += 1; });
  for (const kind of ['authorization_code', 'access_token', 'refresh_token']) {
    provider.on(`${kind}.saved`, (token) => { secrets.add(token.jti); });
  }
  provider.on('server_error', (_ctx, error) => console.error('provider:', error));
}

/** Storage in a Map, so that what a restart forgets is forgotten together. */
function memory(rows) {
  const alive = (row) => (row && row.until > Date.now() ? row.payload : undefined);
  return (model) => ({
    async upsert(id, payload, expiresIn) {
      rows.set(`${model}:${id}`, { payload, until: Date.now() + (expiresIn ?? 24 * 3600) * 1000 });
    },
    async find(id) { return alive(rows.get(`${model}:${id}`)); },
    async findByUid(uid) {
      for (const [key, row] of rows) {
        if (key.startsWith(`${model}:`) && row.payload.uid === uid) return alive(row);
      }
      return undefined;
    },
    async findByUserCode() { return undefined; },
    async consume(id) { rows.get(`${model}:${id}`).payload.consumed = Math.floor(Date.now() / 1000); },
    async destroy(id) { rows.delete(`${model}:${id}`); },
    async revokeByGrantId(grantId) {
      for (const [key, row] of rows) if (row.payload.grantId === grantId) rows.delete(key);
    },
  });
}

async function main() {
  const { values } = parseArgs({
    options: {
      listen: { type: 'string', default: '127.0.0.1:9100' },
      'redirect-uri': { type: 'string', multiple: true },
      'logout-uri': { type: 'string', multiple: true },
      'backchannel-logout-uri': { type: 'string' },
      'client-id': { type: 'string', default: 'cid' },
      'client-secret': { type: 'string', default: 'sec' },
      'access-token-seconds': { type: 'string', default: '300' },
    },
  });
  const provider = await startProvider({
    port: Number(values.listen.split(':').at(-1)),
    clientID: values['client-id'],
    clientSecret: values['client-secret'],
    redirectURIs: values['redirect-uri'] ?? ['http://127.0.0.1:3000/api/v2/users/oidc/callback'],
    logoutURIs: values['logout-uri'],
    backchannelLogoutURI: values['backchannel-logout-uri'],
    accessTokenSeconds: Number(values['access-token-seconds']),
  });
  console.log(`provider listens, issuer ${provider.issuer}`);
}

if (import.meta.filename === process.argv[1]) await main();
