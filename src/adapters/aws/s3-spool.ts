// The spool on S3, used by every stage that reads content. Content is a stream of bytes from the socket to the caller:
// never a string, never held whole, never written. An object that cannot be opened is a value (DESIGN §2.5: 403 and 404
// alike). A stream that breaks off, or differs from what was stored, throws ContentUnreadable. Content under a delete
// marker is found by its version. It never deletes or tags.

import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';
import { digestBytesMax } from '#core/limits.ts';
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
  private readonly lister: S3Client | null;

  /** `lister` looks for a version under a delete marker where an object cannot be found: it may list versions. */
  constructor(
    client: S3Client,
    bucket: string,
    options: { readonly stallMs?: number; readonly lister?: S3Client } = {},
  ) {
    this.client = client;
    this.bucket = bucket;
    this.stallMs = options.stallMs ?? stallAfterMs;
    this.lister = options.lister ?? null;
  }

  /** One GetObject, and two calls more where a delete marker hides the object. Throws only when `signal` is aborted. */
  async open(objectKey: string, signal: AbortSignal): Promise<OpenedContent> {
    const got = await this.get(objectKey, undefined, signal);
    if (got.kind === 'unreadable') return got;
    const { body, length, version, md5, undeleted } = got;
    if (length === 0) {
      body.destroy();
      return { kind: 'unreadable', cause: 'empty', detail: `GetObject ${objectKey}: no bytes` };
    }
    const close = () => void body.destroy();
    return {
      kind: 'opened',
      bytes: length,
      version,
      chunks: counted(body, { length, md5, objectKey, stallMs: this.stallMs, signal }),
      close,
      ...(undeleted ? { undeleted: true } : {}),
    };
  }

  /** One ranged GetObject, and two calls more as above. Throws only when `signal` is aborted. */
  async head(objectKey: string, bytesMax: number, signal: AbortSignal): Promise<HeadResult> {
    const got = await this.get(objectKey, `bytes=0-${bytesMax - 1}`, signal);
    if (got.kind === 'unreadable') return got;
    const { body, length, size } = got;
    const md5 = length === size ? got.md5 : null; // a part has no digest of its own
    const { stallMs } = this;
    if (size === 0) {
      body.destroy();
      return { kind: 'unreadable', cause: 'empty', detail: `GetObject ${objectKey}: no bytes` };
    }
    const wanted = Math.min(bytesMax, length);
    const bytes = new Uint8Array(wanted);
    let at = 0;
    try {
      for await (const chunk of counted(body, { length, md5, objectKey, stallMs, signal })) {
        bytes.set(chunk.subarray(0, wanted - at), at);
        at = Math.min(wanted, at + chunk.byteLength);
        if (at === wanted && wanted < length) break; // a server that ignores Range sends everything; else to the end, which keeps the socket
      }
    } catch (error) {
      if (error instanceof ContentUnreadable) return { kind: 'unreadable', cause: error.cause, detail: error.message };
      throw error;
    }
    return { kind: 'read', bytes, size, ...(got.undeleted ? { undeleted: true } : {}) };
  }

  private async get(objectKey: string, range: string | undefined, signal: AbortSignal) {
    const got = await this.getOnce(objectKey, range, undefined, signal);
    const hidden = got.kind === 'unreadable' && (got.cause === 'missing' || got.cause === 'denied');
    if (!hidden || this.lister === null) return { ...got, undeleted: false };
    const version = await this.versionUnderMarker(this.lister, objectKey, signal);
    if (version === null) return { ...got, undeleted: false };
    return { ...(await this.getOnce(objectKey, range, version, signal)), undeleted: true };
  }

  private async getOnce(
    objectKey: string,
    range: string | undefined,
    version: string | undefined,
    signal: AbortSignal,
  ) {
    try {
      const command = new GetObjectCommand({ Bucket: this.bucket, Key: objectKey, Range: range, VersionId: version });
      const answer = await this.client.send(command, { abortSignal: signal });
      const body = answer.Body as Readable; // in Node always the response itself
      body.on('error', () => {}); // an error of an unread body must not end the process; a reader sees it all the same
      const length = answer.ContentLength;
      if (length === undefined) {
        body.destroy();
        return unreadable('unavailable', `GetObject ${objectKey}: no Content-Length`);
      }
      const size = Number(answer.ContentRange?.split('/')[1] ?? length);
      const md5 = length > digestBytesMax ? null : md5Of(answer.ETag, answer.ServerSideEncryption);
      return { kind: 'got' as const, body, length, size, md5, version: answer.VersionId ?? null };
    } catch (error) {
      signal.throwIfAborted();
      return unreadableFrom(error, objectKey);
    }
  }

  /**
   * The newest version of an object whose latest "version" is a delete marker; null where there is none, or it cannot
   * be told.
   */
  private async versionUnderMarker(lister: S3Client, objectKey: string, signal: AbortSignal): Promise<string | null> {
    try {
      // The key itself comes first of all that begin with it, newest version first.
      const command = new ListObjectVersionsCommand({ Bucket: this.bucket, Prefix: objectKey, MaxKeys: 100 });
      const { Versions = [], DeleteMarkers = [] } = await lister.send(command, { abortSignal: signal });
      if (!DeleteMarkers.some((marker) => marker.Key === objectKey && marker.IsLatest)) return null;
      return Versions.find((version) => version.Key === objectKey)?.VersionId ?? null;
    } catch {
      signal.throwIfAborted();
      return null; // the answer of the first call counts
    }
  }
}

/**
 * S3: the ETag of an object put in one piece is the MD5 of its bytes, unless it is encrypted with a key of KMS or the
 * client.
 */
function md5Of(etag: string | undefined, encryption: string | undefined): string | null {
  const digest = /^"?([0-9a-f]{32})"?$/.exec(etag ?? '')?.[1];
  return digest !== undefined && (encryption === undefined || encryption === 'AES256') ? digest : null;
}

/**
 * The body's chunks, counted against Content-Length and compared with what S3 stored. Gives the socket back when it is
 * read to the end, destroys it otherwise.
 */
async function* counted(
  body: Readable,
  given: {
    readonly length: number;
    readonly md5: string | null;
    readonly objectKey: string;
    readonly stallMs: number;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  const { length, md5, objectKey, stallMs, signal } = given;
  const hash = md5 === null ? null : createHash('md5');
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
      hash?.update(chunk);
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
  if (hash !== null && hash.digest('hex') !== md5)
    throw new ContentUnreadable('damaged', `${where}: the bytes are not those that were stored (MD5)`);
}

/** The body's chunks without a copy where the content reader made it; else as the stream gives them. */
function nextOf(body: Readable): () => Promise<Uint8Array | null> {
  const direct = directBodyOf(body);
  if (direct !== null) return () => direct.next();
  const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  return async () => {
    const { done, value } = await chunks.next();
    return done ? null : value;
  };
}

/**
 * S3's error contract: without ListBucket a missing key is 403; a KMS key that cannot be used is 400 `KMS.…` or 403.
 */
function unreadableFrom(error: unknown, objectKey: string): Unreadable {
  const { name, message, $metadata, code } = error as {
    name?: string;
    message?: string;
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (status === undefined && code === undefined && name !== 'TimeoutError') throw error; // no answer of S3 or the network: a bug
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
