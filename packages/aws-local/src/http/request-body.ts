// Reads a small request body whole, for services whose requests are one JSON or form text. It never reads mail content,
// which is streamed.

import type { IncomingMessage } from 'node:http';
import { AwsError } from '../world.ts';

/** The body's bytes. Throws AwsError RequestEntityTooLarge above `bytesMax`, with the rest read and dropped. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // By events: an async iterator costs more than the rest of reading a request.
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk); // past it the rest is still read: an SDK hangs on an unread request
    });
    request.once('end', resolve);
    request.once('error', reject);
    request.once('close', () => {
      if (!request.complete) reject(new Error('the request broke off'));
    });
  });
  if (bytes > bytesMax)
    throw new AwsError('RequestEntityTooLarge', 413, `the request is longer than ${bytesMax} bytes`);
  const [only] = chunks;
  return chunks.length === 1 && only ? only : Buffer.concat(chunks);
}
