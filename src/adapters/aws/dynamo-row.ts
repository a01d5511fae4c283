// Ledger rows as DynamoDB items and back: one flat item a row, at most 1 KB where a message is relayed at once (one
// write unit). Names are short because they are paid for in every item; the tables below are their only dictionary.
// Absent means null (or false), or, where the comment says so, that the value follows from another attribute. Pure: no
// client, no clock.

import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type {
  DeliveryRef,
  DeliveryRow,
  MessageFacts,
  NoticeSummary,
  SubmissionFacts,
  TraceEvent,
  VerdictStatus,
  Verdicts,
} from '#core/delivery/delivery.ts';
import { isSettled } from '#core/delivery/delivery.ts';
import type { Extract } from '#core/message/extract.ts';
import type { Reply } from '#core/reply/reply.ts';
import { inboundPrefix } from '#core/spool/receipt.ts';
import type { Notify } from '#core/submission/submission.ts';
import type { DueRow } from '#pipeline/ports.ts';

export type Item = Record<string, AttributeValue>;
export type ItemOptions = {
  /** Writes the attributes that the three search indexes stand on. */
  readonly search: boolean;
  /** How long a settled row is kept after what happened to it last, in milliseconds. */
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

/** The sparse index `due` spreads over so many partitions, so that no backlog is one partition's. */
export const DUE_SHARDS = 8;
const NULL_REVERSE_PATH = '<>'; // an index key may not be empty

type Kind = 'S' | 'N' | 'BOOL';
type Shape = Readonly<Record<string, readonly [attribute: string, kind: Kind]>>;

const ROW: Shape = {
  schema: ['z', 'N'],
  version: ['v', 'N'],
  noticeOf: ['no', 'S'], // present: the row is a notice
  noticeKind: ['nk', 'S'],
  forwardPath: ['fp', 'S'], // absent: as forwardPathKey
  route: ['ro', 'N'],
  action: ['ac', 'N'],
  nextHop: ['nh', 'S'],
  address: ['ad', 'S'], // absent: as the forward-path
  copy: ['cp', 'BOOL'],
  fallback: ['fb', 'S'],
  state: ['st', 'S'],
  stateReason: ['sr', 'S'],
  attempts: ['at', 'N'],
  claims: ['cl', 'N'],
  acceptedAt: ['acceptedAt', 'N'],
  firstAttemptAt: ['fa', 'N'],
  lastAttemptAt: ['la', 'N'],
  nextAttemptAt: ['na', 'N'],
  expiresAt: ['ex', 'N'],
  leaseUntil: ['lu', 'N'],
  dueAt: ['dueAt', 'N'],
  lastStatus: ['ls', 'S'],
  lastReason: ['le', 'S'],
  lastDetail: ['ld', 'S'],
  possibleDuplicate: ['pd', 'BOOL'],
};
const RESUBMITTED: Shape = { at: ['a', 'N'], from: ['f', 'S'] };
const UNCERTAIN: Shape = { at: ['a', 'N'], told: ['t', 'BOOL'] };
const REPLY: Shape = { code: ['c', 'N'], status: ['s', 'S'], text: ['t', 'S'], host: ['h', 'S'] };
const NOTICE: Shape = {
  kind: ['k', 'S'],
  state: ['s', 'S'],
  via: ['v', 'S'],
  to: ['t', 'S'],
  messageIdField: ['i', 'S'],
  at: ['a', 'N'],
  reason: ['r', 'S'],
};
const EVENT: Shape = {
  at: ['a', 'N'],
  event: ['e', 'S'],
  attempt: ['n', 'N'],
  nextHop: ['h', 'S'],
  status: ['s', 'S'],
  reply: ['r', 'S'],
  reason: ['w', 'S'],
};
const LATENCY: Shape = { openMs: ['o', 'N'], totalMs: ['l', 'N'] };
/** Facts stand in a map `mf` of the sole delivery's row, or in the message's own item. */
const MESSAGE: Shape = {
  direction: ['d', 'S'],
  reversePath: ['p', 'S'], // absent: as reversePathKey
  objectKey: ['k', 'S'], // absent: in/<spoolId>
  size: ['z', 'N'],
  objectVersion: ['v', 'S'],
  acceptedAt: ['a', 'N'],
  configVersion: ['c', 'S'],
};
/** Beside them for outbound mail. Present: it was submitted. */
const SUBMISSION: Shape = {
  submitter: ['su', 'S'],
  sha256: ['sh', 'S'],
  ret: ['re', 'S'],
  envid: ['ei', 'S'],
  smtputf8: ['u8', 'BOOL'],
};
const EXTRACT: Shape = {
  from: ['xf', 'S'],
  to: ['xt', 'S'],
  date: ['xd', 'S'],
  subject: ['xs', 'S'],
  messageIdField: ['xi', 'S'], // absent: as the index attribute messageIdField
  autoSubmitted: ['xa', 'S'],
  listMail: ['xl', 'BOOL'],
  ownNotice: ['xo', 'BOOL'],
  fromMisleads: ['xu', 'BOOL'],
};
/** Verdicts are one letter each in `ve`, in this order, then the DMARC policy where there is one. */
const VERDICTS = ['spam', 'virus', 'spf', 'dkim', 'dmarc'] as const;
const VERDICT_LETTERS: Readonly<Record<VerdictStatus, string>> = {
  PASS: 'P',
  FAIL: 'F',
  GRAY: 'G',
  PROCESSING_FAILED: 'X',
  DISABLED: 'D',
};

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
  if (row.returnPath !== undefined) item.rp = { S: row.returnPath };
  if (row.lastJobSent === true) item.lj = { BOOL: true };
  if (row.heldBecause !== undefined) item.hb = { S: row.heldBecause };
  if (row.resubmitted !== undefined) item.rs = { M: encode(RESUBMITTED, row.resubmitted) };
  if (row.uncertain !== undefined) item.uc = { M: encode(UNCERTAIN, row.uncertain) };
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
    ...(item.lj?.BOOL ? { lastJobSent: true } : {}),
    ...(item.hb?.S ? { heldBecause: item.hb.S as NonNullable<DeliveryRow['heldBecause']> } : {}),
    ...(item.rs?.M ? { resubmitted: decode(RESUBMITTED, item.rs.M) as NonNullable<DeliveryRow['resubmitted']> } : {}),
    ...(item.uc?.M ? { uncertain: decode(UNCERTAIN, item.uc.M) as NonNullable<DeliveryRow['uncertain']> } : {}),
    ...(item.dn?.M ? { dsn: dsnOf(item.dn.M) } : {}),
    lastReply: item.lr?.M ? (decode(REPLY, item.lr.M) as unknown as Reply) : null,
    notice: item.nt?.M ? (decode(NOTICE, item.nt.M) as unknown as NoticeSummary) : null,
    message: facts ? messageOf(spoolId, { a: item.acceptedAt ?? { N: '0' }, ...facts }, item) : null,
    trace: (item.t?.L ?? []).map((event) => eventOf(event.M ?? {})),
  };
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
  return { spoolId, deliveryKey, nextHop, state, nextAttemptAt, expiresAt, dueAt } as DueRow;
}

