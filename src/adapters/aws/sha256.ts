// SHA-256 and HMAC-SHA-256 in the interface that the SDK expects, by node:crypto. The SDK's own makes a new key object
// for each HMAC, two or three times a request, and computes the same HMAC of the access key's id for each request. This
// one makes it once and remembers a text secret's last HMAC. Profiles of small requests showed both. Like the SDK, it
// keeps keys in the process's memory, and never more than a few.

import { createHash, createHmac, createSecretKey, type Hash, type Hmac, type KeyObject } from 'node:crypto';

type Source = string | ArrayBuffer | ArrayBufferView;

/** The SDK signs with one secret and one day's key for each service; the rest is the key of yesterday. */
const keysMax = 16;
type Key = { readonly object: KeyObject; last: { readonly message: Buffer; readonly digest: Uint8Array } | null };
const keys = new Map<Source, Key>();

/**
 * The SDK's `sha256` setting (its HashConstructor). With a secret: the HMAC. A secret in memory must not change
 * afterwards.
 */
export class Sha256 {
  private readonly key: Key | null;
  /** Null: a text secret's, looked up or computed at the end. */
  private state: Hash | Hmac | null;
  private readonly text: boolean;
  private message = Buffer.alloc(0);

  constructor(secret?: Source) {
    this.key = secret === undefined ? null : keyOf(secret);
    this.text = typeof secret === 'string';
    this.state = this.begin();
  }

  update(bytes: Source, encoding?: 'utf8'): void {
    const given = typeof bytes === 'string' ? Buffer.from(bytes, encoding) : bytesOf(bytes);
    if (this.state === null) this.message = Buffer.concat([this.message, given]);
    else this.state.update(given);
  }
  async digest(): Promise<Uint8Array> {
    if (this.state !== null) return this.state.digest();
    const { key, message } = this;
    if (key?.last?.message.equals(message)) return key.last.digest;
    const digest = hashOf(key).update(message).digest();
    if (key !== null) key.last = { message, digest };
    return digest;
  }
  reset(): void {
    this.state = this.begin();
    this.message = Buffer.alloc(0);
  }

  private begin(): Hash | Hmac | null {
    return this.text ? null : hashOf(this.key);
  }
}

function hashOf(key: Key | null): Hash | Hmac {
  return key === null ? createHash('sha256') : createHmac('sha256', key.object);
}

function keyOf(secret: Source): Key {
  const standing = keys.get(secret);
  if (standing !== undefined) return standing;
  if (keys.size >= keysMax) keys.clear();
  const object = typeof secret === 'string' ? createSecretKey(secret, 'utf8') : createSecretKey(bytesOf(secret));
  const key = { object, last: null };
  keys.set(secret, key);
  return key;
}

function bytesOf(source: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}
