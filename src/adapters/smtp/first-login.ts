// Holds logins back until one with the same credentials has been answered: where that one is refused, the others are
// not made, because servers lock accounts after some refused logins. The next hop has one, for all its connections in
// this function; opening.ts asks it before AUTH. It keeps no password: a digest stands for the credentials.

import { createHash } from 'node:crypto';
import type { Credentials } from './login.ts';

/** `R` is what became of a login; null: the server took it. */
export class FirstLogin<R> {
  readonly #isRefused: (result: R) => boolean;
  readonly #keptMs: number;
  #proved: string | null = null;
  #first: { readonly of: string; readonly result: Promise<R | null> } | null = null;
  #refusal: { readonly of: string; readonly result: R; readonly until: number } | null = null;

  /** A refusal answers for the same credentials for `keptMs`, so that jobs that are on their way hear it too. */
  constructor(isRefused: (result: R) => boolean, keptMs: number) {
    this.#isRefused = isRefused;
    this.#keptMs = keptMs;
  }

  /** `login` is called at most once. Its rejection is the caller's. */
  async answer(credentials: Credentials, login: () => Promise<R | null>): Promise<R | null> {
    const of = createHash('sha256').update(JSON.stringify(credentials)).digest('base64');
    for (;;) {
      if (this.#proved === of) return login();
      if (this.#refusal?.of === of && Date.now() < this.#refusal.until) return this.#refusal.result;
      if (this.#first?.of !== of) return this.#try(of, login);
      await this.#first.result.catch(() => null);
    }
  }

  async #try(of: string, login: () => Promise<R | null>): Promise<R | null> {
    const first = { of, result: login() };
    this.#first = first;
    try {
      const result = await first.result;
      if (result === null) this.#proved = of;
      else if (this.#isRefused(result)) this.#refusal = { of, result, until: Date.now() + this.#keptMs };
      return result;
    } finally {
      if (this.#first === first) this.#first = null;
    }
  }
}
