// Reads what comes back to a return path of ours: a delivery report in any of the shapes that mail systems produce, a complaint, an
// automatic answer, or none of these. Total and bounded: any bytes give an answer, and what is not understood is said to be no report.
// Claims and facts alone; what follows from them for a delivery is decided elsewhere, and nothing here is believed about who sent it.

import { plainText } from './field-text.ts';
import { oneLine } from './notice-encoding.ts';
import type { HeaderField } from './receipt.ts';
import { originalFields, type RemoteRecipient, statusFields, statusFrom } from './remote-dsn-fields.ts';
import { readBounceText } from './remote-dsn-text.ts';
import { type Parts, partsOf, type ReportPart } from './report-parts.ts';
import { type Status, statusOf } from './status.ts';

export type RemoteReport =
  | {
      readonly kind: 'report';
      readonly reportingMta: string | null;
      readonly recipients: readonly [RemoteRecipient, ...RemoteRecipient[]];
      /** The header section of the message it is about, as far as it came back. */
      readonly original: readonly HeaderField[];
    }
  /** RFC 5965: somebody called the message unwanted. */
  | { readonly kind: 'complaint'; readonly feedbackType: string; readonly original: readonly HeaderField[] }
  /** RFC 3834, or a notification of RFC 8098: a program of the recipient's answered. */
  | { readonly kind: 'auto-reply' }
  | { readonly kind: 'none' };

export function readRemoteReport(bytes: Uint8Array): RemoteReport {
  const parts = partsOf(bytes);
  const original = originalOf(parts);
  const complaint = complaintOf(parts);
  if (complaint !== null) return { kind: 'complaint', feedbackType: complaint, original };
  for (const part of parts.parts) {
    if (!isStatusPart(part)) continue;
    const { reportingMta, recipients } = statusFields(part.text);
    const [first, ...others] = recipients.map((recipient) => withWords(recipient, parts));
    if (first !== undefined) return { kind: 'report', reportingMta, recipients: [first, ...others], original };
  }
  // A notification that mail was read tells nothing of its delivery that the remote's report would not.
  if (parts.reportType === 'disposition-notification' || isAutoReply(parts, 'surely')) return { kind: 'auto-reply' };
  return textReport(parts, original) ?? (isAutoReply(parts, 'perhaps') ? { kind: 'auto-reply' } : { kind: 'none' });
}

/** Also of type text/plain with the right description, as some gateways leave it, and RFC 6533 §3's. */
function isStatusPart({ type, fields }: ReportPart): boolean {
  if (type === 'message/delivery-status' || type === 'message/global-delivery-status') return true;
  return type === 'text/plain' && /^delivery (report|status)/i.test(fields.get('content-description') ?? '');
}

/** A failure without words of the server's: what the report's own text says of the recipient, if that can be found. */
function withWords(recipient: RemoteRecipient, parts: Parts): RemoteRecipient {
  if (recipient.diagnostic !== null || recipient.finalRecipient === null) return recipient;
  const told = parts.parts
    .filter(({ type }) => type === 'text/plain')
    .flatMap(({ text }) => readBounceText(text, null)?.recipients ?? [])
    .find(({ address }) => address.toLowerCase() === recipient.finalRecipient?.toLowerCase());
  const diagnostic = told?.words ?? null;
  return { ...recipient, diagnostic, status: recipient.status ?? statusFrom(diagnostic) };
}

// ── The rest ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Reports in words alone (qmail, Exim, Exchange before 2007, Domino, and whoever wrote his own). */
function textReport({ fields, parts }: Parts, original: readonly HeaderField[]): RemoteReport | null {
  // A multipart that could not be taken apart is text as well.
  const text = parts.find(
    ({ type, text: body }) => /^(text\/plain|multipart\/.*)$/.test(type) && body.trim() !== '',
  )?.text;
  const html = parts.find(({ type }) => type === 'text/html')?.text;
  const body = text ?? (html === undefined ? '' : fromHtml(html));
  if (/^[>\s]*Final-Recipient\s*:/im.test(body)) {
    const { reportingMta, recipients } = statusFields(body.replace(/^[>\s]+(?=[A-Z][\w-]+:)/gm, ''));
    const [first, ...others] = recipients;
    if (first !== undefined) return { kind: 'report', reportingMta, recipients: [first, ...others], original };
  }
  const failed = fields.get('x-failed-recipients') ?? null;
  const isRobot = ROBOT.test(`${fields.get('from') ?? ''} ${fields.get('sender') ?? ''}`);
  const subject = plainText(fields.get('subject') ?? '');
  if (failed === null && !isRobot && !BOUNCE_SUBJECT.test(subject)) return null;
  const read = readBounceText(`${subject}\n\n${body}`, failed);
  const [first, ...others] = (read?.recipients ?? []).map(
    ({ address, words }): RemoteRecipient => ({
      finalRecipient: address,
      originalRecipient: null,
      action: read?.delayed ? 'delayed' : 'failed',
      status: classed(statusFrom(words), read?.delayed === true),
      diagnostic: words,
      remoteMta: null,
    }),
  );
  if (first === undefined) return null;
  const inText = original.length > 0 ? original : (read?.original ?? []);
  return { kind: 'report', reportingMta: hostOf(fields), recipients: [first, ...others], original: inText };
}

