// SHA-256 and HMAC-SHA-256 in the shape the SDK asks for, by node:crypto. The SDK's own turns the key into a key object anew for each
// HMAC, two or three times a request; here a key is turned once. It showed in profiles of small requests.
// It keeps keys in this process's memory, where the SDK keeps them too, and never more than a few.

import { createHash, createHmac, createSecretKey, type Hash, type Hmac, type KeyObject } from 'node:crypto';

type Source = string | ArrayBuffer | ArrayBufferView;

/** The SDK signs with one secret and one day's key for each service; the rest is the key of yesterday. */
const keysMax = 16;
const keys = new Map<Source, KeyObject>();

/** The SDK's `sha256` setting (its HashConstructor). With a secret: the HMAC. A secret in memory must not change afterwards. */
export class Sha256 {
  private readonly key: KeyObject | null;
  private state: Hash | Hmac;

  constructor(secret?: Source) {
    this.key = secret === undefined ? null : keyOf(secret);
    this.state = this.begin();
  }

  update(bytes: Source, encoding?: 'utf8'): void {
    if (typeof bytes === 'string') this.state.update(bytes, encoding ?? 'utf8');
    else this.state.update(bytesOf(bytes));
  }
  async digest(): Promise<Uint8Array> {
    return this.state.digest();
  }
  reset(): void {
    this.state = this.begin();
  }

  private begin(): Hash | Hmac {
    return this.key === null ? createHash('sha256') : createHmac('sha256', this.key);
  }
}

function keyOf(secret: Source): KeyObject {
  const standing = keys.get(secret);
  if (standing !== undefined) return standing;
  if (keys.size >= keysMax) keys.clear();
  const key = typeof secret === 'string' ? createSecretKey(secret, 'utf8') : createSecretKey(bytesOf(secret));
  keys.set(secret, key);
  return key;
}

function bytesOf(source: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}