/** FNV-1a over the key: even, and the same for ever. */
function dueShardOf(ref: DeliveryRef): string {
  let hash = 0x811c9dc5;
  for (const character of ref.spoolId + ref.deliveryKey)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return `s${hash % DUE_SHARDS}`;
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
  if (message.submission !== undefined) Object.assign(facts, encode(SUBMISSION, message.submission));
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

/** An envelope that could not be read has no digest; DynamoDB would keep '' as well, but absent means null. */
function submissionOf(facts: Item): SubmissionFacts {
  const { sha256, smtputf8, ...fields } = decode(SUBMISSION, facts);
  return { ...fields, ...(smtputf8 ? { smtputf8 } : {}), sha256: sha256 ?? '' } as unknown as SubmissionFacts;
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
  const { latency, detail } = event;
  return {
    ...encode(EVENT, event),
    ...(detail === undefined ? {} : { d: { S: detail } }),
    ...(latency === undefined ? {} : encode(LATENCY, latency)),
  };
}

function eventOf(attributes: Item): TraceEvent {
  const event = decode(EVENT, attributes) as unknown as TraceEvent;
  return {
    ...event,
    ...(attributes.d?.S === undefined ? {} : { detail: attributes.d.S }),
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

function encode(shape: Shape, from: object): Item {
  const item: Item = {};
  for (const [field, [attribute, kind]] of Object.entries(shape)) {
    const value: unknown = (from as Record<string, unknown>)[field];
    if (value === null || value === undefined || value === false) continue;
    if (kind === 'BOOL') item[attribute] = { BOOL: true };
    else item[attribute] = kind === 'N' ? { N: String(value) } : { S: String(value) };
  }
  return item;
}

function decode(shape: Shape, item: Item): Record<string, string | number | boolean | null> {
  const fields: Record<string, string | number | boolean | null> = {};
  for (const [field, [attribute, kind]] of Object.entries(shape)) {
    const value = item[attribute];
    if (kind === 'BOOL') fields[field] = value?.BOOL ?? false;
    else if (kind === 'N') fields[field] = value?.N === undefined ? null : Number(value.N);
    else fields[field] = value?.S ?? null;
  }
  return fields;
}

function textOf(value: AttributeValue | undefined): string {
  if (value?.S === undefined) throw new Error('a ledger item without its key');
  return value.S;
}
