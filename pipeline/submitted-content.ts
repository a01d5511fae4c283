// Submitted content as its envelope committed it: of that length, and with that SHA-256. Whoever reads it is told before the end when it
// is another, so that nothing of it is ever accepted anywhere. Content passes through once, as bytes; inbound mail has no such word.

import { createHash } from 'node:crypto';
import type { MessageFacts } from '#core/delivery.ts';
import { ContentUnreadable, type OpenedContent } from './ports.ts';

/** The content to be read in place of what was opened, or that it can not be used. */
export function asCommitted(opened: OpenedContent, { submission, size, objectKey }: MessageFacts): OpenedContent {
  if (opened.kind === 'unreadable' || submission === undefined) return opened;
  if (opened.bytes !== size) {
    opened.close();
    const detail = `${objectKey} has ${opened.bytes} bytes, and its envelope says ${size}`;
    return { kind: 'unreadable', cause: 'damaged', detail };
  }
  return { ...opened, chunks: checked(opened.chunks, submission.sha256, objectKey) };
}

async function* checked(
  chunks: AsyncIterable<Uint8Array>,
  sha256: string,
  objectKey: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest('hex');
  if (found !== sha256)
    throw new ContentUnreadable('damaged', `${objectKey}: its SHA-256 is ${found}, and its envelope says ${sha256}`);
}
