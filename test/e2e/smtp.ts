// The two ends of a relay for tests: a client that sends exact bytes, and a server that keeps exact bytes. Raw sockets,
// because a library would repair what we want to see. Neither knows anything of Everpost.

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Sent = { readonly code: number; readonly text: string };

/**
 * One transaction on a connection of its own. `content` are the message's bytes; dots are stuffed here and nothing
 * else. Rejects when the connection breaks.
 */
export async function sendMail(
  port: number,
  reversePath: string,
  forwardPaths: readonly string[],
  content: Uint8Array,
): Promise<Sent> {
  const socket = connect(port, '127.0.0.1');
  const replies = repliesOf(socket);
  try {
    await replies.next();
    for (const command of ['EHLO client.example', `MAIL FROM:<${reversePath}>`]) {
      const reply = await say(socket, replies, command);
      if (reply.code >= 400) return reply;
    }
    let refused: Sent | null = null;
    let taken = 0;
    for (const forwardPath of forwardPaths) {
      const reply = await say(socket, replies, `RCPT TO:<${forwardPath}>`);
      if (reply.code < 300) taken += 1;
      else refused = reply;
    }
    if (taken === 0 && refused !== null) return refused;
    const go = await say(socket, replies, 'DATA');
    if (go.code !== 354) return go;
    socket.write(stuffed(content));
    const end = await replies.next();
    socket.write('QUIT\r\n');
    return end;
  } finally {
    socket.destroy();
  }
}

async function say(socket: Socket, replies: { next(): Promise<Sent> }, command: string): Promise<Sent> {
  socket.write(`${command}\r\n`);
  return replies.next();
}

/** RFC 5321 §4.5.2, on bytes. */
export function stuffed(content: Uint8Array): Buffer {
  const text = Buffer.from(content).toString('latin1');
  const ended = text.endsWith('\r\n') || text === '' ? text : `${text}\r\n`;
  return Buffer.from(`${ended.replace(/^\./, '..').replace(/\r\n\./g, '\r\n..')}.\r\n`, 'latin1');
}

function repliesOf(socket: Socket): { next(): Promise<Sent> } {
  let buffer = '';
  let broken: Error | null = null;
  let waiting: { resolve: (reply: Sent) => void; reject: (error: Error) => void } | null = null;
  const pump = () => {
    const match = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: ([^\n]*))?\n/.exec(buffer);
    if (waiting === null) return;
    if (match !== null) {
      buffer = buffer.slice(match[0].length);
      const { resolve } = waiting;
      waiting = null;
      resolve({ code: Number(match[1]), text: (match[2] ?? '').trim() });
    } else if (broken !== null) waiting.reject(broken);
  };
  const end = (error: Error) => {
    broken = error;
    pump();
  };
  socket.on('data', (chunk) => {
    buffer += chunk.toString('latin1');
    pump();
  });
  socket.on('error', end);
  socket.on('close', () => end(broken ?? new Error('the connection was closed')));
  return {
    next: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        pump();
      }),
  };
}

export type Caught = {
  /** The whole MAIL command. */
  readonly mail?: string;
  readonly reversePath: string;
  readonly forwardPaths: readonly string[];
  readonly content: Buffer;
};
/**
 * What the server does at a RCPT or at the final dot: undefined accepts; a text is the whole reply without its line
 * end, and refuses; `keep` keeps the message all the same, and without a reply the connection is broken.
 */
export type Answer = string | undefined | { readonly reply: string | null; readonly keep: boolean };
export type Manners = {
  /** Keywords that it answers EHLO with; absent: all that a server of today has. */
  readonly offers?: readonly string[];
  /** What it says to a login; undefined takes it. */
  readonly login?: () => string | undefined;
  readonly rcpt?: (forwardPath: string) => Answer | Promise<Answer>;
  readonly finalDot?: (caught: Caught) => Answer | Promise<Answer>;
};

const OFFERS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'AUTH PLAIN', 'SIZE 60000000'];

export type Catcher = { readonly port: number; readonly caught: Caught[]; close(): Promise<void> };

