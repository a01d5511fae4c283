// Which objects of a list of the spool are one message: received mail is one object, a submission two, its content and
// its envelope. Pure. An object with any other key belongs to no message.

import { submissionAt } from '#core/submission/object-key.ts';
import { outboundPrefix } from '#core/submission/submission.ts';
import { spoolIdOf } from './orphan.ts';

type Keyed = { readonly objectKey: string };
export type SpoolMessage<Entry> = {
  /** Null: an object that is no mail. */
  readonly spoolId: string | null;
  /** Where its content lies, or lay: it may be gone while its envelope is still listed. */
  readonly contentKey: string;
  readonly envelope: Entry | null;
  readonly content: Entry | null;
};

/** In order of the list. */
export function messagesAmong<Entry extends Keyed>(entries: readonly Entry[]): SpoolMessage<Entry>[] {
  const found = new Map<string, SpoolMessage<Entry>>();
  for (const entry of entries) {
    const { objectKey } = entry;
    const submission = submissionOf(objectKey);
    if (submission === null) {
      const spoolId = objectKey.startsWith(outboundPrefix) ? null : spoolIdOf(objectKey);
      found.set(objectKey, { spoolId, contentKey: objectKey, envelope: null, content: entry });
      continue;
    }
    const { spoolId, contentKey } = submission.place;
    const other = found.get(contentKey) ?? { spoolId, contentKey, envelope: null, content: null };
    found.set(contentKey, { ...other, [submission.part]: entry });
  }
  return [...found.values()];
}

/**
 * A page of a longer list, without content at its end: a submission's envelope comes right after it (`….eml`,
 * `….envelope.json`), and is on the next page. Objects that are left out are listed again there.
 */
export function wholeMessages<Entry extends Keyed>(entries: readonly Entry[]): readonly Entry[] {
  const last = entries.at(-1);
  const half = last !== undefined && entries.length > 1 && submissionOf(last.objectKey)?.part === 'content';
  return half ? entries.slice(0, -1) : entries;
}

function submissionOf(objectKey: string): ReturnType<typeof submissionAt> {
  return objectKey.startsWith(outboundPrefix) ? submissionAt(objectKey) : null;
}
