// Whether the author of submitted mail is one that its submitter may name. Called by relay for submitted mail alone, on
// the very bytes that go to the next hop: ingest may have read another object under the same key, or none yet. No next
// hop accepts any of a message that is refused here: its delivery is deferred as damaged, with an alarm, and its sender
// is told at the end of the lifetime.

import type { Settings } from '#config/settings.ts';
import { releasedFromOf } from '#core/delivery/become.ts';
import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { headerBytesMax } from '#core/limits.ts';
import { parseSubmittedPath } from '#core/message/address.ts';
import { readFrom } from '#core/message/from-field.ts';
import { headerSection } from '#core/message/header.ts';
import { mayAuthor } from '#core/submission/submitter.ts';
import { ContentUnreadable } from '#pipeline/ports.ts';

/** The same chunks. Throws ContentUnreadable before the first one where ingest would have held the message. */
export async function* asAuthored(
  chunks: AsyncIterable<Uint8Array>,
  settings: Settings,
  row: DeliveryRow,
  { submission, reversePath, objectKey }: MessageFacts,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (submission === undefined || isReleased(row)) return yield* chunks;
  // The configuration has this submitter no more: its mail that was ingested before goes on.
  if (!Object.hasOwn(settings.submitters, submission.submitter)) return yield* chunks;
  const check = (head: Uint8Array) => {
    const path = parseSubmittedPath(reversePath) ?? null;
    const found = mayAuthor(settings, submission.submitter, path, readFrom(head));
    if (found.kind === 'refused') throw new ContentUnreadable('damaged', `${objectKey}: ${found.detail}`);
  };
  let held: Uint8Array[] | null = []; // null: checked, all that follows is handed on
  let heldBytes = 0;
  let lookAgainAt = 1;
  for await (const chunk of chunks) {
    if (held === null) {
      yield chunk;
      continue;
    }
    held.push(Uint8Array.from(chunk)); // a chunk is the reader's again once the next one is asked for
    heldBytes += chunk.length;
    if (heldBytes < lookAgainAt) continue;
    lookAgainAt = heldBytes * 2; // however small the chunks are, each byte is joined a few times
    const head = Buffer.concat(held);
    held = [head];
    if (heldBytes < headerBytesMax && !headerSection(head).complete) continue;
    check(head);
    yield head;
    held = null;
  }
  if (held === null) return;
  const whole = Buffer.concat(held);
  check(whole);
  if (whole.length > 0) yield whole;
}

/** Ingest held it for the name that it is sent in, and an operator released it in that name. */
function isReleased(row: DeliveryRow): boolean {
  return releasedFromOf(row).some((cause) => cause === 'foreign-author' || cause === 'foreign-sender');
}
