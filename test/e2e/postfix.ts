// A real Postfix of our own beside whatever the machine runs: its own configuration, queue, log and loopback ports. It
// stands as smart host between Everpost and a server of the test, refuses what the addresses say, and is as transparent
// as Postfix can be. Needs root, as Postfix does, and Debian's package.

import { execFileSync } from 'node:child_process';
import { accessSync, appendFileSync, chmodSync, copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, type ServerProcess, serverProcess } from './server-process.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/tls');
/** More than the small service takes. */
export const smallBytesMax = 20_000;

export type Postfix = ServerProcess & {
  readonly ports: {
    /** No encryption, no login. */
    readonly plain: number;
    /** STARTTLS and a login are required; the certificate is the fixtures'. */
    readonly secure: number;
    /** Takes `smallBytesMax` and says so by SIZE. */
    readonly small: number;
    /** Takes as little, and says so only after the final dot. */
    readonly mute: number;
    /** Those of `services`. */
    readonly [name: string]: number;
  };
};

/**
 * `relayPort` takes what Postfix passes on, with `relayLogin` where it asks for one. `login` is the one that the secure
 * service knows. Throws where Postfix is not installed.
 */
export async function postfix(given: {
  readonly relayPort: number;
  readonly login: { readonly username: string; readonly password: string };
  readonly relayLogin?: { readonly username: string; readonly password: string };
  /** Further ports: each name with parameters of main.cf that hold there. */
  readonly services?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}): Promise<Postfix> {
  requirePostfix();
  const home = mkdtempSync(join(tmpdir(), 'everpost-postfix-'));
  chmodSync(home, 0o755); // Postfix's own user walks through it
  const services = Object.entries(given.services ?? {});
  const [plain = 0, secure = 0, small = 0, mute = 0, ...more] = await freePorts(4 + services.length);
  const ports: Postfix['ports'] = {
    ...Object.fromEntries(services.map(([name], index) => [name, more[index] ?? 0])),
    ...{ plain, secure, small, mute },
  };
  const logins = await loginServer(given.login);
  configure(home, ports, given.relayPort, (logins.address() as AddressInfo).port);
  const further = services.map(([name, parameters]) => serviceLine(ports[name] ?? 0, parameters));
  appendFileSync(join(home, 'etc/master.cf'), further.join(''));
  if (given.relayLogin !== undefined) logInAtRelay(home, given.relayPort, given.relayLogin);
  const server = await serverProcess({
    name: 'Postfix',
    home,
    command: 'postfix',
    args: ['-c', join(home, 'etc'), 'start-fg'],
    ports: Object.values(ports),
    groupPidFile: 'queue/pid/master.pid', // a server of it that holds a connection would go on alone
  });
  return {
    ...server,
    ports,
    async discard() {
      await server.discard();
      logins.close();
    },
  };
}

function requirePostfix(): void {
  try {
    accessSync('/usr/sbin/postfix');
  } catch {
    throw new Error('this test speaks to a real Postfix, which is not installed: apt-get install postfix');
  }
  if (process.getuid?.() !== 0) throw new Error('Postfix is started as root only: run this test as root');
}

function configure(home: string, ports: Postfix['ports'], relayPort: number, loginPort: number): void {
  for (const folder of ['etc', 'queue', 'data', 'tls']) mkdirSync(join(home, folder));
  for (const name of ['server.pem', 'server.key']) copyFileSync(join(FIXTURES, name), join(home, 'tls', name));
  chmodSync(join(home, 'tls/server.key'), 0o600);
  execFileSync('chown', ['postfix', join(home, 'data')]);
  writeFileSync(join(home, 'etc/main.cf'), mainCf(home, relayPort, loginPort));
  writeFileSync(join(home, 'etc/master.cf'), masterCf(ports));
  // reply-550-5.1.1+anybody@… is refused at RCPT with just that.
  writeFileSync(
    join(home, 'etc/recipients'),
    '/^reply-([45][0-9][0-9])-([45]\\.[0-9]+\\.[0-9]+)(\\+.*)?@/ $1 $2 refused by table\n',
  );
}

function logInAtRelay(
  home: string,
  port: number,
  login: { readonly username: string; readonly password: string },
): void {
  appendFileSync(
    join(home, 'etc/main.cf'),
    `smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{ [127.0.0.1]:${port}=${login.username}:${login.password} }
smtp_sasl_security_options = noanonymous
`,
  );
}

function mainCf(home: string, relayPort: number, loginPort: number): string {
  return `compatibility_level = 3.6
queue_directory = ${home}/queue
data_directory = ${home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
maillog_file = ${home}/log
maillog_file_prefixes = ${home}
myhostname = smart.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_host_lookup = native
relayhost = [127.0.0.1]:${relayPort}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access regexp:${home}/etc/recipients, permit
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_tls_cert_file = ${home}/tls/server.pem
smtpd_tls_key_file = ${home}/tls/server.key
smtpd_tls_received_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:${loginPort}
message_size_limit = 60000000
# As transparent as Postfix can be.
message_drop_headers =
local_header_rewrite_clients =
smtp_line_length_limit = 0
header_size_limit = 4096000
disable_mime_output_conversion = yes
`;
}

function serviceLine(port: number, parameters: Readonly<Record<string, string>>): string {
  const options = Object.entries(parameters).map(([name, value]) => ` -o { ${name} = ${value} }`);
  return `127.0.0.1:${port} inet n - n - - smtpd${options.join('')}\n`;
}

function masterCf({ plain, secure, small, mute }: Postfix['ports']): string {
  return `127.0.0.1:${plain} inet n - n - - smtpd
127.0.0.1:${secure} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:${small} inet n - n - - smtpd -o message_size_limit=${smallBytesMax}
127.0.0.1:${mute} inet n - n - - smtpd -o message_size_limit=${smallBytesMax} -o smtpd_discard_ehlo_keywords=size
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;
}

/**
 * Answers Postfix's question whether a login is right, in the protocol of Dovecot's auth server (version 1.1, PLAIN
 * alone): what stands on the wire between Everpost and Postfix is Postfix's own AUTH.
 */
async function loginServer(login: { readonly username: string; readonly password: string }): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(
      'VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n',
    );
    let held = '';
    socket.on('data', (chunk) => {
      held += chunk.toString();
      for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
        const [verb, id, ...fields] = held.slice(0, end).split('\t');
        held = held.slice(end + 1);
        if (verb !== 'AUTH') continue;
        const response = fields.find((field) => field.startsWith('resp='))?.slice('resp='.length) ?? '';
        const [, username, password] = Buffer.from(response, 'base64').toString().split('\0');
        const right = username === login.username && password === login.password;
        socket.write(right ? `OK\t${id}\tuser=${username}\n` : `FAIL\t${id}\tuser=${username}\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
