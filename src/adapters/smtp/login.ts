// AUTH (RFC 4954) by PLAIN (RFC 4616) and LOGIN: the next mechanism where a server refuses one that it offers. No text
// that the connection gives from then on contains the password. What a server took or refused is remembered for as long
// as the login is the same, so that a wrong one is not tried twice over.

import { smtpAuthLineOctetsMax } from '#core/limits.ts';
import type { SmtpReply } from '#core/reply/smtp-reply.ts';
import { accepted, NO_ANSWER } from './results.ts';
import { isFault, type SmtpWire, type WireFault } from './wire.ts';

export type Credentials = { readonly username: string; readonly password: string };
type Mechanism = 'PLAIN' | 'LOGIN';
/**
 * The mechanism to use for this login and no other: it was accepted, or it was the one of which the server said that
 * the login is wrong.
 */
export type KnownLogin = { readonly mechanism: Mechanism; readonly of: string };
export type LoggedIn =
  | { readonly kind: 'in' }
  /** `text` of a refusal is without secrets. */
  | { readonly kind: 'refused'; readonly answer: SmtpReply | WireFault }
  | { readonly kind: 'not-offered'; readonly offered: string };

/** `offered`: EHLO's AUTH. `known` is what came of the last login here; `learn` takes what came of this one. */
export async function logIn(
  wire: SmtpWire,
  offered: string,
  credentials: Credentials,
  known: KnownLogin | null,
  learn: (known: KnownLogin) => void,
  timeoutMs: number,
): Promise<LoggedIn> {
  const words = offered.toUpperCase().split(/[ \t,]+/u);
  const of = plainResponse(credentials);
  const common = (['PLAIN', 'LOGIN'] as const).filter((each) => words.includes(each));
  // Servers have been seen to quote the command that they refuse.
  wire.hide([credentials.password, base64(credentials.password), of]);
  const mechanisms = known?.of === of && common.includes(known.mechanism) ? [known.mechanism] : common;
  if (mechanisms.length === 0) return { kind: 'not-offered', offered };
  let refusal: { readonly mechanism: Mechanism; readonly answer: SmtpReply } | null = null;
  for (const mechanism of mechanisms) {
    const answer = await (mechanism === 'PLAIN' ? plain : login)(wire, credentials, timeoutMs);
    if (accepted(answer)) {
      learn({ mechanism, of });
      return { kind: 'in' };
    }
    if (isFault(answer) || answer.code < 500) {
      // A server may break off after what it does not speak: the other mechanism has its turn on the next connection.
      if (refusal !== null && refusal.answer.code !== 535) learn({ mechanism, of });
      return { kind: 'refused', answer };
    }
    // 535: the login is wrong (RFC 4954 §6); any other 5xx may be of the mechanism alone.
    if (refusal?.answer.code !== 535) refusal = { mechanism, answer };
  }
  if (refusal === null) return { kind: 'refused', answer: NO_ANSWER };
  learn({ mechanism: refusal.mechanism, of });
  return { kind: 'refused', answer: refusal.answer };
}

/**
 * With an initial response where the line is short enough (RFC 4954 §4); a server that asks for the response
 * nevertheless gets it.
 */
async function plain(wire: SmtpWire, credentials: Credentials, timeoutMs: number): Promise<SmtpReply | WireFault> {
  const response = plainResponse(credentials);
  const whole = `AUTH PLAIN ${response}`;
  const answer = await ask(wire, whole.length + 2 > smtpAuthLineOctetsMax ? 'AUTH PLAIN' : whole, timeoutMs);
  return isFault(answer) || answer.code !== 334 ? answer : ask(wire, response, timeoutMs);
}

async function login(wire: SmtpWire, { username, password }: Credentials, timeoutMs: number) {
  let answer = await ask(wire, 'AUTH LOGIN', timeoutMs);
  for (const response of [base64(username), base64(password)]) {
    if (isFault(answer) || answer.code !== 334) return answer;
    answer = await ask(wire, response, timeoutMs);
  }
  return answer;
}

async function ask(wire: SmtpWire, line: string, timeoutMs: number): Promise<SmtpReply | WireFault> {
  await wire.settle();
  wire.send(`${line}\r\n`);
  return wire.reply(timeoutMs);
}

function plainResponse({ username, password }: Credentials): string {
  return base64(`\0${username}\0${password}`);
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
