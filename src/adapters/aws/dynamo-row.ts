// Ledger rows as DynamoDB items and back: one flat item a row, at most 1 KB where a message is relayed at once (one
// write unit). Their attributes are those of row-attributes.ts. Pure: no client, no clock.

import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { heldBecauseOf } from '#core/delivery/become.ts';
import type {
  AttemptedKind,
  DeliveryRef,
  DeliveryRow,
  MessageFacts,
  NoticeSummary,
  SubmissionFacts,
  TraceEvent,
  VerdictStatus,
  Verdicts,
} from '#core/delivery/delivery.ts';
import { heldCauses, isSettled } from '#core/delivery/delivery.ts';
import { type DueClass, dueClassOf } from '#core/delivery/due-class.ts';
import type { Extract } from '#core/message/extract.ts';
import type { Reply } from '#core/reply/reply.ts';
import { inboundPrefix } from '#core/spool/receipt.ts';
import type { Notify } from '#core/submission/submission.ts';
import type { DueRow } from '#pipeline/ports.ts';
import {
  decode,
  EVENT,
  EXTRACT,
  encode,
  HOP_FAILED,
  type Item,
  KIND_LETTERS,
  LATENCY,
  MESSAGE,
  NOTICE,
  REPLY,
  RESUBMITTED,
  ROW,
  SUBMISSION,
  UNCERTAIN,
  VERDICT_LETTERS,
  VERDICTS,
} from './row-attributes.ts';

export type ItemOptions = {
  /** Writes the attributes that the three search indexes stand on. */
  readonly search: boolean;
  /** How long a settled row is kept after its last event, in milliseconds. */
  readonly ledgerRetentionMs: number;
};

/** Sort keys under the partition key `pk`, the spoolId. */
export const MESSAGE_KEY = 'm';
/** The partition of the hourly counts of expiries; no spoolId has a hash sign. */
export const EXPIRIES_KEY = '#expiries';
/** The partition of the sweeps' bookmarks, likewise. */
export const BOOKMARKS_KEY = '#bookmarks';
export const sortKeyOf = (ref: DeliveryRef) => `d#${ref.deliveryKey}`;
const eventPrefixOf = (ref: DeliveryRef) => `e#${ref.deliveryKey}#`;

/**
 * The sparse index `due` spreads over partitions, so that no backlog is one partition's; each class has its own
 * (core/delivery/due-class.ts). Held rows have one for each cause, so that the index says why they are held. Rows of
 * older versions are all in those of `other`, and held ones in `h0` and `h1`.
 */
const DUE_SHARDS: Readonly<Record<DueClass, readonly string[]>> = {
  other: ['s0', 's1', 's2', 's3', 's4', 's5', 's6', 's7'],
  faulty: ['f0', 'f1', 'f2', 'f3'],
  operator: ['o0', 'o1'],
  unprocessed: ['u0'],
  held: ['h0', 'h1', ...heldCauses.map((cause) => `h#${cause}`)],
};
export function dueShardsOf(...classes: readonly DueClass[]): readonly string[] {
  return classes.flatMap((each) => DUE_SHARDS[each]);
}
const NULL_REVERSE_PATH = '<>'; // an index key may not be empty

/** The claim's conditions and changes name these attributes. */
export const CLAIM = {
  state: 'st',
  nextAttemptAt: 'na',
  leaseUntil: 'lu',
  claims: 'cl',
  version: 'v',
  token: 'tk',
} as const;

