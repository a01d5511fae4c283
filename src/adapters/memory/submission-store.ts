// Submissions stored in memory with S3SubmissionStore's semantics, for tests. It overwrites nothing, and refuses bytes
// that differ from the announced ones. Tests switch faults on from outside.

import { createHash } from 'node:crypto';
import type { Storable, StoreResult, SubmissionStore } from '#pipeline/ports.ts';

export class MemorySubmissionStore implements SubmissionStore {
  readonly objects = new Map<string, Buffer>();
  /** The answers of the next calls in place of their work, in order. */
  readonly failures: ('denied' | 'unavailable')[] = [];
  /** Called before each object is stored: a test may wait, or abort. */
  before: (objectKey: string) => Promise<void> = async () => {};

  async put(objectKey: string, content: Storable, signal: AbortSignal): Promise<StoreResult> {
    signal.throwIfAborted();
    await this.before(objectKey);
    signal.throwIfAborted();
    const cause = this.failures.shift();
    if (cause !== undefined) return { kind: 'failed', cause, detail: `${objectKey}: switched off` };
    if (this.objects.has(objectKey)) return { kind: 'taken' };
    const chunks: Uint8Array[] = [];
    for await (const chunk of content.chunks()) chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    if (bytes.length !== content.bytes || createHash('sha256').update(bytes).digest('hex') !== content.sha256)
      return { kind: 'failed', cause: 'unavailable', detail: `${objectKey}: the bytes are not those announced` };
    this.objects.set(objectKey, bytes);
    return { kind: 'stored' };
  }
}
