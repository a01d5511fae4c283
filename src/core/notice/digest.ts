// The digest: what waits, and mail that policy kept in quarantine on whole days of UTC, for the postmaster, with the
// commands that move it on. Pure. Text from senders is cleaned. In a command it gives no more than an address that no
// shell can read as anything else.

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { newDelivery } from '#core/delivery/progress.ts';
import { traced } from '#core/delivery/trace.ts';
import { digestEveryMs, ndrSubjectTextMax } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import { asciiLine, foldedField, mailDate, octetsOf, oneLine, quotedPrintable } from '#core/message/text-encoding.ts';
import { fromAddress, toField } from './compose.ts';
import { type DigestWaiting, waitingLines, waitingSubject } from './digest-waiting.ts';
import { noticeMessageId } from './input.ts';

/** From after `from` up to `until`, both midnights of UTC. */
export type DigestPeriod = { readonly from: number; readonly until: number };

/**
 * The period that ends with the last midnight, and begins where the last digest's ended; null where that one has ended
 * there already.
 */
export function duePeriod(lastUntil: number | null, now: number): DigestPeriod | null {
  const until = now - (now % digestEveryMs);
  const from = lastUntil ?? until - digestEveryMs;
  return from < until ? { from, until } : null;
}

/** The period is the identity: a digest that is given twice has one row. No spoolId of SES has a hyphen. */
const spoolIdOf = ({ from, until }: DigestPeriod) => `digest-${from / digestEveryMs}-${until / digestEveryMs}`;

/** Null where the row is no digest's. */
export function periodOf(spoolId: string): DigestPeriod | null {
  const [, from, until] = /^digest-(\d+)-(\d+)$/.exec(spoolId) ?? [];
  return from === undefined ? null : { from: Number(from) * digestEveryMs, until: Number(until) * digestEveryMs };
}

/** The digest as a delivery of its own: a notice that answers for nothing, composed at each attempt. */
export function newDigest(
  settings: Settings,
  period: DigestPeriod,
  way: { readonly nextHop: string; readonly address: string },
  terms: { readonly now: number; readonly sweepAgainMs: number },
): DeliveryRow {
  const { now, sweepAgainMs } = terms;
  const spoolId = spoolIdOf(period);
  const { notices, retry } = settings;
  const message: MessageFacts = {
    spoolId,
    direction: 'outbound',
    reversePath: '',
    objectKey: spoolId, // there is none: nothing of it is spooled
    size: null,
    objectVersion: null,
    extract: {
      from: notices.from,
      to: notices.postmaster,
      date: null,
      subject: null,
      messageIdField: digestMessageId(spoolId, settings.host),
      autoSubmitted: 'auto-generated',
      ownNotice: true,
    },
    verdicts: null,
    acceptedAt: now,
    configVersion: settings.version,
  };
  const given = { spoolId, deliveryKey: 'digest', forwardPath: notices.postmaster, route: -1, action: 0, copy: false };
  const times = { acceptedAt: now, lifetimeMs: retry.lifetimeMs, sweepAgainMs };
  const reason = `digest, ${day(period.from)} to ${day(period.until)}`;
  const event = traced(way, 'DSN', now, { attempt: null, status: null, reason, reply: null });
  const row = newDelivery({ ...given, ...way, ...times, message, trace: [event] }, now);
  return { ...row, kind: 'notice', noticeKind: 'digest' };
}

export function digestMessageId(spoolId: string, host: string): string {
  return noticeMessageId({ spoolId, deliveryKey: 'digest', kind: 'postmaster', host });
}

export type DigestEntry = { readonly row: DeliveryRow; readonly message: MessageFacts };
export type DigestInput = {
  readonly from: string;
  readonly to: Mailbox;
  readonly reportingMta: string;
  readonly stackName: string;
  readonly spoolId: string;
  /** Value of X-Everpost-Notice. */
  readonly marker: string;
  readonly now: number;
  readonly period: DigestPeriod;
  /** Latest first. */
  readonly entries: readonly DigestEntry[];
  /** Quarantined in the period and waiting still, told or not; waiting altogether; of those, soon discarded. */
  readonly inPeriod: number;
  readonly waiting: number;
  readonly soon: number;
  /** Beside the quarantine. */
  readonly waits: DigestWaiting;
};

