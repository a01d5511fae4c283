// A real Dovecot of our own that only judges tokens, as SASL server of a Postfix: XOAUTH2 and OAUTHBEARER by its passdb
// oauth2. It asks an introspection endpoint of the test whose token it is. Needs root, and Debian's dovecot-core.

import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, type ServerProcess, serverProcess } from './server-process.ts';

export type TokenServer = ServerProcess & {
  /** Where a Postfix asks: `smtpd_sasl_path = inet:127.0.0.1:port`. */
  readonly port: number;
  /** The tokens that it asked about, in order. */
  readonly asked: readonly string[];
};

/** `ownerOf` says whose a token is; null: it is no good. */
export async function tokenServer(ownerOf: (token: string) => string | null): Promise<TokenServer> {
  const home = mkdtempSync(join(tmpdir(), 'dovecot-'));
  chmodSync(home, 0o755);
  for (const folder of ['run', 'state']) mkdirSync(join(home, folder));
  const asked: string[] = [];
  const introspection = createServer((request, response) => {
    const token = new URL(request.url ?? '', 'http://x').searchParams.get('access_token') ?? '';
    asked.push(token);
    const owner = ownerOf(token);
    response.writeHead(owner === null ? 401 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(owner === null ? { error: 'invalid_token' } : { username: owner, active: true }));
  });
  await new Promise<void>((resolve) => introspection.listen(0, '127.0.0.1', resolve));
  const [port = 0] = await freePorts(1);
  const endpoint = `http://127.0.0.1:${(introspection.address() as AddressInfo).port}`;
  writeFileSync(
    join(home, 'oauth2.conf'),
    `tokeninfo_url = ${endpoint}/?access_token=
username_attribute = username
active_attribute = active
active_value = true
`,
  );
  writeFileSync(join(home, 'dovecot.conf'), configuration(home, port));
  const server = await serverProcess({
    name: 'Dovecot',
    home,
    command: 'dovecot',
    args: ['-F', '-c', join(home, 'dovecot.conf')],
    ports: [port],
  });
  return {
    ...server,
    port,
    asked,
    async discard() {
      await server.discard();
      introspection.close();
    },
  };
}

function configuration(home: string, port: number): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
protocols = none
listen = 127.0.0.1
ssl = no
auth_mechanisms = xoauth2 oauthbearer
auth_username_format = %u
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${home}/oauth2.conf
}
userdb {
  driver = static
  args = uid=8 gid=8 home=/nonexistent
}
service auth {
  inet_listener postfix {
    address = 127.0.0.1
    port = ${port}
  }
}
`;
}
