// One request for a token: a POST by HTTPS with a limit on time and size. Called by tokens.ts alone. It follows no
// redirect, because the redirect's target would see the secret. Every failure of an endpoint or a network is a value,
// and no text in a result holds a secret. It keeps nothing and tries nothing again.

import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import {
  detailTextMax,
  tokenAnswerBytesMax,
  tokenLifetimeIfUntoldMs,
  tokenRequestMs,
  tokenRetryAfterMsMax,
} from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import { isNoConnection } from '../out-of-reach.ts';
import { formsOf, withoutSecrets } from '../without-secrets.ts';
import { tokenForm } from './token-form.ts';
import type { TokenTerms } from './token-terms.ts';

export type TokenAnswer =
  /** `expiresAt` in milliseconds since the epoch. */
  | { readonly kind: 'token'; readonly token: string; readonly expiresAt: number }
  /** An operator must act: the endpoint refuses a token, or the server at tokenUrl is no token endpoint. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** The endpoint or the network for now. `retryAfterMs`: it asked for so much. */
  | { readonly kind: 'unavailable'; readonly detail: string; readonly retryAfterMs: number | null };

export type TokenRequestOptions = {
  /** The authority that the endpoint's certificate is signed by; absent: the public ones. */
  readonly ca?: string;
  /** In a VPC: the way out of it. The error names it where no connection is made. */
  readonly wayOut?: string | undefined;
  /** For tests. */
  readonly timeoutMs?: number;
};

/** `now` in milliseconds since the epoch. */
export async function requestToken(
  terms: TokenTerms,
  now: number,
  { ca, wayOut, timeoutMs = tokenRequestMs }: TokenRequestOptions = {},
): Promise<TokenAnswer> {
  const url = new URL(terms.tokenUrl);
  const form = formFor(terms, now);
  if (form === null) return { kind: 'refused', detail: `token endpoint ${url.host} was not asked: ${CANNOT_SIGN}` };
  const { body, secrets } = form;
  const hidden = secrets.flatMap(formsOf);
  const line = (said: string): string => {
    const text = plainText(withoutSecrets(`token endpoint ${url.host} ${said}`, hidden));
    return text.length <= detailTextMax ? text : `${text.slice(0, detailTextMax - 1).toWellFormed()}…`;
  };
  const posted = await post(url, body, ca, timeoutMs);
  if (posted.kind === 'failed') {
    const detail = line(posted.unmet && wayOut !== undefined ? `${posted.detail}: ${wayOut}` : posted.detail);
    return posted.ours ? { kind: 'refused', detail } : { kind: 'unavailable', detail, retryAfterMs: null };
  }
  const read = readTokenAnswer(posted.status, posted.text);
  if (read.kind === 'token') return { kind: 'token', token: read.token, expiresAt: now + read.lifetimeMs };
  const detail = line(read.detail);
  return read.kind === 'refused'
    ? { kind: 'refused', detail }
    : { kind: 'unavailable', detail, retryAfterMs: secondsOf(posted.retryAfter) };
}

const CANNOT_SIGN = 'the serviceAccount.private_key of the secret cannot sign; it is damaged, store it anew';

/** Null: the key was read, and is damaged all the same. OpenSSL looks at its numbers when it signs. */
function formFor(terms: TokenTerms, now: number): ReturnType<typeof tokenForm> | null {
  try {
    return tokenForm(terms, now);
  } catch {
    return null; // OpenSSL's text may quote it
  }
}

type Posted =
  | { readonly kind: 'answered'; readonly status: number; readonly text: string; readonly retryAfter: string | null }
  /** `ours`: tokenUrl or our list of certificate authorities is wrong, and another try does not help. */
  /** `unmet`: no connection was made. */
  | { readonly kind: 'failed'; readonly detail: string; readonly ours: boolean; readonly unmet?: true };

function post(url: URL, body: string, ca: string | undefined, timeoutMs: number): Promise<Posted> {
  return new Promise((resolve) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
      accept: 'application/json',
      'accept-encoding': 'identity',
    };
    const asked = request(url, { method: 'POST', agent: false, headers, ...(ca === undefined ? {} : { ca }) });
    const end = (posted: Posted): void => {
      clearTimeout(timer);
      asked.destroy();
      resolve(posted);
    };
    const timer = setTimeout(() => end(late(asked, timeoutMs)), timeoutMs);
    asked.on('error', (error: NodeJS.ErrnoException) => end(failed(error)));
    asked.on('response', (answer) => collect(answer, end));
    asked.end(body);
  });
}

