// Takes one message's content at the submission server, from 354 to the answer: into its room, with our fields on top,
// then into the store. It answers 250 when both objects are stored, and never before; whatever else happens nothing was
// promised, and the client tries again.

import type { SMTPServerSession } from 'smtp-server';
import type { Settings } from '#config/settings.ts';
import { messageBytesMax } from '#core/limits.ts';
import { parseSubmittedPath } from '#core/message/address.ts';
import { readFrom } from '#core/message/from-field.ts';
import { missingFields, receivedField, receptionProtocol, TopFields } from '#core/submission/added-fields.ts';
import { type SmtpAnswer, tooBig } from '#core/submission/smtp-command.ts';
import { recipientsFor, spoolIdOf } from '#core/submission/submission.ts';
import { mayAuthor, severalFromFields } from '#core/submission/submitter.ts';
import type { Clock, SubmissionNames, SubmissionStore } from '#pipeline/ports.ts';
import { submit } from '#pipeline/submit/submit.ts';
import type { SubmissionTransaction } from './mail-transactions.ts';
import { type Intake, SpaceExhausted, type SubmissionSpace } from './space.ts';

/** One line each; fields never hold secrets or content. */
export type SubmissionLog = (event: string, fields: Readonly<Record<string, unknown>>) => void;

export type ReceptionParts = {
  readonly settings: Pick<Settings, 'host' | 'domains' | 'submitters'>;
  /** Where this submitter's objects go. */
  readonly storeOf: (submitter: string) => SubmissionStore;
  readonly space: SubmissionSpace;
  readonly names: SubmissionNames;
  readonly clock: Clock;
  readonly log: SubmissionLog;
};

/** Throws where the client went away: there is nobody to answer. `signal` is aborted then. */
export async function receive(
  parts: ReceptionParts,
  given: {
    readonly content: AsyncIterable<Buffer>;
    readonly session: SMTPServerSession;
    readonly transaction: SubmissionTransaction;
    /** Null: it was no network client, and needed no login. */
    readonly address: string | null;
    readonly bytesMax: number;
    /** False: the client is the submitter itself, and ingest alone asks whether it may send as its author. */
    readonly asked: boolean;
    readonly signal: AbortSignal;
  },
): Promise<SmtpAnswer> {
  const { transaction } = given;
  const name = { submitter: transaction.submitter, ulid: parts.names.next() };
  const intake = parts.space.open();
  let refusal: Refusal | null = null;
  let answer: SmtpAnswer | null = null;
  try {
    let head: Uint8Array | null = null;
    const top = topOf(parts, given, name);
    refusal = await take(
      given,
      intake,
      new TopFields((seen) => {
        head = seen;
        return top(seen);
      }),
    );
    if (refusal === null && head !== null) refusal = refusedAuthor(parts.settings, given, head);
    if (refusal === null) refusal = tooMuch(intake.bytes, transaction.recipients.size);
    if (refusal === null) refusal = await store(parts, transaction, name, intake, given.signal);
    answer = refusal?.answer ?? { code: 250, status: '2.6.0', text: `Stored as ${spoolIdOf(name)}` };
    return answer;
  } finally {
    parts.log(answer?.code === 250 ? 'submission.stored' : 'submission.not-stored', {
      spoolId: spoolIdOf(name),
      submitter: name.submitter,
      address: given.address,
      reversePath: transaction.reversePath,
      forwardPaths: forLog([...transaction.recipients.keys()]),
      bytes: intake.bytes,
      answer: answer === null ? 'none: the client went away' : `${answer.code} ${answer.status}`,
      ...(refusal?.why === undefined ? {} : { why: refusal.why }),
    });
    await intake.close();
  }
}

type Refusal = { readonly answer: SmtpAnswer; readonly why?: string };
type Name = { readonly submitter: string; readonly ulid: string };

