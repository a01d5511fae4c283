// The place of a submission from its envelope's key, also where the contract does not know that key: an object that
// anybody wrote below `out/` gets an id and is accounted for. Ingest and orphans call it. It reads nothing.

import { createHash } from 'node:crypto';
import { envelopeSuffix } from './stored-event.ts';
import { contentKeyOf, outboundPrefix, parseSubmitter, spoolIdOf, submissionOfKey } from './submission.ts';

export type SubmissionPlace = {
  readonly spoolId: string;
  readonly submitter: string;
  readonly envelopeKey: string;
  readonly contentKey: string;
  /** Null: the key is as the contract has it. */
  readonly why: string | null;
};

/** The part that an object below `out/` has in a submission; null: a file that is no part of one. */
export function submissionAt(
  objectKey: string,
): { readonly part: 'content' | 'envelope'; readonly place: SubmissionPlace } | null {
  if (objectKey.endsWith(envelopeSuffix)) return { part: 'envelope', place: placeOfEnvelope(objectKey) };
  if (!objectKey.endsWith(contentSuffix)) return null;
  const stem = objectKey.slice(0, -contentSuffix.length);
  return { part: 'content', place: placeOfEnvelope(`${stem}${envelopeSuffix}`) };
}

const contentSuffix = '.eml';
const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'; // Crockford's, as a ULID's

/** `envelopeKey` ends in `.envelope.json`. */
export function placeOfEnvelope(envelopeKey: string): SubmissionPlace {
  const part = submissionOfKey(envelopeKey);
  if (part !== null) {
    const { submitter } = part;
    return { spoolId: spoolIdOf(part), submitter, envelopeKey, contentKey: contentKeyOf(part), why: null };
  }
  const folder = envelopeKey.startsWith(outboundPrefix) ? envelopeKey.slice(outboundPrefix.length).split('/')[0] : '';
  const submitter = parseSubmitter(folder ?? '') ?? 'unknown';
  // Begins as no ULID does: those of 128 bits end at 7.
  const hash = createHash('sha256').update(envelopeKey).digest();
  const ulid = `Z${Array.from(hash.subarray(0, 25), (byte) => BASE32.charAt(byte & 31)).join('')}`;
  return {
    spoolId: spoolIdOf({ submitter, ulid }),
    submitter,
    envelopeKey,
    contentKey: `${envelopeKey.slice(0, -envelopeSuffix.length)}.eml`,
    why: 'its key is not out/<submitter>/<ulid>.envelope.json',
  };
}
