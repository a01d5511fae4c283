// Receives one message's content at the submission server, from 354 to the answer: into its space, with our fields on
// top, then into the store. server.ts calls it. It answers 250 when both objects are stored, and never before. With any
// other answer, or none, the client still has the message and tries again.

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
import type { Arrival } from './callers.ts';
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

/** Throws where the client disconnected: no answer can reach it. `signal` is aborted then. */
export async function receive(
  parts: ReceptionParts,
  given: {
    readonly content: AsyncIterable<Buffer>;
    readonly session: SMTPServerSession;
    readonly transaction: SubmissionTransaction;
    /** Null: it was no network client. */
    readonly arrival: Arrival | null;
    readonly bytesMax: number;
    /** False: the client is the submitter itself, and ingest alone asks whether it may send as its author. */
    readonly asked: boolean;
    readonly signal: AbortSignal;
  },
): Promise<SmtpAnswer> {
  const { transaction } = given;
  const name = { submitter: transaction.submitter, ulid: parts.names.next() };
  const intake = parts.space.open();
  const ending = new Ending();
  let refusal: Refusal | null = null;
  let answer: SmtpAnswer | null = null;
  try {
    let head: Uint8Array | null = null;
    const top = topOf(parts, given, name);
    refusal = await take(
      { content: ending.watched(given.content), bytesMax: given.bytesMax },
      intake,
      new TopFields((seen) => {
        head = seen;
        return top(seen);
      }),
    );
    if (refusal === null && head !== null) refusal = refusedAuthor(parts.settings, given, head);
    if (refusal === null) refusal = tooMuch(intake.bytes, transaction.recipients.size);
    if (refusal === null) refusal = await store(parts, given, name, intake);
    answer = refusal?.answer ?? { code: 250, status: '2.6.0', text: `Stored as ${spoolIdOf(name)}` };
    return answer;
  } finally {
    parts.log(answer?.code === 250 ? 'submission.stored' : 'submission.not-stored', {
      spoolId: spoolIdOf(name),
      submitter: name.submitter,
      address: given.arrival?.address ?? null,
      by: transaction.by,
      tls: given.arrival?.tls ?? null,
      reversePath: transaction.reversePath,
      forwardPaths: forLog([...transaction.recipients.keys()]),
      bytes: intake.bytes,
      answer: answer === null ? 'none: the client went away' : `${answer.code} ${answer.status}`,
      ...whyOf(refusal, answer, ending),
    });
    await intake.close();
  }
}

function whyOf(refusal: Refusal | null, answer: SmtpAnswer | null, ending: Ending): { readonly why?: string } {
  if (refusal?.why !== undefined) return { why: refusal.why };
  if (answer !== null || !ending.isBare) return {};
  return { why: 'the content ended with LF . LF, and only CRLF . CRLF ends it: docs/devices.md' };
}

type Refusal = { readonly answer: SmtpAnswer; readonly why?: string };
type Name = { readonly submitter: string; readonly ulid: string };

/** The last bytes of content, for a client that waits for an answer to an end that is none. */
class Ending {
  private last = Buffer.alloc(0);

  async *watched(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      this.last = Buffer.concat([this.last, chunk.subarray(-ENDING_BYTES)]).subarray(-ENDING_BYTES);
      yield chunk;
    }
  }
  get isBare(): boolean {
    // The reader has closed up a dot that CRLF precedes, and holds a CRLF back that a dot may follow.
    return /(?:\n\.(?:\r?\n)?|\r\n\n)$/.test(this.last.toString('latin1'));
  }
}
const ENDING_BYTES = 4;

/** Reads a message to its end also where it refuses it: the client reads the answer after its final dot. */
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
  {
    transaction,
    arrival,
    signal,
  }: {
    readonly transaction: SubmissionTransaction;
    readonly arrival: Arrival | null;
    readonly signal: AbortSignal;
  },
  name: Name,
  intake: Intake,
): Promise<Refusal | null> {
  const { submitter, recipients, reversePath, ret, envid, smtputf8 } = transaction;
  const declared = { ...(smtputf8 ? { smtputf8 } : {}), ...(arrival === null ? {} : { client: arrival }) };
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
    readonly arrival: Arrival | null;
  },
  name: Name,
): (head: Uint8Array | null) => string {
  const { session, transaction, arrival } = given;
  const [only, ...others] = transaction.recipients.keys();
  const at = clock.now();
  const received = receivedField({
    helo: session.hostNameAppearsAs,
    address: arrival?.address ?? null,
    protocol: receptionProtocol({
      extended: session.openingCommand === 'EHLO',
      secure: session.secure,
      login: arrival?.login ?? false,
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
 * The client gets a refusal here for a message that ingest would hold. Ingest alone checks where no From field was
 * seen, or the header section is too long.
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
