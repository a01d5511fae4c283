// The SMTP server of a case: it answers commands as `server` in case.json says, else as an ordinary server does, and
// keeps what it took. Unlike test/smtp-dialogue.ts it follows no order of steps: the client may say what it likes. It
// never mends what the case makes it say.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Replies are whole: several lines are joined by CRLF, and the last CRLF may be missing. A reply '' says nothing. */
export type ServerSpec = {
  readonly greet?: string;
  readonly ehlo?: string;
  /** What EHLO is answered within TLS, where that differs. */
  readonly ehloTls?: string;
  readonly lhlo?: string;
  readonly helo?: string;
  readonly starttls?: string;
  readonly auth?: string;
  readonly mail?: string;
  readonly rcpt?: string;
  readonly data?: string;
  /** After the final dot. */
  readonly dot?: string;
  readonly rset?: string;
  readonly noop?: string;
  readonly quit?: string;
  /** Asks for a client certificate in TLS. It is what RCPT is answered where it gets none that it trusts. */
  readonly uncertified?: string;
  /** The first pattern that fits a command's line decides, before all of the above. */
  readonly rules?: readonly (readonly [pattern: string, reply: string])[];
  /** What arrives together with a command and behind it is thrown away. */
  readonly flush?: boolean;
  /** 8-bit text in the header section needs SMTPUTF8 at MAIL, in the body BODY=8BITMIME. */
  readonly refuse8bit?: boolean;
  /** Written as soon as the connection stands, and before the greeting. */
  readonly early?: string;
  /** Written when the command that begins with the key arrives, before its own reply. */
  readonly before?: Readonly<Record<string, string>>;
  /** The connection is cut right after the reply to the command that begins with this, or to `dot`. */
  readonly cutAfter?: string;
};
export const SERVER_MEMBERS =
  'greet ehlo ehloTls lhlo helo starttls auth mail rcpt data dot rset noop quit uncertified rules flush refuse8bit early before cutAfter'.split(
    ' ',
  );

export type Took = {
  readonly mail: string;
  readonly rcpt: readonly string[];
  /** Without dot-stuffing and final dot. */
  readonly content: Buffer;
};
export type CaseServer = {
  readonly port: number;
  /** Each command line and `(content)`, in order. */
  readonly said: readonly string[];
  /** What it answered 2yz to at the final dot. */
  readonly took: readonly Took[];
  readonly connections: () => number;
  close(): Promise<void>;
};

const identity = {
  key: readFileSync(new URL('../fixtures/tls/server.key', import.meta.url)),
  cert: readFileSync(new URL('../fixtures/tls/server.pem', import.meta.url)),
};
const clientsCa = readFileSync(new URL('../fixtures/tls/clients/clients-ca.pem', import.meta.url));

