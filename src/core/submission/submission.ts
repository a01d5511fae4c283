// A submission: the two objects by which a program of ours submits a message (docs/interfaces.md): the content, and
// after it the envelope, which commits it. The SMTP gateway, sendmail and any S3 client use this one contract. It is
// tolerant of missing optional parts and strict about all that decides where mail goes. It never reads content.

import {
  envelopeBytesMax,
  envidCharsMax,
  messageBytesMax,
  orcptCharsMax,
  submissionFanOutBytesMax,
  submissionRecipientsMax,
} from '#core/limits.ts';
import { parseMailbox, parseSubmittedPath } from '#core/message/address.ts';

/** Where submitters write: `out/<submitter>/<ulid>.eml`, then `out/<submitter>/<ulid>.envelope.json`. */
export const outboundPrefix = 'out/';

/** RFC 3461 §4.1. `NEVER` stands alone. */
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';
/** RFC 3461 §4.3: how much of the original a failure's notice shall give back. */
export type Return = 'FULL' | 'HDRS';

export type SubmittedRecipient = {
  readonly address: string;
  /** Null: the client gave none, and failures are reported (RFC 3461 §4.1). */
  readonly notify: readonly Notify[] | null;
  /** `addr-type;address`, xtext resolved (RFC 3461 §4.2). */
  readonly orcpt: string | null;
};
/** The network client that gave the message to the gateway: for the trace alone, and no decision reads it. */
export type SubmittingClient = {
  readonly address: string;
  /** False: it was known by its address. */
  readonly login: boolean;
  /** `TLSv1.3` and so on; null: it came without TLS. */
  readonly tls: string | null;
};
export type SubmittedEnvelope = {
  readonly version: 1;
  /** '' is the null reverse-path. */
  readonly reversePath: string;
  readonly forwardPaths: readonly SubmittedRecipient[];
  readonly ret: Return | null;
  /** Xtext resolved (RFC 3461 §4.4). */
  readonly envid: string | null;
  /** The message was declared to need SMTPUTF8 (RFC 6531 §3.4): addresses or header fields go beyond ASCII. */
  readonly smtputf8?: true;
  readonly client?: SubmittingClient;
  /** Of the content: its length, and its SHA-256 in 64 lower-case hexadecimal digits. */
  readonly bytes: number;
  readonly sha256: string;
};

export type EnvelopeReading =
  | { readonly kind: 'envelope'; readonly envelope: SubmittedEnvelope }
  /** `reversePath` where that much could be read: its sender can get a notice. */
  | { readonly kind: 'malformed'; readonly why: string; readonly reversePath: string | null };

/** A submitter's name: part of a key, of a policy and of the spool id. */
export function parseSubmitter(text: string): string | null {
  return /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(text) ? text : null;
}

/**
 * How names of its outputs and of its policy begin: letters and digits; submitters' names have no capitals, so that no
 * two become one.
 */
