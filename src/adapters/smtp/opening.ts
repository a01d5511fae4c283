// Opens one SMTP or LMTP connection to one address of a host (RFC 5321, 2033): greeting, EHLO, STARTTLS, AUTH. The next
// hop calls it for each address in turn. Every act of a server or network is a value. It sends a login over TLS only,
// unless the configuration says `tls: 'off'`. No text in a result holds a password. It sends no mail, and does not
// decide whether another host is tried.

import type { AttemptResult, Phase } from '#core/reply/reply.ts';
import type { SmtpReply } from '#core/reply/smtp-reply.ts';
import { SmtpConnection } from './connection.ts';
import { featuresOf } from './features.ts';
import { type Credentials, type KnownLogin, logIn } from './login.ts';
import { type LoginTrouble, type SmtpServer, within } from './remote.ts';
import { accepted, answerResult, networkResult } from './results.ts';
import { isFault, openWire, type SmtpWire, type WireFault } from './wire.ts';

export type Opened =
  | {
      readonly kind: 'open';
      readonly connection: SmtpConnection;
      readonly wire: SmtpWire;
      /** As its greeting was, without the code. */
      readonly greeting: string;
      readonly features: ReadonlyMap<string, string>;
    }
  | LoginTrouble;
type Failed = LoginTrouble;
type TlsBroke = { readonly kind: 'tls-broke'; readonly result: AttemptResult };

/**
 * A connection that takes mail, or why there is none. Opportunistic TLS that breaks is tried once more without (RFC
 * 7435).
 */
export async function openSmtp(server: SmtpServer, signal: AbortSignal): Promise<Opened> {
  const first = await open(server, signal);
  if (first.kind !== 'tls-broke') return first;
  if (demandsTls(server)) return { kind: 'failed', result: first.result };
  const second = await open({ ...server, tls: 'off' }, signal);
  return second.kind === 'tls-broke' ? { kind: 'failed', result: second.result } : second;
}

/**
 * Opportunistic TLS does not keep a password from who sits between: with a login, and with a certificate by which the
 * server is to know us, it is as good as required.
 */
function demandsTls({ tls, credentials, certified }: SmtpServer): boolean {
  return tls === 'required' || tls === 'implicit' || (tls === 'opportunistic' && (credentials !== null || certified));
}

async function open(server: SmtpServer, signal: AbortSignal): Promise<Opened | TlsBroke> {
  const { host, address, port, timeouts } = server;
  const wire = await openWire({ host, address, port }, within(server.answerBy, timeouts.connect), signal);
  if (isFault(wire)) return { kind: 'failed', result: networkResult('connect', wire, host) };
  const opening = new Opening(server, wire);
  const trouble = await opening.begin();
  if (trouble === null) {
    const { greeting, features } = opening;
    return { kind: 'open', connection: new SmtpConnection(server, wire, features), wire, greeting, features };
  }
  await wire.quit(timeouts.quit);
  return trouble;
}

class Opening {
  readonly #server: SmtpServer;
  readonly #wire: SmtpWire;
  features: ReadonlyMap<string, string> = new Map();
  greeting = '';

  constructor(server: SmtpServer, wire: SmtpWire) {
    this.#server = server;
    this.#wire = wire;
  }

  /** Greeting to AUTH; null when it is ready for mail. */
  async begin(): Promise<Failed | TlsBroke | null> {
    const { tls, credentials } = this.#server;
    if (tls === 'implicit') {
      const broke = await this.#secure();
      if (broke !== null) return broke;
    }
    const greeting = await this.#reply(this.#server.timeouts.greeting);
    if (isFault(greeting) || !accepted(greeting)) return this.#failed('greeting', greeting);
    this.greeting = greeting.text;
    const refused = await this.#hello();
    if (refused !== null) return refused;
    if (tls === 'required' || tls === 'opportunistic') {
      const trouble = await this.#startTls();
      if (trouble !== null) return trouble;
    }
    if (credentials === null) return null;
    return this.#server.firstLogin.answer(credentials, () => this.#login(credentials));
  }

