// Our identity at a next hop: the login and the client certificate of each new connection. next-hop.ts opens its
// connections by it. A secret that cannot be read or used is a result of the attempt, and then no connection is made.
// After a refusal it requests a new token once, or reads a password again. No text in a result holds a secret.

import { createSecureContext, type SecureContext } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { LmtpSettings, SmtpSettings } from '#config/settings.ts';
import { boardEveryMs } from '#core/limits.ts';
import type { AttemptResult, CapabilityFault } from '#core/reply/reply.ts';
import { OutOfReach } from '../out-of-reach.ts';
import { SecretMistake } from '../secret-text.ts';
import { type ClientCertificate, whyNotNow } from './client-certificate.ts';
import { FirstLogin } from './first-login.ts';
import type { Credentials } from './login.ts';
import { type Opened, openSmtp } from './opening.ts';
import type { LoginTrouble, SmtpServer } from './remote.ts';
import { networkResult } from './results.ts';

/** Thrown by `credentials`: there is no token. `detail` is without secrets. */
export class NoToken extends Error {
  readonly fault: 'token-refused' | 'token-unavailable';
  constructor(fault: NoToken['fault'], detail: string) {
    super(detail);
    this.name = 'NoToken';
    this.fault = fault;
  }
}

export type IdentityTerms = {
  /** Reads the login, or asks for a token; asked for each connection, where the settings have `auth`. */
  readonly credentials: (() => Promise<Credentials>) | null;
  /** The server refused these. True: others may be had now, and where they differ are worth one more try at once. */
  readonly refused?: (credentials: Credentials) => boolean;
  /** How long a refused login answers for others with the same credentials, in milliseconds. */
  readonly refusalKeptMs?: number;
  /** Of the secrets of the login and of the certificate: the versions as last read, or read anew. */
  readonly secretVersion?: () => string;
  readonly freshVersion?: () => Promise<string>;
  /** Reads the certificate; asked for each connection, where the settings have `clientCertificate`. */
  readonly certificate?: (() => Promise<ClientCertificate>) | null;
  /** Gets each certificate once, as it is read: an alarm depends on its expiry. */
  readonly certificateRead?: (certificate: ClientCertificate) => void;
};

/** The login and the certificate of one connection: a part of SmtpServer. */
export type Shown = Pick<SmtpServer, 'credentials' | 'firstLogin' | 'context' | 'certified'>;

export class Identity {
  readonly #settings: SmtpSettings | LmtpSettings;
  readonly #terms: IdentityTerms;
  readonly #firstLogin: FirstLogin<LoginTrouble>;
  #trust: SecureContext | undefined;
  #shown: { readonly of: ClientCertificate; readonly context: SecureContext } | null = null;

  constructor(settings: SmtpSettings | LmtpSettings, terms: IdentityTerms) {
    this.#settings = settings;
    this.#terms = terms;
    this.#firstLogin = new FirstLogin(isRefused, terms.refusalKeptMs ?? boardEveryMs);
  }

  /** The versions of the secrets that the last login and certificate came from; null where none is known. */
  secretVersion(): string | null {
    return this.#terms.secretVersion?.() ?? null;
  }

  /** The same, read anew. */
  freshVersion(): Promise<string | null> {
    return this.#terms.freshVersion?.() ?? Promise.resolve(null);
  }

