// The spool in memory with S3Spool's semantics, for the simulation and tests. Content that cannot be opened is a value;
// a stream that breaks off throws ContentUnreadable. Tests put and damage content from outside. The port itself never
// writes or deletes.

import {
  ContentUnreadable,
  type HeadResult,
  type OpenedContent,
  type Spool,
  type SpoolEntry,
  type SpoolInventory,
  type UnreadableCause,
} from '#pipeline/ports.ts';

const chunkBytes = 64 * 1024; // as Node reads from a socket

type Stored = { readonly content: Uint8Array; readonly version: string; readonly storedAt: number };

export class MemorySpool implements Spool, SpoolInventory {
  private readonly objects = new Map<string, Stored>();
  private readonly unreadable = new Map<string, UnreadableCause>();
  private readonly breaks = new Map<string, number>();
  private readonly hidden = new Set<string>();
  private versions = 0;
  /** Contents opened and neither read to the end nor closed. A stage that leaves one behind holds a socket. */
  openCount = 0;

  put(objectKey: string, content: Uint8Array, storedAt = 0): void {
    this.versions += 1;
    this.objects.set(objectKey, { content: Uint8Array.from(content), version: `v${this.versions}`, storedAt });
    this.hidden.delete(objectKey);
  }
  has(objectKey: string): boolean {
    return this.objects.has(objectKey);
  }
  /** Takes every version away. */
  lose(objectKey: string): void {
    this.objects.delete(objectKey);
  }
  /** Puts a delete marker above it: `open` and `head` find it all the same, by its version. */
  hide(objectKey: string): void {
    this.hidden.add(objectKey);
  }
  /** From now on the object cannot be opened, for this cause; null makes it readable again. */
  spoil(objectKey: string, cause: UnreadableCause | null): void {
    if (cause === null) this.unreadable.delete(objectKey);
    else this.unreadable.set(objectKey, cause);
  }
  /** From now on reading breaks off after so many bytes; null ends the fault. */
  breakAfter(objectKey: string, bytes: number | null): void {
    if (bytes === null) this.breaks.delete(objectKey);
    else this.breaks.set(objectKey, bytes);
  }

  async open(objectKey: string, signal: AbortSignal): Promise<OpenedContent> {
    signal.throwIfAborted();
    const found = this.find(objectKey);
    if (found.kind === 'unreadable') return found;
    const { content, version } = found.stored;
    if (content.byteLength === 0) return { kind: 'unreadable', cause: 'empty', detail: `${objectKey} has no bytes` };
    this.openCount += 1;
    let held = true;
    const close = () => {
      if (held) this.openCount -= 1;
      held = false;
    };
    return {
      kind: 'opened',
      bytes: content.byteLength,
      version,
      chunks: this.chunks(objectKey, content, signal, close),
      close,
      ...(this.hidden.has(objectKey) ? { undeleted: true } : {}),
    };
  }

  async head(objectKey: string, bytesMax: number, signal: AbortSignal): Promise<HeadResult> {
    signal.throwIfAborted();
    const found = this.find(objectKey);
    if (found.kind === 'unreadable') return found;
    const { content } = found.stored;
    if (content.byteLength === 0) return { kind: 'unreadable', cause: 'empty', detail: `${objectKey} has no bytes` };
    const undeleted = this.hidden.has(objectKey) ? { undeleted: true as const } : {};
    return { kind: 'read', bytes: content.slice(0, bytesMax), size: content.byteLength, ...undeleted };
  }

  async list(
    query: { readonly prefix: string; readonly after: string | null; readonly max: number },
    signal: AbortSignal,
  ): Promise<{ entries: readonly SpoolEntry[]; more: boolean }> {
    signal.throwIfAborted();
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(query.prefix) && !this.hidden.has(key))
      .filter((key) => query.after === null || Buffer.compare(Buffer.from(key), Buffer.from(query.after)) > 0)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const entries = keys.slice(0, query.max).flatMap((objectKey): SpoolEntry[] => {
      const stored = this.objects.get(objectKey);
      return stored === undefined ? [] : [{ objectKey, bytes: stored.content.byteLength, storedAt: stored.storedAt }];
    });
    return { entries, more: keys.length > query.max };
  }

  async remove(objectKey: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.objects.has(objectKey)) this.hide(objectKey);
  }

  private find(
    objectKey: string,
  ): { kind: 'stored'; stored: Stored } | { kind: 'unreadable'; cause: UnreadableCause; detail: string } {
    const cause = this.unreadable.get(objectKey);
    if (cause !== undefined) return { kind: 'unreadable', cause, detail: `${objectKey} is spoilt: ${cause}` };
    const stored = this.objects.get(objectKey);
    if (stored === undefined) return { kind: 'unreadable', cause: 'missing', detail: `no object ${objectKey}` };
    return { kind: 'stored', stored };
  }

  private async *chunks(
    objectKey: string,
    content: Uint8Array,
    signal: AbortSignal,
    close: () => void,
  ): AsyncGenerator<Uint8Array> {
    try {
      const breakAt = this.breaks.get(objectKey) ?? Number.POSITIVE_INFINITY;
      for (let at = 0; at < content.byteLength; ) {
        signal.throwIfAborted();
        if (at >= breakAt) {
          throw new ContentUnreadable(
            'unavailable',
            `${objectKey} broke off after ${at} of ${content.byteLength} bytes`,
          );
        }
        const end = Math.min(at + chunkBytes, breakAt, content.byteLength);
        yield content.slice(at, end);
        at = end;
      }
    } finally {
      close();
    }
  }
}
