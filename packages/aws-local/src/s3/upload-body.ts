// Reads the body of a PutObject, plain or aws-chunked, with or without a trailer. Called by s3.ts. It streams the body
// to a file and compares every checksum that the request names; a wrong one is BadDigest and leaves nothing behind.
// Source: S3 API reference, "PutObject"; SigV4 streaming uploads.

import { hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { AwsError } from '../world.ts';
import { type ChecksumName, checksumNames, createChecksum } from './checksums.ts';

/** The facts that S3 keeps of a body besides its bytes. */
export type Measured = {
  readonly size: number;
  /** Hex MD5 without quotes. */
  readonly etag: string;
  readonly checksum: { readonly name: ChecksumName; readonly value: string };
};
export type StagedBody = Measured & { readonly path: string };

/** S3: 5 GiB in one PutObject. */
const objectBytesMax = 5 * 1_024 ** 3;
/** A chunk's head or one trailer line; S3 sends far less. */
const chunkLineBytesMax = 8_192;

/** Streams `source` to `path` and returns its size and checksums. The file is complete, but no object yet. */
async function stageBody(
  source: AsyncIterable<Uint8Array>,
  path: string,
  named: ChecksumName | null,
): Promise<StagedBody> {
  const file = await open(path, 'wx');
  try {
    const staged = await measure(source, path, named, async (bytes) => {
      await file.write(bytes);
    });
    await file.close();
    return staged;
  } catch (error) {
    await file.close().catch(() => {});
    await rm(path, { force: true });
    throw error;
  }
}

/** The same facts of a finished file, which becomes an object by rename. */
export function measureFile(path: string): Promise<StagedBody> {
  return measure(createReadStream(path, { highWaterMark: 262_144 }), path, null, async () => {});
}

/** The same of bytes in memory. */
export function measureBytes(bytes: Uint8Array): Measured {
  const checksum = createChecksum('crc64nvme');
  checksum.update(bytes);
  return {
    size: bytes.length,
    etag: hash('md5', bytes, 'hex'),
    checksum: { name: 'crc64nvme', value: checksum.digest() },
  };
}

async function measure(
  source: AsyncIterable<Uint8Array>,
  path: string,
  named: ChecksumName | null,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<StagedBody> {
  const md5 = createChecksum('md5');
  const name = named ?? 'crc64nvme'; // S3's default since December 2024
  const checksum = createChecksum(name);
  let size = 0;
  for await (const bytes of source) {
    size += bytes.length;
    if (size > objectBytesMax) throw tooLarge();
    md5.update(bytes);
    checksum.update(bytes);
    await write(bytes);
  }
  const etag = Buffer.from(md5.digest(), 'base64').toString('hex');
  return { path, size, etag, checksum: { name, value: checksum.digest() } };
}

/** Stages a request's body and compares everything that its header fields and trailer promise. Throws AwsError. */
export async function receiveBody(request: IncomingMessage, path: string): Promise<StagedBody> {
  const { headers } = request;
  const payload = one(headers, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD';
  const chunked = payload.startsWith('STREAMING-');
  const promisedBytes = lengthOf(headers, chunked);
  const trailers = new Map<string, string>();
  const named = namedChecksum(headers, trailerNames(headers));
  const wanted = new Map<string, string>();
  const sha256 = /^[0-9a-f]{64}$/.test(payload) ? createChecksum('sha256') : null;
  // A refusal in the middle must still be answered: leaving the loop may not close the connection.
  const arriving: AsyncIterable<Uint8Array> = request.iterator({ destroyOnReturn: false });
  const source = chunked ? decodeChunks(arriving, trailers) : arriving;

  const staged = await stageBody(
    (async function* () {
      for await (const bytes of source) {
        sha256?.update(bytes);
        yield bytes;
      }
    })(),
    path,
    named,
  ).catch((error: unknown) => {
    throw request.errored === null || error instanceof AwsError ? error : incomplete();
  });
  try {
    if (staged.size !== promisedBytes) throw incomplete();
    const contentMd5 = one(headers, 'content-md5');
    if (contentMd5 !== undefined) wanted.set(contentMd5, Buffer.from(staged.etag, 'hex').toString('base64'));
    const promised = checksumHeader(headers, trailers, named);
    if (promised !== null) wanted.set(promised, staged.checksum.value);
    if ([...wanted].some(([said, found]) => said !== found)) throw badDigest();
    if (sha256 !== null && Buffer.from(sha256.digest(), 'base64').toString('hex') !== payload) {
      throw new AwsError(
        'XAmzContentSHA256Mismatch',
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
      );
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return staged;
}

function lengthOf(headers: IncomingHttpHeaders, chunked: boolean): number {
  const said = chunked ? one(headers, 'x-amz-decoded-content-length') : headers['content-length'];
  if (said === undefined || !/^\d+$/.test(said)) {
    throw new AwsError('MissingContentLength', 411, 'You must provide the Content-Length HTTP header.');
  }
  if (Number(said) > objectBytesMax) throw tooLarge();
  return Number(said);
}

/** At most one checksum may be named, in a field or as a trailer. */
function namedChecksum(headers: IncomingHttpHeaders, trailers: readonly string[]): ChecksumName | null {
  const found = checksumNames.filter((name) => {
    const field = `x-amz-checksum-${name}`;
    return headers[field] !== undefined || trailers.includes(field);
  });
  if (found.length > 1) {
    throw new AwsError(
      'InvalidRequest',
      400,
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  return found[0] ?? null;
}

function checksumHeader(
  headers: IncomingHttpHeaders,
  trailers: ReadonlyMap<string, string>,
  name: ChecksumName | null,
): string | null {
  if (name === null) return null;
  const field = `x-amz-checksum-${name}`;
  const said = one(headers, field) ?? trailers.get(field);
  if (said === undefined) {
    throw new AwsError(
      'MalformedTrailerError',
      400,
      'The request contained trailing data that was not well-formed or did not conform to our published schema.',
    );
  }
  return said;
}

function trailerNames(headers: IncomingHttpHeaders): readonly string[] {
  return (one(headers, 'x-amz-trailer') ?? '').split(',').map((name) => name.trim().toLowerCase());
}

/**
 * aws-chunked: `<hex size>[;chunk-signature=…]\r\n<bytes>\r\n` … `0\r\n<trailer lines>\r\n`. Yields the bytes and fills
 * `trailers` at the end. Throws IncompleteBody where it breaks off.
 */
export async function* decodeChunks(
  source: AsyncIterable<Uint8Array>,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  let buffered: Buffer = Buffer.alloc(0);
  let state: 'size' | 'data' | 'data-end' | 'trailer' | 'end' = 'size';
  let left = 0;
  for await (const arrived of source) {
    buffered =
      buffered.length === 0
        ? Buffer.from(arrived.buffer, arrived.byteOffset, arrived.length)
        : Buffer.concat([buffered, arrived]);
    let progress = true;
    while (progress && state !== 'end') {
      progress = false;
      if (state === 'data') {
        const bytes = buffered.subarray(0, left);
        if (bytes.length > 0) {
          yield bytes;
          left -= bytes.length;
          buffered = buffered.subarray(bytes.length);
          progress = true;
        }
        if (left === 0) state = 'data-end';
        continue;
      }
      const line = takeLine();
      if (line === null) continue;
      progress = true;
      if (state === 'data-end') {
        if (line !== '') throw incomplete();
        state = 'size';
      } else if (state === 'size') {
        const size = /^([0-9a-f]+)(;.*)?$/i.exec(line)?.[1];
        if (size === undefined) throw incomplete();
        left = Number.parseInt(size, 16);
        state = left === 0 ? 'trailer' : 'data';
      } else if (line === '') state = 'end';
      else {
        const colon = line.indexOf(':');
        trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
      }
    }
  }
  if (state !== 'end' && state !== 'trailer') throw incomplete();

  function takeLine(): string | null {
    const end = buffered.indexOf('\n');
    if (end < 0) {
      if (buffered.length > chunkLineBytesMax) throw incomplete();
      return null;
    }
    const line = buffered.subarray(0, end).toString('latin1').replace(/\r$/, '');
    buffered = buffered.subarray(end + 1);
    return line;
  }
}

function one(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

function incomplete(): AwsError {
  return new AwsError('IncompleteBody', 400, 'The request body terminated unexpectedly.');
}
function badDigest(): AwsError {
  return new AwsError(
    'BadDigest',
    400,
    'The Content-MD5 or checksum value that you specified did not match what the server received.',
  );
}
function tooLarge(): AwsError {
  return new AwsError('EntityTooLarge', 400, 'Your proposed upload exceeds the maximum allowed object size.');
}
