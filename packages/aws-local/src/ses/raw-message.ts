// Checks a raw message as SES does and writes SES's own fields into it (docs/aws-contracts.md §2.2 to §2.4). Called by
// ses.ts. It is written from the documents and shares nothing with core/message/ses-edit.ts, which it judges. It never
// changes the body.

import { createHash } from 'node:crypto';
import { AwsError } from '../world.ts';
import { addressListFault } from './address-lists.ts';
import { headerSection } from './header-section.ts';

export type RawTerms = {
  readonly region: string;
  readonly now: number;
  readonly sesMessageId: string;
  readonly isVerified: (address: string) => boolean;
};

/** Fields that may not repeat (§2.4, no. 1). */
const ONCE = (
  'Accept-Language acceptLanguage Archived-At Auto-Submitted Bounces-to Comments Content-Alternative Content-Base Content-Class ' +
  'Content-Description Content-Disposition Content-Duration Content-ID Content-Language Content-Length Content-Location Content-MD5 ' +
  'Content-Transfer-Encoding Content-Type Date Delivered-To Disposition-Notification-Options Disposition-Notification-To ' +
  'DKIM-Signature DomainKey-Signature Errors-To From Importance In-Reply-To Keywords List-Archive List-Help List-Id List-Owner ' +
  'List-Post List-Subscribe List-Unsubscribe Message-Context Message-ID MIME-Version Organization Original-From ' +
  'Original-Message-ID Original-Recipient Original-Subject Precedence Priority References Reply-To Return-Path Return-Receipt-To ' +
  'Sender Solicitation Sensitivity Subject Thread-Index Thread-Topic User-Agent VBR-Info'
).split(' ');
/** Fields whose addresses SES reads, and refuses a message for (§2.4, no. 3). */
const ADDRESS_LISTS = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'bcc']);
const REPLACED = new Set(['message-id', 'date', 'return-path']);
/** Lines of at most 1,000 octets with their CRLF (§2.3). */
const LINE_OCTETS_MAX = 1_000;
const LF = 0x0a;

type RawField = { readonly name: string; readonly value: string; readonly start: number; readonly end: number };

/**
 * The message as SES sends it. Throws AwsError where SES refuses it. `source`: the envelope's From, where the call
 * names one.
 */
export function rewritten(raw: Uint8Array, source: string | null, terms: RawTerms): Uint8Array {
  const { end, bodyStart, complete } = headerSection(raw);
  if (!complete) throw refused('Missing final blank line after the header section.');
  demandFieldNames(raw.subarray(0, end));
  const found = fieldsIn(raw);
  demandWellFormed(raw, found);
  demandVerified(found, source, terms);
  const kept = found.filter(({ name }) => !REPLACED.has(name) && !name.startsWith('x-ses-'));
  const parts = kept.map(({ start, end: to }) => raw.subarray(start, to));
  return Buffer.concat([Buffer.from(ownFields(terms, raw.subarray(bodyStart))), ...parts, raw.subarray(end)]);
}

/**
 * The settings in a message's own fields: `X-SES-CONFIGURATION-SET: name`,
 * `X-SES-MESSAGE-TAGS: name=value, name=value`.
 */
export function steeredBy(raw: Uint8Array): {
  readonly configurationSet: string | null;
  readonly tags: Readonly<Record<string, string>>;
} {
  const found = fieldsIn(raw);
  const fieldNamed = (wanted: string) => found.find(({ name }) => name === wanted)?.value ?? null;
  const pairs = (fieldNamed('x-ses-message-tags') ?? '').split(',').map((pair) => pair.trim().split('='));
  const tags = pairs.flatMap(([name = '', value = '']) => (name === '' ? [] : [[name, value] as const]));
  return { configurationSet: fieldNamed('x-ses-configuration-set'), tags: Object.fromEntries(tags) };
}

function fieldsIn(raw: Uint8Array): RawField[] {
  return headerSection(raw).fields.map(({ name, start, end, valueStart }) => ({
    name,
    start,
    end,
    value: Buffer.from(raw.subarray(valueStart, end)).toString('latin1').trim(),
  }));
}