function collect(answer: IncomingMessage, end: (posted: Posted) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= tokenAnswerBytesMax) chunks.push(chunk);
    else end({ kind: 'failed', detail: `answered with more than ${tokenAnswerBytesMax} bytes`, ours: true });
  });
  answer.on('error', () => end({ kind: 'failed', detail: 'broke off in its answer', ours: false }));
  answer.on('end', () => {
    const { statusCode: status = 0, headers } = answer;
    const text = Buffer.concat(chunks).toString('utf8');
    end({ kind: 'answered', status, text, retryAfter: headers['retry-after'] ?? null });
  });
}

function late(asked: ClientRequest, timeoutMs: number): Posted {
  const within = `within ${timeoutMs / 1_000} s`;
  if (asked.socket?.connecting === false) return { kind: 'failed', detail: `did not answer ${within}`, ours: false };
  return { kind: 'failed', detail: `could not be connected to ${within}`, ours: false, unmet: true };
}

/** A name that does not exist, and a certificate that no authority signed, are mistakes in the secret. */
function failed({ code = '', message }: NodeJS.ErrnoException): Posted {
  if (code === 'ENOTFOUND') return { kind: 'failed', detail: 'has no address in the DNS', ours: true, unmet: true };
  const untrusted = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY|ALTNAME/.test(code);
  if (untrusted) return { kind: 'failed', detail: `has a certificate that is not trusted: ${code}`, ours: true };
  const why = code === '' ? message : code;
  const detail = `could not be spoken to: ${why}`;
  return isNoConnection({ code })
    ? { kind: 'failed', detail, ours: false, unmet: true }
    : { kind: 'failed', detail, ours: false };
}

type Read =
  | { readonly kind: 'token'; readonly token: string; readonly lifetimeMs: number }
  | { readonly kind: 'refused' | 'unavailable'; readonly detail: string };

/** RFC 6749 §5.1, §5.2. */
export function readTokenAnswer(status: number, text: string): Read {
  const members = objectOf(text);
  if (status >= 300 && status < 400)
    return { kind: 'refused', detail: `answered ${status}, a redirect, which is not followed` };
  const error = wordIn(members, 'error');
  if (status >= 200 && status < 300 && error === null) return tokenIn(members, status);
  const description = wordIn(members, 'error_description') ?? '';
  const words = error === null ? '' : ` ${error}${description === '' ? '' : `: ${description}`}`;
  return { kind: isForNow(status, error) ? 'unavailable' : 'refused', detail: `answered ${status}${words}` };
}

function tokenIn(members: Members | null, status: number): Read {
  if (members === null) return { kind: 'refused', detail: `answered ${status} with what is no JSON object` };
  const { access_token: token, token_type: type } = members;
  // RFC 6750 §2.1: b64token. A token may hold other characters, but no space and no control character.
  if (typeof token !== 'string' || !/^[\u0021-\u007e]+$/.test(token))
    return { kind: 'refused', detail: `answered ${status} without an access_token that can be used` };
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer')
    return { kind: 'refused', detail: `answered ${status} with a token that is no bearer token` };
  const seconds = Number(members.expires_in ?? Number.NaN); // some write it as text
  const lifetimeMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : tokenLifetimeIfUntoldMs;
  return { kind: 'token', token, lifetimeMs };
}

function isForNow(status: number, error: string | null): boolean {
  if (error === 'temporarily_unavailable' || error === 'server_error') return true; // RFC 6749 §4.1.2.1 has the words
  return status >= 500 || [408, 425, 429].includes(status);
}

type Members = Readonly<Record<string, unknown>>;

function objectOf(text: string): Members | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : null;
  } catch {
    return null;
  }
}

function wordIn(members: Members | null, name: string): string | null {
  const value = members?.[name];
  return typeof value === 'string' && value !== '' ? value.slice(0, 2 * detailTextMax) : null;
}

/** Retry-After in seconds (RFC 9110 §10.2.3); a date is taken for nothing. */
function secondsOf(retryAfter: string | null): number | null {
  if (retryAfter === null || !/^\d{1,6}$/.test(retryAfter)) return null;
  return Math.min(Number(retryAfter) * 1_000, tokenRetryAfterMsMax);
}
