// The spool on S3. Content is a stream of bytes from the socket to the caller: never a string, never held whole, never written.
// What cannot be opened is a value (DESIGN §2.5: a first-class outcome, 403 and 404 alike); what breaks off throws ContentUnreadable.
// It never lists, deletes or tags.

import type { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import {
  ContentUnreadable,
  type HeadResult,
  type OpenedContent,
  type Spool,
  type UnreadableCause,
} from '#pipeline/ports.ts';
import { directBodyOf } from './direct-http.ts';

/** How long S3 may keep us waiting for the next bytes of a body. Time in which we do not ask for any does not count. */
const stallAfterMs = 30_000;

type Unreadable = { readonly kind: 'unreadable'; readonly cause: UnreadableCause; readonly detail: string };

export class S3Spool implements Spool {
  private readonly client: S3Client;
  private readonly bucket: string;
  private readonly stallMs: number;

  constructor(client: S3Client, bucket: string, stallMs: number = stallAfterMs) {
    this.client = client;
    this.bucket = bucket;
    this.stallMs = stallMs;
  }

  /** One GetObject. Throws only when `signal` is aborted. */
  async open(objectKey: string, signal: AbortSignal): Promise<OpenedContent> {
    const got = await this.get(objectKey, undefined, signal);
    if (got.kind === 'unreadable') return got;
    const { body, length, version } = got;
    if (length === 0) {
      body.destroy();
      return { kind: 'unreadable', cause: 'empty', detail: `GetObject ${objectKey}: no bytes` };
    }
    const close = () => void body.destroy();
    return {
      kind: 'opened',
      bytes: length,
      version,
      chunks: counted(body, length, objectKey, this.stallMs, signal),
      close,
    };
  }

  /** One ranged GetObject. Throws only when `signal` is aborted. */
  async head(objectKey: string, bytesMax: number, signal: AbortSignal): Promise<HeadResult> {
    const got = await this.get(objectKey, `bytes=0-${bytesMax - 1}`, signal);
    if (got.kind === 'unreadable') return got;
    const { body, length, size } = got;
    if (size === 0) {
      body.destroy();
      return { kind: 'unreadable', cause: 'empty', detail: `GetObject ${objectKey}: no bytes` };
    }
    const wanted = Math.min(bytesMax, length);
    const bytes = new Uint8Array(wanted);
    let at = 0;
    try {
      for await (const chunk of counted(body, length, objectKey, this.stallMs, signal)) {
        bytes.set(chunk.subarray(0, wanted - at), at);
        at = Math.min(wanted, at + chunk.byteLength);
        if (at === wanted && wanted < length) break; // a server that ignores Range sends everything; else to the end, which keeps the socket
      }
    } catch (error) {
      if (error instanceof ContentUnreadable) return { kind: 'unreadable', cause: error.cause, detail: error.message };
      throw error;
    }
    return { kind: 'read', bytes, size };
  }

  private async get(objectKey: string, range: string | undefined, signal: AbortSignal) {
    try {
      const command = new GetObjectCommand({ Bucket: this.bucket, Key: objectKey, Range: range });
      const answer = await this.client.send(command, { abortSignal: signal });
      const body = answer.Body as Readable; // in Node always the response itself
      body.on('error', () => {}); // a body that breaks while nobody reads must not end the process; a reader sees it all the same
      const length = answer.ContentLength;
      if (length === undefined) {
        body.destroy();
        return unreadable('unavailable', `GetObject ${objectKey}: no Content-Length`);
      }
      const size = Number(answer.ContentRange?.split('/')[1] ?? length);
      return { kind: 'got' as const, body, length, size, version: answer.VersionId ?? null };
    } catch (error) {
      signal.throwIfAborted();
      return unreadableFrom(error, objectKey);
    }
  }
}

/** The body's chunks, counted against Content-Length. Gives the socket back when it is read to the end, destroys it otherwise. */
async function* counted(
  body: Readable,
  length: number,
  objectKey: string,
  stallMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const where = `GetObject ${objectKey}`;
  let waiting = false;
  const stall = setTimeout(() => {
    if (waiting) body.destroy(new Error(`no bytes for ${stallMs} ms`));
  }, stallMs);
  let read = 0;
  try {
    const next = nextOf(body);
    for (;;) {
      waiting = true;
      stall.refresh();
      const chunk = await next();
      waiting = false;
      if (chunk === null) break;
      read += chunk.byteLength;
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new ContentUnreadable(
      'unavailable',
      `${where}: broke off after ${read} of ${length} bytes: ${wordsOf(error)}`,
    );
  } finally {
    clearTimeout(stall);
    body.destroy();
  }
  signal.throwIfAborted();
  if (read !== length) throw new ContentUnreadable('unavailable', `${where}: ended after ${read} of ${length} bytes`);
}

/** The body's chunks without a copy where our own handler made it; else as the stream gives them. */
function nextOf(body: Readable): () => Promise<Uint8Array | null> {
  const direct = directBodyOf(body);
  if (direct !== null) return () => direct.next();
  const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  return async () => {
    const { done, value } = await chunks.next();
    return done ? null : value;
  };
}

/** S3's error contract: without ListBucket a missing key is 403; a KMS key that cannot be used is 400 `KMS.…` or 403. */
function unreadableFrom(error: unknown, objectKey: string): Unreadable {
  const { name, message, $metadata, code } = error as {
    name?: string;
    message?: string;
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (status === undefined && code === undefined && name !== 'TimeoutError') throw error; // no word from S3 or the network: a bug
  const detail = `GetObject ${objectKey}: ${name} (${status ?? code ?? 'no answer'}): ${message}`;
  if (name === 'InvalidRange') return unreadable('empty', detail); // 416: a range from byte 0 misses only an object without bytes
  if (status === 404 || status === 405) return unreadable('missing', detail); // 405: the version asked for is a delete marker
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429)
    return unreadable('denied', detail);
  return unreadable('unavailable', detail);
}

function unreadable(cause: UnreadableCause, detail: string): Unreadable {
  return { kind: 'unreadable', cause, detail };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
