// Where a submission lies, by its envelope's key, also where that key is none that the contract knows: what somebody
// wrote below `out/` has an id and is accounted for under it. It reads nothing.

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

/** What an object below `out/` is of a submission; null: somebody's file. */
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