/** Every line of the header section begins a field or goes on with one (§2.4, no. 4). */
function demandFieldNames(header: Uint8Array): void {
  const lines = Buffer.from(header).toString('latin1').split(/\r?\n/);
  lines.forEach((line, index) => {
    if ((index > 0 && /^[ \t]/.test(line)) || (index === lines.length - 1 && line === '')) return;
    const name = line.slice(0, Math.max(0, line.indexOf(':'))).trimEnd();
    if (name === '' || /^[ \t]/.test(line)) throw refused('Empty header names are illegal.');
    if (!/^[\x21-\x7e]+$/.test(name)) throw refused(`Illegal header '${name.slice(0, 200)}'.`);
  });
}

function demandWellFormed(raw: Uint8Array, found: readonly RawField[]): void {
  for (const name of ONCE) {
    if (found.filter((field) => field.name === name.toLowerCase()).length > 1)
      throw refused(`Duplicate header '${name}'.`);
  }
  for (const { name, value } of found) {
    const fault = ADDRESS_LISTS.has(name) ? addressListFault(value) : null;
    if (fault !== null) throw refused(fault);
  }
  if (!found.some(({ name }) => name === 'from')) throw refused("Missing required header 'From'.");
  for (let at = 0; at < raw.length; ) {
    const feed = raw.indexOf(LF, at);
    const next = feed === -1 ? raw.length : feed + 1;
    if (next - at > LINE_OCTETS_MAX) throw refused(`A line of the message is longer than ${LINE_OCTETS_MAX} octets.`);
    at = next;
  }
  // SES acts on these in raw mail. Nothing that they name exists here.
  const acted = /^x-ses-(?:source-arn|from-arn|return-path-arn|list-management-options)$/;
  for (const { name, value } of found) {
    if (acted.test(name)) throw refused(`${name} names what does not exist: ${value}`);
  }
}

/** From, Sender, Return-Path and the source must all be verified (§2.2). */
function demandVerified(found: readonly RawField[], source: string | null, terms: RawTerms): void {
  const named = found
    .filter(({ name }) => name === 'from' || name === 'sender' || name === 'return-path')
    .flatMap(({ value }) => addressesIn(value));
  const addresses = [...named, ...(source === null ? [] : addressesIn(source))];
  const strange = [...new Set(addresses.filter((address) => !terms.isVerified(address)))];
  if (named.length === 0) throw refused("Missing final '@domain'");
  if (strange.length > 0) throw notVerified(strange, terms.region);
}

/** Addresses in angle brackets, or bare ones where there are none; quoted strings and comments are no addresses. */
export function addressesIn(value: string): string[] {
  const plain = value.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/\([^()]*\)/g, '');
  const angled = Array.from(plain.matchAll(/<([^<>]*)>/g), ([, address = '']) => address.trim());
  return angled.length > 0 ? angled : (plain.match(/[^\s,;:<>]+@[^\s,;:<>]+/g) ?? []);
}

export function notVerified(addresses: readonly string[], region: string): AwsError {
  const list = addresses.join(', ');
  return new AwsError(
    'MessageRejected',
    400,
    `Email address is not verified. The following identities failed the check in region ${region.toUpperCase()}: ${list}`,
  );
}

/** SES v2's error for a bad parameter; its older API has another. */
export function refused(message: string): AwsError {
  return new AwsError('BadRequestException', 400, message);
}

/**
 * The fields that SES puts in front. The signature has the body's real hash, but nothing can verify it: the key is not
 * Amazon's.
 */
function ownFields({ region, now, sesMessageId }: RawTerms, body: Uint8Array): string {
  const hash = createHash('sha256').update(body).digest('base64');
  return [
    `DKIM-Signature: v=1; a=rsa-sha256; q=dns/txt; c=simple/simple; s=emulated; d=amazonses.com; t=${Math.floor(now / 1000)};`,
    ' h=From:To:Subject:MIME-Version:Content-Type:Date:Message-ID:Feedback-ID;',
    ` bh=${hash}; b=`,
    `Date: ${new Date(now).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${sesMessageId}@${region}.amazonses.com>`,
    `Feedback-ID: ::1.${region}.emulated:AmazonSES`,
    `X-SES-Outgoing: ${new Date(now).toISOString().slice(0, 10).replaceAll('-', '.')}-127.0.0.1`,
    '',
  ].join('\r\n');
}
