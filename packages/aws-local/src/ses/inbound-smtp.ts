// SES's SMTP listener, as at inbound-smtp.REGION.amazonaws.com. Opened by start-aws.ts and by the product's front door.
// It speaks SMTP and gives the envelope and the exact bytes to a `MailDoor`, which decides. It never answers DATA with
// 250 before the door does.

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { readData } from './data-reader.ts';
import { readPath } from './smtp-path.ts';

export const MESSAGE_BYTES_MAX = 40 * 1024 * 1024; // SES quota: 40 MB an inbound message
const LINE_BYTES_MAX = 4_096; // RFC 5321 §4.5.3.1.4 asks for 512 at least; parameters and UTF-8 need more
const RECIPIENTS_MAX = 100; // RFC 5321 §4.5.3.1.8 asks for 100 at least; SES's limit is not documented
const IDLE_MS = 300_000; // RFC 5321 §4.5.3.2.7: a server waits at least five minutes
const CONNECTIONS_MAX = 500; // of one machine's clients; above it 421
const MISTAKES_MAX = 20; // commands in error before the line is cut

/** An answer: `status` is RFC 3463's enhanced code. */
export type Answer = { readonly code: number; readonly status: string; readonly text: string };
export type Peer = { readonly address: string; readonly helo: string; readonly secure: boolean };
export type Envelope = { readonly reversePath: string; readonly forwardPaths: readonly string[] };

/** Takes the bytes of one message. */
export interface Intake {
  /** A promise asks the client to wait. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** All bytes are in: makes the message durable and answers for it. */
  commit(): Promise<Answer>;
  /** The message is not taken: leaves nothing behind. */
  abort(): Promise<void>;
}
export interface MailDoor {
  /** Null lets the transaction begin. */
  mail?(reversePath: string, peer: Peer): Answer | null;
  /** Null takes the recipient. */
  rcpt(forwardPath: string, peer: Peer): Answer | null;
  open(envelope: Envelope, peer: Peer): Intake;
}
export type FrontDoor = {
  readonly port: number;
  /** Stops listening and ends open connections. A message that was not answered was not accepted. */
  close(): Promise<void>;
};

