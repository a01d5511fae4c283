// Reads a Diagnostic-Code (RFC 3464 §2.3.6) as others write it: `smtp; 550 5.1.1 no such user`, and variants of that.
// Called for delivery reports and SES events. Total: any text gives the reply in it, or null where it holds none. It
// never invents a code that the server did not send.

import { replyTextMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import type { Reply } from './reply.ts';
import { isJunk, SmtpReplyReader } from './smtp-reply.ts';

const TYPE = /^\s*[a-z][a-z0-9-]*\s*;\s*/i;
const CODE = /^([245]\d\d)(?=[ -]|$)/;

/** The SMTP reply that the diagnostic quotes; null where there is none. `host` is who said it, where that is known. */
export function replyOfDiagnostic(text: string, host: string | null): Reply | null {
  const said = text
    .slice(0, 4 * replyTextMax)
    .replace(TYPE, '')
    .replace(/[ \t]{2,}/g, ' ')
    .trim();
  const [code] = CODE.exec(said) ?? [];
  if (code === undefined) return null;
  // Folded into one line on the way, a reply of several lines still has its code before each of them.
  const lines = said.split(new RegExp(`[\\r\\n]+\\s*|\\s+(?=${code}[ -]${code.charAt(0)}\\.\\d)`));
  const wire = lines.map((line, index) => {
    const rest = CODE.test(line) ? line.slice(4) : line;
    return `${code}${index === lines.length - 1 ? ' ' : '-'}${rest}\r\n`;
  });
  const [reply] = new SmtpReplyReader().push(new TextEncoder().encode(wire.join('')));
  if (reply === undefined || isJunk(reply)) return null;
  return { code: reply.code, status: reply.status, text: reply.text.slice(0, replyTextMax).toWellFormed(), host };
}

/**
 * A reply as people copy it: its lines on the wire, a log's line into which they are folded, a Diagnostic-Code, or the
 * first of several lines alone. Null where it is no reply.
 */
export function replyOfText(text: string, host: string | null): Reply | null {
  const lines = text
    .slice(0, 4 * replyTextMax)
    .replace(TYPE, '')
    .split(/\r\n|\r|\n/)
    .filter((line) => line.trim() !== '');
  if (lines.length === 1) {
    const folded = replyOfDiagnostic(lines[0] ?? '', host);
    if (folded !== null) return folded;
  }
  const last = lines.length - 1;
  const wire = lines.map(
    (line, index) => `${index === last ? line.replace(/^\s*(\d{3})-/, '$1 ') : line.trimStart()}\r\n`,
  );
  const [reply] = new SmtpReplyReader().push(new TextEncoder().encode(wire.join('')));
  if (reply === undefined || isJunk(reply)) return null;
  return { code: reply.code, status: reply.status, text: reply.text, host };
}

/** A diagnostic that is no SMTP reply, for people: without its type, on one line. */
export function diagnosticText(text: string): string {
  return plainText(text.slice(0, 4 * replyTextMax).replace(TYPE, ''))
    .slice(0, replyTextMax)
    .toWellFormed();
}