  async #hello(): Promise<Failed | TlsBroke | null> {
    const { protocol, ehloName, timeouts } = this.#server;
    let answer = await this.#ask(`${protocol === 'lmtp' ? 'LHLO' : 'EHLO'} ${ehloName}`, timeouts.ehlo);
    this.features = new Map();
    if (!isFault(answer) && answer.code < 300) {
      this.features = featuresOf(answer.lines);
      return null;
    }
    // RFC 5321 §3.2: a server that knows no EHLO is greeted with HELO; one that knows no LHLO is none (RFC 2033 §4.1).
    if (protocol === 'smtp' && !isFault(answer) && answer.code >= 500) {
      answer = await this.#ask(`HELO ${ehloName}`, timeouts.ehlo);
      if (accepted(answer)) return null;
    }
    return this.#failed('ehlo', answer);
  }

  async #startTls(): Promise<Failed | TlsBroke | null> {
    const demanded = demandsTls(this.#server);
    if (!this.features.has('STARTTLS')) {
      if (!demanded) return null;
      const detail = `${this.#server.host} does not offer STARTTLS, and we do not send without TLS`;
      return { kind: 'failed', result: this.#unable('starttls-not-offered', detail) };
    }
    const answer = await this.#ask('STARTTLS', this.#server.timeouts.ehlo);
    if (!accepted(answer)) return isFault(answer) || demanded ? this.#failed('starttls', answer) : null;
    const trouble = (await this.#secure()) ?? (await this.#hello()); // RFC 3207 §4.2: earlier replies do not count
    return trouble !== null && isTlsTrouble(trouble.result) ? { kind: 'tls-broke', result: trouble.result } : trouble;
  }

  async #secure(): Promise<Failed | TlsBroke | null> {
    const { context, host, timeouts } = this.#server;
    const fault = await this.#wire.secure(
      { context, verify: demandsTls(this.#server) },
      within(this.#server.answerBy, timeouts.tls),
    );
    if (fault === null) return null;
    const result = networkResult('starttls', fault, host);
    return fault.fault === 'aborted' ? { kind: 'failed', result } : { kind: 'tls-broke', result };
  }

  async #login(credentials: Credentials): Promise<Failed | null> {
    const { host, habits, timeouts } = this.#server;
    const learn = (known: KnownLogin) => {
      habits.login = known;
    };
    const offered = this.features.get('AUTH') ?? '';
    const said = await logIn(
      this.#wire,
      offered,
      credentials,
      habits.login,
      learn,
      within(this.#server.answerBy, timeouts.auth),
    );
    if (said.kind === 'in') return null;
    if (said.kind === 'not-offered') {
      const detail = `${host} offers ${said.offered || 'no'} AUTH; we speak ${said.spoken}`;
      return { kind: 'failed', result: this.#unable('auth-not-offered', detail) };
    }
    return this.#failed('auth', said.answer);
  }

  async #ask(command: string, timeoutMs: number): Promise<SmtpReply | WireFault> {
    await this.#wire.settle();
    this.#wire.send(`${command}\r\n`);
    return this.#reply(timeoutMs);
  }

  #reply(phaseMs: number): Promise<SmtpReply | WireFault> {
    return this.#wire.reply(within(this.#server.answerBy, phaseMs));
  }

  #failed(phase: Phase, given: SmtpReply | WireFault): Failed {
    const shown = this.#server.certified && this.#wire.tls && (phase === 'greeting' || phase === 'ehlo');
    const answer =
      shown && isFault(given) && given.fault === 'connection-lost'
        ? { ...given, detail: `${given.detail}, right after our client certificate was shown` }
        : given;
    return { kind: 'failed', result: answerResult(phase, answer, this.#server.host, this.#wire.tls) };
  }

  #unable(fault: Extract<AttemptResult, { kind: 'capability' }>['fault'], detail: string): AttemptResult {
    return { kind: 'capability', fault, detail, host: this.#server.host };
  }
}

/** In TLS 1.3 a server's objection to our certificate comes after the handshake, as the first bytes that we read. */
function isTlsTrouble(result: AttemptResult): boolean {
  return result.kind === 'network' && (result.fault === 'certificate-refused' || result.fault === 'tls-failed');
}