export function itemOfRow(row: DeliveryRow, options: ItemOptions): Item {
  const item: Item = { pk: { S: row.spoolId }, sk: { S: sortKeyOf(row) }, ...encode(ROW, row) };
  if (row.kind === 'notice' && row.noticeOf === null) item.no = { S: '' };
  if (row.address === row.forwardPath) delete item.ad;
  if (row.dueAt !== null) item.dueShard = { S: dueShardOf(row) };
  if (isSettled(row)) item.ttl = ttlOf(row, options);
  if (options.search && row.kind === 'delivery') {
    item.forwardPathKey = { S: searchKeyOf(row.forwardPath) };
    if (row.forwardPath === item.forwardPathKey.S) delete item.fp;
  }
  if (row.lastRule !== undefined) item.ru = { S: row.lastRule };
  if (row.unrecognised === true) item.un = { BOOL: true };
  if (row.returnPath !== undefined) item.rp = { S: row.returnPath };
  if (row.lastJobSent === true) item.lj = { BOOL: true };
  if (row.heldBecause !== undefined) item.hb = { S: row.heldBecause };
  if (row.releasedFrom !== undefined) item.rf = { S: row.releasedFrom.join(',') };
  if (row.attemptedBy !== undefined) item.k = { S: KIND_LETTERS[row.attemptedBy] };
  if (row.resubmitted !== undefined) item.rs = { M: encode(RESUBMITTED, row.resubmitted) };
  if (row.hopFailed !== undefined) item.hf = { M: encode(HOP_FAILED, row.hopFailed) };
  if (row.uncertain !== undefined) item.uc = { M: encode(UNCERTAIN, row.uncertain) };
  if (row.putBack !== undefined) item.pb = { N: String(row.putBack.at) };
  if (row.dsn !== undefined) item.dn = { M: attributesOfDsn(row.dsn) };
  if (row.lastReply !== null) item.lr = { M: encode(REPLY, row.lastReply) };
  if (row.notice !== null) item.nt = { M: encode(NOTICE, row.notice) };
  if (row.trace.length > 0) item.t = { L: row.trace.map((event) => ({ M: attributesOfEvent(event) })) };
  if (row.message !== null) {
    const { facts, keys } = attributesOfMessage(row.message, options);
    if (row.message.acceptedAt === row.acceptedAt) delete facts.a;
    Object.assign(item, keys, { mf: { M: facts } });
  }
  return item;
}

export function rowOfItem(item: Item): DeliveryRow {
  const spoolId = textOf(item.pk);
  const fields = decode(ROW, item);
  const forwardPath = fields.forwardPath ?? item.forwardPathKey?.S ?? '';
  const facts = item.mf?.M;
  return {
    ...(fields as unknown as DeliveryRow),
    spoolId,
    deliveryKey: textOf(item.sk).slice(sortKeyOf({ spoolId, deliveryKey: '' }).length),
    kind: item.no === undefined ? 'delivery' : 'notice',
    noticeOf: item.no?.S || null,
    forwardPath: String(forwardPath),
    address: String(fields.address ?? forwardPath),
    ...(item.rp?.S ? { returnPath: item.rp.S as NonNullable<DeliveryRow['returnPath']> } : {}),
    ...(item.ru?.S ? { lastRule: item.ru.S } : {}),
    ...(item.un?.BOOL ? { unrecognised: true } : {}),
    ...(item.lj?.BOOL ? { lastJobSent: true } : {}),
    ...(item.hb?.S ? { heldBecause: item.hb.S as NonNullable<DeliveryRow['heldBecause']> } : {}),
    ...(item.rf?.S ? { releasedFrom: item.rf.S.split(',') as NonNullable<DeliveryRow['releasedFrom']> } : {}),
    ...attemptedByOf(item.k?.S),
    ...(item.rs?.M ? { resubmitted: decode(RESUBMITTED, item.rs.M) as NonNullable<DeliveryRow['resubmitted']> } : {}),
    ...(item.hf?.M ? { hopFailed: decode(HOP_FAILED, item.hf.M) as NonNullable<DeliveryRow['hopFailed']> } : {}),
    ...(item.uc?.M ? { uncertain: decode(UNCERTAIN, item.uc.M) as NonNullable<DeliveryRow['uncertain']> } : {}),
    ...(item.pb?.N ? { putBack: { at: Number(item.pb.N) } } : {}),
    ...(item.dn?.M ? { dsn: dsnOf(item.dn.M) } : {}),
    lastReply: item.lr?.M ? (decode(REPLY, item.lr.M) as unknown as Reply) : null,
    notice: item.nt?.M ? (decode(NOTICE, item.nt.M) as unknown as NoticeSummary) : null,
    message: facts ? messageOf(spoolId, { a: item.acceptedAt ?? { N: '0' }, ...facts }, item) : null,
    trace: (item.t?.L ?? []).map((event) => eventOf(event.M ?? {})),
  };
}

/** Nothing for the letter of a version after this one. */
function attemptedByOf(letter: string | undefined): { readonly attemptedBy?: AttemptedKind } {
  const kinds = Object.keys(KIND_LETTERS) as AttemptedKind[];
  const attemptedBy = kinds.find((kind) => KIND_LETTERS[kind] === letter);
  return attemptedBy === undefined ? {} : { attemptedBy };
}

/**
 * The message's own item. It has no `ttl` until the purge gives it one: before, its deliveries may outlive any date
 * that is known.
 */
export function itemOfMessage(message: MessageFacts, options: ItemOptions): Item {
  const { facts, keys } = attributesOfMessage(message, options);
  return {
    pk: { S: message.spoolId },
    sk: { S: MESSAGE_KEY },
    acceptedAt: { N: String(message.acceptedAt) },
    ...keys,
    mf: { M: facts },
  };
}

