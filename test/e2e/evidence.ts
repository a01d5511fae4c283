// What a running instance and the servers around it have for the checker of the claim (test/claim): what the front door
// gave a 250 for, what the catcher keeps, the ledger's rows, and the alarms. It decides nothing.

import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { dynamoFor, findInstance } from '#cli/find-instance.ts';
import type { DeliveryState } from '#core/delivery/delivery.ts';
import type { TraceRecord } from '#pipeline/ports.ts';
import { check } from '../claim/checker.ts';
import type { Due, End, Evidence, Taken } from '../claim/evidence.ts';
import { isOurs } from '../claim/matching.ts';
import { asRelayed } from './arrival.ts';
import { type Instance, tool } from './instance.ts';
import type { Caught } from './smtp.ts';

/** A message that was given a 250. It is known by one of these three, which no other bears. */
export type Sent = {
  readonly messageIdField?: string;
  /** Of its one recipient. */
  readonly forwardPath?: string;
  readonly reversePath: string;
  readonly content: Uint8Array;
  readonly deliveries: readonly Due[];
};
type AlarmReport = { readonly name: string; readonly state: string; readonly raisedAt: string | null };

const DAY_MS = 86_400_000;
/** An alarm is looked at each minute. */
const ALARM_MS = 61_000;

/** One line for each thing that is wrong. */
export async function findingsAt(
  instance: Instance,
  sent: readonly Sent[],
  caught: readonly Caught[],
  more: Partial<Pick<Evidence, 'mayStandInFront'>> = {},
): Promise<string[]> {
  const evidence = await evidenceAt(instance, sent, caught.map(takenOf));
  return check({ ...evidence, ...more }).findings.map(({ kind, spoolId, says }) => `${kind} ${spoolId} ${says}`);
}

export async function evidenceAt(
  instance: Instance,
  sent: readonly Sent[],
  taken: readonly Taken[],
): Promise<Evidence> {
  const found = await findInstance({ data: instance.data, stack: null });
  const client = dynamoFor(found);
  const ledger = new DynamoLedger(client, found.table, { ledgerRetentionMs: 90 * DAY_MS, search: true });
  const records = await ledger.trace({ limit: 1_000_000 });
  client.destroy();
  const spoolIds = spoolIdsOf(records);
  const alarms = await tool<readonly AlarmReport[]>(instance, 'GET', '/alarms');
  return {
    accepted: sent.map(({ messageIdField, forwardPath, ...message }) => ({
      ...message,
      direction: 'inbound' as const,
      content: asRelayed(message.content),
      spoolId: spoolIds(messageIdField ?? forwardPath ?? message.reversePath),
    })),
    taken,
    serviceNotices: [],
    rows: records.flatMap(({ rows }) => rows),
    waitsForPerson: alarms.some(({ name, state }) => name.endsWith('/WaitsForPerson') && state === 'ALARM') ? 1 : 0,
    inDeadLetters: new Set(),
    postmaster: [{ nextHop: 'exchange', address: 'postmaster@example.com' }],
    mayStandInFront: standsAboveAccepted,
    skewMs: ALARM_MS,
    expiryExcused: false,
    seen: [],
  };
}

/** By Message-ID, reverse-path or forward-path. */
function spoolIdsOf(records: readonly TraceRecord[]): (name: string) => string {
  const ids = new Map<string, string>();
  for (const { message, rows } of records)
    for (const name of [message.extract.messageIdField, message.reversePath, ...rows.map((row) => row.forwardPath)])
      if (name !== null && !ids.has(name)) ids.set(name, message.spoolId);
  return (name) => ids.get(name) ?? `(no row has ${name})`;
}

/** By `exchange`, to the same address, unless it is said. */
export function dueFor(forwardPath: string, state: DeliveryState, more: Partial<Due> = {}): Due {
  const end: End =
    state === 'relayed' || state === 'confirmed'
      ? 'handed-on'
      : state === 'returned'
        ? 'returned'
        : `${state as 'held'}: *`;
  const ways = [{ nextHop: 'exchange', address: forwardPath }];
  return { forwardPath, action: 0, copy: false, ways, ends: [end], ...more };
}

/** What SES puts above a message that it takes in; its own Return-Path is gone by then. */
export function standsAboveAccepted(name: string, field: string): boolean {
  return isOurs(name, field) || /^(?:received|received-spf|authentication-results|x-ses-[a-z-]+)$/.test(name);
}

function takenOf({ reversePath, forwardPaths, content }: Caught): Taken {
  return { nextHop: 'exchange', reversePath, address: forwardPaths[0] ?? '', content, answer: 'accepted' };
}
