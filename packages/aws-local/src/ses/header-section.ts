// Reads the header section of a message that SES sends: its end and its fields (RFC 5322 §2.1, §2.2). Called by
// raw-message.ts and sending-events.ts. It changes nothing, and shares nothing with the product's reader, which it
// judges.

/**
 * `end`: behind the last field. `bodyStart`: behind the empty line. Without an empty line all is header section, and it
 * is not complete.
 */
export type HeaderSection = {
  readonly end: number;
  readonly bodyStart: number;
  readonly complete: boolean;
  readonly fields: readonly HeaderField[];
};

/** Byte ranges. `name` is in lower case; `start` to `end` are the field with its folded lines and its line end. */
export type HeaderField = {
  readonly name: string;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
};

const NAME = /^(?:\xef\xbb\xbf)?([\x21-\x39\x3b-\x7e]+)[ \t]*:/;

/** One pass over the lines of the header section. A line that is no field is none of `fields`. */
export function headerSection(message: Uint8Array): HeaderSection {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const fields: HeaderField[] = [];
  let at = 0;
  while (at < bytes.length) {
    let next = afterLine(bytes, at);
    if (isEmpty(bytes, at, next)) return { end: at, bodyStart: next, complete: true, fields };
    while (next < bytes.length && (bytes[next] === 0x20 || bytes[next] === 0x09)) next = afterLine(bytes, next);
    const found = NAME.exec(bytes.toString('latin1', at, afterLine(bytes, at)));
    if (found?.[1] !== undefined)
      fields.push({ name: found[1].toLowerCase(), start: at, valueStart: at + found[0].length, end: next });
    at = next;
  }
  return { end: at, bodyStart: at, complete: false, fields };
}

function afterLine(bytes: Buffer, from: number): number {
  const feed = bytes.indexOf(0x0a, from);
  return feed < 0 ? bytes.length : feed + 1;
}

/** CRLF, LF, or an LF behind CRs: mail whose line ends were converted twice. */
function isEmpty(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[end - 1] !== 0x0a) return false;
  for (let at = start; at < end - 1; at += 1) if (bytes[at] !== 0x0d) return false;
  return true;
}
