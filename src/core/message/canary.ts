// A canary: the message that Everpost sends by SES to its own MX, to find out whether mail comes through. This file
// composes it and recognises it by its signed field. The signature covers the id, the recipient, the fields that a
// reader sees, and the body, so that the field in another message marks nothing. Called by feedback, which sends it,
// and by ingest and the search for orphans. It decides nothing: what bears no valid field is ordinary mail.

import { createHash } from 'node:crypto';
import { canaryClockSkewMs, canaryWindowMs } from '#core/limits.ts';
import { type HeaderField, headerFieldsOf, headerSection } from './header.ts';
import type { MarkKey } from './mark-key.ts';
import { formatDate, isSigned, signed } from './trace-fields.ts';

/** Lower case, as header lookups want it. */
export const canaryField = 'x-everpost-canary';

/** What a reader sees. SES writes Date and Message-ID anew, and adds fields of its own. */
const COVERED = ['from', 'to', 'subject', 'mime-version', 'content-type', 'content-transfer-encoding'];
const ID = /^([0-9a-z]{8,9})-[0-9a-z]{8}$/;

/** Names one canary, and says when it is sent. `fraction`: a random part in [0, 1). */
export function canaryId(sentAt: number, fraction: number): string {
  const random = Math.floor(fraction * 36 ** 8).toString(36);
  return `${sentAt.toString(36)}-${random.padStart(8, '0')}`;
}

/** In milliseconds since the epoch; null where it is no id of a canary. */
export function canarySentAt(id: string): number | null {
  const [, instant] = ID.exec(id) ?? [];
  return instant === undefined ? null : Number.parseInt(instant, 36);
}

export type CanaryTerms = { readonly markKey: MarkKey; readonly to: string };

/** The whole message, ASCII with short lines, so that no server on the way has a reason to change it. */
export function composeCanary(id: string, { markKey, to }: CanaryTerms): Uint8Array {
  const sentAt = new Date(canarySentAt(id) ?? 0);
  const body = [
    'Everpost sent this message to itself, to find out whether mail comes',
    'through. Nobody needs to read it, and it may be deleted.',
    '',
    `Id: ${id}`,
    `Sent: ${sentAt.toISOString()}`,
    '',
  ];
  const seen = [
    `From: ${to}`,
    `To: ${to}`,
    `Subject: Everpost canary ${id}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    'Content-Transfer-Encoding: 7bit',
  ];
  const unsigned = Buffer.from([...seen, '', ...body].join('\r\n'), 'latin1');
  const mark = `v1 id=${id} sig=${signed(markKey, 'canary', partsOf(id, to, unsigned))}`;
  const own = [
    `Date: ${formatDate(sentAt.getTime())}`,
    `Message-ID: <canary.${id}@${to.slice(to.lastIndexOf('@') + 1)}>`,
    'Auto-Submitted: auto-generated',
    `X-Everpost-Canary: ${mark}`,
  ];
  return Buffer.from([...own, ...seen, '', ...body].join('\r\n'), 'latin1');
}

/** Whether it is worth opening the content. */
export function bearsCanaryField(fields: readonly HeaderField[]): boolean {
  return fields.some(({ name }) => name.length === canaryField.length && name.toLowerCase() === canaryField);
}

/** The id of the canary that these bytes, a whole message, are; null: it is ordinary mail. */
export function canaryIn(content: Uint8Array, { markKey, to }: CanaryTerms): string | null {
  const marks = headerFieldsOf(content).filter(({ name }) => name.toLowerCase() === canaryField);
  const [mark] = marks;
  if (mark === undefined || marks.length > 1) return null;
  const [, id, sig] = /^v1\s+id=([0-9a-z-]{17,18})\s+sig=([\w-]{43})$/.exec(mark.value) ?? [];
  if (id === undefined || sig === undefined || canarySentAt(id) === null) return null;
  return isSigned(markKey, 'canary', partsOf(id, to, content), sig) ? id : null;
}

/** Whether it was accepted soon enough after it was sent. */
export function isInWindow(id: string, acceptedAt: number): boolean {
  const sentAt = canarySentAt(id);
  return sentAt !== null && acceptedAt >= sentAt - canaryClockSkewMs && acceptedAt <= sentAt + canaryWindowMs;
}

/** Each covered field as often as it stands there: one that was added changes them. */
function partsOf(id: string, to: string, content: Uint8Array): readonly string[] {
  const hash = createHash('sha256');
  const fields = headerFieldsOf(content);
  for (const covered of COVERED)
    for (const { name, value } of fields)
      if (name.toLowerCase() === covered) hash.update(`${covered}:${value.split(/\s+/).join(' ')}\n`);
  hash.update('\n').update(bodyOf(content));
  return [id, to, hash.digest('base64url')];
}

/** With one kind of line end, and none at its end: servers may change both. */
function bodyOf(content: Uint8Array): string {
  const { bodyStart } = headerSection(content);
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1', bodyStart);
  return text.split('\r\n').join('\n').trimEnd();
}