/** Mail of one text part: CRLF line ends, ASCII throughout. The same input gives the same bytes. */
export function composeDigest(input: DigestInput): Uint8Array {
  const fields = [
    `From: Mail Delivery System <${fromAddress(input)}>`,
    `To: ${toField({ to: input.to, smtputf8: false })}`,
    foldedField('Subject', subjectOf(input)),
    `Date: ${mailDate(input.now)}`,
    `Message-ID: ${digestMessageId(input.spoolId, input.reportingMta)}`,
    'Auto-Submitted: auto-generated', // RFC 3834 §5
    'X-Auto-Response-Suppress: All',
    foldedField('X-Everpost-Notice', asciiLine(input.marker, 2_000)),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
  ];
  const text = bodyLines(input).join('\r\n');
  return Buffer.from(`${fields.join('\r\n')}\r\n\r\n${quotedPrintable(octetsOf(text))}\r\n`, 'latin1');
}

/** The quarantine is named where anything of it is told, and where there is nothing else. */
function subjectOf({ waits, inPeriod, waiting, soon }: DigestInput): string {
  const others = waitingSubject(waits);
  const quarantine = `Quarantine: ${some(inPeriod)} kept, ${soon} soon discarded`;
  if (others.length === 0) return quarantine;
  return waiting === 0 ? others.join(', ') : `${others.join(', ')}. ${quarantine}`;
}

function bodyLines(input: DigestInput): string[] {
  const { waits, waiting, stackName } = input;
  const beside = waitingLines(waits, stackName);
  return [
    `This is the mail system at ${oneLine(input.reportingMta, 255)}. A program wrote this digest.`,
    '',
    ...beside,
    ...(beside.length === 0 ? [] : [WITHOUT_YES, '']),
    ...(beside.length > 0 && waiting === 0 ? [] : quarantineLines(input)),
  ];
}

const WITHOUT_YES = 'Without "--yes", commands for many only show what they would do.';

function quarantineLines(input: DigestInput): string[] {
  const { period, entries, inPeriod, waiting, soon } = input;
  const rest = inPeriod - entries.length;
  return [
    `Kept in quarantine from ${day(period.from)} until ${day(period.until)}, midnight of UTC,`,
    `and waiting still: ${some(inPeriod)}. Nobody has been told. What nobody releases is`,
    'discarded at the end of its quarantine.',
    '',
    ...entries.flatMap((entry, index) => entryLines(input, entry, index + 1)),
    ...(rest > 0 ? [`And ${rest} more, which this list is too long for.`, ''] : []),
    `In quarantine altogether: ${some(waiting)}, of which ${soon} will be discarded within a week.`,
    '',
    `All of a kind at once: npx everpost release --stack ${input.stackName} --state quarantined --reason policy-spam`,
    '',
    'With "remove" in place of "release" it ends now: the sender is told where that is allowed, and with',
    '"--without-notice" nobody. "everpost trace" with the same words shows what is known of it.',
    '',
  ];
}

const ADDRESS_MAX = 320;
const INDENT = '   ';

function entryLines(input: DigestInput, { row, message }: DigestEntry, number: number): string[] {
  const { subject } = message.extract;
  const { reversePath } = message;
  return [
    `${number}. ${mailDate(row.nextAttemptAt)}  ${oneLine(row.stateReason ?? 'no reason', 80)}`,
    `${INDENT}From:      ${reversePath === '' ? 'the null reverse-path' : oneLine(reversePath, ADDRESS_MAX)}`,
    `${INDENT}To:        ${oneLine(row.forwardPath, ADDRESS_MAX)}${row.copy ? ' (a copy)' : ''}`,
    ...(subject === null ? [] : [`${INDENT}Subject:   ${oneLine(subject, ndrSubjectTextMax)}`]),
    ...(row.dueAt === null ? [] : [`${INDENT}Discarded: ${mailDate(row.dueAt)}`]),
    `${INDENT}npx everpost release --stack ${input.stackName} --spool-id ${row.spoolId}${onlyTo(row)}`,
    '',
  ];
}

/** Of several deliveries this one. A quoted local part could hold `$(…)`: then the whole message is named alone. */
function onlyTo({ forwardPath, action }: DeliveryRow): string {
  return /^[\w.+-]+@[\w.-]+$/.test(forwardPath) ? ` --forward-path ${forwardPath} --action ${action}` : '';
}

function some(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
