// The SDK's hash, held to published vectors: FIPS 180-2 for SHA-256, RFC 4231 for HMAC-SHA-256.
// Each key is used more than once, and more keys than are kept.

import { describe, expect, it } from 'vitest';
import { Sha256 } from '#adapters/aws/sha256.ts';

const hex = async (hash: Sha256) => Buffer.from(await hash.digest()).toString('hex');
const vectors: readonly [string, string | Uint8Array | undefined, string | Uint8Array, string][] = [
  ['empty', undefined, '', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', undefined, 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'RFC 4231, 1',
    new Uint8Array(20).fill(0x0b),
    'Hi There',
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  ],
  [
    'RFC 4231, 2: a key that is text',
    'Jefe',
    'what do ya want for nothing?',
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [
    'RFC 4231, 3',
    new Uint8Array(20).fill(0xaa),
    new Uint8Array(50).fill(0xdd),
    '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
  ],
];

describe('Sha256', () => {
  it.each(vectors)('%s', async (_name, secret, message, expected) => {
    for (let i = 0; i < 2; i++) {
      const hash = new Sha256(secret);
      hash.update(message);
      expect(await hex(hash)).toBe(expected);
      hash.reset();
      hash.update(message);
      expect(await hex(hash)).toBe(expected);
    }
  });

  it('knows a key from another when there are many', async () => {
    const of = async (key: string) => {
      const hash = new Sha256(key);
      hash.update('x');
      return hex(hash);
    };
    const names = Array.from({ length: 40 }, (_, i) => `key ${i}`);
    const first = await Promise.all(names.map(of));
    expect(new Set(first).size).toBe(40);
    expect(await Promise.all(names.toReversed().map(of))).toEqual(first.toReversed());
  });

  it('remembers what a text secret said last, and nothing else', async () => {
    const of = async (...parts: readonly (string | Uint8Array)[]) => {
      const hash = new Sha256('Jefe');
      for (const part of parts) hash.update(part);
      return hex(hash);
    };
    const expected = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843';
    const bytes = new TextEncoder().encode('what do ya want for nothing?');
    for (let i = 0; i < 2; i++) {
      expect(await of(bytes)).toBe(expected);
      expect(await of('what do ya want ', 'for nothing?')).toBe(expected);
      expect(await of('what do ya want ')).not.toBe(expected);
    }
    bytes.fill(0); // whoever gave them may use their memory again
    expect(await of('what do ya want for nothing?')).toBe(expected);
    expect(await of(bytes)).not.toBe(expected);
  });

  it('takes a view of memory for the bytes it shows', async () => {
    const memory = new TextEncoder().encode('..abc..');
    const hash = new Sha256();
    hash.update(memory.subarray(2, 5));
    expect(await hex(hash)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
