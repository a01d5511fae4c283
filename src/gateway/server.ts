// The submission server: SMTP with AUTH, STARTTLS or implicit TLS, for programs and mail servers of our side. It has
// the listeners, logins and limits; the transaction's commands, its content and the package's corrections have their
// own files. It keeps no mail: a client that got no 250 still has its message.

import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SMTPServer, type SMTPServerAuthentication, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import type { Settings } from '#config/settings.ts';
import {
  loginDelayMs,
  loginFailuresPerConnectionMax,
  submissionBytesMax,
  submissionConnectionsMax,
  submissionConnectionsPerAddressMax,
  submissionContentMs,
  submissionFarewellMs,
  submissionIdleMs,
  submissionLineBytesMax,
  submissionRecipientsMax,
} from '#core/limits.ts';
import { loginNameShown } from '#core/submission/login-name.ts';
import type { SmtpAnswer } from '#core/submission/smtp-command.ts';
import { Callers, type TlsFiles } from './callers.ts';
import { endAfterInput, isInData, makeExact, textOf } from './exact-connection.ts';
import type { LoginGuard } from './login-guard.ts';
import { SubmissionTransactions } from './mail-transactions.ts';
import { type ReceptionParts, receive } from './reception.ts';

export type SubmissionServerParts = ReceptionParts & {
  readonly settings: Pick<Settings, 'domains' | 'submitters' | 'host'>;
  /** The check of logins; or the submitter of the one client that needs no login (sendmail -bs). */
  readonly clients: LoginGuard | { readonly submitter: string };
  readonly tls: TlsFiles | null;
  /** Logins without TLS from elsewhere than this machine. */
  readonly allowPlainAuth: boolean;
  /** The addresses of this machine, from which a login without TLS is allowed. */
  readonly isLocal?: (address: string) => boolean;
  readonly limits?: Partial<SubmissionLimits>;
  /** Outbound mail is paused: MAIL is answered 451. Absent: it is taken always, and kept. */
  readonly isPaused?: () => boolean;
};
export type SubmissionLimits = typeof usualLimits;
const usualLimits = {
  bytesMax: submissionBytesMax,
  recipientsMax: submissionRecipientsMax,
  connectionsMax: submissionConnectionsMax,
  connectionsPerAddressMax: submissionConnectionsPerAddressMax,
  idleMs: submissionIdleMs,
  contentMs: submissionContentMs,
  loginDelayMs,
  farewellMs: submissionFarewellMs,
};

export type SubmissionServer = {
  /** Rejects where the port cannot be opened. Resolves to the port. */
  listen(where: { readonly host: string; readonly port: number; readonly implicitTls: boolean }): Promise<number>;
  /** One conversation over a stream that is no network connection; resolves when it is over. */
  converse(stream: Socket): Promise<void>;
  /** A renewed certificate, for connections from now on. */
  renew(tls: TlsFiles): void;
  /** Takes no more connections, lets messages whose content has begun get their answer, and sends the others 421. */
  stop(): Promise<void>;
};

type Client = { failures: number; readonly gone: AbortController };

