// Mailboxes and the paths of an envelope (RFC 5321 §4.1.2, RFC 6531): parsed once, at the edge, into types that cannot
// hold a line break. It keeps an address exactly as it came; only the domain has a second, comparable form. It looks
// nothing up, and never guesses at a missing domain.

import { domainOctetsMax, localPartOctetsMax } from '#core/limits.ts';
import { toDomainKey } from './domain-key.ts';

/**
 * RFC 5321 §4.5.1, RFC 2142: at the domain of return paths people read these addresses alone, and these alone are
 * answered.
 */
export function isForPeople(localPart: string): boolean {
  return /^(postmaster|abuse)(\+|$)/i.test(localPart);
}

/** One mailbox. `address` is exactly as in the envelope, case kept. */
export type Mailbox = {
  readonly address: string;
  /** The local part with quoting resolved: `"a b"@x` has `a b`. */
  readonly localPart: string;
  /** The domain as given. */
  readonly domain: string;
  /** The domain for comparison: A-labels, lower case; an address literal as given, lower case. */
  readonly domainKey: string;
};

/** Where notices go. Null (`<>`) means: never answer (RFC 5321 §4.5.5). */
export type ReversePath = Mailbox | null;
export type ForwardPath = Mailbox;

// Anything beyond ASCII but C1 controls, line separators, and U+FFFD: U+FFFD stands for lost bytes, and an address that
// lacks bytes is another mailbox.
const BEYOND = '\\u{A0}-\\u{2027}\\u{202A}-\\u{FFFC}\\u{FFFE}-\\u{10FFFF}';
// Dots anywhere: RFC 5321 wants none at the ends and no two together, but whole Japanese providers gave out such
// addresses.
const DOT_STRING = new RegExp(`^[A-Za-z0-9!#$%&'*+/=?^_\`{|}~.${BEYOND}-]+$`, 'u');
const QUOTED_STRING = new RegExp(`^"(?:[ !#-\\[\\]-~${BEYOND}]|\\\\[ -~])*"$`, 'u');
const NON_ASCII = /[^\x00-\x7F]/;

/**
 * A mailbox from `local@domain` without angle brackets, or null where it is none: no domain (`postmaster`), white space
 * around it, control characters, or too long. Accepts quoted local parts, address literals, SMTPUTF8 and
 * internationalised domains.
 */
export function parseMailbox(text: string): Mailbox | null {
  if (text.length > localPartOctetsMax + domainOctetsMax + 1 || !text.isWellFormed()) return null;
  const at = text.lastIndexOf('@'); // a domain cannot contain one; a quoted local part can
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  const localPart = at > 0 ? resolveLocalPart(local) : null;
  const domainKey = toDomainKey(domain);
  if (localPart === null || domainKey === null) return null;
  return { address: text, localPart, domain, domainKey };
}

/**
 * A reverse-path as SMTP, or SES's `mail.source`, gives it: with or without angle brackets, source routes stripped (RFC
 * 5321 §6.1). Null is the null reverse-path: absent, empty, `<>`, and MAILER-DAEMON at any host, because what SES
 * writes for the null sender is not documented. Undefined: it is no path at all.
 */
export function parseReversePath(text: string | null | undefined): ReversePath | undefined {
  const path = withoutBrackets(text ?? '');
  return /^mailer-daemon(?:@[^@]*)?$/i.test(path) ? null : parseSubmittedPath(text ?? '');
}

/**
 * A reverse-path that one of our own submitters gives: its MAILER-DAEMON is a mailbox like any other, and may belong to
 * a person.
 */
export function parseSubmittedPath(text: string): ReversePath | undefined {
  const path = withoutBrackets(text);
  return path === '' ? null : (parseMailbox(withoutSourceRoute(path)) ?? undefined);
}

/**
 * For MAIL and RCPT: `<a@b>`, or `<>`. Without SMTPUTF8 a domain goes out as A-labels; whether the local part can go
 * out at all then, `needsSmtputf8` says.
 */
export function formatPath(path: ReversePath, smtputf8 = false): string {
  if (path === null) return '<>';
  if (smtputf8 || !NON_ASCII.test(path.domain)) return `<${path.address}>`;
  return `<${path.address.slice(0, path.address.length - path.domain.length)}${path.domainKey}>`;
}

/**
 * Whether the path can be named only under SMTPUTF8: its local part has no ASCII form, its domain always has (RFC 6531
 * §3.2).
 */
export function needsSmtputf8(path: ReversePath): boolean {
  return path !== null && NON_ASCII.test(path.localPart);
}

/**
 * The common form of two spellings of one mailbox. Case of the local part is folded: by RFC 5321 §2.4 only its own host
 * may do so, but no known host tells `Ann@` from `ann@`. For guards and lookups, never for an envelope.
 */
export function mailboxKey(mailbox: Mailbox): string {
  return `${mailbox.localPart.normalize('NFC').toLowerCase()}@${mailbox.domainKey}`;
}

/** The mailbox that gets the mail: `ann+list@` is read by `ann@` (RFC 5233). For guards alone, likewise. */
export function personKey(mailbox: Mailbox): string {
  return mailboxKey({ ...mailbox, localPart: mailbox.localPart.replace(/(?<=.)\+.*$/s, '') });
}

export function sameMailbox(a: Mailbox, b: Mailbox): boolean {
  return mailboxKey(a) === mailboxKey(b);
}

function withoutBrackets(text: string): string {
  const bare = text.trim();
  return bare.startsWith('<') && bare.endsWith('>') ? bare.slice(1, -1) : bare;
}

function resolveLocalPart(text: string): string | null {
  if (Buffer.byteLength(text) > localPartOctetsMax) return null;
  if (DOT_STRING.test(text)) return text;
  return QUOTED_STRING.test(text) ? text.slice(1, -1).replace(/\\(.)/gu, '$1') : null;
}

/**
 * `@a.example,@b.example:user@c.example` is `user@c.example`. The colon of an address literal or a quoted part is no
 * route's.
 */
function withoutSourceRoute(path: string): string {
  return path.startsWith('@') ? path.slice(path.indexOf(':') + 1) : path;
}