/** Who gave up gave up, whatever 4.y.z was the last word before; but what is merely delayed is of class 4. */
function classed(status: Status | null, delayed: boolean): Status | null {
  if (!delayed) return status ?? statusOf('5.0.0');
  return status?.startsWith('4') ? status : statusOf('4.0.0');
}

const ROBOT =
  /mailer[-_ ]?daemon|postmaster|mail(er)? (delivery|administrator|system)|system administrator|\bpoostmaster/i;
const BOUNCE_SUBJECT =
  /undeliver|returned (to sender|mail)|return(ed|ing) message|delivery (status|report|failure|failed|error|problem)|failure (notice|notification)|mail (delivery|system error)|message (delivery|not delivered)|could not (be delivered|send)|non[- ]?(remis|delivery|recapit)|unzustellbar|no se (ha )?(pudo|podido) entregar|mancato recapito|not deliver/i;

function hostOf(fields: ReadonlyMap<string, string>): string | null {
  const host = /@([\w.-]+)/.exec(fields.get('from') ?? '')?.[1];
  return host === undefined ? null : oneLine(host, 255);
}

/** Tags out, blocks on lines of their own: enough to find addresses and phrases. */
function fromHtml(html: string): string {
  return html
    .slice(0, HTML_CHARS_MAX)
    .replace(/<(style|script)\b[^>]*>[\s\S]{0,5000}?<\/\1>/gi, ' ')
    .replace(/<(?:br|\/?p|\/?div|\/?tr|\/?td|\/?li|\/?h\d)\b[^<>]{0,2000}>/gi, '\n')
    .replace(/<\/?[a-z!][^<>]{0,2000}>/gi, '')
    .replace(/&(lt|gt|amp|quot|nbsp|#64);/gi, (_, name: string) => ENTITIES[name.toLowerCase()] ?? ' ');
}
const HTML_CHARS_MAX = 65_536;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', nbsp: ' ', '#64': '@' };

function complaintOf({ reportType, parts }: Parts): string | null {
  const part = parts.find(({ type }) => type === 'message/feedback-report');
  if (part === undefined) return reportType === 'feedback-report' ? 'other' : null;
  const type = /^Feedback-Type[ \t]*:[ \t]*([\w-]{1,40})/im.exec(part.text)?.[1];
  return type?.toLowerCase() ?? 'other';
}

/** `surely`: what no delivery report has. Exim's and Exchange's reports say auto-replied too, so that one is only asked afterwards. */
function isAutoReply({ fields, parts }: Parts, how: 'surely' | 'perhaps'): boolean {
  const subject = plainText(fields.get('subject') ?? '');
  if (how === 'surely') {
    if (BOUNCE_SUBJECT.test(subject) || fields.has('x-failed-recipients')) return false;
    return OUT_OF_OFFICE.test(subject) || fields.has('x-autoreply') || fields.has('x-autorespond');
  }
  if (/^\s*auto-(replied|notified)/i.test(fields.get('auto-submitted') ?? '')) return true;
  if (/^\s*auto[-_]reply/i.test(fields.get('precedence') ?? '')) return true;
  // A challenge: its sender wants a click, which is no report and nothing that a program could give.
  if (fields.has('x-delivery-agent') && /tmda/i.test(fields.get('x-delivery-agent') ?? '')) return true;
  const text = parts.find(({ type }) => type === 'text/plain')?.text.slice(0, 4_000) ?? '';
  return CHALLENGE.test(text) && /confirm|verif|challenge|approval|whitelist/i.test(subject);
}
const OUT_OF_OFFICE =
  /^\s*(out of (the )?office|automatic(ally generated)? reply|auto(matic)?[- ]?(reply|response|responder)|autoreply|vacation reply|away from|abwesend|abwesenheits|automatische antwort|réponse automatique|risposta automatica|respuesta automática|fuera de la oficina)/i;
const CHALLENGE =
  /(please|simply) (confirm|reply|click)|your message (is|was|has been) (being held|waitlisted|quarantined until)/i;

const RETURNED =
  /^(message\/(rfc822|rfc822-headers|global|global-headers|partial|delivery-status-headers)|text\/rfc822-headers?)$/;

/** The header section that came back, at whichever place and under whichever type. */
function originalOf({ parts }: Parts): readonly HeaderField[] {
  const part = parts.find(({ type }) => RETURNED.test(type));
  return part === undefined ? [] : originalFields(part.text);
}
