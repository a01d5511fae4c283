// Decides which logins succeed: submitters by username and password, compared in constant time. It limits how often a
// user name may fail at an address, and an address in all. The server calls it. It reads secrets from their store and
// keeps them in memory for minutes. No log and no reply contains them.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Password } from '#adapters/secret-text.ts';
import type { SubmitterSettings } from '#config/settings.ts';
import {
  loginFailuresPerAddressMax,
  loginFailuresPerNameMax,
  loginFailureWindowMs,
  loginKnownMs,
  loginRefreshMs,
  loginsRememberedMax,
} from '#core/limits.ts';
import type { Clock } from '#pipeline/ports.ts';

/** Where secrets are: Secrets Manager (AwsSecrets), or a file (FileSecrets). */
export interface SecretSource {
  credentials(name: string): Promise<Password>;
  /** The kept value is dropped, and read again the next time. */
  forget(name: string): void;
}

export type Login =
  | { readonly kind: 'submitter'; readonly submitter: string }
  | { readonly kind: 'unknown' }
  /** A secret could not be read, so the login can be neither accepted nor refused. */
  | { readonly kind: 'unavailable'; readonly detail: string };

export class LoginGuard {
  /** Those that log in: name and secret. */
  private readonly submitters: readonly (readonly [name: string, secret: string])[];
  private readonly secrets: SecretSource;
  private readonly clock: Clock;
  private readonly failuresOfName = new Counts(loginFailureWindowMs);
  private readonly failuresOfAddress = new Counts(loginFailureWindowMs);
  private readonly known = new Counts(loginKnownMs);
  private refreshAt = 0;

  constructor(
    submitters: Readonly<Record<string, Pick<SubmitterSettings, 'secret'>>>,
    secrets: SecretSource,
    clock: Clock,
  ) {
    this.submitters = Object.entries(submitters).flatMap(([name, { secret }]) =>
      secret === null ? [] : [[name, secret] as const],
    );
    this.secrets = secrets;
    this.clock = clock;
  }

  async login(username: string, password: string): Promise<Login> {
    const found = await this.find(username, password);
    if (found.kind === 'submitter' || this.clock.now() < this.refreshAt) return found;
    this.refreshAt = this.clock.now() + loginRefreshMs;
    for (const [, secret] of this.submitters) this.secrets.forget(secret); // it may have been rotated
    return this.find(username, password);
  }

  /**
   * True: this name has failed too often at this address of late, or the address has and the name is not known there:
   * not listened to.
   */
  isShut(address: string, username: string): boolean {
    const now = this.clock.now();
    const name = nameAt(address, username);
    if (this.failuresOfName.of(name, now) >= loginFailuresPerNameMax) return true;
    return this.failuresOfAddress.of(address, now) >= loginFailuresPerAddressMax && this.known.of(name, now) === 0;
  }

  failed(address: string, username: string): void {
    const now = this.clock.now();
    this.failuresOfName.add(nameAt(address, username), now);
    this.failuresOfAddress.add(address, now);
  }

  succeeded(address: string, username: string): void {
    this.known.add(nameAt(address, username), this.clock.now());
  }

  private async find(username: string, password: string): Promise<Login> {
    const given = digest(username, password);
    let submitter: string | null = null;
    let trouble: string | null = null;
    const all = this.submitters.map(async ([name, secret]) => {
      try {
        const known = await this.secrets.credentials(secret);
        if (timingSafeEqual(given, digest(known.username, known.password))) submitter ??= name;
      } catch (error) {
        trouble = `the secret ${secret} of the submitter ${name}: ${error instanceof Error ? error.message : String(error)}`;
      }
    });
    await Promise.all(all); // each is compared, whether it fits or not: the time tells nothing
    if (submitter !== null) return { kind: 'submitter', submitter };
    return trouble === null ? { kind: 'unknown' } : { kind: 'unavailable', detail: trouble };
  }
}

/**
 * How often something happened, forgotten when it has not happened for a while. Of the keys the latest are remembered.
 */
class Counts {
  private readonly forMs: number;
  private readonly entries = new Map<string, { count: number; until: number }>();

  constructor(forMs: number) {
    this.forMs = forMs;
  }

  of(key: string, now: number): number {
    const entry = this.entries.get(key);
    if (entry === undefined) return 0;
    if (entry.until > now) return entry.count;
    this.entries.delete(key);
    return 0;
  }

  add(key: string, now: number): void {
    const count = this.of(key, now) + 1;
    this.entries.delete(key); // to the end: the Map's order is that of the last time
    this.entries.set(key, { count, until: now + this.forMs });
    const [oldest] = this.entries.keys();
    if (this.entries.size > loginsRememberedMax && oldest !== undefined) this.entries.delete(oldest);
  }
}

/** Short, however long a name the client gave. */
function nameAt(address: string, username: string): string {
  return `${address} ${createHash('sha256').update(username).digest('base64')}`;
}

/** Of equal length for any input, so that the comparison takes as long for each. */
function digest(username: string, password: string): Buffer {
  return createHash('sha256')
    .update(`${Buffer.byteLength(username)}:${username}${password}`)
    .digest();
}
