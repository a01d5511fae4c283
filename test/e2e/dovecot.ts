// A real Dovecot of our own, for its LMTP alone: own configuration, users, Maildirs, log and loopback port. It stands where mail comes
// to rest, so what it stores is what a person will read. Needs root, as Dovecot does, and Debian's packages dovecot-core, dovecot-lmtpd.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './instance.ts';

const START_MS = 30_000;
const FIXTURES = join(import.meta.dirname, '../fixtures/tls');
const MAIL_UID = 8; // Debian's user mail
/** The mailbox full@… takes so many bytes, and answers after the final dot that it is full. */
export const fullBytesMax = 10_000;

export type Dovecot = {
  readonly port: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops and removes everything. */
  discard(): Promise<void>;
  /** The exact bytes of every message in a mailbox. */
  mailbox(address: string): readonly Buffer[];
  log(): string;
};

/** `users` are the addresses that it has mailboxes for; any other is unknown. Throws where Dovecot is not installed. */
export async function dovecot(users: readonly string[]): Promise<Dovecot> {
  requireDovecot();
  const home = mkdtempSync(join(tmpdir(), 'dovecot-')); // short: sockets' paths have 107 bytes
  chmodSync(home, 0o755);
  const port = await freePort();
  configure(home, port, users);
  let master: ChildProcess | null = null;
  let said = '';
  const log = () => `${said}${readLog(home)}`;
  const killAtExit = () => master?.kill('SIGKILL');
  process.once('exit', killAtExit);

  const self: Dovecot = {
    port,
    log,
    async start() {
      const child = spawn('dovecot', ['-F', '-c', join(home, 'dovecot.conf')], { stdio: ['ignore', 'pipe', 'pipe'] });
      master = child;
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          said += chunk.toString();
        });
      const open = await until(
        async () => (child.exitCode === null ? (await answers(port)) || null : 'ended'),
        START_MS,
      );
      if (open !== true) throw new Error(`Dovecot did not start:\n${log()}`);
    },
    async stop() {
      const child = master;
      master = null;
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      await until(async () => ((await answers(port)) ? null : true), START_MS);
    },
    async discard() {
      await self.stop();
      process.removeListener('exit', killAtExit);
      rmSync(home, { recursive: true, force: true });
    },
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
  await self.start();
  return self;
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

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.end('QUIT\r\n');
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

function readLog(home: string): string {
  try {
    return readFileSync(join(home, 'log'), 'utf8');
  } catch {
    return ''; // nothing logged yet
  }
}
