// The fields that a submission server puts above a message: its own Received (RFC 5321 §4.4), and Date and Message-ID
// where they are missing (RFC 6409 §8.2, §8.3). The gateway and sendmail call it. It reads the header section as it
// passes, and passes the client's bytes on unchanged.

import { submissionHeadBytesMax } from '#core/limits.ts';
import { fields, findHeaderEnd } from '#core/message/header.ts';
import { mailDate } from '#core/message/text-encoding.ts';

export type Reception = {
  /** The name that the client gave; any text. */
  readonly helo: string;
  /** Its address; null: it was no network client. */
  readonly address: string | null;
  /** RFC 3848, RFC 6531 §4.3: ESMTPSA, UTF8SMTPSA, …; null: it came by none. */
  readonly protocol: string | null;
  /** Our name. */
  readonly host: string;
  readonly spoolId: string;
  /** The only recipient; null where there are several: no recipient is shown the others. */
  readonly forwardPath: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
};

/** One Received field, folded, ended by CRLF. */
export function receivedField(reception: Reception): string {
  const { helo, address, protocol, host, spoolId, forwardPath, at } = reception;
  const name = /^[\w.:[\]-]{1,255}$/.test(helo) ? helo : 'unknown';
  const from = address === null ? '' : `from ${name} (${addressLiteral(address)})\r\n\t`;
  // ASCII alone: a name beyond it would make the header section need SMTPUTF8 on its whole way.
  const one = forwardPath !== null && /^[!-;=?-~]{1,320}$/.test(forwardPath) ? `\r\n\tfor <${forwardPath}>` : '';
  const how = protocol === null ? '(Everpost sendmail)' : `with ${protocol}`;
  return `Received: ${from}by ${host} ${how}\r\n\tid ${spoolId}${one};\r\n\t${mailDate(at)}\r\n`;
}

/** How the message came, as `with` says it: RFC 3848, and RFC 6531 §4.3 under SMTPUTF8. */
export function receptionProtocol(has: {
  readonly extended: boolean;
  readonly secure: boolean;
  readonly login: boolean;
  readonly smtputf8: boolean;
}): string {
  if (!has.extended) return 'SMTP';
  return `${has.smtputf8 ? 'UTF8SMTP' : 'ESMTP'}${has.secure ? 'S' : ''}${has.login ? 'A' : ''}`;
}

/**
 * Date and Message-ID, each where the header section has none; none where it is no header section that we could read.
 */
export function missingFields(
  head: Uint8Array,
  given: { readonly at: number; readonly messageIdField: string },
): string {
  const names = new Set(Array.from(fields(head), ({ name }) => name));
  if (names.size === 0) return '';
  const date = names.has('date') ? '' : `Date: ${mailDate(given.at)}\r\n`;
  return names.has('message-id') ? date : `${date}Message-ID: ${given.messageIdField}\r\n`;
}

/**
 * Puts fields above content that comes in chunks: holds the header section until it is whole, and calls `top` for the
 * fields.
 */
export class TopFields {
  private readonly top: (head: Uint8Array | null) => string;
  private held: Uint8Array[] | null = [];
  private heldBytes = 0;
  private lookAgainAt = 1;

  /** `top` is asked once: with the header section, or with null where there is none to be seen. */
  constructor(top: (head: Uint8Array | null) => string) {
    this.top = top;
  }

  /** The bytes to hand on now. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    if (this.held === null) return [chunk];
    this.held.push(chunk);
    this.heldBytes += chunk.byteLength;
    if (this.heldBytes < this.lookAgainAt) return [];
    // Looked at when it has doubled: a header section that comes byte by byte costs no more than one that comes at
    // once.
    const head = Buffer.concat(this.held);
    const { complete } = findHeaderEnd(head);
    if (!complete && head.length <= submissionHeadBytesMax) {
      this.held = [head];
      this.lookAgainAt = head.length * 2;
      return [];
    }
    return this.release(head, complete);
  }

  /** The content is over. */
  end(): readonly Uint8Array[] {
    return this.held === null ? [] : this.release(Buffer.concat(this.held), true);
  }

  private release(head: Uint8Array, known: boolean): readonly Uint8Array[] {
    this.held = null;
    return [Buffer.from(this.top(known ? head : null), 'latin1'), head];
  }
}

function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}
