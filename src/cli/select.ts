// Selects the deliveries that an operator's verb means: those of one message, or all with a state, a reason or a next
// hop; for `resubmit`, those that a next hop accepted within a period. The verbs call it. It only reads. Where there
// are many, it takes the newest messages first, up to a limit.

import { isMeant } from '#adapters/trace-query.ts';
import { parseDuration } from '#config/values.ts';
import type { DeliveryRow, DeliveryState } from '#core/delivery/delivery.ts';
import { standsAlone } from '#core/delivery/delivery.ts';
import type { Ledger, TraceQuery } from '#pipeline/ports.ts';
import { Usage } from './exit.ts';
import { flag, text, type ValuesOf } from './verb.ts';

export type Selection = {
  /** Null: not one message, but many. */
  readonly spoolId: string | null;
  readonly forwardPath: string | undefined;
  readonly action: number | undefined;
  readonly row: NonNullable<TraceQuery['row']>;
  /** Accepted within this time, in milliseconds. */
  readonly sinceMs: number | undefined;
  /** Deliveries, of many. */
  readonly max: number;
};

/** One message, and of it some deliveries. */
export const oneMessage = {
  'spool-id': text('ID', 'one message (its spool id is in every notice, and in everpost trace)'),
  'forward-path': text('ADDR', 'only its deliveries to this recipient'),
  action: text('N', 'of those, only the one by this action of the route (0 is the first)'),
};
/** Or deliveries of many messages. */
export const manyMessages = {
  state: text('STATE', 'instead of one message: all deliveries in this state; without --yes they are only shown'),
  reason: text(
    'REASON',
    'of those, only the ones for this reason, as the list shows it: how they came to be held (foreign-author), or the first word of the reason',
  ),
  'next-hop': text('NAME', 'of those, only the ones at this next hop'),
  since: text('DURATION', 'of those, only the ones accepted within this time: 30s, 15m, 4h, 2d'),
  limit: text('N', 'at most N, newest first (default 100)'),
  yes: flag('do it'),
};
type Values = Omit<ValuesOf<typeof oneMessage & typeof manyMessages>, 'yes'>;

/** `states`: those that the verb can do something about. Throws Usage. */
export function selectionOf(values: Values, states: readonly DeliveryState[]): Selection {
  const {
    'spool-id': spoolId,
    'forward-path': forwardPath,
    'next-hop': nextHop,
    action,
    reason,
    since,
    limit,
  } = values;
  if ((spoolId === undefined) === (values.state === undefined))
    throw new Usage('say which: --spool-id for one message, or --state for many');
  const state = states.find((each) => each === values.state);
  if (values.state !== undefined && state === undefined)
    throw new Usage(`--state takes ${states.join(' or ')} here, not "${values.state}"`);
  if (action !== undefined && !/^\d+$/.test(action)) throw new Usage('--action takes a number from 0');
  const sinceMs = since === undefined ? undefined : parseDuration(since);
  if (sinceMs === null) throw new Usage(`--since takes a duration such as 4h or 2d, not "${since}"`);
  const max = Number(limit ?? '100');
  if (!Number.isInteger(max) || max < 1) throw new Usage('--limit takes a whole number from 1');
  return {
    spoolId: spoolId ?? null,
    forwardPath,
    action: action === undefined ? undefined : Number(action),
    row: { ...(state === undefined ? {} : { states: [state] }), reason, nextHop },
    sinceMs,
    max,
  };
}

/** The deliveries that are named, and held notices that answer for none. Each was so when it was read. */
export async function select(ledger: Ledger, selection: Selection, now: number): Promise<readonly DeliveryRow[]> {
  const { spoolId, forwardPath, sinceMs, row, max } = selection;
  const records = await ledger.trace({
    ...(spoolId === null ? { row, forwardPath } : { spoolId }),
    ...(sinceMs === undefined ? {} : { since: now - sinceMs }),
    limit: spoolId === null ? max : 1,
  });
  const rows = records.flatMap((record) => record.rows.filter((each) => isNamed(each, selection)));
  return spoolId === null ? rows.slice(0, max) : rows;
}

function isNamed(row: DeliveryRow, { forwardPath, action, row: wanted }: Selection): boolean {
  if (row.kind === 'notice' && !(standsAlone(row) && row.state === 'held')) return false;
  if (forwardPath !== undefined && row.forwardPath.toLowerCase() !== forwardPath.toLowerCase()) return false;
  return (action === undefined || row.action === action) && isMeant(row, wanted);
}