/** An SMTP server that keeps what it takes, byte for byte (dots unstuffed). */
export async function catcher(manners: Manners = {}): Promise<Catcher> {
  const caught: Caught[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    session(socket, manners, caught);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    caught,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function session(socket: Socket, manners: Manners, caught: Caught[]): void {
  let reversePath = '';
  let mail = '';
  let forwardPaths: string[] = [];
  let buffer = Buffer.alloc(0);
  let inContent = false;
  let working = false;

  const command = async (line: string): Promise<string | null> => {
    const verb = line.slice(0, 4).toUpperCase();
    const path = /<([^>]*)>/.exec(line)?.[1] ?? '';
    if (verb === 'EHLO' || verb === 'LHLO')
      return ['catcher.example', ...(manners.offers ?? OFFERS)]
        .map((line, at, { length }) => `250${at === length - 1 ? ' ' : '-'}${line}`)
        .join('\r\n');
    if (verb === 'AUTH') return manners.login?.() ?? '235 2.7.0 whoever you are';
    if (verb === 'MAIL') {
      reversePath = path;
      mail = line;
      forwardPaths = [];
    } else if (verb === 'RCPT') {
      const { reply, keep } = whole(await manners.rcpt?.(path));
      if (keep) forwardPaths.push(path);
      return reply;
    } else if (verb === 'DATA') {
      if (forwardPaths.length === 0) return '554 5.5.1 no valid recipients';
      inContent = true;
      return '354 go on';
    } else if (verb === 'QUIT') {
      socket.end('221 2.0.0 bye\r\n');
      return '';
    }
    return '250 2.0.0 Ok';
  };
  const take = async (content: Buffer): Promise<string | null> => {
    const message = { mail, reversePath, forwardPaths, content };
    const { reply, keep } = whole(await manners.finalDot?.(message));
    if (keep) caught.push(message);
    return reply;
  };
  /** The next command or message in what has come, or null while it is not whole. */
  const next = (): (() => Promise<string | null>) | null => {
    if (inContent) {
      const end = buffer.subarray(0, 3).equals(Buffer.from('.\r\n')) ? 0 : buffer.indexOf('\r\n.\r\n') + 2;
      if (end === 1) return null;
      const content = unstuffed(buffer.subarray(0, end));
      buffer = buffer.subarray(end + 3);
      inContent = false;
      return () => take(content);
    }
    const end = buffer.indexOf('\n');
    if (end < 0) return null;
    const line = buffer.subarray(0, end).toString('latin1').trimEnd();
    buffer = buffer.subarray(end + 1);
    return () => command(line);
  };
  const pump = async () => {
    if (working) return;
    working = true;
    for (let step = next(); step !== null; step = next()) {
      const reply = await step();
      if (reply === null) return void socket.destroy();
      if (reply !== '') socket.write(`${reply}\r\n`);
    }
    working = false;
  };
  socket.write('220 catcher.example ESMTP\r\n');
  // Content is joined once its end has come: joining it with each chunk would take long for a large message.
  let waiting: Buffer[] = [];
  let tail = '';
  socket.on('data', (chunk) => {
    waiting.push(chunk);
    tail = `${tail}${chunk.toString('latin1')}`;
    const hasEnd = tail.startsWith('.\r\n') || tail.includes('\r\n.\r\n');
    tail = tail.slice(-4);
    if (inContent && !hasEnd) return;
    buffer = Buffer.concat([buffer, ...waiting]);
    waiting = [];
    pump().catch(() => socket.destroy());
  });
}

function whole(answer: Answer): { readonly reply: string | null; readonly keep: boolean } {
  if (answer === undefined) return { reply: '250 2.0.0 Ok', keep: true };
  return typeof answer === 'string' ? { reply: answer, keep: false } : answer;
}

function unstuffed(content: Buffer): Buffer {
  return Buffer.from(
    content
      .toString('latin1')
      .replace(/^\.\./, '.')
      .replace(/\r\n\.\./g, '\r\n.'),
    'latin1',
  );
}