export function messageOfItem(item: Item): MessageFacts {
  return messageOf(textOf(item.pk), item.mf?.M ?? {}, item);
}

/** A trace event that moved out of its row. `key` is unique in the delivery and sorts by time. */
export function itemOfEvent(row: DeliveryRow, key: string, event: TraceEvent, options: ItemOptions): Item {
  const sk = `${eventPrefixOf(row)}${key}`;
  return { pk: { S: row.spoolId }, sk: { S: sk }, ttl: ttlOf(row, options), ...attributesOfEvent(event) };
}

/** Null where the item is not an event of this delivery. */
export function eventOfItem(item: Item, ref: DeliveryRef): { readonly key: string; readonly event: TraceEvent } | null {
  const prefix = eventPrefixOf(ref);
  const sk = textOf(item.sk);
  return sk.startsWith(prefix) ? { key: sk.slice(prefix.length), event: eventOf(item) } : null;
}

/** A partition for each token; no spoolId has a hash sign. */
export const keyOfToken = (token: string): Item => ({ pk: { S: `t#${token}` }, sk: { S: 't' } });

export function itemOfToken(token: string, ref: DeliveryRef, until: number): Item {
  return { ...keyOfToken(token), ref: { S: `${ref.spoolId} ${ref.deliveryKey}` }, ttl: secondsOf(until) };
}

export function tokenOfItem(item: Item): { readonly ref: DeliveryRef; readonly until: number } | null {
  const [spoolId, deliveryKey] = (item.ref?.S ?? '').split(' ');
  if (!spoolId || !deliveryKey) return null;
  return { ref: { spoolId, deliveryKey }, until: Number(item.ttl?.N ?? 0) * 1000 };
}

/**
 * Addresses are searched without regard to case, which people do not remember. At most 1,024 bytes: an index key's
 * limit is 2,048.
 */
export function searchKeyOf(address: string): string {
  return address === '' ? NULL_REVERSE_PATH : address.toLowerCase().slice(0, 256);
}

/** The due index projects exactly these beside its keys (infra/ledger.ts). */
export function dueRowOfItem(item: Item): DueRow {
  const { nextHop, state, nextAttemptAt, expiresAt, dueAt } = decode(ROW, item);
  const spoolId = textOf(item.pk);
  const deliveryKey = textOf(item.sk).slice(sortKeyOf({ spoolId, deliveryKey: '' }).length);
  const cause = heldCauses.find((each) => item.dueShard?.S === `h#${each}`);
  const row = { spoolId, deliveryKey, nextHop, state, nextAttemptAt, expiresAt, dueAt } as DueRow;
  return cause === undefined ? row : { ...row, heldBecause: cause };
}

/** FNV-1a over the key: even, and the same for ever. */
function dueShardOf(row: DeliveryRow): string {
  const cause = heldBecauseOf(row);
  if (cause !== null) return `h#${cause}`;
  let hash = 0x811c9dc5;
  for (const character of row.spoolId + row.deliveryKey)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  const shards = DUE_SHARDS[dueClassOf(row)];
  return shards[hash % shards.length] ?? 's0';
}

/**
 * From the last thing that happened: counted from acceptance, a message that was held for long would vanish the moment
 * it is relayed.
 */
export function lastInstantOf(row: DeliveryRow): number {
  return Math.max(row.acceptedAt, row.lastAttemptAt ?? 0, row.notice?.at ?? 0, ...row.trace.map(({ at }) => at));
}

function ttlOf(row: DeliveryRow, options: ItemOptions): AttributeValue {
  return secondsOf(lastInstantOf(row) + options.ledgerRetentionMs);
}

/** DynamoDB wants seconds. */
export function secondsOf(instant: number): { N: string } {
  return { N: String(Math.ceil(instant / 1000)) };
}

function attributesOfMessage(message: MessageFacts, options: ItemOptions): { facts: Item; keys: Item } {
  const facts = { ...encode(MESSAGE, message), ...encode(EXTRACT, message.extract) };
  if (message.submission !== undefined) Object.assign(facts, attributesOfSubmission(message.submission));
  if (message.verdicts !== null) facts.ve = { S: lettersOf(message.verdicts) };
  if (message.objectKey === inboundPrefix + message.spoolId) delete facts.k;
  const keys: Item = {};
  if (options.search) {
    keys.reversePathKey = { S: searchKeyOf(message.reversePath) };
    if (message.reversePath === (keys.reversePathKey.S ?? '').replace(NULL_REVERSE_PATH, '')) delete facts.p;
    const { messageIdField } = message.extract;
    if (messageIdField) keys.messageIdField = { S: messageIdField.slice(0, 512) };
    if (messageIdField === keys.messageIdField?.S) delete facts.xi;
  }
  return { facts, keys };
}

