// The token of one login, kept in this function's memory until shortly before it expires. The SMTP client asks for it
// at each new connection. However many connections wait, one request runs at a time. After an endpoint refused or
// failed, no request goes to it for some seconds. It writes no token anywhere.

import { tokenDoubtedForMs, tokenMarginMs, tokenRefusedForMs, tokenUnavailableForMs } from '#core/limits.ts';
import type { Clock } from '#pipeline/ports.ts';
import { requestToken, type TokenAnswer, type TokenRequestOptions } from './token-request.ts';
import type { TokenTerms } from './token-terms.ts';

export type TokenOrWhyNot =
  | { readonly kind: 'token'; readonly username: string; readonly token: string }
  | Exclude<TokenAnswer, { kind: 'token' }>;

type Asked = {
  /** For whom it was asked. */
  readonly of: string;
  readonly answer: Promise<TokenAnswer>;
  /** In the place of a token that a server refused. */
  readonly replaces: boolean;
  /** Once it is there. */
  token: string | null;
  until: number;
};

export class Tokens {
  readonly #terms: () => Promise<TokenTerms>;
  readonly #clock: Clock;
  readonly #options: TokenRequestOptions;
  #last: Asked | null = null;
  #replacementIsDue = false;
  #doubtedUntil = 0;

  /** `terms` reads the secret; `get` throws the errors that it throws. */
  constructor(terms: () => Promise<TokenTerms>, clock: Clock, options: TokenRequestOptions = {}) {
    this.#terms = terms;
    this.#clock = clock;
    this.#options = options;
  }

  async get(): Promise<TokenOrWhyNot> {
    const terms = await this.#terms();
    const of = JSON.stringify(terms);
    const standing = this.#last;
    const kept = standing !== null && standing.of === of && this.#clock.now() < standing.until;
    const answer = await (kept ? standing.answer : this.#ask(terms, of));
    return answer.kind === 'token' ? { kind: 'token', username: terms.username, token: answer.token } : answer;
  }

  /**
   * A server refused this token: it is not used again. True: another one is worth asking for at once. Not so where one
   * that took the place of a refused one was refused as well, of late: then it is not the token.
   */
  refused(token: string): boolean {
    const now = this.#clock.now();
    const standing = this.#last;
    if (standing !== null && standing.token === token && standing.until > 0) {
      standing.until = 0;
      if (standing.replaces) this.#doubtedUntil = now + tokenDoubtedForMs;
      this.#replacementIsDue = now >= this.#doubtedUntil;
    }
    return now >= this.#doubtedUntil;
  }

  #ask(terms: TokenTerms, of: string): Promise<TokenAnswer> {
    const answer = requestToken(terms, this.#clock.now(), this.#options);
    const asked: Asked = { of, answer, replaces: this.#replacementIsDue, token: null, until: Number.POSITIVE_INFINITY };
    this.#replacementIsDue = false;
    this.#last = asked;
    void answer.then(
      (said) => {
        if (said.kind === 'token') asked.token = said.token;
        asked.until = usableUntil(said, this.#clock.now());
      },
      () => {
        asked.until = 0; // callers that wait for this request get the error, and the next call sends a new one
      },
    );
    return answer;
  }
}

function usableUntil(answer: TokenAnswer, now: number): number {
  if (answer.kind === 'refused') return now + tokenRefusedForMs;
  if (answer.kind === 'unavailable') return now + (answer.retryAfterMs ?? tokenUnavailableForMs);
  return answer.expiresAt - Math.min(tokenMarginMs, (answer.expiresAt - now) / 2);
}
