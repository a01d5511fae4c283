// The header fields that we put above a message, as bytes, and the signed marks in them by which we recognise our own
// passes and notices. Nobody can make a mark without the key, so nobody can make us refuse another's mail as a loop. It
// tells a reader only what he knows: the forward-path as accepted, never the routed address (RFC 3464 §4.2).

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { lineOctetsMax, lineOctetsWanted, noticeMarksCheckedMax } from '#core/limits.ts';
import { formatPath, needsSmtputf8, parseMailbox } from './address.ts';
import { acceptedKeys, type MarkKey, type MarkLabel, signingKey } from './mark-key.ts';

/** Lower case, as header lookups want them. */
export const passField = 'x-everpost-pass';
export const noticeField = 'x-everpost-notice';

export type RelayFields = {
  /** Our name. */
  readonly host: string;
  readonly deliveryId: string;
  /** As accepted. */
  readonly forwardPath: string;
  readonly spoolId: string;
  readonly markKey: MarkKey;
  readonly now: number;
  /** An earlier attempt's result is unknown: the reader may see the message twice, and why. */
  readonly possibleDuplicate: boolean;
  /** It was relayed before, and an operator resubmitted it: the warning then says so. */
  readonly resubmitted?: boolean;
};

/** In mail and in notices that may be the second of their kind. */
export const duplicateField = 'X-Everpost-Possible-Duplicate';
export const resultUnknown = 'the result of an earlier attempt is unknown';
const RESUBMITTED = 'it was relayed before, and is relayed again in case it was lost'.split(' ');

/** Received, our pass, and where it applies the warning of a duplicate: whole fields, ASCII, each ended by CRLF. */
export function relayFields(of: RelayFields): Uint8Array {
  const fields = [
    received(of),
    field('X-Everpost-Pass', passMark(of.markKey, of.spoolId, of.host).split(' ')),
    ...(of.possibleDuplicate
      ? [field(duplicateField, of.resubmitted === true ? RESUBMITTED : resultUnknown.split(' '))]
      : []),
  ];
  return Buffer.from(fields.join(''), 'latin1');
}

/** Text that a reader of Received fields may take for a host's address. */
const LOOKS_LIKE_ADDRESS = /\[|(?:\d{1,3}\.){3}\d/;

/**
 * RFC 5321 §4.4. SES's own Received below it names the sending server; we got the message from SES's store, by HTTP.
 * Ours holds no address: servers that look behind us (Exchange Online's enhanced filtering) find SES's first.
 */
function received(of: RelayFields): string {
  const mailbox = parseMailbox(of.forwardPath);
  // RFC 6531 §3.7.3: a path that has no ASCII form may be left out; the field itself stays ASCII.
  const path = mailbox === null || needsSmtputf8(mailbox) ? null : formatPath(mailbox);
  const forClause = path === null || LOOKS_LIKE_ADDRESS.test(path) ? [] : [`for ${path}`];
  const clauses = [`by ${token(of.host)} (Everpost)`, 'with HTTP', `id ${token(of.deliveryId)}`, ...forClause];
  return field('Received', [...clauses.slice(0, -1), `${clauses.at(-1)};`, formatDate(of.now)]);
}

/**
 * A date as RFC 5322 §3.3 writes it, in UTC: `Fri, 11 Sep 2015 20:32:33 +0000`. `at` in milliseconds since the epoch.
 */
export function formatDate(at: number): string {
  return new Date(at).toUTCString().replace(/GMT$/, '+0000');
}

/** One pass of one message through us, signed. It verifies on its own, whatever was changed in the message since. */
export function passMark(key: MarkKey, spoolId: string, host: string): string {
  const id = token(spoolId);
  const by = token(host);
  return `v1 id=${id} host=${by} sig=${signed(key, 'pass', [id, by])}`;
}

/**
 * The spoolId of a pass that our key or the one before signed, otherwise null. Text that was folded onto the field or
 * added after the mark does no harm.
 */
export function verifiedPass(key: MarkKey, value: string): string | null {
  const [, id, by, sig] = /^\s*v1\s+id=(\S{1,255})\s+host=(\S{1,255})\s+sig=([\w-]{43})(?:\s|$)/.exec(value) ?? [];
  if (id === undefined || by === undefined || sig === undefined) return null;
  return isSigned(key, 'pass', [id, by], sig) ? id : null;
}

/** Value of X-Everpost-Notice: this is a notice of ours, which never has a notice of its own. */
export function noticeMark(key: MarkKey, messageIdField: string): string {
  const tag = createHash('sha256').update(messageIdField).digest('base64url').slice(0, 22);
  return `v1.${tag}.${signed(key, 'notice', [tag])}`;
}

/** Whether a field's value is a mark that `noticeMark` made with this key, or the one before. */
export function isNoticeMark(key: MarkKey, value: string): boolean {
  const [, tag, sig] = /^\s*v1\.([\w-]{22})\.([\w-]{43})(?:\s|$)/.exec(value) ?? [];
  return tag !== undefined && sig !== undefined && isSigned(key, 'notice', [tag], sig);
}

/** Whether a header section bears such a mark; only the first few are looked at. */
export function bearsNoticeMark(
  key: MarkKey,
  fields: readonly { readonly name: string; readonly value: string }[],
): boolean {
  const marks = fields.filter(({ name }) => name.length === noticeField.length && name.toLowerCase() === noticeField);
  return marks.slice(0, noticeMarksCheckedMax).some(({ value }) => isNoticeMark(key, value));
}

/** Over the parts, for a mark of this kind. */
export function signed(key: MarkKey, label: MarkLabel, parts: readonly string[]): string {
  return sign(signingKey(key, label), label, parts);
}

/** By our key or the one before. */
export function isSigned(key: MarkKey, label: MarkLabel, parts: readonly string[], sig: string): boolean {
  return acceptedKeys(key, label).some((each) => equal(sig, sign(each, label, parts)));
}

function sign(key: string | Buffer, label: MarkLabel, parts: readonly string[]): string {
  return createHmac('sha256', key)
    .update([label, ...parts].join('\0'))
    .digest('base64url');
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

/** RFC 5322 §3.2.3: characters of an atom and dots; every other character of a name or an id becomes a hyphen. */
function token(text: string): string {
  const safe = text.replace(/[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]/g, '-').slice(0, 255);
  return safe === '' ? 'unknown' : safe;
}

/**
 * A field of `words`, folded between them where the line would pass 78 octets (RFC 5322 §2.1.1). No word passes 998.
 */
function field(name: string, words: readonly string[]): string {
  let text = `${name}:`;
  let lineLength = text.length;
  for (const word of words) {
    const fold = lineLength + 1 + word.length > lineOctetsWanted;
    text += fold ? `\r\n\t${word}` : ` ${word}`;
    lineLength = fold ? 1 + word.length : lineLength + 1 + word.length;
    if (lineLength > lineOctetsMax) throw new Error(`a trace field has a word of ${word.length} octets`);
  }
  return `${text}\r\n`;
}
