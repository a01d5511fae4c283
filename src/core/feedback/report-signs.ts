// Who seems to have written a message to a return path: a mailer, or a program that answers (RFC 3834). Words alone
// never say that a delivery failed: a mailer's signs must be there too. These are claims of header fields, which
// anybody can write; a return path vouches for no more than that the author had the message.

import { plainText } from '#core/message/field-text.ts';
import type { Parts } from './report-parts.ts';

export type Signs = {
  /** A mailer's name in From or Sender, or a multipart/report of deliveries. */
  readonly mailer: boolean;
  /** The null reverse-path, which absence notices have as well. */
  readonly nullPath: boolean;
  /** The subject of a delivery report. */
  readonly subjectOfReport: boolean;
  /**
   * An answer to mail: its fields or its subject say so. Real reports of Exim, Exchange and others say auto-replied as
   * well.
   */
  readonly answer: boolean;
};

/** `nullPath`: as the envelope has it; of a message inside another one its Return-Path tells. */
export function signsOf(parts: Parts, nullPath: boolean): Signs {
  const { fields, type, reportType } = parts;
  const author = `${fields.get('from') ?? ''} ${fields.get('sender') ?? ''}`.slice(0, AUTHOR_CHARS_MAX);
  const subject = subjectOf(fields);
  return {
    mailer: MAILER.test(plainText(author)) || (type === 'multipart/report' && reportType === 'delivery-status'),
    nullPath: nullPath || NULL_PATH.test(fields.get('return-path') ?? ''),
    subjectOfReport: SUBJECT_OF_REPORT.test(subject),
    answer: isAnswer(fields, subject),
  };
}

export function subjectOf(fields: ReadonlyMap<string, string>): string {
  return plainText((fields.get('subject') ?? '').slice(0, SUBJECT_CHARS_MAX));
}
const SUBJECT_CHARS_MAX = 2_000;
const AUTHOR_CHARS_MAX = 1_000;

const MAILER =
  /(^|[\s<"'(.])(mailer[-_.]?daemon|post-?master|mdaemon|poostmaster)(\\?@|["'>)\s]|$)|mail(er)? (delivery|administrator)|delivery (sub)?system|system administrator|mail\.delivery\.system@/i;
/** Postfix writes the sender of a report that it delivers as MAILER-DAEMON. */
const NULL_PATH = /^\s{0,9}<\s{0,9}>|^\s{0,9}<?mailer-daemon@/i;

const SUBJECT_OF_REPORT =
  /undeliver|returned (to sender|mail)|return(ed|ing) message|delivery (status|report|failure|failed|error|problem|warning|incomplete)|failure (notice|notification)|mail (delivery|system error)|message (delivery|not delivered|delayed|could)|could not (be delivered|send)|non[- ]?(remis|delivery|recapit)|unzustellbar|no se (ha )?(pudo|podido) entregar|mancato recapito|not deliver|user unknown|failed mail/i;

function isAnswer(fields: ReadonlyMap<string, string>, subject: string): boolean {
  if (/^\s{0,9}auto-(replied|notified)/i.test(fields.get('auto-submitted') ?? '')) return true;
  if (/^\s{0,9}auto[-_]reply/i.test(fields.get('precedence') ?? '')) return true;
  if (fields.has('x-autoreply') || fields.has('x-autorespond') || fields.has('x-autoresponder')) return true;
  if (/vacation/i.test((fields.get('x-apple-action') ?? '').slice(0, 100))) return true;
  return SUBJECT_OF_ABSENCE.test(subject) || SUBJECT_OF_REPLY.test(subject); // a mailer answers nobody
}

const SUBJECT_OF_REPLY = /^\s{0,9}(re|aw|sv|antw|antwort|vs|odp|rif|ref|res)(\[\d{1,4}\])?\s?:/i;
const SUBJECT_OF_ABSENCE =
  /^\s{0,9}(\S{1,20}\s)?(out of (the )?office|automatic(ally generated)? reply|auto(matic)?[- ]?(reply|response|responder)\b|auto:|autoreply|vacation (reply|response|notice)|(on|i am on) (vacation|holiday|leave)|i am away|away from|abwesend|abwesenheits|automatische antwort|réponse automatique|absence du bureau|risposta automatica|respuesta automática|fuera de (la )?oficina|resposta automática|automatisch antwoord|automatiskt svar|autosvar)/i;

/** By a field or subject that no delivery report has. */
export function isAutomaticAnswer(parts: Parts): boolean {
  if (isAnswer(parts.fields, '') || SUBJECT_OF_ABSENCE.test(subjectOf(parts.fields))) return true;
  return isChallenge(parts);
}

/** A challenge: its sender wants a click. It is no report, and no program can answer it. */
function isChallenge({ fields, parts }: Parts): boolean {
  if (/tmda/i.test((fields.get('x-delivery-agent') ?? '').slice(0, 100))) return true;
  const text = parts.find(({ type }) => type === 'text/plain')?.text.slice(0, 4_000) ?? '';
  return CHALLENGE.test(text) && /confirm|verif|challenge|approval|whitelist/i.test(subjectOf(fields));
}
const CHALLENGE =
  /(please|simply) (confirm|reply|click)|your message (is|was|has been) (being held|waitlisted|quarantined until)/i;
