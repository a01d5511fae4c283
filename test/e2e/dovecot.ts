// A real Dovecot of our own, for its LMTP alone: own configuration, users, Maildirs, log and loopback port. It stands
// where mail comes to rest, so what it stores is what a person will read. Needs root, as Dovecot does, and Debian's
// packages dovecot-core, dovecot-lmtpd.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, type ServerProcess, serverProcess } from './server-process.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/tls');
const MAIL_UID = 8; // Debian's user mail
/** The mailbox full@… takes so many bytes, and answers after the final dot that it is full. */
export const fullBytesMax = 10_000;

export type Dovecot = ServerProcess & {
  readonly port: number;
  /** The exact bytes of every message in a mailbox. */
  mailbox(address: string): readonly Buffer[];
};

/** `users` are the addresses that it has mailboxes for; any other is unknown. Throws where Dovecot is not installed. */
export async function dovecot(users: readonly string[]): Promise<Dovecot> {
  requireDovecot();
  const home = mkdtempSync(join(tmpdir(), 'dovecot-')); // short: sockets' paths have 107 bytes
  chmodSync(home, 0o755);
  const [port = 0] = await freePorts(1);
  configure(home, port, users);
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
    mailbox(address) {
      const folder = join(home, 'mail', address, 'new');
      try {
        return readdirSync(folder)
          .sort()
          .map((name) => readFileSync(join(folder, name)));
      } catch {
        return []; // nothing has come yet
      }
    },
  };
}

function requireDovecot(): void {
  let version: string;
  try {
    version = execFileSync('dovecot', ['--version'], { encoding: 'utf8' });
  } catch {
    throw new Error(
      'this test speaks to a real Dovecot, which is not installed: apt-get install dovecot-core dovecot-lmtpd',
    );
  }
  if (!version.startsWith('2.3.')) throw new Error(`the configuration below is for Dovecot 2.3; this is ${version}`);
  if (process.getuid?.() !== 0) throw new Error('Dovecot is started as root only: run this test as root');
}

function configure(home: string, port: number, users: readonly string[]): void {
  for (const folder of ['run', 'state', 'tls', 'mail']) mkdirSync(join(home, folder));
  chownSync(join(home, 'mail'), MAIL_UID, MAIL_UID);
  for (const name of ['server.pem', 'server.key']) copyFileSync(join(FIXTURES, name), join(home, 'tls', name));
  chmodSync(join(home, 'tls/server.key'), 0o600);
  writeFileSync(join(home, 'users'), users.map((user) => userLine(home, user)).join(''));
  writeFileSync(join(home, 'dovecot.conf'), dovecotConf(home, port));
}

function userLine(home: string, user: string): string {
  const quota = user.startsWith('full@') ? `userdb_quota_rule=*:bytes=${fullBytesMax}` : '';
  return `${user}::${MAIL_UID}:${MAIL_UID}::${home}/mail/${user}::${quota}\n`;
}

function dovecotConf(home: string, port: number): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
protocols = lmtp
listen = 127.0.0.1
hostname = mailboxes.example
ssl = yes
ssl_cert = <${home}/tls/server.pem
ssl_key = <${home}/tls/server.key
mail_location = maildir:${home}/mail/%u
mail_save_crlf = yes
recipient_delimiter = ~
auth_username_chars =
auth_username_format = %u
first_valid_uid = ${MAIL_UID}
last_valid_uid = ${MAIL_UID}
first_valid_gid = ${MAIL_UID}
mail_plugins = quota
passdb {
  driver = static
  args = nopassword
}
userdb {
  driver = passwd-file
  args = username_format=%u ${home}/users
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
plugin {
  quota = maildir:User quota
  quota_grace = 0
}
quota_full_tempfail = no
protocol lmtp {
  postmaster_address = postmaster@mailboxes.example
}
`;
}