export function submitterOutput(submitter: string): string {
  const name = submitter.replaceAll('-', 'Dash');
  return `Submitter${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

export type Submission = { readonly submitter: string; readonly ulid: string };
export type SubmissionPart = Submission & { readonly part: 'content' | 'envelope' };

/** Crockford's base32 without I, L, O, U; 128 bits, so the first digit is at most 7. */
const KEY = /^out\/([a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?)\/([0-7][0-9A-HJKMNP-TV-Z]{25})\.(eml|envelope\.json)$/;

/** The submission that an object's key in the spool names; null: no key of a submission. */
export function submissionOfKey(objectKey: string): SubmissionPart | null {
  const [, submitter, ulid, ending] = KEY.exec(objectKey) ?? [];
  if (submitter === undefined || ulid === undefined) return null;
  return { submitter, ulid, part: ending === 'eml' ? 'content' : 'envelope' };
}

export function contentKeyOf({ submitter, ulid }: Submission): string {
  return `${outboundPrefix}${submitter}/${ulid}.eml`;
}
export function envelopeKeyOf({ submitter, ulid }: Submission): string {
  return `${outboundPrefix}${submitter}/${ulid}.envelope.json`;
}

/** The spool id. The submitter is part of it: no one can take another's by writing the same ULID. */
export function spoolIdOf({ submitter, ulid }: Submission): string {
  return `${submitter}-${ulid}`;
}

const SPOOL_ID = /^([a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?)-([0-7][0-9A-HJKMNP-TV-Z]{25})$/;

/** The submission of a spool id; null: received mail's, or that of something of ours. */
export function submissionOfSpoolId(spoolId: string): Submission | null {
  const [, submitter, ulid] = SPOOL_ID.exec(spoolId) ?? [];
  return submitter === undefined || ulid === undefined ? null : { submitter, ulid };
}

/** How many recipients content of so many bytes may have, at least one. */
export function recipientsFor(bytes: number): number {
  const bySize = Math.floor(submissionFanOutBytesMax / Math.max(1, bytes));
  return Math.max(1, Math.min(submissionRecipientsMax, bySize));
}

/** The envelope as its object holds it. */
export function writeEnvelope(envelope: SubmittedEnvelope): string {
  return `${JSON.stringify(envelope)}\n`;
}

/** Reads an envelope object's text. Unknown members are let through: a later version may add some. Total. */
export function readEnvelope(text: string): EnvelopeReading {
  if (text.length > envelopeBytesMax) return malformed(`it has more than ${envelopeBytesMax} characters`, null);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed('it is not JSON', null);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return malformed('it is no object', null);
  const given: Readonly<Record<string, unknown>> = { ...value };
  const reversePath = readReversePath(given.reversePath);
  const wrong = (why: string) => malformed(why, reversePath);
  if (reversePath === null) return wrong('reversePath is no address, and not "" for the null reverse-path');
  if (given.version !== 1) return wrong('version is not 1');
  const { bytes, sha256, envid = null, ret = null, smtputf8 = null } = given;
  if (typeof bytes !== 'number' || !Number.isInteger(bytes) || bytes < 1) return wrong('bytes is no length of content');
  if (bytes > messageBytesMax) return wrong(`bytes is more than ${messageBytesMax}`);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    return wrong('sha256 is not 64 lower-case hexadecimal digits');
  if (ret !== null && ret !== 'FULL' && ret !== 'HDRS') return wrong('ret is neither FULL nor HDRS nor null');
  if (envid !== null && !isPrintable(envid, envidCharsMax))
    return wrong(`envid is no printable ASCII of at most ${envidCharsMax} characters`);
  if (smtputf8 !== null && typeof smtputf8 !== 'boolean') return wrong('smtputf8 is neither true nor false');
  const { forwardPaths } = given;
  if (!Array.isArray(forwardPaths) || forwardPaths.length === 0) return wrong('forwardPaths names nobody');
  if (forwardPaths.length > submissionRecipientsMax)
    return wrong(`forwardPaths names more than ${submissionRecipientsMax}`);
  if (bytes * forwardPaths.length > submissionFanOutBytesMax)
    return wrong(`bytes times forwardPaths is more than ${submissionFanOutBytesMax}`);
  const recipients: SubmittedRecipient[] = [];
  for (const [index, each] of forwardPaths.entries()) {
    const read = readRecipient(each);
    if (typeof read === 'string') return wrong(`forwardPaths[${index}]${read}`);
    recipients.push(read);
  }
  const client = readClient(given.client);
  const declared = { ...(smtputf8 === true ? { smtputf8 } : {}), ...(client === null ? {} : { client }) };
  return {
    kind: 'envelope',
    envelope: { version: 1, reversePath, forwardPaths: recipients, ret, envid, ...declared, bytes, sha256 },
  };
}

function readReversePath(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const path = parseSubmittedPath(value);
  return path === undefined ? null : (path?.address ?? '');
}

/** Null where it is not there or of another form: it says nothing about where mail goes. */
function readClient(value: unknown): SubmittingClient | null {
  if (typeof value !== 'object' || value === null) return null;
  const { address, login, tls = null } = value as Readonly<Record<string, unknown>>;
  if (typeof address !== 'string' || !/^[\dA-Fa-f:.]{2,45}$/.test(address) || typeof login !== 'boolean') return null;
  if (tls !== null && (typeof tls !== 'string' || !/^\w[\w.]{0,19}$/.test(tls))) return null;
  return { address, login, tls };
}

/** A recipient, or what is wrong with it, to be put behind its place. */
function readRecipient(value: unknown): SubmittedRecipient | string {
  if (typeof value !== 'object' || value === null) return ' is no object';
  const { address, notify = null, orcpt = null } = value as Readonly<Record<string, unknown>>;
  if (typeof address !== 'string' || parseMailbox(address) === null) return '.address is no mailbox';
  if (orcpt !== null && (!isPrintable(orcpt, orcptCharsMax) || !/^[A-Za-z0-9-]+;./.test(orcpt)))
    return '.orcpt is not type;address';
  if (notify === null) return { address, notify, orcpt };
  if (!Array.isArray(notify) || notify.length === 0) return '.notify is neither null nor a list';
  const words = [...new Set(notify.filter(isNotify))];
  if (words.length !== notify.length || (words.includes('NEVER') && words.length > 1))
    return '.notify is neither NEVER alone nor of SUCCESS, FAILURE, DELAY';
  return { address, notify: words, orcpt };
}

function isNotify(value: unknown): value is Notify {
  return value === 'NEVER' || value === 'SUCCESS' || value === 'FAILURE' || value === 'DELAY';
}

function isPrintable(value: unknown, charsMax: number): value is string {
  return typeof value === 'string' && value.length <= charsMax && /^[ -~\u{A0}-\u{10FFFF}]+$/u.test(value);
}

function malformed(why: string, reversePath: string | null): EnvelopeReading {
  return { kind: 'malformed', why, reversePath };
}
