// One connection of the package smtp-server, corrected. The package's command loop, AUTH, STARTTLS and timeouts stay.
// The reading of paths, parameters and content is ours, because the package changes them
// (docs/decisions/submission-server.md lists how). No other file uses the package's internals. Its version is pinned,
// and test/integration/submission tests each of these replacements on the wire.

import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { SMTPServer, SMTPServerSession } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { greetingCommand, type SmtpAnswer } from '#core/submission/smtp-command.ts';
import { readData } from '#core/submission/smtp-data.ts';

/** Answers to the commands of a transaction, each with its own enhanced status. `line` is the whole command. */
export type Commands = {
  /** Null: the package goes on with the mechanism. */
  auth(session: SMTPServerSession, line: string): SmtpAnswer | null;
  /** Whether EHLO names AUTH. */
  mayLogIn(session: SMTPServerSession): boolean;
  mail(session: SMTPServerSession, line: string): SmtpAnswer;
  rcpt(session: SMTPServerSession, line: string): SmtpAnswer;
  /** Null: content may come. */
  data(session: SMTPServerSession, line: string): SmtpAnswer | null;
};

type Parser = Exclude<SMTPConnection['_parser'], false>;

/**
 * Corrects the server's connections. Call it before the server listens.
 * @param contextFor the TLS that is spoken with this address; null: the server's own
 */
export function makeExact(
  server: SMTPServer,
  commands: Commands,
  contextFor: (address: string | undefined) => SecureContext | null,
): void {
  const upgrade = server._upgrade;
  server._upgrade = (socket, callback) =>
    upgrade.call(seenWith(server, contextFor(socket.remoteAddress)), socket, callback);
  server.connect = (socket: Socket, options) => {
    const seen = seenWith(server, contextFor(socket.remoteAddress));
    const connection = new SMTPConnection(seen, socket, options);
    replaceParser(connection);
    replaceReplies(connection, commands);
    replaceGreetings(connection);
    replaceCommands(connection, commands);
    greetAtOnce(connection);
    server.connections.add(connection);
    connection.on('error', (error: Error) => server.emit('error', error));
    connection.init();
  };
}

/**
 * The server as a connection with a TLS of its own sees it. The package takes the context from the server, once to
 * begin and once more where the client names a host (SNI), so that both must give the same.
 */
function seenWith(server: SMTPServer, context: SecureContext | null): SMTPServer {
  if (context === null) return server;
  return Object.create(server, { secureContext: { value: new Map([['*', context]]) } });
}

/** Whether content is being received or stored: then the connection is not to be disturbed. */
export function isInData(connection: SMTPConnection): boolean {
  return Boolean(connection._dataStream);
}

/**
 * Ends the connection when all that came has been answered: for a client that writes everything, closes its side, and
 * reads.
 */
export function endAfterInput(connection: SMTPConnection): void {
  const parser = connection._parser;
  if (parser !== false) parser.once('finish', () => connection.close());
}

export function textOf({ status, text }: SmtpAnswer): string {
  return `${status} ${text}`;
}

/**
 * Only CRLF . CRLF ends content, and only CRLF . begins a stuffed line: the package's parser eats a dot after a bare
 * LF.
 */
function replaceParser(connection: SMTPConnection): void {
  const create = connection._createParser.bind(connection);
  connection._createParser = () => {
    const parser = create();
    const start = parser.startDataMode.bind(parser);
    let read = readData();
    parser.startDataMode = (bytesMax) => {
      read = readData();
      return start(bytesMax);
    };
    parser._feedDataStream = (chunk, done) => feed(parser, read(chunk), done);
    parser.continue = () => goOn(parser);
    return parser;
  };
  connection._parser = connection._createParser();
}

/**
 * After a message. The bytes after its end may already hold the next message's end: the package would not continue
 * after that one, and the client would wait for ever.
 */
function goOn(parser: Parser): void {
  const next = parser._continueCallback;
  parser._continueCallback = typeof next !== 'function';
  if (typeof next === 'function') next();
}

function feed(parser: Parser, { content, rest }: ReturnType<ReturnType<typeof readData>>, done: () => void): void {
  const stream = parser._dataStream;
  parser._countDataBytes(content.length);
  if (rest !== null) {
    parser._endDataMode(content.length > 0 ? content : false, rest, done);
    return;
  }
  if (stream === null || content.length === 0 || !stream.writable || stream.write(content)) {
    done();
    return;
  }
  const resume = () => {
    stream.removeListener('drain', resume);
    stream.removeListener('close', resume);
    done();
  };
  stream.once('drain', resume);
  stream.once('close', resume); // a stream that was destroyed never drains
}

/**
 * A text that begins with an enhanced status has its own; the package would put one in front that it chooses by the
 * code.
 */
function replaceReplies(connection: SMTPConnection, commands: Commands): void {
  const send = connection.send.bind(connection);
  connection.send = (code, text, context) => {
    if (typeof text === 'string') return send(code, text, /^[245]\.\d{1,3}\.\d{1,3} /.test(text) ? false : context);
    return send(code, Array.isArray(text) ? offered(text, commands.mayLogIn(connection.session)) : text, context);
  };
}

/**
 * EHLO's answer: AUTH where it may be used, and a second time as Outlook Express 4 and old devices look for it, with an
 * equals sign.
 */
function offered(lines: readonly string[], auth: boolean): string[] {
  return lines.flatMap((line) => {
    if (!line.startsWith('AUTH ')) return [line];
    return auth ? [line, line.replace(' ', '=')] : [];
  });
}

/** Devices without a name greet with none, or with one that has blanks in it: the package would refuse both. */
function replaceGreetings(connection: SMTPConnection): void {
  const { remoteAddress } = connection;
  for (const name of ['handler_HELO', 'handler_EHLO'] as const) {
    const greet = connection[name].bind(connection);
    connection[name] = (command, callback) =>
      greet(Buffer.from(greetingCommand(command.toString(), remoteAddress)), callback);
  }
}

function replaceCommands(connection: SMTPConnection, commands: Commands): void {
  const answered =
    (answer: (session: SMTPServerSession, line: string) => SmtpAnswer) => (command: Buffer, callback: () => void) => {
      const said = answer(connection.session, command.toString());
      connection.send(said.code, textOf(said));
      callback();
    };
  connection.handler_MAIL = answered((session, line) => commands.mail(session, line));
  connection.handler_RCPT = answered((session, line) => commands.rcpt(session, line));
  const unless =
    (refusing: 'auth' | 'data', go: (command: Buffer, callback: () => void) => void) =>
    (command: Buffer, callback: () => void) => {
      const refusal = commands[refusing](connection.session, command.toString());
      if (refusal === null) return go(command, callback);
      connection.send(refusal.code, textOf(refusal));
      callback();
    };
  connection.handler_AUTH = unless('auth', connection.handler_AUTH.bind(connection));
  connection.handler_DATA = unless('data', connection.handler_DATA.bind(connection));
}

/** The package waits 100 ms for clients that talk too soon: a spam trap, of no use where clients log in. */
function greetAtOnce(connection: SMTPConnection): void {
  connection.init = () =>
    connection._setListeners(() => {
      const { maxClients } = connection._server.options;
      if (maxClients && connection._server.connections.size > maxClients)
        return connection.send(421, '4.3.2 Too many connections, try again later');
      connection.connectionReady();
    });
}
