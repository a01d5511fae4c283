// Sends an object's bytes, from memory or from a file, whole or a range. Called by s3.ts. It also applies the faults
// that only bytes can have: `corrupt` flips one bit in every 64th byte, `truncate` cuts the connection half way. Both
// keep the header fields of the true object, as a broken disk or network does.

import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FaultEffect } from '../world.ts';
import type { ByteRange } from './requests.ts';

/** Up to here one read and one write serve the request, in bytes; mail is mostly smaller. */
const atOnceBytesMax = 262_144;

export async function sendObject(
  response: ServerResponse,
  sending: {
    /** The bytes, or the path of their file. */
    readonly body: Buffer | string;
    readonly size: number;
    readonly fields: Readonly<Record<string, string>>;
    readonly range: ByteRange | null;
    readonly head: boolean;
    readonly effects: readonly FaultEffect[];
  },
): Promise<void> {
  const { body, size, range, effects } = sending;
  const start = range?.start ?? 0;
  const length = range === null ? size : range.end - range.start + 1;
  const head: Record<string, string> = { ...sending.fields, 'content-length': String(length) };
  if (range !== null) head['content-range'] = `bytes ${range.start}-${range.end}/${size}`;
  const statusCode = range === null ? 200 : 206;
  if (sending.head || length === 0) {
    response.writeHead(statusCode, head);
    response.end();
    return;
  }
  const sent = effects.includes('truncate') ? Math.floor(length / 2) : length;
  const corrupt = effects.includes('corrupt') ? corruptFrom(start, size) : null;
  // Before the head: a file that cannot be opened must not look like a 200.
  if (sent === length && length <= atOnceBytesMax) {
    const bytes = typeof body === 'string' ? readAtOnce(body, start, length) : body.subarray(start, start + length);
    response.writeHead(statusCode, head);
    if (bytes.length < length) response.destroy();
    else response.end(corrupt === null ? bytes : corrupt(Buffer.from(bytes)));
    return;
  }
  const end = Math.max(start, start + sent - 1);
  const source =
    typeof body === 'string'
      ? createReadStream('', { fd: await open(body), start, end, highWaterMark: atOnceBytesMax })
      : Readable.from([Buffer.from(body.subarray(start, end + 1))]);
  response.writeHead(statusCode, head);
  const through = new Transform({
    transform(bytes: Buffer, _encoding, done) {
      done(null, corrupt === null ? bytes : corrupt(bytes));
    },
  });
  try {
    await pipeline(source, through, response, { end: sent === length });
    if (sent < length) response.socket?.end(() => response.destroy());
  } catch (error) {
    // The reader hung up: its right. Anything else is ours.
    if (!response.destroyed) throw error;
  }
}

/** Some microseconds from the page cache: much less than a turn through the thread pool costs. */
function readAtOnce(path: string, start: number, length: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, start));
  } finally {
    closeSync(file);
  }
}

/** Flips by position in the object, so that every read of the same bytes sees the same damage. */
function corruptFrom(start: number, size: number): (bytes: Buffer) => Buffer {
  let position = start;
  return (bytes) => {
    for (let i = 0; i < bytes.length; i += 1, position += 1) {
      if (position % 64 === 63 || position === size - 1) bytes[i] = (bytes[i] ?? 0) ^ 1;
    }
    return bytes;
  };
}
