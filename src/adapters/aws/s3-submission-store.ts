// Stores submissions on S3, for `everpost sendmail` and the gateway: PutObject with If-None-Match, so that nothing is
// overwritten, and with the SHA-256, which S3 compares before it answers 200. It tries again itself, because only it
// knows that a 412 after a try whose answer was lost means our own object. It never reads, lists or deletes.

import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { submissionStoreMs, submissionTriesMax, submissionTryAgainMs } from '#core/limits.ts';
import type { Storable, StoreResult, SubmissionStore } from '#pipeline/ports.ts';

type Times = { readonly storeMs: number; readonly triesMax: number; readonly tryAgainMs: number };
const usualTimes: Times = {
  storeMs: submissionStoreMs,
  triesMax: submissionTriesMax,
  tryAgainMs: submissionTryAgainMs,
};

export class S3SubmissionStore implements SubmissionStore {
  private readonly client: S3Client;
  private readonly bucket: string;
  private readonly times: Times;

  constructor(client: S3Client, bucket: string, times: Times = usualTimes) {
    this.client = client;
    this.bucket = bucket;
    this.times = times;
  }

  async put(objectKey: string, content: Storable, signal: AbortSignal): Promise<StoreResult> {
    signal.throwIfAborted();
    const over = AbortSignal.any([signal, AbortSignal.timeout(this.times.storeMs)]);
    /** A try may have taken effect though its answer said otherwise, or never came. */
    let unsure = false;
    let last = '';
    for (let attempt = 1; attempt <= this.times.triesMax; attempt += 1) {
      const said = await this.once(objectKey, content, over);
      signal.throwIfAborted();
      last = said.detail;
      switch (said.kind) {
        case 'stored':
          return { kind: 'stored' };
        case 'taken':
          // S3 takes an object whole or not at all, and nobody else can have guessed the name: the object is the one
          // whose answer was lost.
          return unsure ? { kind: 'stored' } : { kind: 'taken' };
        case 'denied':
          return { kind: 'failed', cause: 'denied', detail: said.detail };
        case 'again':
          unsure ||= said.unsure;
      }
      if (over.aborted || attempt === this.times.triesMax) break;
      await sleep(this.times.tryAgainMs * 2 ** (attempt - 1) * (0.5 + Math.random()), null, { signal: over }).catch(
        () => {},
      );
      signal.throwIfAborted();
    }
    return { kind: 'failed', cause: 'unavailable', detail: last };
  }

  private async once(objectKey: string, content: Storable, abortSignal: AbortSignal): Promise<Said> {
    const Body = Readable.from(content.chunks(), { objectMode: false });
    Body.on('error', () => {}); // the call itself sees the error; after a refusal there is no reader any more
    const command = new PutObjectCommand({
      Bucket: this.bucket,
      Key: objectKey,
      Body,
      ContentLength: content.bytes,
      ChecksumSHA256: Buffer.from(content.sha256, 'hex').toString('base64'),
      IfNoneMatch: '*',
    });
    try {
      await this.client.send(command, { abortSignal });
      return { kind: 'stored', detail: '' };
    } catch (error) {
      return saidBy(error, objectKey);
    } finally {
      Body.destroy();
    }
  }
}

type Said =
  | { readonly kind: 'stored' | 'taken' | 'denied'; readonly detail: string }
  | { readonly kind: 'again'; readonly unsure: boolean; readonly detail: string };

/** Node's codes of a connection that broke while the answer came. */
const LOST: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

/**
 * S3's error contract for a conditional write: 412: an object exists; 409: another write was in progress and ours was
 * not done.
 */
function saidBy(error: unknown, objectKey: string): Said {
  const { name, message, code, $metadata } = error as {
    name?: string;
    message?: string;
    code?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const detail = `PutObject ${objectKey}: ${name} (${status ?? 'no answer'}): ${message}`;
  // A 200 or an error whose body broke off has the status that S3 gave, and the network's code: what S3 did is unknown.
  if (status === undefined || status < 400 || status >= 500 || LOST.has(code ?? ''))
    return { kind: 'again', unsure: true, detail };
  if (status === 412) return { kind: 'taken', detail };
  // RequestTimeout is a 400: the bytes came too slowly. BadDigest: they were changed on the way.
  const again = status === 409 || status === 429 || name === 'RequestTimeout' || name === 'BadDigest';
  return again ? { kind: 'again', unsure: false, detail } : { kind: 'denied', detail };
}