export function submissionServer(parts: SubmissionServerParts): SubmissionServer {
  const limits = { ...usualLimits, ...parts.limits };
  const callers = new Callers(parts.settings, parts.tls, {
    process: 'submitter' in parts.clients ? parts.clients.submitter : null,
    allowPlainAuth: parts.allowPlainAuth,
    isLocal: parts.isLocal,
  });
  const transactions = new SubmissionTransactions(
    parts.settings,
    limits,
    isAsked(parts),
    callers,
    parts.isPaused ?? never,
  );
  const clients = new Map<SMTPServerSession, Client>();
  const servers: SMTPServer[] = [];
  let stopping = false;

  function make(secure: boolean): SMTPServer {
    const server = new SMTPServer({
      ...optionsOf(parts, limits, secure),
      onConnect: (session, callback) => callback(admit(session)),
      onSecure: (socket, session, callback) => {
        callers.secured(session, 'getProtocol' in socket ? socket.getProtocol() : null);
        callback();
      },
      onAuth: (auth, session, callback) => {
        login(auth, session).then(
          (result) => (typeof result === 'string' ? callback(null, { user: result }) : callback(errorOf(result))),
          (error: unknown) => callback(errorOf(unavailable(String(error)))),
        );
      },
      onData: (stream, session, callback) => {
        content(stream, session).then(
          (answer) => {
            if (answer.code === 250) callback(null, textOf(answer));
            else callback(errorOf(answer));
            if (stopping) farewell(server, session);
          },
          () => stream.destroy(), // the client went away
        );
      },
      onClose: (session) => {
        clients.get(session)?.gone.abort();
        clients.delete(session);
      },
    });
    makeExact(server, transactions, (address) => callers.oldTlsFor(address));
    server.on('error', (error: Error & { remoteAddress?: string }) =>
      parts.log('submission.connection-failed', { address: error.remoteAddress ?? null, why: error.message }),
    );
    servers.push(server);
    return server;
  }

  /** An error refuses the connection. */
  function admit(session: SMTPServerSession): Error | null {
    const sameAddress = [...clients.keys()].filter((each) => each.remoteAddress === session.remoteAddress).length;
    if (sameAddress >= limits.connectionsPerAddressMax)
      return errorOf({ code: 421, status: '4.7.0', text: 'Too many connections from your address' });
    clients.set(session, { failures: 0, gone: new AbortController() });
    if ('submitter' in parts.clients) session.user = parts.clients.submitter;
    return null;
  }

  async function login(auth: SMTPServerAuthentication, session: SMTPServerSession): Promise<string | SmtpAnswer> {
    if ('submitter' in parts.clients) return parts.clients.submitter;
    const guard = parts.clients;
    const { remoteAddress: address } = session;
    const { username = '', authzid = '' } = auth;
    const password = auth.password ?? '';
    if (guard.isShut(address, username)) {
      parts.log('submission.login-shut', { address, username: loginNameShown(username) });
      await sleep(limits.loginDelayMs);
      return { code: 421, status: '4.7.0', text: 'Too many failed logins, try again later' };
    }
    const found = await guard.login(username, password);
    if (found.kind === 'unavailable') return unavailable(found.detail);
    if (found.kind === 'submitter' && (authzid === '' || authzid === username)) {
      guard.succeeded(address, username);
      return callers.isTooOldFor(found.submitter, session) ? tooOld(found.submitter, address) : found.submitter;
    }
    guard.failed(address, username);
    const client = clients.get(session);
    const failures = client === undefined ? loginFailuresPerConnectionMax : ++client.failures;
    parts.log('submission.login-failed', { address, username: loginNameShown(username) });
    await sleep(limits.loginDelayMs);
    if (failures >= loginFailuresPerConnectionMax)
      return { code: 421, status: '4.7.0', text: 'Too many failed logins' };
    return { code: 535, status: '5.7.8', text: 'Username or password is wrong' };
  }

  function tooOld(submitter: string, address: string): SmtpAnswer {
    parts.log('submission.login-refused', { address, submitter, why: 'TLS 1.0 or 1.1, and its oldTls is not set' });
    return { code: 538, status: '5.7.11', text: `The login of ${submitter} needs TLS 1.2 or later` };
  }

  function unavailable(why: string): SmtpAnswer {
    parts.log('submission.login-unavailable', { why });
    return { code: 454, status: '4.7.0', text: 'Logins cannot be checked now, try again later' };
  }

  async function content(stream: AsyncIterable<Buffer>, session: SMTPServerSession): Promise<SmtpAnswer> {
    const transaction = transactions.of(session);
    const client = clients.get(session);
    if (transaction === null || client === undefined) throw new Error('content without a transaction');
    const slow = setTimeout(() => cut(session), limits.contentMs);
    const timed = endsWith(stream, () => clearTimeout(slow));
    const arrival = callers.arrivalOf(session, transaction.by);
    const given = { content: timed, session, transaction, arrival, bytesMax: limits.bytesMax, asked: isAsked(parts) };
    return receive(parts, { ...given, signal: client.gone.signal });
  }

  function cut(session: SMTPServerSession): void {
    for (const server of servers)
      for (const it of server.connections) if (it.session === session) it.send(421, '4.4.2 Too slow');
  }

  function farewell(server: SMTPServer, session: SMTPServerSession): void {
    for (const it of server.connections) if (it.session === session) it.send(421, GOODBYE);
  }

  return {
    async listen({ host, port, implicitTls }) {
      const server = make(implicitTls);
      await new Promise<void>((resolve, reject) => {
        server.server.once('error', reject);
        server.listen(port, host, () => resolve());
      });
      return (server.server.address() as AddressInfo).port;
    },
    converse(stream) {
      const server = make(false);
      const over = new Promise<void>((resolve) => stream.once('close', () => resolve()));
      stream.once('finish', () => stream.destroy()); // bytes after QUIT are ignored
      server.connect(stream);
      for (const connection of server.connections) endAfterInput(connection);
      return over;
    },
    renew(tls) {
      callers.renew(tls);
      for (const server of servers) server.updateSecureContext(tls);
    },
    async stop() {
      stopping = true;
      const stopped = servers.map((server) => new Promise<void>((resolve) => server.close(resolve)));
      for (const server of servers)
        for (const connection of server.connections) if (!isInData(connection)) connection.send(421, GOODBYE);
      await Promise.all(stopped);
    },
  };
}

/** Whether a sender is asked for: of a submitter that speaks for itself only where its domains are known. */
function isAsked({ clients, settings }: SubmissionServerParts): boolean {
  return !('submitter' in clients) || Object.hasOwn(settings.submitters, clients.submitter);
}

const never = () => false;
const GOODBYE = '4.3.2 This server is stopping, try again later';

function optionsOf(parts: SubmissionServerParts, limits: SubmissionLimits, secure: boolean): SMTPServerOptions {
  const { host } = parts.settings;
  return {
    name: host,
    banner: 'Everpost',
    heloResponse: '%s',
    secure,
    ...(parts.tls === null ? { hideSTARTTLS: true } : { ...parts.tls, minVersion: 'TLSv1.2' }),
    size: limits.bytesMax,
    maxClients: limits.connectionsMax,
    socketTimeout: limits.idleMs,
    closeTimeout: limits.farewellMs,
    maxCommandLength: submissionLineBytesMax,
    authMethods: ['PLAIN', 'LOGIN'],
    authOptional: true, // our check at MAIL decides whether a client may submit
    allowInsecureAuth: true, // AUTH itself is switched off where it may not be used
    disabledCommands: disabledOf(parts),
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    hideDSN: false,
    logger: false,
  };
}

/** Jokes and proxies of the package; features without a certificate; features without a login. */
function disabledOf({ tls, clients }: SubmissionServerParts): string[] {
  const never = ['WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD'];
  return [...never, ...(tls === null ? ['STARTTLS'] : []), ...('submitter' in clients ? ['AUTH'] : [])];
}

/** An answer as the package takes it. */
function errorOf(answer: SmtpAnswer): Error & { responseCode: number } {
  return Object.assign(new Error(textOf(answer)), { responseCode: answer.code });
}

async function* endsWith<T>(content: AsyncIterable<T>, then: () => void): AsyncGenerator<T> {
  try {
    yield* content;
  } finally {
    then();
  }
}
