// Reads MAIL and RCPT as a submission server does: the path exactly as it came, and every parameter that we offer
// (SIZE, 8BITMIME, SMTPUTF8, DSN, AUTH) strictly. The gateway calls it. Pure: it returns a value or the reply that
// refuses. It never corrects an address.

import { envidCharsMax, orcptCharsMax } from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import type { Notify, Return, SubmittedRecipient } from './submission.ts';

/** The reply to the client: `status` is RFC 3463's enhanced code. */
export type SmtpAnswer = { readonly code: number; readonly status: string; readonly text: string };
export type MailCommand = {
  readonly kind: 'mail';
  /** '' is the null reverse-path. */
  readonly reversePath: string;
  readonly smtputf8: boolean;
  readonly ret: Return | null;
  readonly envid: string | null;
  /** SIZE (RFC 1870); null: not said. */
  readonly size: number | null;
};
export type RcptCommand = { readonly kind: 'rcpt'; readonly forwardPath: SubmittedRecipient };
export type Refused = { readonly kind: 'refused'; readonly answer: SmtpAnswer };

const NON_ASCII = /[^\x00-\x7f]/;

/**
 * HELO or EHLO with exactly one name: where the client gave none its address stands for it (RFC 5321 §4.1.4), and
 * blanks within one become hyphens.
 */
export function greetingCommand(line: string, address: string): string {
  const [verb = '', ...names] = line.trim().split(/\s+/);
  const literal = address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
  return `${verb} ${names.length === 0 ? literal : names.join('-')}`;
}

/** `line` is the whole command, UTF-8 decoded, without its line end. */
export function readMailCommand(line: string, terms: { readonly bytesMax: number }): MailCommand | Refused {
  const read = readPathAndParameters(line, 'MAIL FROM');
  if (read === null) return refused(501, '5.1.7', 'Syntax: MAIL FROM:<address>, or <> for the null reverse-path');
  const { path, parameters } = read;
  if (parameters === null) return refused(501, '5.5.4', 'A parameter is given twice, or is no parameter');
  if (path !== '' && parseMailbox(path) === null) return refused(501, '5.1.7', 'This is no address');
  let smtputf8 = false;
  let size: number | null = null;
  let ret: Return | null = null;
  let envid: string | null = null;
  for (const [name, value] of parameters) {
    switch (name) {
      case 'SIZE':
        if (value === null || !/^\d{1,20}$/.test(value)) return malformed('SIZE', 'a number of bytes'); // RFC 1870 §6
        if (Number(value) > terms.bytesMax) return { kind: 'refused', answer: tooBig(terms.bytesMax) };
        size = Number(value);
        break;
      case 'BODY': // RFC 6152; we have no BDAT, so no BINARYMIME
        if (value === null || !/^(7BIT|8BITMIME)$/i.test(value)) return malformed('BODY', '7BIT or 8BITMIME');
        break;
      case 'SMTPUTF8':
        if (value !== null) return malformed('SMTPUTF8', 'nothing');
        smtputf8 = true;
        break;
      case 'RET':
        if (value === null || !/^(FULL|HDRS)$/i.test(value)) return malformed('RET', 'FULL or HDRS');
        ret = /^full$/i.test(value) ? 'FULL' : 'HDRS';
        break;
      case 'ENVID':
        envid = value === null || value.length > envidCharsMax ? null : decodeXtext(value);
        if (envid === null) return malformed('ENVID', `xtext of at most ${envidCharsMax} characters`);
        break;
      case 'AUTH': // RFC 4954 §5: whatever address it names, we act for the submitter that logged in
        if (value === null || decodeXtext(value) === null) return malformed('AUTH', '<> or a mailbox in xtext');
        break;
      default:
        return refused(555, '5.5.4', 'A parameter of MAIL is not known here');
    }
  }
  if (!smtputf8 && NON_ASCII.test(path))
    return refused(550, '5.6.7', 'An address beyond ASCII needs the parameter SMTPUTF8');
  return { kind: 'mail', reversePath: path, smtputf8, ret, envid, size };
}

/** `host` completes the one address without a domain that must be taken: postmaster (RFC 5321 §4.1.1.3). */
export function readRcptCommand(
  line: string,
  terms: { readonly smtputf8: boolean; readonly host: string },
): RcptCommand | Refused {
  const read = readPathAndParameters(line, 'RCPT TO');
  if (read === null) return refused(501, '5.1.3', 'Syntax: RCPT TO:<address>');
  const { path, parameters } = read;
  if (parameters === null) return refused(501, '5.5.4', 'A parameter is given twice, or is no parameter');
  const address = path.toLowerCase() === 'postmaster' ? `${path}@${terms.host}` : path;
  if (parseMailbox(address) === null) return refused(501, '5.1.3', 'This is no address');
  let notify: readonly Notify[] | null = null;
  let orcpt: string | null = null;
  for (const [name, value] of parameters) {
    switch (name) {
      case 'NOTIFY':
        notify = value === null ? null : readNotify(value);
        if (notify === null) return malformed('NOTIFY', 'NEVER, or some of SUCCESS,FAILURE,DELAY');
        break;
      case 'ORCPT':
        orcpt = value === null ? null : readOriginalRecipient(value);
        if (orcpt === null) return malformed('ORCPT', 'type;address in xtext');
        break;
      default:
        return refused(555, '5.5.4', 'A parameter of RCPT is not known here');
    }
  }
  if (!terms.smtputf8 && NON_ASCII.test(`${address}${orcpt ?? ''}`))
    return refused(553, '5.6.7', 'An address beyond ASCII needs the parameter SMTPUTF8 of MAIL');
  return { kind: 'rcpt', forwardPath: { address, notify, orcpt } };
}

