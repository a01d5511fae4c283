// Which canaries are awaited, and for how long the oldest of them is. The sweep calls it each minute, and keeps its
// record. Pure. A canary arrived when the next hop accepted it. One that arrives ends the wait for those that were sent
// before it: mail comes through again.

import { canariesAwaitedMax } from '#core/limits.ts';
import type { DeliveryRow } from './delivery.ts';

/** A canary that was sent. `at` in milliseconds since the epoch. */
export type SentCanary = { readonly id: string; readonly at: number };

export type CanaryRecord = {
  /** To whom the configuration sends them. */
  readonly to: string;
  readonly last: SentCanary | null;
  /** In the order in which they were sent; the latest of them, where there are many. */
  readonly awaited: readonly SentCanary[];
  /** When the oldest was sent that did not arrive, nor any after it; null: all did. */
  readonly since: number | null;
};

export function noCanaries(to: string): CanaryRecord {
  return { to, last: null, awaited: [], since: null };
}

/** By its row. Whatever SES reports of it afterwards, the sweep has seen it by then. */
export function hasArrived({ state }: Pick<DeliveryRow, 'state'>): boolean {
  return state === 'relayed' || state === 'confirmed';
}

export function afterArrivals(record: CanaryRecord, arrived: ReadonlySet<string>): CanaryRecord {
  const last = record.awaited.findLastIndex(({ id }) => arrived.has(id));
  if (last === -1) return record;
  const awaited = record.awaited.slice(last + 1);
  return { ...record, awaited, since: awaited[0]?.at ?? null };
}

export function afterSending(record: CanaryRecord, sent: SentCanary): CanaryRecord {
  const awaited = [...record.awaited, sent].slice(-canariesAwaitedMax);
  return { ...record, last: sent, awaited, since: record.since ?? sent.at };
}

/** A pause keeps what is under way: nobody waits for it. */
export function awaitingNone(record: CanaryRecord): CanaryRecord {
  return record.since === null ? record : { ...record, awaited: [], since: null };
}

export function isCanaryDue({ last }: CanaryRecord, everyMs: number, now: number): boolean {
  return last === null || now - last.at >= everyMs;
}

export function lateMs({ since }: CanaryRecord, now: number): number {
  return since === null ? 0 : Math.max(0, now - since);
}
