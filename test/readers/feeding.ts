// How text is handed to readers of bytes, streams and fields.

import type { HeaderField } from '#core/message/header.ts';

export const MAILBOX = {
  address: 'ann@src.example',
  localPart: 'ann',
  domain: 'src.example',
  domainKey: 'src.example',
};

export function bytes(text: string): Buffer {
  return Buffer.from(text, 'utf8');
}

/** The bytes of the text, each as one character. */
export function latin1(text: string): string {
  return bytes(text).toString('latin1');
}

export async function* chunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const whole = bytes(text);
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
}

export async function drained(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let count = 0;
  for await (const chunk of stream) count += chunk.length;
  return count;
}

export function pushed(reader: { push(chunk: Uint8Array): unknown }, whole: Uint8Array, size: number): void {
  for (let at = 0; at < whole.length; at += size) reader.push(whole.subarray(at, at + size));
}

export function all(chunks: Iterable<unknown>): number {
  let count = 0;
  for (const _ of chunks) count += 1;
  return count;
}

/** One of each name that a reader looks for, and many short ones. */
export function fieldsWith(value: string): HeaderField[] {
  const names = ['From', 'To', 'Subject', 'Date', 'Message-ID', 'Auto-Submitted', 'Precedence', 'Received'];
  const long = [...names, 'X-Everpost-Pass', 'X-Everpost-Notice'].map((name) => ({ name, value }));
  const short = value.match(/.{1,16}/gs)?.map((part) => ({ name: 'X-Everpost-Pass', value: `1 ${part}` })) ?? [];
  return [...long, ...short];
}

/** What a reader throws is an answer too. */
export function quietly(run: () => unknown): unknown {
  try {
    return run();
  } catch {
    return null;
  }
}