/** Content beyond the limit, at MAIL or after DATA. */
export function tooBig(bytesMax: number): SmtpAnswer {
  return { code: 552, status: '5.3.4', text: `A message may have ${bytesMax} bytes` };
}

/**
 * The text that xtext encodes (RFC 3461 §4): printable ASCII, otherwise null. Hexadecimal digits in any case, and '='
 * unencoded: clients write both.
 */
export function decodeXtext(text: string): string | null {
  if (!/^(?:[!-*,-~]|\+[0-9A-Fa-f]{2})*$/.test(text) || text === '') return null;
  const decoded = text.replace(/\+([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return /^[ -~]+$/.test(decoded) ? decoded : null;
}

function readNotify(value: string): readonly Notify[] | null {
  const words = value.toUpperCase().split(',');
  if (words.length === 1 && words[0] === 'NEVER') return ['NEVER'];
  const known = words.filter((word) => word === 'SUCCESS' || word === 'FAILURE' || word === 'DELAY');
  return known.length === words.length && new Set(known).size === known.length ? known : null;
}

/** RFC 3461 §4.2, and RFC 6533 §3 where the type is utf-8: `\x{…}` or the characters themselves. */
function readOriginalRecipient(value: string): string | null {
  const [, type = '', given = ''] = /^([A-Za-z0-9-]+);(.+)$/s.exec(value) ?? [];
  if (type === '' || value.length > orcptCharsMax) return null;
  if (type.toLowerCase() !== 'utf-8') {
    const address = decodeXtext(given);
    return address === null ? null : `${type};${address}`;
  }
  const spelt = given
    .replace(/\\x\{(10[0-9A-F]{4}|[1-9A-F][0-9A-F]{1,4})\}/gi, (_, hex: string) => codePoint(Number.parseInt(hex, 16)))
    .replace(/\+([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return /^[ -~\u{A0}-\u{FFFC}\u{FFFE}-\u{10FFFF}]+$/u.test(spelt) ? `${type};${spelt}` : null;
}

/** A surrogate is no character: nothing of what is read then passes. */
function codePoint(value: number): string {
  return value >= 0xd800 && value <= 0xdfff ? '\ufffd' : String.fromCodePoint(value);
}

type PathAndParameters = {
  readonly path: string;
  /** Upper case → value, null where there is no '='; null: one stands twice, or has no name. */
  readonly parameters: ReadonlyMap<string, string | null> | null;
};

/**
 * Null where no path follows the verb. Blanks after the colon and missing brackets are let through, as printers and
 * scanners write them.
 */
function readPathAndParameters(line: string, verb: string): PathAndParameters | null {
  const colon = line.indexOf(':');
  if (colon < 0 || line.slice(0, colon).trim().toUpperCase().replace(/\s+/g, ' ') !== verb) return null;
  const rest = line.slice(colon + 1).trim();
  const bracketed = rest.startsWith('<');
  const end = endOutsideQuotes(rest, bracketed ? '>' : ' ');
  const after = bracketed ? rest.slice(end + 1) : rest.slice(end);
  if (end <= 0 || (after !== '' && !after.startsWith(' '))) return null;
  // A source route is taken and ignored (RFC 5321 appendix C).
  const path = rest
    .slice(bracketed ? 1 : 0, end)
    .trim()
    .replace(/^@[^\s,:@]+(?:,@[^\s,:@]+)*:/, '');
  return { path, parameters: readParameters(after.split(' ').filter((word) => word !== '')) };
}

/**
 * Where `ending` stands, but for one within a quoted string. A path in brackets must have it (-1: it has not), another
 * may end with the line.
 */
function endOutsideQuotes(text: string, ending: '>' | ' '): number {
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i];
    if (quoted && character === '\\') i += 1;
    else if (character === '"') quoted = !quoted;
    else if (character === ending && !quoted) return i;
  }
  return ending === ' ' ? text.length : -1;
}

function readParameters(words: readonly string[]): ReadonlyMap<string, string | null> | null {
  const parameters = new Map<string, string | null>();
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = word.slice(0, equals < 0 ? undefined : equals).toUpperCase();
    if (!/^[A-Z0-9][A-Z0-9-]*$/.test(name) || parameters.has(name)) return null; // RFC 5321 §4.1.2 esmtp-keyword
    parameters.set(name, equals < 0 ? null : word.slice(equals + 1));
  }
  return parameters;
}

function malformed(name: string, wanted: string): Refused {
  return refused(501, '5.5.4', `${name} takes ${wanted}`);
}

function refused(code: number, status: string, text: string): Refused {
  return { kind: 'refused', answer: { code, status, text } };
}
