// Logins of next hops, from Secrets Manager.
// Kept in memory for some minutes, never logged, never part of an error's words.

import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { Clock } from '#pipeline/ports.ts';

export type Credentials = { readonly username: string; readonly password: string };

/** A rotated secret is used after this at the latest; until then a call for each connection is spared. */
const keptMs = 5 * 60_000;

type Kept = { readonly until: number; readonly value: Promise<Credentials> };

export class AwsSecrets {
  private readonly client: SecretsManagerClient;
  private readonly clock: Clock;
  private readonly kept = new Map<string, Kept>();

  constructor(client: SecretsManagerClient, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /**
   * The secret's JSON `{"username": …, "password": …}`. Those who ask at the same time share one call; a failure is not
   * kept. Throws what the SDK throws, or an Error that names the secret and what is wrong with its shape.
   */
  credentials(name: string): Promise<Credentials> {
    const now = this.clock.now();
    const standing = this.kept.get(name);
    if (standing !== undefined && standing.until > now) return standing.value;
    const value = this.fetch(name);
    const entry = { until: now + keptMs, value };
    this.kept.set(name, entry);
    value.catch(() => {
      if (this.kept.get(name) === entry) this.kept.delete(name);
    });
    return value;
  }

  /**
   * A secret that is one line of text, its newest value first, then the one before it: what the older one signed is
   * good for a while. The values are asked for again after some minutes.
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

  private async fetch(name: string): Promise<Credentials> {
    const { SecretString } = await this.client.send(new GetSecretValueCommand({ SecretId: name }));
    const parsed = parse(SecretString ?? '');
    if (parsed === null) throw new Error(`the secret ${name} is not JSON with a username and a password`);
    return parsed;
  }
}

function parse(text: string): Credentials | null {
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/, '')); // an editor's byte order mark
    if (typeof value !== 'object' || value === null || !('username' in value) || !('password' in value)) return null;
    const { username, password } = value;
    return typeof username === 'string' && typeof password === 'string' ? { username, password } : null;
  } catch {
    return null; // a parser's message would quote the secret
  }
}