/** Reads to the end also what it refuses: the client hears the answer after its final dot. */
async function take(
  given: { readonly content: AsyncIterable<Buffer>; readonly bytesMax: number },
  intake: Intake,
  top: TopFields,
): Promise<Refusal | null> {
  let bytes = 0;
  let refusal: Refusal | null = null;
  const write = async (parts: readonly Uint8Array[]) => {
    try {
      for (const part of parts) if (part.byteLength > 0) await intake.write(part);
    } catch (error) {
      refusal ??= noRoom(error);
    }
  };
  for await (const chunk of given.content) {
    bytes += chunk.length;
    if (bytes > given.bytesMax) refusal ??= { answer: tooBig(given.bytesMax) };
    if (refusal === null) await write(top.push(chunk));
  }
  if (refusal === null) await write(top.end());
  if (refusal === null && intake.bytes > messageBytesMax) refusal = { answer: tooBig(given.bytesMax) };
  return refusal;
}

async function store(
  parts: ReceptionParts,
  { submitter, recipients, reversePath, ret, envid, smtputf8 }: SubmissionTransaction,
  name: Name,
  intake: Intake,
  signal: AbortSignal,
): Promise<Refusal | null> {
  const declared = smtputf8 ? { smtputf8 } : {};
  const request = { ...name, reversePath, forwardPaths: [...recipients.values()], ret, envid, ...declared };
  const result = await submit(parts.storeOf(submitter), request, intake, signal);
  if (result.kind === 'submitted') return null;
  const text = 'The message cannot be stored now, try again later';
  return { answer: { code: 451, status: '4.3.0', text }, why: `${result.cause}: ${result.detail}` };
}

function topOf(
  { settings, clock }: ReceptionParts,
  given: {
    readonly session: SMTPServerSession;
    readonly transaction: SubmissionTransaction;
    readonly address: string | null;
  },
  name: Name,
): (head: Uint8Array | null) => string {
  const { session, transaction, address } = given;
  const [only, ...others] = transaction.recipients.keys();
  const at = clock.now();
  const received = receivedField({
    helo: session.hostNameAppearsAs,
    address,
    protocol: receptionProtocol({
      extended: session.openingCommand === 'EHLO',
      secure: session.secure,
      login: address !== null,
      smtputf8: transaction.smtputf8,
    }),
    host: settings.host,
    spoolId: spoolIdOf(name),
    forwardPath: others.length === 0 ? (only ?? null) : null,
    at,
  });
  const messageIdField = `<${name.ulid}@${settings.host}>`;
  return (head) => received + (head === null ? '' : missingFields(head, { at, messageIdField }));
}

/**
 * What ingest would hold, its sender hears here. Ingest alone asks where no From field was seen, or the header section
 * is too long.
 */
function refusedAuthor(
  settings: ReceptionParts['settings'],
  { transaction, asked }: { readonly transaction: SubmissionTransaction; readonly asked: boolean },
  head: Uint8Array,
): Refusal | null {
  const from = readFrom(head);
  if (from.doubt === 'several-from-fields')
    return { answer: { code: 554, status: '5.6.0', text: `Refused: ${severalFromFields}` } };
  const { submitter, reversePath } = transaction;
  const finding = mayAuthor(settings, submitter, parseSubmittedPath(reversePath) ?? null, from);
  if (!asked || from.doubt === 'no-from-field' || finding.kind === 'allowed') return null;
  const text = from.unread ? finding.detail : `${finding.detail}: senderDomains does not have it`;
  return { answer: { code: 550, status: '5.7.1', text }, why: finding.detail };
}

/** Its size was not declared, or wrongly: otherwise some of its recipients would have heard 452. */
function tooMuch(bytes: number, recipients: number): Refusal | null {
  const most = recipientsFor(bytes);
  if (recipients <= most) return null;
  return { answer: { code: 552, status: '5.3.4', text: `A message of this size may have ${most} recipients` } };
}

function noRoom(error: unknown): Refusal {
  const why = error instanceof Error ? error.message : String(error);
  const text = error instanceof SpaceExhausted ? 'Too much mail at once, try again later' : 'No room, try again later';
  return { answer: { code: 452, status: '4.3.1', text }, why };
}

const PATHS_LOGGED_MAX = 20;
function forLog(paths: readonly string[]): readonly string[] {
  if (paths.length <= PATHS_LOGGED_MAX) return paths;
  return [...paths.slice(0, PATHS_LOGGED_MAX), `and ${paths.length - PATHS_LOGGED_MAX} more`];
}