export async function openCaseServer(spec: ServerSpec): Promise<CaseServer> {
  const said: string[] = [];
  const took: Took[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    new Conversation(socket, spec, said, took).begin();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    said,
    took,
    connections: () => connections,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

class Conversation {
  private socket: Socket;
  private held = Buffer.alloc(0);
  private inContent = false;
  private secured = false;
  private mail = '';
  private rcpt: string[] = [];
  private readonly spec: ServerSpec;
  private readonly said: string[];
  private readonly took: Took[];

  constructor(socket: Socket, spec: ServerSpec, said: string[], took: Took[]) {
    this.socket = socket;
    this.spec = spec;
    this.said = said;
    this.took = took;
  }

  begin(): void {
    this.socket.setNoDelay(true);
    this.listen();
    if (this.spec.early !== undefined) this.write(this.spec.early);
    this.write(this.spec.greet ?? '220 mx.test ESMTP');
  }

  private listen(): void {
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes: Buffer) => this.read(bytes));
  }

  private write(reply: string): void {
    if (reply !== '') this.socket.write(Buffer.from(reply.endsWith('\n') ? reply : `${reply}\r\n`, 'latin1'));
  }

  private read(bytes: Buffer): void {
    this.held = Buffer.concat([this.held, bytes]);
    for (;;) {
      const end = this.inContent ? contentEnd(this.held) : this.held.indexOf('\r\n');
      if (end < 0) return;
      const piece = this.held.subarray(0, end);
      this.held = this.held.subarray(end + (this.inContent ? 3 : 2));
      if (this.inContent) this.contentCame(Buffer.from(piece));
      else {
        if (this.spec.flush === true) this.held = Buffer.alloc(0);
        this.command(piece.toString('utf8'));
      }
    }
  }

  private command(line: string): void {
    this.said.push(line);
    const early = Object.entries(this.spec.before ?? {}).find(([verb]) => line.toUpperCase().startsWith(verb));
    if (early !== undefined) this.write(early[1]);
    const ruled = this.spec.rules?.find(([pattern]) => new RegExp(pattern).test(line))?.[1];
    const reply = ruled ?? this.usual(line);
    this.write(reply);
    this.follow(line, reply);
    if (this.spec.cutAfter !== undefined && line.toUpperCase().startsWith(this.spec.cutAfter)) this.socket.end();
  }

  private usual(line: string): string {
    const verb = line.split(/[\s:]/, 1)[0]?.toLowerCase() ?? '';
    switch (verb) {
      case 'ehlo':
      case 'lhlo':
        if (this.secured && this.spec.ehloTls !== undefined) return this.spec.ehloTls;
        return this.spec[verb] ?? this.spec.ehlo ?? '250-mx.test\r\n250-8BITMIME\r\n250 SIZE 60000000';
      case 'starttls':
        return this.spec.starttls ?? '220 2.0.0 Go ahead';
      case 'auth':
        return this.spec.auth ?? '235 2.7.0 ok';
      case 'data':
        return this.spec.data ?? (this.rcpt.length === 0 ? '503 5.5.1 No recipient' : '354 Go ahead');
      case 'quit':
        return this.spec.quit ?? '221 2.0.0 Bye';
      case 'rcpt':
        if (this.mail === '') return '503 5.5.1 MAIL first';
        if (this.spec.uncertified !== undefined && !isCertified(this.socket)) return this.spec.uncertified;
        return this.spec.rcpt ?? '250 2.1.5 Ok';
      case 'helo':
      case 'mail':
      case 'rset':
      case 'noop':
        return this.spec[verb] ?? '250 2.1.0 Ok';
      default:
        return '502 5.5.2 Command not recognised';
    }
  }

  private follow(line: string, reply: string): void {
    const positive = /^[23]/.test(reply);
    if (/^QUIT\b/i.test(line)) this.socket.end();
    if (/^(?:MAIL|RSET)\b/i.test(line)) this.mail = '';
    if (!positive) return;
    if (/^STARTTLS\b/i.test(line)) this.secure();
    else if (/^MAIL\b/i.test(line)) {
      this.mail = line;
      this.rcpt = [];
    } else if (/^RCPT\b/i.test(line)) this.rcpt.push(line);
    else if (/^DATA\b/i.test(line) && reply.startsWith('354')) this.inContent = true;
    else if (/^RSET\b/i.test(line)) this.rcpt = [];
  }

  private contentCame(stuffed: Buffer): void {
    this.inContent = false;
    this.said.push('(content)');
    const content = Buffer.from(
      stuffed
        .toString('latin1')
        .replace(/^\.\./, '.')
        .replace(/\r\n\.\./g, '\r\n.'),
      'latin1',
    );
    const reply = this.spec.dot ?? this.eightBit(content) ?? '250 2.0.0 Ok';
    if (/^2/.test(reply)) this.took.push({ mail: this.mail, rcpt: this.rcpt, content });
    this.write(reply);
    this.mail = '';
    this.rcpt = [];
    if (this.spec.cutAfter === 'dot') this.socket.end();
  }

  private eightBit(content: Buffer): string | null {
    if (this.spec.refuse8bit !== true) return null;
    const bodyAt = content.indexOf('\r\n\r\n');
    const hasHigh = (bytes: Buffer) => bytes.some((byte) => byte > 0x7f);
    if (hasHigh(content.subarray(0, bodyAt)) && !/ SMTPUTF8\b/i.test(this.mail))
      return '554 5.6.7 The header section has 8-bit text, and SMTPUTF8 was not asked for';
    if (hasHigh(content.subarray(bodyAt)) && !/ BODY=8BITMIME\b/i.test(this.mail))
      return '554 5.6.1 The body has 8-bit text, and BODY=8BITMIME was not asked for';
    return null;
  }

  private secure(): void {
    this.secured = true;
    this.socket.removeAllListeners('data');
    const asks = this.spec.uncertified === undefined ? {} : { requestCert: true, rejectUnauthorized: false };
    this.socket = new TLSSocket(this.socket, { isServer: true, ...identity, ca: clientsCa, ...asks });
    this.held = Buffer.alloc(0);
    this.listen();
  }
}

/** By a certificate of the clients' authority. */
function isCertified(socket: Socket): boolean {
  const shown = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined;
  return shown !== undefined && new X509Certificate(shown).verify(new X509Certificate(clientsCa).publicKey);
}

/** Where the content's own bytes end: before the final dot, behind a CRLF. -1: not yet. */
function contentEnd(held: Buffer): number {
  if (held.subarray(0, 3).toString('latin1') === '.\r\n') return 0;
  const at = held.indexOf('\r\n.\r\n');
  return at < 0 ? -1 : at + 2;
}
