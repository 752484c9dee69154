// A real workspace agent: `coder agent`, which reaches Coder through the gateway. It runs on this machine as the user of
// the tests.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { start, until } from './process.mjs';
import { CODER_BIN } from './stack.mjs';

const ANY_PORT = '127.0.0.1:0';

/** Starts the agent with this token (of `writeWorkspace`) and waits until Coder says that it is ready. */
export async function startAgent(stack, token, name) {
  const home = join(stack.folder, `agent-${name}`);
  mkdirSync(home);
  const agent = start(CODER_BIN, ['agent', '--no-reap'], {
    cwd: home,
    log: join(stack.logs, `agent-${name}.log`),
    env: {
      PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', SHELL: '/bin/sh', HOME: home, TMPDIR: home,
      CODER_AGENT_URL: stack.url,
      CODER_AGENT_TOKEN: token,
      CODER_AGENT_LOG_DIR: home,
      CODER_AGENT_SCRIPT_DATA_DIR: home,
      CODER_AGENT_PPROF_ADDRESS: ANY_PORT,
      CODER_AGENT_PROMETHEUS_ADDRESS: ANY_PORT,
      CODER_AGENT_DEBUG_ADDRESS: ANY_PORT,
      CODER_AGENT_DEVCONTAINERS_ENABLE: 'false',
      CODER_AGENT_SOCKET_PATH: join(home, 'agent.sock'),
    },
  });
  try {
    await until(`the agent is ready (see ${agent.log})`, 120, async () => (await stack.coder.query(
      `select 1 from workspace_agents where auth_token = '${token}' and lifecycle_state = 'ready'`)).length, agent.alive);
  } catch (error) {
    await agent.stop();
    throw error;
  }
  return agent;
}