  /** The login and certificate for an attempt's connections, or why there is none: then no connection is made. */
  async show(host: string, signal: AbortSignal): Promise<Shown | AttemptResult> {
    const ready = new AbortController();
    const shown = await Promise.race([this.#read(), stopped(host, signal, ready.signal)]);
    ready.abort();
    return shown;
  }

  /**
   * A connection that takes mail, or why there is none. A token that the server refuses is asked for once more, where
   * another one is to be had.
   */
  async open(server: SmtpServer, signal: AbortSignal): Promise<Opened> {
    const opened = await openSmtp(server, signal);
    if (!this.#isWorthAnother(server, opened) || signal.aborted) return opened;
    const shown = await this.show(server.host, signal);
    if ('kind' in shown || isDeepStrictEqual(shown.credentials, server.credentials)) return opened;
    const again = { ...server, ...shown };
    const second = await openSmtp(again, signal);
    this.#isWorthAnother(again, second); // the token cache must get each refused token
    return second;
  }

  #isWorthAnother({ credentials }: SmtpServer, opened: Opened): boolean {
    return credentials !== null && isRefusedLogin(opened) && this.#terms.refused?.(credentials) === true;
  }

  async #read(): Promise<Shown | AttemptResult> {
    const credentials = await this.#login();
    if (credentials !== null && 'kind' in credentials) return credentials;
    const context = await this.#tlsContext();
    if (context !== undefined && 'kind' in context) return context;
    return { credentials, firstLogin: this.#firstLogin, context, certified: this.#settings.clientCertificate !== null };
  }

  /**
   * Null where none is needed; a result where it cannot be read: the operator must correct it, and the message waits.
   */
  async #login(): Promise<Credentials | AttemptResult | null> {
    const { auth } = this.#settings;
    if (auth === null) return null;
    try {
      if (this.#terms.credentials === null) throw new Error('no reader of secrets is wired');
      return await this.#terms.credentials();
    } catch (error) {
      if (error instanceof NoToken) return unable(error.fault, error.message);
      return unable('credentials-unavailable', unreadable('secret' in auth ? auth.secret : auth.xoauth2, error));
    }
  }

  async #tlsContext(): Promise<SecureContext | AttemptResult | undefined> {
    const { tls, ca, clientCertificate } = this.#settings;
    if (tls === 'off') return undefined;
    const trust = ca === null ? {} : { ca };
    if (clientCertificate === null) {
      if (ca !== null) this.#trust ??= createSecureContext(trust);
      return this.#trust;
    }
    const { secret } = clientCertificate;
    try {
      if (!this.#terms.certificate) throw new Error('no reader of certificates is wired');
      const read = await this.#terms.certificate();
      if (this.#shown?.of !== read) {
        this.#terms.certificateRead?.(read);
        const context = createSecureContext({ ...trust, cert: read.certificate, key: read.key });
        this.#shown = { of: read, context };
      }
      const why = whyNotNow(read, Date.now());
      return why === null ? this.#shown.context : unable('certificate-unusable', `the secret ${secret} ${why}`);
    } catch (error) {
      return unable('certificate-unusable', unreadable(secret, error));
    }
  }
}

/** Secrets and token endpoints may take longer than the attempt has. */
function stopped(host: string, signal: AbortSignal, ready: AbortSignal): Promise<AttemptResult> {
  const fault = { fault: 'aborted', detail: 'stopped by its deadline' } as const;
  const result = networkResult('connect', fault, host);
  return new Promise((resolve) => {
    if (signal.aborted) resolve(result);
    else signal.addEventListener('abort', () => resolve(result), { once: true, signal: ready });
  });
}

function isRefusedLogin(opened: Opened): boolean {
  return opened.kind === 'failed' && isRefused(opened);
}

/** 5yz to AUTH: the server knows this login or this token, and does not take it. */
function isRefused({ result }: LoginTrouble): boolean {
  return result.kind === 'reply' && result.phase === 'auth' && result.reply.code >= 500;
}

/** The message of a library's error might quote the secret. */
function unreadable(secret: string, error: unknown): string {
  if (error instanceof SecretMistake) return `the secret ${secret} ${error.what}`;
  // Of other errors the name alone: their words might quote the secret.
  const why = error instanceof OutOfReach ? error.message : error instanceof Error ? error.name : 'unknown';
  return `the secret ${secret} could not be read: ${why}`;
}

function unable(fault: CapabilityFault, detail: string): AttemptResult {
  return { kind: 'capability', fault, detail, host: null };
}
