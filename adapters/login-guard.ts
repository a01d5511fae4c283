// Who may log in: submitters by username and password, compared in constant time; and how often an address may fail. Secrets come from where
// they are kept, stay in memory for minutes, and never reach a log or a reply.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { SubmitterSettings } from '#core/config.ts';
import { loginAddressesMax, loginFailuresPerAddressMax, loginFailureWindowMs, loginRefreshMs } from '#core/limits.ts';
import type { Clock } from '#pipeline/ports.ts';
import type { Credentials } from './secrets.ts';

/** Where secrets are: Secrets Manager (AwsSecrets), or a file (FileSecrets). */
export interface SecretSource {
  credentials(name: string): Promise<Credentials>;
  /** What was kept of it is asked for anew the next time. */
  forget(name: string): void;
}

export type Login =
  | { readonly kind: 'submitter'; readonly submitter: string }
  | { readonly kind: 'unknown' }
  /** A secret could not be read, so nobody can say. */
  | { readonly kind: 'unavailable'; readonly detail: string };

export class LoginGuard {
  private readonly submitters: Readonly<Record<string, Pick<SubmitterSettings, 'secret'>>>;
  private readonly secrets: SecretSource;
  private readonly clock: Clock;
  private readonly failures = new Map<string, { count: number; until: number }>();
  private refreshAt = 0;

  constructor(
    submitters: Readonly<Record<string, Pick<SubmitterSettings, 'secret'>>>,
    secrets: SecretSource,
    clock: Clock,
  ) {
    this.submitters = submitters;
    this.secrets = secrets;
    this.clock = clock;
  }

  async login(username: string, password: string): Promise<Login> {
    const found = await this.find(username, password);
    if (found.kind === 'submitter' || this.clock.now() < this.refreshAt) return found;
    this.refreshAt = this.clock.now() + loginRefreshMs;
    for (const { secret } of Object.values(this.submitters)) this.secrets.forget(secret); // it may have been rotated
    return this.find(username, password);
  }

  /** True: the address has failed too often of late, and is not listened to. */
  isShut(address: string): boolean {
    const entry = this.failures.get(address);
    if (entry === undefined) return false;
    if (entry.until > this.clock.now()) return entry.count >= loginFailuresPerAddressMax;
    this.failures.delete(address);
    return false;
  }

  failed(address: string): void {
    const until = this.clock.now() + loginFailureWindowMs;
    const standing = this.failures.get(address);
    const count = standing !== undefined && standing.until > this.clock.now() ? standing.count + 1 : 1;
    this.failures.delete(address); // to the end: the Map's order is that of the last failure
    this.failures.set(address, { count, until });
    const [oldest] = this.failures.keys();
    if (this.failures.size > loginAddressesMax && oldest !== undefined) this.failures.delete(oldest);
  }

  private async find(username: string, password: string): Promise<Login> {
    const given = digest(username, password);
    let submitter: string | null = null;
    let trouble: string | null = null;
    const all = Object.entries(this.submitters).map(async ([name, { secret }]) => {
      try {
        const known = await this.secrets.credentials(secret);
        if (timingSafeEqual(given, digest(known.username, known.password))) submitter ??= name;
      } catch (error) {
        trouble = `the secret ${secret} of the submitter ${name}: ${error instanceof Error ? error.message : String(error)}`;
      }
    });
    await Promise.all(all); // each is compared, whoever it is: time tells nothing
    if (submitter !== null) return { kind: 'submitter', submitter };
    return trouble === null ? { kind: 'unknown' } : { kind: 'unavailable', detail: trouble };
  }
}

/** Of equal length for any input, so that the comparison takes as long for each. */
function digest(username: string, password: string): Buffer {
  return createHash('sha256')
    .update(`${Buffer.byteLength(username)}:${username}${password}`)
    .digest();
}
