// The reverse-path under which a message leaves us: kept, or an address of ours to which reports about it return
// (DESIGN decision 11): a token that the ledger knows, or SRS (docs/decisions/return-paths.md). Pure: keys, secrets and
// the day are arguments. The null reverse-path is never rewritten, and an address of ours is never believed without its
// hash.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ReturnPathMode, RouteSettings } from '#config/settings.ts';
import { srsDaysMax, srsHashChars, srsLocalPartOctetsMax } from '#core/limits.ts';
import { type Mailbox, needsSmtputf8, parseMailbox, type ReversePath, sameMailbox } from '#core/message/address.ts';
import { type MarkKey, signingKey } from '#core/message/mark-key.ts';
import { isAutomatic } from '#core/notice/permission.ts';

// ── Tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const TOKEN = /^b\+([a-z2-7]{26})$/i;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * 26 letters and digits, 128 bits: the same for each attempt at a delivery under the same key (the ledger knows each
 * that was used), and nobody can make one without the key.
 */
export function tokenOf(key: MarkKey, deliveryId: string): string {
  const digest = createHmac('sha256', signingKey(key, 'return-path')).update(`return-path\0${deliveryId}`).digest();
  let bits = 0n;
  for (const byte of digest.subarray(0, 17)) bits = (bits << 8n) | BigInt(byte);
  let token = '';
  for (let at = 0; at < 26; at += 1) token += BASE32.charAt(Number((bits >> BigInt(131 - 5 * at)) & 31n));
  return token;
}

export function tokenAddress(token: string, returnPathDomain: string): string {
  return `b+${token}@${returnPathDomain}`;
}

// ── SRS (reference: the SRS paper and libsrs2; separators and case as postsrsd has them) ─────────────────────────

const SRS0 = /^SRS0[=+-]([^=]+)=([A-Z2-7]{2})=([^=]+)=(.+)$/is;
const SRS1 = /^SRS1[=+-]([^=]*)=([^=]+)=([=+-].+)$/is;
/** Another forwarder's: the text behind its sign is that forwarder's. */
const FOREIGN_SRS0 = /^SRS0([=+-].+)$/is;

export type Srs = {
  readonly returnPathDomain: string;
  /** The first one signs, any of them is accepted. */
  readonly secrets: readonly string[];
  /** Of the Unix epoch. */
  readonly day: number;
};

/** Our address for `sender`; null where it does not fit a local part, or has no ASCII form. */
export function srsAddress(sender: Mailbox, { returnPathDomain, secrets, day }: Srs): string | null {
  const [secret] = secrets;
  if (secret === undefined || needsSmtputf8(sender) || sender.domainKey.startsWith('[')) return null;
  const local = forwarded(secret, sender, day);
  if (local.length > srsLocalPartOctetsMax || parseMailbox(`${local}@${returnPathDomain}`) === null) return null;
  return `${local}@${returnPathDomain}`;
}

/**
 * One hop gives SRS0; mail that another forwarder gave an SRS address already becomes SRS1, which leads back past all
 * but the first.
 */
function forwarded(secret: string, { localPart, domainKey }: Mailbox, day: number): string {
  const rest = FOREIGN_SRS0.exec(localPart)?.[1]; // with its own separator, as the first forwarder wrote it
  if (rest !== undefined) {
    return `SRS1=${hash(secret, [domainKey, rest])}=${domainKey}=${rest}`;
  }
  const again = SRS1.exec(localPart);
  if (again !== null) {
    const [, , host = '', opaque = ''] = again;
    return `SRS1=${hash(secret, [host, opaque])}=${host}=${opaque}`;
  }
  const stamp = stampOf(day);
  return `SRS0=${hash(secret, [stamp, domainKey, localPart])}=${stamp}=${domainKey}=${localPart}`;
}

export type SrsReading =
  /** Where a report goes: the author's server, or (SRS1) the first forwarder's. */
  | { readonly kind: 'sender'; readonly reversePath: Mailbox }
  | { readonly kind: 'forged' }
  | { readonly kind: 'expired' };