/** Listens on 127.0.0.1:`port` (0 takes a free one) under the name `host`. Rejects when the port is taken. */
export async function openFrontDoor(parts: {
  readonly port: number;
  readonly host: string;
  readonly door: MailDoor;
  readonly log: (line: string) => void;
  readonly bytesMax?: number;
}): Promise<FrontDoor> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(IDLE_MS, () => socket.end(`421 4.4.2 ${parts.host} timeout, closing\r\n`));
    if (sockets.size > CONNECTIONS_MAX) {
      socket.end(`421 4.3.2 ${parts.host} too many connections\r\n`);
      return;
    }
    converse(socket, parts.host, parts.door, parts.bytesMax ?? MESSAGE_BYTES_MAX).catch((error: unknown) => {
      if (!socket.destroyed)
        parts.log(`front door: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(parts.port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

type Transaction = { reversePath: string; forwardPaths: string[] };

type Session = {
  readonly socket: Socket;
  readonly wire: ReturnType<typeof openWire>;
  readonly host: string;
  readonly door: MailDoor;
  readonly bytesMax: number;
  helo: string | null;
  transaction: Transaction | null;
  mistakes: number;
};
/** The answer to a command; null where the verb has sent it; 'end' where the connection is over. */
type Said = Answer | null | 'end';

/**
 * One connection, from greeting to QUIT. Replies wait until the client's pipelined commands are read (RFC 2920 §3.2).
 */
async function converse(socket: Socket, host: string, door: MailDoor, bytesMax: number): Promise<void> {
  const wire = openWire(socket);
  const session: Session = { socket, wire, host, door, bytesMax, helo: null, transaction: null, mistakes: 0 };
  wire.say(`220 ${host} ESMTP\r\n`);
  for (let line = await wire.line(); line !== null; line = await wire.line()) {
    const answer = line === 'too long' ? reply(500, '5.5.2', 'Line too long') : await obey(session, line);
    if (answer === 'end') return;
    if (answer !== null) {
      say(session, answer);
      // not 550: a list of dead addresses is no attack
      if (answer.code >= 500 && answer.code <= 503) session.mistakes += 1;
    }
    if (session.mistakes >= MISTAKES_MAX) {
      say(session, reply(421, '4.7.0', 'Too many errors'));
      await wire.flush();
      socket.end();
      return;
    }
  }
  socket.end();
}

function say(session: Session, answer: Answer): void {
  session.wire.say(`${answer.code} ${answer.status} ${answer.text}\r\n`);
}

function peerOf(session: Session): Peer {
  return { address: session.socket.remoteAddress ?? '127.0.0.1', helo: session.helo ?? '', secure: false };
}

/**
 * A page in a browser can make it post to us: none of its lines is a command (Postfix: smtpd_forbidden_commands).
 */
const HTTP = /^(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI)(?: |$)|^[A-Za-z0-9-]+:/i;

async function obey(session: Session, line: string): Promise<Said> {
  if (HTTP.test(line)) return end(session, reply(554, '5.5.1', 'HTTP requests are not allowed'));
  const verb = (/^[A-Za-z]+/.exec(line)?.[0] ?? '').toUpperCase();
  const argument = line.slice(verb.length);
  switch (verb) {
    case 'EHLO':
    case 'HELO':
      return greet(session, verb, argument);
    case 'MAIL':
      return mail(session, argument);
    case 'RCPT':
      return rcpt(session, argument);
    case 'DATA':
      return data(session, argument);
    case 'RSET':
      session.transaction = null;
      return reply(250, '2.0.0', 'Ok');
    case 'NOOP':
      return reply(250, '2.0.0', 'Ok');
    case 'VRFY':
      return reply(252, '2.5.0', 'Send some mail and see');
    case 'HELP':
      return reply(214, '2.0.0', 'RFC 5321');
    case 'QUIT':
      return end(session, reply(221, '2.0.0', `${session.host} closing`));
    case 'STARTTLS':
    case 'AUTH':
    case 'BDAT':
    case 'EXPN':
      return reply(502, '5.5.1', `${verb} is not offered`);
    default:
      return reply(500, '5.5.2', 'Unknown command');
  }
}

/** Answers and ends the connection. Bytes that the client sent after this command are not read. */
async function end(session: Session, answer: Answer): Promise<Said> {
  say(session, answer);
  await session.wire.flush();
  session.socket.end();
  return 'end';
}

function greet(session: Session, verb: 'EHLO' | 'HELO', argument: string): Said {
  if (!/^ +[\x21-\x7e\u0080-\u{10ffff}]{1,255} *$/u.test(argument)) return reply(501, '5.5.4', `Syntax: ${verb} host`);
  session.helo = argument.trim();
  session.transaction = null;
  const { host, bytesMax } = session;
  const offered = `250-${extensions(host, bytesMax).join('\r\n250-')}\r\n250 HELP\r\n`;
  session.wire.say(verb === 'EHLO' ? offered : `250 ${host}\r\n`);
  return null;
}

function mail(session: Session, argument: string): Said {
  if (session.helo === null) return reply(503, '5.5.1', 'EHLO first');
  if (session.transaction !== null) return reply(503, '5.5.1', 'A transaction is under way');
  const read = mailFrom(argument, session.bytesMax);
  if ('code' in read) return read;
  const refusal = session.door.mail?.(read.reversePath, peerOf(session)) ?? null;
  if (refusal !== null) return refusal;
  session.transaction = { reversePath: read.reversePath, forwardPaths: [] };
  return reply(250, '2.1.0', 'Sender ok');
}

function rcpt(session: Session, argument: string): Said {
  const { transaction } = session;
  if (transaction === null) return reply(503, '5.5.1', 'MAIL first');
  const read = rcptTo(argument, transaction);
  if (typeof read !== 'string') return read;
  const refusal = session.door.rcpt(read, peerOf(session));
  if (refusal !== null) return refusal;
  if (!transaction.forwardPaths.includes(read)) transaction.forwardPaths.push(read);
  return reply(250, '2.1.5', 'Recipient ok');
}

async function data(session: Session, argument: string): Promise<Said> {
  const { transaction } = session;
  if (transaction === null || transaction.forwardPaths.length === 0) return reply(503, '5.5.1', 'RCPT first');
  if (argument.trim() !== '') return reply(501, '5.5.4', 'Syntax: DATA');
  const taken = await takeData(session.wire, session.door.open(transaction, peerOf(session)), session.bytesMax);
  session.transaction = null;
  if (taken === null) return 'end'; // the client went away in the middle
  session.mistakes = 0;
  return taken;
}

const reply = (code: number, status: string, text: string): Answer => ({ code, status, text });
const extensions = (host: string, bytesMax: number): readonly string[] => [
  host,
  'PIPELINING',
  `SIZE ${bytesMax}`,
  '8BITMIME',
  'SMTPUTF8',
  'ENHANCEDSTATUSCODES',
];

function mailFrom(argument: string, bytesMax: number): Answer | { readonly reversePath: string } {
  const path = /^ +FROM:/i.test(argument) ? readPath(argument.slice(argument.indexOf(':') + 1)) : null;
  if (path === null || path.address.toLowerCase() === 'postmaster')
    return reply(501, '5.1.7', 'Syntax: MAIL FROM:<address>');
  for (const [name, value] of path.parameters) {
    const known =
      (name === 'SIZE' && /^\d{1,20}$/.test(value)) ||
      (name === 'BODY' && /^(7BIT|8BITMIME)$/i.test(value)) ||
      (name === 'SMTPUTF8' && value === '');
    if (!known) return reply(555, '5.5.4', `${name} is not understood`);
  }
  if (Number(path.parameters.get('SIZE') ?? 0) > bytesMax) return tooBig(bytesMax);
  return { reversePath: path.address };
}

function rcptTo(argument: string, transaction: Transaction): Answer | string {
  const path = /^ +TO:/i.test(argument) ? readPath(argument.slice(argument.indexOf(':') + 1)) : null;
  if (path === null || path.address === '') return reply(501, '5.1.3', 'Syntax: RCPT TO:<address>');
  const [parameter] = path.parameters.keys();
  if (parameter !== undefined) return reply(555, '5.5.4', `${parameter} is not understood`);
  if (transaction.forwardPaths.length >= RECIPIENTS_MAX && !transaction.forwardPaths.includes(path.address)) {
    return reply(452, '4.5.3', 'Too many recipients');
  }
  return path.address;
}

const tooBig = (bytesMax: number): Answer => reply(552, '5.3.4', `Message exceeds ${bytesMax} bytes`);

/** DATA to its final dot. Null when the client went away first: then nothing was taken. */
async function takeData(wire: Wire, intake: Intake, bytesMax: number): Promise<Answer | null> {
  wire.say('354 End data with <CR><LF>.<CR><LF>\r\n');
  const read = readData();
  let bytes = 0;
  let refusal: Answer | null = null;
  for (;;) {
    const chunk = await wire.chunk();
    if (chunk === null) {
      await intake.abort();
      return null;
    }
    const { content, rest } = read(chunk);
    bytes += content.length;
    if (bytes > bytesMax) refusal ??= tooBig(bytesMax);
    if (refusal === null && content.length > 0) {
      try {
        await intake.write(content);
      } catch {
        refusal = reply(452, '4.3.1', 'Storage failed, try again later');
      }
    }
    if (rest === null) continue;
    wire.unread(rest);
    if (refusal === null) return intake.commit();
    await intake.abort();
    return refusal;
  }
}

type Wire = {
  /** Queued until the client must be waited for. */
  say(text: string): void;
  flush(): Promise<void>;
  /** The next command line without its end; null at the end of the connection. */
  line(): Promise<string | null>;
  chunk(): Promise<Buffer | null>;
  unread(rest: Buffer): void;
};

function openWire(socket: Socket): Wire {
  const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  const nothing = Buffer.alloc(0);
  let unread: Buffer = nothing;
  let replies = '';

  async function flush(): Promise<void> {
    if (replies === '') return;
    const text = replies;
    replies = '';
    if (!socket.write(text) && !socket.destroyed) {
      await new Promise<void>((resume) => {
        socket.once('drain', resume);
        socket.once('close', resume);
      });
    }
  }
  async function more(): Promise<Buffer | null> {
    await flush();
    if (socket.destroyed) return null;
    const next = await chunks.next().catch(() => ({ done: true as const, value: undefined }));
    return next.done ? null : next.value;
  }

  return {
    say: (text) => {
      replies += text;
    },
    flush,
    async line() {
      for (let dropping = false; ; ) {
        const end = unread.indexOf(0x0a);
        if (end >= 0) {
          const line = unread.subarray(0, end > 0 && unread[end - 1] === 0x0d ? end - 1 : end);
          unread = unread.subarray(end + 1);
          return dropping || line.length > LINE_BYTES_MAX ? 'too long' : line.toString();
        }
        if (unread.length > LINE_BYTES_MAX) {
          dropping = true;
          unread = nothing;
        }
        const chunk = await more();
        if (chunk === null) return null;
        unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
      }
    },
    async chunk() {
      if (unread.length === 0) return more();
      const chunk = unread;
      unread = nothing;
      return chunk;
    },
    unread: (rest) => {
      unread = rest;
    },
  };
}
