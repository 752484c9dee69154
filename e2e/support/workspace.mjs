// A workspace, written directly into a real Coder's database, because Coder itself creates one only with Terraform.
// `startAgent` of agent.mjs runs its agent.

import { randomUUID } from 'node:crypto';

const text = (value) => `'${String(value).replaceAll("'", "''")}'`;
const now = 'now()';

/** An INSERT of these columns; `now` stands for the database's function. */
const row = (table, columns) => {
  const values = Object.values(columns).map((value) => (value === now ? now : text(value)));
  return `insert into ${table} (${Object.keys(columns).join(', ')}) values (${values.join(', ')});`;
};

/**
 * Writes workspace `dev` of the user `owner` (an id) with agent `main` and two apps: `code`, which only its owner may
 * open, and `public`; the agent reaches both at the URL `app`. Resolves to the agent's token.
 */
export async function writeWorkspace(query, owner, app = 'http://127.0.0.1:1') {
  const [organization] = await query('select id from organizations order by created_at limit 1');
  // The group of everybody has the organization's id. Without it, newer versions of Coder hide the workspace from its owner.
  const everybody = JSON.stringify({ [organization]: ['read', 'use'] });
  const id = () => randomUUID();
  const made = { created_at: now, updated_at: now };
  const [file, template, version, workspace, resource, agent, token] = Array.from({ length: 7 }, id);
  const job = (type) => ({
    id: id(), ...made, started_at: now, completed_at: now, organization_id: organization, initiator_id: owner,
    provisioner: 'echo', storage_method: 'file', type, input: '{}', file_id: file,
  });
  const [imported, built] = [job('template_version_import'), job('workspace_build')];
  const appRow = (slug, sharing) => row('workspace_apps', {
    id: id(), created_at: now, agent_id: agent, display_name: slug, icon: '', slug, url: app,
    subdomain: true, sharing_level: sharing,
  });
  await query([
    'begin;',
    row('files', {
      id: file, hash: file, created_at: now, created_by: owner, mimetype: 'application/x-tar', data: '',
    }),
    row('provisioner_jobs', imported),
    row('template_versions', {
      id: version, organization_id: organization, ...made, name: 'v1', readme: '', job_id: imported.id,
      created_by: owner,
    }),
    row('templates', {
      id: template, ...made, organization_id: organization, name: `by-hand-${template}`, provisioner: 'echo',
      active_version_id: version, created_by: owner, group_acl: everybody,
    }),
    `update template_versions set template_id = ${text(template)} where id = ${text(version)};`,
    row('workspaces', {
      id: workspace, ...made, owner_id: owner, organization_id: organization, template_id: template, name: 'dev',
    }),
    row('provisioner_jobs', built),
    row('workspace_builds', {
      id: id(), ...made, workspace_id: workspace, template_version_id: version, build_number: 1, transition: 'start',
      initiator_id: owner, job_id: built.id,
    }),
    row('workspace_resources', {
      id: resource, created_at: now, job_id: built.id, transition: 'start', type: 'by_hand', name: 'dev',
    }),
    row('workspace_agents', {
      id: agent, ...made, name: 'main', resource_id: resource, auth_token: token, architecture: 'amd64',
      operating_system: 'linux',
    }),
    appRow('code', 'owner'),
    appRow('public', 'public'),
    'commit;',
  ].join('\n'));
  return token;
}
