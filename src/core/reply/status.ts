// An enhanced mail system status code (RFC 3463): class.subject.detail, such as 4.4.1. Its class is derived and never
// stored beside it, so that the two cannot differ.

declare const status: unique symbol;
export type Status = string & { readonly [status]: true };
export type StatusClass = 2 | 4 | 5;

const SYNTAX = /^([245])\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/; // RFC 3463 §2: no leading zeros

/** A status from text that is exactly one, or null. */
export function parseStatus(text: string): Status | null {
  return SYNTAX.test(text) ? (text as Status) : null;
}

/** A status written in our own source; throws on a malformed one, which is a bug. */
export function statusOf(text: string): Status {
  const parsed = parseStatus(text);
  if (parsed === null) throw new Error(`not an RFC 3463 status: ${JSON.stringify(text)}`);
  return parsed;
}

export function statusClass(of: Status): StatusClass {
  return Number(of.charAt(0)) as StatusClass;
}
