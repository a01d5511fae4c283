// AUTH (RFC 4954) by a password (PLAIN, RFC 4616; LOGIN) or by a token (XOAUTH2; OAUTHBEARER, RFC 7628). Called by
// opening.ts. It tries the next mechanism where a server refuses one that it offers. From then on no text of the
// connection contains the password or the token. It remembers a server's answer while the login stays the same, so that
// a wrong login is not tried twice.

import { smtpAuthLineOctetsMax } from '#core/limits.ts';
import type { SmtpReply } from '#core/reply/smtp-reply.ts';
import type { Password } from '../secret-text.ts';
import { formsOf, withoutSecrets } from '../without-secrets.ts';
import { accepted, NO_ANSWER } from './results.ts';
import { bearerResponse, spokenByTokens, TokenExchange } from './token-login.ts';
import { isFault, type SmtpWire, type WireFault } from './wire.ts';

export type Credentials = Password | { readonly username: string; readonly token: string };
const byPassword = ['PLAIN', 'LOGIN'] as const;
type Mechanism = (typeof byPassword)[number] | (typeof spokenByTokens)[number];
/**
 * The mechanism to use for this login and no other: it was accepted, or it was the one of which the server said that
 * the login is wrong.
 */
export type KnownLogin = { readonly mechanism: Mechanism; readonly of: string };
export type LoggedIn =
  | { readonly kind: 'in' }
  /** `text` of a refusal is without secrets. */
  | { readonly kind: 'refused'; readonly answer: SmtpReply | WireFault }
  | { readonly kind: 'not-offered'; readonly offered: string; readonly spoken: string };

/** `offered`: EHLO's AUTH. `known` is the result of the last login here; `learn` takes the result of this one. */
export async function logIn(
  wire: SmtpWire,
  offered: string,
  credentials: Credentials,
  known: KnownLogin | null,
  learn: (known: KnownLogin) => void,
  timeoutMs: number,
): Promise<LoggedIn> {
  const words = offered.toUpperCase().split(/[ \t,]+/u);
  const spoken: readonly Mechanism[] = 'token' in credentials ? spokenByTokens : byPassword;
  const common = spoken.filter((each) => words.includes(each));
  const secrets = secretsOf(credentials, wire.host);
  // Servers have been seen to quote the command that they refuse.
  wire.hide(secrets);
  const of = secrets.join(' ');
  const mechanisms = known?.of === of && common.includes(known.mechanism) ? [known.mechanism] : common;
  if (mechanisms.length === 0) return { kind: 'not-offered', offered, spoken: spoken.join(' and ') };
  let refusal: { readonly mechanism: Mechanism; readonly answer: SmtpReply } | null = null;
  for (const mechanism of mechanisms) {
    const answer = withoutPieces(await exchange(wire, mechanism, credentials, timeoutMs), secrets);
    if (accepted(answer)) {
      learn({ mechanism, of });
      return { kind: 'in' };
    }
    if (isFault(answer) || answer.code < 500) {
      // A server may break off after a mechanism that it does not know: the next connection tries the other one.
      if (refusal !== null && refusal.answer.code !== 535) learn({ mechanism, of });
      return { kind: 'refused', answer };
    }
    // 535: the login is wrong (RFC 4954 §6); any other 5xx may be of the mechanism alone.
    if (refusal?.answer.code !== 535) refusal = { mechanism, answer };
    // A token is no better in other words; each failure counts where accounts are locked.
    if ('token' in credentials && answer.code === 535) break;
  }
  if (refusal === null) return { kind: 'refused', answer: NO_ANSWER };
  learn({ mechanism: refusal.mechanism, of });
  return { kind: 'refused', answer: refusal.answer };
}

function secretsOf(credentials: Credentials, host: string): readonly string[] {
  if ('token' in credentials) {
    const responses = spokenByTokens.map((mechanism) => bearerResponse(mechanism, credentials, host));
    return [...formsOf(credentials.token), ...responses];
  }
  return [credentials.password, base64(credentials.password), plainResponse(credentials)];
}

/** A server that quotes a long line cuts it itself. */
function withoutPieces(answer: SmtpReply | WireFault, secrets: readonly string[]): SmtpReply | WireFault {
  return isFault(answer) ? answer : { ...answer, text: withoutSecrets(answer.text, secrets) };
}

function exchange(
  wire: SmtpWire,
  mechanism: Mechanism,
  credentials: Credentials,
  timeoutMs: number,
): Promise<SmtpReply | WireFault> {
  const ask = (line: string) => say(wire, line, timeoutMs);
  if ('token' in credentials) {
    const response = bearerResponse(mechanism, credentials, wire.host);
    return new TokenExchange(mechanism, response, ask).run();
  }
  return mechanism === 'PLAIN' ? plain(ask, credentials) : login(ask, credentials);
}

type Ask = (line: string) => Promise<SmtpReply | WireFault>;

/**
 * With an initial response where the line is short enough (RFC 4954 §4); a server that asks for the response
 * nevertheless gets it.
 */
async function plain(ask: Ask, credentials: Password): Promise<SmtpReply | WireFault> {
  const response = plainResponse(credentials);
  const whole = `AUTH PLAIN ${response}`;
  const answer = await ask(whole.length + 2 > smtpAuthLineOctetsMax ? 'AUTH PLAIN' : whole);
  return isFault(answer) || answer.code !== 334 ? answer : ask(response);
}

/** A prompt may be in any language, and is not read. */
async function login(ask: Ask, { username, password }: Password): Promise<SmtpReply | WireFault> {
  let answer = await ask('AUTH LOGIN');
  for (const response of [base64(username), base64(password)]) {
    if (isFault(answer) || answer.code !== 334) return answer;
    answer = await ask(response);
  }
  return answer;
}

async function say(wire: SmtpWire, line: string, timeoutMs: number): Promise<SmtpReply | WireFault> {
  await wire.settle();
  wire.send(`${line}\r\n`);
  return wire.reply(timeoutMs);
}

function plainResponse({ username, password }: Password): string {
  return base64(`\0${username}\0${password}`);
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
