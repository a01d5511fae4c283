// Reads the logins and certificates of next hops from Secrets Manager, for the functions that speak to next hops. It
// keeps them in memory for some minutes. It never logs them, and no error text contains them.

import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { Clock } from '#pipeline/ports.ts';
import { type Password, passwordIn, type SecretMembers, SecretMistake, secretMembers } from '../secret-text.ts';

/** A rotated secret is used after this at the latest; until then a call for each connection is spared. */
const keptMs = 5 * 60_000;

type Kept = { readonly until: number; readonly shape: unknown; readonly value: Promise<unknown> };

export class AwsSecrets {
  private readonly client: SecretsManagerClient;
  private readonly clock: Clock;
  private readonly kept = new Map<string, Kept>();
  /** Of each secret, the version that was read last. */
  private readonly versions = new Map<string, string>();

  constructor(client: SecretsManagerClient, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /**
   * The secret's JSON `{"username": …, "password": …}`. Calls at the same time share one request; a failure is not
   * kept. Throws the SDK's errors, or a SecretMistake that names the secret and the fault of its shape.
   */
  credentials(name: string): Promise<Password> {
    return this.read(name, passwordIn);
  }

  /**
   * A secret that is one line of text: its newest value first, then the one before it, because marks of the older value
   * stay valid for a while. The values are read again after some minutes.
   */
  rotating(name: string): () => Promise<readonly string[]> {
    let kept: { readonly until: number; readonly value: Promise<readonly string[]> } | null = null;
    return () => {
      const now = this.clock.now();
      if (kept !== null && kept.until > now) return kept.value;
      const entry = { until: now + keptMs, value: this.fetchRotating(name) };
      kept = entry;
      entry.value.catch(() => {
        if (kept === entry) kept = null;
      });
      return entry.value;
    };
  }

  /** Forgets a login that a server refused, so that a rotation shows at the next connection. */
  forget(name: string): void {
    this.kept.delete(name);
  }

  /** The version that was read last; null: it could not be read. */
  versionOf(name: string): string | null {
    return this.versions.get(name) ?? null;
  }

  /** The version that stands now; what is kept of another one is forgotten. Null: it cannot be read. */
  async freshVersionOf(name: string): Promise<string | null> {
    const before = this.versionOf(name);
    try {
      await this.secretText(name);
    } catch {
      return null;
    }
    const now = this.versionOf(name);
    if (now !== before) this.forget(name);
    return now;
  }

  /**
   * A secret's members as `shape` reads them: the same value until the secret is asked for again. `shape` throws
   * SecretMistake; else as for `credentials`.
   */
  read<T>(name: string, shape: (members: SecretMembers) => T): Promise<T> {
    const now = this.clock.now();
    const standing = this.kept.get(name);
    if (standing !== undefined && standing.shape === shape && standing.until > now) return standing.value as Promise<T>;
    const value = this.fetch(name, shape);
    const entry = { until: now + keptMs, shape, value };
    this.kept.set(name, entry);
    value.catch(() => {
      if (this.kept.get(name) === entry) this.kept.delete(name);
    });
    return value;
  }

  private async fetchRotating(name: string): Promise<readonly string[]> {
    const { SecretString } = await this.client.send(new GetSecretValueCommand({ SecretId: name }));
    if (!SecretString) throw new Error(`the secret ${name} is empty`);
    return [SecretString, ...(await this.previous(name))];
  }

  /** Never rotated: there is none. */
  private async previous(name: string): Promise<readonly string[]> {
    try {
      const command = new GetSecretValueCommand({ SecretId: name, VersionStage: 'AWSPREVIOUS' });
      const { SecretString } = await this.client.send(command);
      return SecretString ? [SecretString] : [];
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return [];
      throw error;
    }
  }

  private async secretText(name: string): Promise<string> {
    try {
      const { SecretString, VersionId } = await this.client.send(new GetSecretValueCommand({ SecretId: name }));
      this.versions.set(name, VersionId ?? '');
      return SecretString ?? '';
    } catch (error) {
      this.versions.delete(name);
      throw error;
    }
  }

  private async fetch<T>(name: string, shape: (members: SecretMembers) => T): Promise<T> {
    const text = await this.secretText(name);
    try {
      return shape(secretMembers(text));
    } catch (error) {
      throw error instanceof SecretMistake ? new SecretMistake(error.what, name) : error;
    }
  }
}
