// The content that relay sends. Submitted mail must be as its envelope committed it, by length and SHA-256: where it is
// not, the reading fails instead of ending, so that no next hop accepts any of it. The next hop is also
// told which notices the submitter asked for.

import { createHash } from 'node:crypto';
import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { ContentUnreadable, type OpenedContent, type Spool, type Transaction } from '#pipeline/ports.ts';

/** The content to be read instead of the opened one, or that it cannot be used. */
export function asCommitted(opened: OpenedContent, { submission, size, objectKey }: MessageFacts): OpenedContent {
  if (opened.kind === 'unreadable' || submission === undefined) return opened;
  if (opened.bytes !== size) {
    opened.close();
    const detail = `${objectKey} has ${opened.bytes} bytes, and its envelope says ${size}`;
    return { kind: 'unreadable', cause: 'damaged', detail };
  }
  return { ...opened, chunks: checked(opened.chunks, submission.sha256, objectKey) };
}

/**
 * For a next hop that begins anew at another host: the content as it leaves, opened once more each time. `close` closes
 * all that it opened.
 */
export function openedAgain(
  spool: Spool,
  message: MessageFacts,
  leaving: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): { readonly open: NonNullable<Transaction['contentAgain']>; readonly close: () => void } {
  const opened: (() => void)[] = [];
  const open = async () => {
    try {
      const content = asCommitted(await spool.open(message.objectKey, signal), message);
      if (content.kind === 'unreadable') return null;
      opened.push(() => content.close());
      return leaving(content.chunks);
    } catch {
      return null; // the words of the host before are recorded; the next attempt finds out
    }
  };
  const close = () => {
    for (const one of opened) one();
  };
  return { open, close };
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

/** The submitter's request goes along (RFC 3461 §5.2.1). */
export function ofSubmission(
  { dsn, copy }: DeliveryRow,
  { submission }: MessageFacts,
): Pick<Transaction, 'dsn' | 'smtputf8'> {
  if (submission === undefined) return {};
  const { ret, envid, smtputf8 } = submission;
  const given = smtputf8 ? { smtputf8 } : {};
  if (copy) return given;
  return { ...given, dsn: { ret, envid, notify: dsn?.notify ?? null, orcpt: dsn?.orcpt ?? null } };
}
