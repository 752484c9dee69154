// Provider, gateway and Coder (the real one of CODER_BIN, or the stand-in) on free ports of 127.0.0.1.

import { mkdtempSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startProvider } from '../provider.mjs';
import { freePort, run, start, until } from './process.mjs';
import { environment, startRealCoder } from './real-coder.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const PROGRAMS = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug');
export const ARTIFACTS = join(ROOT, 'e2e', 'artifacts');

/** The gateway's program. */
export const VESTIBULE = join(PROGRAMS, 'vestibule');

/** The program of a real Coder to test against; without it the suite uses the stand-in for Coder. */
export const CODER_BIN = process.env.CODER_BIN || undefined;

export const ICON = 'https://authentik.company/static/dist/assets/icons/icon.svg';

/** The environment without variables that configure Coder or the gateway: only the file counts. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(CODER|VESTIBULE)_/.test(name)),
);

/** The gateway's configuration, as an operator would write it. */
const configuration = ({ url, wildcard, coderURL, issuerURL, provider, sections }) => `
listen:
  address: ${new URL(url).host}
coder:
  url: ${coderURL}
  accessURL: ${url}${wildcard ? `\n  wildcardAccessURL: '${wildcard}'` : ''}
  issuer:
    listen: ${new URL(issuerURL).host}
    url: ${issuerURL}
    clientSecret: coder-secret
oidc:
  issuerURL: ${provider.issuer}
  clientID: cid
  clientSecret: provider-secret
  emailDomain: [acme.company]
  scopes: [openid, profile, email, offline_access]
  signInText: Log in with authentik
  iconURL: ${ICON}
store:
  embedded:
    path: ./vestibule-data
${sections}`;

/**
 * Starts everything. Returns `url` (the gateway's), `provider`, `coder` (`query(sql)` only when it is the real one),
 * `configurationFile`, `folder`, `logs` (a folder), `gateway` (the first one; `log` is the file that it writes),
 * `restartGateway()`, `stop()`; with `apps` also `app(label)`, an app host's URL. `sections` is more configuration,
 * `accounts` replaces the provider's. `name` names the logs in e2e/artifacts.
 */
export async function startStack(name, { apps = false, sections = '', accounts } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'vestibule-e2e-'));
  chmodSync(folder, 0o755); // PostgreSQL's user needs access
  const stops = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    const [port, coderPort, issuerPort] = [await freePort(), await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    const wildcard = apps ? `*.apps.localhost:${port}` : undefined;
    const coderURL = `http://127.0.0.1:${coderPort}`;
    const issuerURL = `http://127.0.0.1:${issuerPort}/`;

    const provider = await startProvider({
      port: 0, clientSecret: 'provider-secret', redirectURIs: [`${url}/api/v2/users/oidc/callback`],
      logoutURIs: [`${url}/vestibule/signed-out`], accounts,
    });
    stops.push(provider.close);

    const configurationFile = join(folder, 'vestibule.yaml');
    writeFileSync(configurationFile, configuration({ url, wildcard, coderURL, issuerURL, provider, sections }));
    const logs = join(ARTIFACTS, CODER_BIN ? `${name}-real` : name);
    let gateway;
    const startGateway = async (file) => {
      gateway = start(VESTIBULE, ['serve', '--config', configurationFile], {
        cwd: folder, env: ENVIRONMENT, log: join(logs, file),
      });
      await until(`the gateway's issuer listener (see ${gateway.log})`, 30, async () => (
        await fetch(`${issuerURL}.well-known/openid-configuration`)).ok, gateway.alive);
    };
    stops.push(() => gateway.stop());
    await startGateway('gateway.log');
    const restartGateway = async () => {
      await gateway.stop();
      await startGateway('gateway-restarted.log');
    };

    const log = join(logs, 'coder.log');
    const coder = CODER_BIN
      ? await realCoder({ configurationFile, port: coderPort, folder: join(folder, 'coder'), log })
      : await standIn({ url, wildcard, coderURL, issuerURL, log });
    stops.push(coder.stop);
    await until('Coder through the gateway', 30, async () => (await fetch(`${url}/healthz`)).ok, gateway.alive);
    const app = (label) => `http://${wildcard.replace('*', label)}`;
    return { url, app, provider, coder, configurationFile, folder, logs, gateway, restartGateway, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The real Coder gets exactly the environment that the gateway prints. */
async function realCoder({ configurationFile, ...coder }) {
  const command = ['coder-env', '--config', configurationFile];
  const printed = await run(VESTIBULE, command, { env: ENVIRONMENT });
  return startRealCoder({ bin: CODER_BIN, env: environment(printed), ...coder });
}

async function standIn({ url, wildcard, coderURL, issuerURL, log }) {
  const coder = start(join(PROGRAMS, 'examples', 'coder-stand-in'), [
    '--listen', new URL(coderURL).host, '--access-url', url, '--issuer-url', issuerURL,
    '--client-id', 'cid', '--client-secret', 'coder-secret', '--email-domain', 'acme.company',
    '--version', process.env.STAND_IN_VERSION || '2026-02', ...(wildcard ? ['--wildcard', wildcard] : []),
  ], { log });
  const healthy = async () => (await fetch(`${coderURL}/healthz`)).ok;
  await until(`the stand-in for Coder (see ${log})`, 30, healthy, coder.alive);
  return { url: coderURL, stop: coder.stop };
}
