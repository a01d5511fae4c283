// A Postfix of our own for comparison, as lean as it is in the field: plain SMTP on a loopback port, everything on to
// one relay host. Its queue, log and configuration lie in a folder of its own; whatever Postfix the machine runs is not
// touched. Needs root.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, serverProcess } from '#test/e2e/server-process.ts';

export type PrivatePostfix = { readonly port: number; stop(): Promise<void> };

/** What is missing on this machine, or null. */
export function postfixMissing(): string | null {
  const tools = ['/usr/sbin/postfix', '/usr/sbin/smtp-source'];
  if (!tools.every((tool) => existsSync(tool)))
    return 'Postfix and its smtp-source are not installed: apt-get install postfix';
  if (process.getuid?.() !== 0) return 'Postfix is started as root only: run this benchmark as root';
  return null;
}

export async function privatePostfix(relayPort: number): Promise<PrivatePostfix> {
  const home = mkdtempSync(join(tmpdir(), 'everpost-bench-postfix-'));
  chmodSync(home, 0o755); // Postfix's own user walks through it
  for (const folder of ['etc', 'queue', 'data']) mkdirSync(join(home, folder));
  execFileSync('chown', ['postfix', join(home, 'data')]);
  const [port = 0] = await freePorts(1);
  writeFileSync(join(home, 'etc/main.cf'), mainCf(home, relayPort));
  writeFileSync(join(home, 'etc/master.cf'), masterCf(port));
  const server = await serverProcess({
    name: 'Postfix',
    home,
    command: '/usr/sbin/postfix',
    args: ['-c', join(home, 'etc'), 'start-fg'],
    ports: [port],
    groupPidFile: 'queue/pid/master.pid',
  });
  return { port, stop: server.discard };
}

function mainCf(home: string, relayPort: number): string {
  return `compatibility_level = 3.6
queue_directory = ${home}/queue
data_directory = ${home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
maillog_file = ${home}/log
maillog_file_prefixes = ${home}
myhostname = peer.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtp_dns_support_level = disabled
smtp_tls_security_level = none
relayhost = [127.0.0.1]:${relayPort}
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
default_process_limit = 100
`;
}

function masterCf(port: number): string {
  return `127.0.0.1:${port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;
}