/** The address that an SRS local part at our own domain stands for; null: it is none. */
export function readSrs(localPart: string, { secrets, day }: Omit<Srs, 'returnPathDomain'>): SrsReading | null {
  const again = SRS1.exec(localPart);
  if (again !== null) {
    const [, given = '', host = '', rest = ''] = again;
    // Without a separator the same text may be another host and rest, but not where the rest begins with what no host
    // has.
    const former = /^[=+]/.test(rest) ? [host, rest] : null;
    if (!isOurs(given, secrets, [host, rest], former)) return { kind: 'forged' };
    return senderOf(`SRS0${rest}@${host}`);
  }
  const first = SRS0.exec(localPart);
  if (first === null) return /^SRS[01][=+-]/i.test(localPart) ? { kind: 'forged' } : null;
  const [, given = '', stamp = '', host = '', local = ''] = first;
  // The earlier form ends by itself: no address is made in it any more, and each expires by its stamp.
  const parts = [stamp, host, local];
  if (!isOurs(given, secrets, parts, parts)) return { kind: 'forged' };
  // Ten bits of days: the age is what lies between, and tomorrow's stamp is a clock that runs ahead.
  const age = (day - dayOfStamp(stamp) + 1 + STAMP_DAYS) % STAMP_DAYS;
  return age > srsDaysMax + 1 ? { kind: 'expired' } : senderOf(`${local}@${host}`);
}

function senderOf(address: string): SrsReading {
  const reversePath = parseMailbox(address);
  return reversePath === null ? { kind: 'forged' } : { kind: 'sender', reversePath };
}

const STAMP_DAYS = 1_024;

function stampOf(day: number): string {
  const turn = ((day % STAMP_DAYS) + STAMP_DAYS) % STAMP_DAYS;
  return `${BASE32.charAt(turn >> 5)}${BASE32.charAt(turn & 31)}`.toUpperCase();
}

function dayOfStamp(stamp: string): number {
  const [high = 'a', low = 'a'] = stamp.toLowerCase();
  return BASE32.indexOf(high) * 32 + BASE32.indexOf(low);
}

/**
 * `former`: the parts where a hash of them without a separator counts too, as addresses have it that are out there;
 * null: it does not.
 */
function isOurs(
  given: string,
  secrets: readonly string[],
  parts: readonly string[],
  former: readonly string[] | null,
): boolean {
  return secrets.some(
    (secret) => same(given, hash(secret, parts)) || (former !== null && same(given, hash(secret, [former.join('')]))),
  );
}

/**
 * HMAC-SHA1 over the lower-cased parts with a separator that no address has, in Base64 without signs that a path might
 * trip over, cut. Case may be lost on the way: none of it counts.
 */
function hash(secret: string, parts: readonly string[]): string {
  return createHmac('sha1', secret).update(parts.join('\0').toLowerCase()).digest('base64url').slice(0, srsHashChars);
}

function same(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given.toLowerCase()), Buffer.from(right.toLowerCase())];
  return a.length === b.length && timingSafeEqual(a, b);
}

// ── Which one ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function usesSrs({ routes }: { readonly routes: readonly RouteSettings[] }): boolean {
  return routes.some(({ to }) => to.some(({ returnPath }) => returnPath === 'srs'));
}

/** The claim of an address at our return path domain. */
export type ReturnAddress =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'srs' }
  | { readonly kind: 'other' };

export function returnAddressOf({ localPart }: Mailbox): ReturnAddress {
  const token = TOKEN.exec(localPart)?.[1];
  if (token !== undefined) return { kind: 'token', token: token.toLowerCase() };
  return /^SRS[01][=+-]/i.test(localPart) ? { kind: 'srs' } : { kind: 'other' };
}

/**
 * Whether feedback reads mail to `mailbox` first: at the domain of return paths all of it, at the address of notices
 * mail of a program (a person's answer goes by the routes) and mail that no route takes.
 */
export function comesBack(
  mailbox: Mailbox,
  settings: { readonly returnPathDomain: string; readonly notices: { readonly from: string } },
  message: { readonly reversePath: string; readonly autoSubmitted: string | null; readonly routed: boolean },
): boolean {
  if (mailbox.domainKey === settings.returnPathDomain) return true;
  const from = parseMailbox(settings.notices.from);
  if (from === null || !sameMailbox(from, mailbox)) return false;
  return !message.routed || message.reversePath === '' || isAutomatic(message.autoSubmitted);
}

/**
 * The way in which a reverse-path is rewritten: never the null one. SRS leaves our own domains alone (their SPF names
 * our smart hosts), and what does not fit its local part goes by token.
 */
export function returnPathFor(
  mode: ReturnPathMode,
  reversePath: ReversePath,
  given: { readonly ownDomains: readonly string[]; readonly srs: Srs | null },
): { readonly kind: 'keep' } | { readonly kind: 'token' } | { readonly kind: 'srs'; readonly address: string } {
  if (mode === 'keep' || reversePath === null) return { kind: 'keep' };
  if (mode === 'token') return { kind: 'token' };
  if (given.ownDomains.includes(reversePath.domainKey)) return { kind: 'keep' };
  const address = given.srs === null ? null : srsAddress(reversePath, given.srs);
  return address === null ? { kind: 'token' } : { kind: 'srs', address };
}