function messageOf(spoolId: string, facts: Item, item: Item): MessageFacts {
  const fields = decode(MESSAGE, facts);
  const { listMail, ownNotice, fromMisleads, ...extract } = decode(EXTRACT, facts);
  return {
    ...(fields as unknown as MessageFacts),
    spoolId,
    reversePath: String(fields.reversePath ?? (item.reversePathKey?.S ?? '').replace(NULL_REVERSE_PATH, '')),
    objectKey: String(fields.objectKey ?? inboundPrefix + spoolId),
    extract: {
      ...extract,
      messageIdField: extract.messageIdField ?? item.messageIdField?.S ?? null,
      ...(listMail ? { listMail } : {}),
      ...(ownNotice ? { ownNotice } : {}),
      ...(fromMisleads ? { fromMisleads } : {}),
    } as unknown as Extract,
    verdicts: facts.ve?.S ? verdictsOf(facts.ve.S) : null,
    ...(facts.su ? { submission: submissionOf(facts) } : {}),
  };
}

function attributesOfSubmission({ client, ...submission }: SubmissionFacts): Item {
  if (client === undefined) return encode(SUBMISSION, submission);
  const { address: clientAddress, login: clientLogin, tls: clientTls } = client;
  return encode(SUBMISSION, { ...submission, clientAddress, clientLogin, clientTls });
}

/** An envelope that could not be read has no digest; DynamoDB would keep '' as well, but absent means null. */
function submissionOf(facts: Item): SubmissionFacts {
  const { sha256, smtputf8, clientAddress, clientLogin, clientTls, ...fields } = decode(SUBMISSION, facts);
  const client = { address: clientAddress, login: clientLogin ?? false, tls: clientTls ?? null };
  return {
    ...fields,
    ...(smtputf8 ? { smtputf8 } : {}),
    ...(clientAddress ? { client } : {}),
    sha256: sha256 ?? '',
  } as unknown as SubmissionFacts;
}

type Dsn = NonNullable<DeliveryRow['dsn']>;

function attributesOfDsn({ notify, orcpt }: Dsn): Item {
  return {
    ...(notify === null ? {} : { n: { S: notify.join(',') } }),
    ...(orcpt === null ? {} : { o: { S: orcpt } }),
  };
}

function dsnOf({ n, o }: Item): Dsn {
  return { notify: n?.S === undefined ? null : (n.S.split(',') as Notify[]), orcpt: o?.S ?? null };
}

function attributesOfEvent(event: TraceEvent): Item {
  const { latency, detail, rule, unrecognised, by } = event;
  return {
    ...encode(EVENT, event),
    ...(detail === undefined ? {} : { d: { S: detail } }),
    ...(rule === undefined ? {} : { ru: { S: rule } }),
    ...(unrecognised === undefined ? {} : { un: { BOOL: true } }),
    ...(by === undefined ? {} : { by: { S: by } }),
    ...(latency === undefined ? {} : encode(LATENCY, latency)),
  };
}

function eventOf(attributes: Item): TraceEvent {
  const event = decode(EVENT, attributes) as unknown as TraceEvent;
  return {
    ...event,
    ...(attributes.d?.S === undefined ? {} : { detail: attributes.d.S }),
    ...(attributes.ru?.S === undefined ? {} : { rule: attributes.ru.S }),
    ...(attributes.un?.BOOL === true ? { unrecognised: true as const } : {}),
    ...(attributes.by?.S === undefined ? {} : { by: attributes.by.S }),
    ...(attributes.l === undefined ? {} : { latency: decode(LATENCY, attributes) as TraceEvent['latency'] }),
  };
}

function lettersOf(verdicts: Verdicts): string {
  return VERDICTS.map((check) => VERDICT_LETTERS[verdicts[check]]).join('') + (verdicts.dmarcPolicy ?? '');
}

function verdictsOf(letters: string): Verdicts {
  const statuses = Object.keys(VERDICT_LETTERS) as VerdictStatus[];
  const entries = VERDICTS.map((check, index) => [
    check,
    statuses.find((status) => VERDICT_LETTERS[status] === letters[index]),
  ]);
  return { ...Object.fromEntries(entries), dmarcPolicy: letters.slice(VERDICTS.length) || null };
}

function textOf(value: AttributeValue | undefined): string {
  if (value?.S === undefined) throw new Error('a ledger item without its key');
  return value.S;
}
