// Secrets from a file on the operator's machine, for `everpost gateway` and `npm start --secrets`: {"name":
// {"username": "…", "password": "…"}}. It reads the file at each use, so that a change takes effect. No error text
// quotes the file.

import { readFile } from 'node:fs/promises';
import type { Password } from '#adapters/secret-text.ts';
import { fileText } from '#config/file-text.ts';
import type { SecretSource } from './login-guard.ts';

export class FileSecrets implements SecretSource {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Throws where the file cannot be read or has no such secret, and says which. */
  async credentials(name: string): Promise<Password> {
    const bytes = await readFile(this.path);
    let all: unknown;
    try {
      all = JSON.parse(fileText(bytes));
    } catch {
      throw new Error(`${this.path} is not JSON`); // a parser's message would quote the secrets
    }
    const value = member(all, name);
    const [username, password] = [member(value, 'username'), member(value, 'password')];
    if (typeof username !== 'string' || typeof password !== 'string')
      throw new Error(`${this.path} has no "${name}" with a username and a password`);
    return { username, password };
  }

  forget(): void {}
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
