#!/usr/bin/env bash
# The revocation of an access token at oidc-provider also revokes the refresh token of the same sign-in.
#
# Library    oidc-provider, version 9.13.3 (npm), a certified OpenID provider
# Behaviour  A revocation (RFC 7009) that names only the access token ends the refresh token that came with it: later
#            refreshes get invalid_grant. RFC 7009 section 2.1 allows that ("MAY revoke the respective refresh token as
#            well"); authentik 2026.8 ends only the named token.
# Seen       refresh before the revocation: 200
#            revocation of the access token: 200
#            refresh after it: 400 invalid_grant
# Source     this script; lib/actions/revocation.js revokes every token of the grant. The default revokeGrantPolicy keeps
#            the grant when an access token is revoked, but none of its tokens.
# Effect     A client that wants to keep a session must not revoke an access token that it no longer needs.
set -euo pipefail
command -v npm >/dev/null || { echo "this needs Node.js with npm" >&2; exit 69; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"name":"finding","private":true,"type":"module"}\n' >package.json
timeout 240 npm install --silent --no-fund --no-audit oidc-provider@9.13.3 >/dev/null

cat >run.mjs <<'JS'
import { Provider } from 'oidc-provider';

const provider = new Provider('http://127.0.0.1', {
  clients: [{
    client_id: 'client', client_secret: 'secret', redirect_uris: ['https://client.example/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
  }],
  features: { revocation: { enabled: true }, devInteractions: { enabled: false } },
  rotateRefreshToken: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
const server = provider.listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const post = async (path, form) => {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}${path}`, {
    method: 'POST', body: new URLSearchParams(form),
    headers: { authorization: `Basic ${Buffer.from('client:secret').toString('base64')}` },
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : {} };
};

// A sign-in, as it stands after its pages were passed: a grant and its refresh token.
const client = await provider.Client.find('client');
const grant = new provider.Grant({ accountId: 'person', clientId: 'client' });
grant.addOIDCScope('openid offline_access');
const refreshToken = await new provider.RefreshToken({
  accountId: 'person', client, grantId: await grant.save(), gty: 'authorization_code', scope: 'openid offline_access',
}).save();

const refresh = () => post('/token', { grant_type: 'refresh_token', refresh_token: refreshToken });
const before = await refresh();
console.log('refresh before the revocation:', before.status);
const revoked = await post('/token/revocation', { token: before.body.access_token, token_type_hint: 'access_token' });
console.log('revocation of the access token:', revoked.status);
const after = await refresh();
console.log('refresh after it:', after.status, after.body.error ?? '');
server.close();
JS
timeout 60 node run.mjs 2>errors >seen || { cat seen errors >&2; exit 1; }
grep -v NOTICE seen >lines; cat lines
grep -qx 'refresh before the revocation: 200' lines
grep -qx 'revocation of the access token: 200' lines
grep -qx 'refresh after it: 400 invalid_grant' lines
