// AUTH by a bearer token: XOAUTH2 (Google, Microsoft) and OAUTHBEARER (RFC 7628). Called by login.ts. It decides what a
// 334 means: the server waits for the response, or it refuses the token. It requests no token and keeps none.

import { smtpAuthLineOctetsMax } from '#core/limits.ts';
import type { SmtpReply } from '#core/reply/smtp-reply.ts';
import { isFault, type WireFault } from './wire.ts';

/** In this order: both Google and Microsoft document XOAUTH2. */
export const spokenByTokens = ['XOAUTH2', 'OAUTHBEARER'] as const;

const FIELD_END = '\u0001';

/** In base64, as it is sent. `host` is the server's name, which RFC 7628 §3.1 requires. */
export function bearerResponse(
  mechanism: string,
  { username, token }: { readonly username: string; readonly token: string },
  host: string,
): string {
  const bearer = `auth=Bearer ${token}${FIELD_END}${FIELD_END}`;
  const text =
    mechanism === 'XOAUTH2'
      ? `user=${username}${FIELD_END}${bearer}`
      : `n,a=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},${FIELD_END}host=${host}${FIELD_END}${bearer}`;
  return Buffer.from(text, 'utf8').toString('base64');
}

type Ask = (line: string) => Promise<SmtpReply | WireFault>;

/** One exchange; the server's last reply is its answer. */
export class TokenExchange {
  readonly #mechanism: string;
  readonly #response: string;
  readonly #ask: Ask;

  constructor(mechanism: string, response: string, ask: Ask) {
    this.#mechanism = mechanism;
    this.#response = response;
    this.#ask = ask;
  }

  /**
   * RFC 4954 §4: the response goes with the command where the line is short enough, and else waits for a 334. A server
   * that knows no such waiting gets it with the command all the same.
   */
  async run(): Promise<SmtpReply | WireFault> {
    const bare = `AUTH ${this.#mechanism}`;
    const whole = `${bare} ${this.#response}`;
    if (whole.length + 2 <= smtpAuthLineOctetsMax) return this.#sent(await this.#ask(whole), true);
    const answer = await this.#ask(bare);
    if (isFault(answer)) return answer;
    if (answer.code === 334) return this.#sent(await this.#ask(this.#response), false);
    return answer.code === 501 ? this.#sent(await this.#ask(whole), true) : answer;
  }

  /** The response was sent. `again`: with the command, which not every server reads. */
  async #sent(answer: SmtpReply | WireFault, again: boolean): Promise<SmtpReply | WireFault> {
    if (isFault(answer) || answer.code !== 334) return answer;
    if (again && answer.text.trim() === '') return this.#sent(await this.#ask(this.#response), false);
    // An error, in JSON. XOAUTH2 wants an empty line for it, OAUTHBEARER one octet (RFC 7628 §3.2.3).
    const said = challengeStatus(answer.text);
    const last = await this.#ask(this.#mechanism === 'XOAUTH2' ? '' : Buffer.from(FIELD_END).toString('base64'));
    if (isFault(last)) return said === null ? last : { ...last, detail: `${last.detail}; before it: status ${said}` };
    // The content of a second challenge is not needed.
    if (last.code < 400) return last.code === 334 ? { ...last, text: 'a challenge after its error' } : last;
    return said === null ? last : { ...last, text: `${last.text} (its challenge: status ${said})`.trim() };
  }
}

/** `status` of the JSON in a challenge, where it is a word that may be quoted; null: it has none. */
export function challengeStatus(text: string): string | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(text.slice(0, 4_096), 'base64').toString('utf8'));
    if (typeof value !== 'object' || value === null || !('status' in value)) return null;
    const status = String(value.status);
    return /^[A-Za-z0-9_]{1,32}$/.test(status) ? status : null;
  } catch {
    return null;
  }
}
