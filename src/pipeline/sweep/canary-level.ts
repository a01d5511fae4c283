// The canary: sent by schedule, and looked for until it arrives. Called by each run of the sweep, where `canary` is
// configured. It publishes the level CanaryLate, and asks the feedback function to send the next one. While a pause
// keeps what the canary's way carries, none is sent and none is late. It touches no row.
//
// | effect, in order | if we die right after                                                 |
// | ---------------- | --------------------------------------------------------------------- |
// | 1 level          | published once more by the next run                                   |
// | 2 job            | the next run sends another canary: nobody waits for the first one     |
// | 3 record         | done                                                                  |

import type { Settings } from '#config/settings.ts';
import {
  afterArrivals,
  afterSending,
  awaitingNone,
  type CanaryRecord,
  hasArrived,
  isCanaryDue,
  lateMs,
  noCanaries,
} from '#core/delivery/canary-watch.ts';
import { type Pauses, pausesOf } from '#core/delivery/pause.ts';
import { canaryLateAlarmMinutes } from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import { canaryId } from '#core/message/canary.ts';
import type { RouteTable } from '#core/routing/routes.ts';
import { askForCanary, canaryRow, readCanaries, writeCanaries } from '#pipeline/canaries.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, Entropy, JobQueue, Ledger, Watch } from '#pipeline/ports.ts';

export type CanaryPorts = {
  readonly settings: Settings;
  readonly routes: RouteTable;
  readonly ledger: Ledger;
  readonly board: BoardView;
  readonly canaryQueue: JobQueue;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly watch: Watch;
  /** An hour of the clock, in milliseconds: the local runtime's may be shorter. */
  readonly hourMs: number;
};

export async function watchCanary(ports: CanaryPorts): Promise<void> {
  const { settings, ledger, clock, watch, hourMs } = ports;
  const { canary } = settings;
  if (canary === null) return;
  const now = clock.now();
  const before = (await readCanaries(ledger)) ?? noCanaries(canary.to);
  const record = { ...before, to: canary.to };
  if (isOnPausedWay(ports, pausesOf((await ports.board.board()).pauses, settings, now), canary.to)) {
    watch.level('CanaryLate', 0);
    return keep(ports, before, awaitingNone(record));
  }
  const arrived = afterArrivals(record, await arrivals(ports, record));
  const minutes = Math.floor((60 * lateMs(arrived, now)) / hourMs);
  watch.level('CanaryLate', minutes);
  if (minutes >= canaryLateAlarmMinutes) await tellWhere(ports, arrived, minutes);
  await keep(ports, before, isCanaryDue(arrived, canary.everyMs, now) ? await send(ports, arrived, now) : arrived);
}

async function send({ canaryQueue, entropy, watch }: CanaryPorts, record: CanaryRecord, now: number) {
  const id = canaryId(now, entropy.fraction());
  await askForCanary(canaryQueue, id);
  watch.info('sweep.canary', { canary: id, to: record.to });
  return afterSending(record, { id, at: now });
}

async function keep({ ledger }: CanaryPorts, before: CanaryRecord, record: CanaryRecord): Promise<void> {
  if (JSON.stringify(record) !== JSON.stringify(before)) await writeCanaries(ledger, record);
}

async function arrivals({ ledger }: CanaryPorts, { awaited }: CanaryRecord): Promise<ReadonlySet<string>> {
  const arrived = new Set<string>();
  for (const { id } of awaited.toReversed()) {
    const row = await canaryRow(ledger, id);
    if (row === null || !hasArrived(row)) continue;
    arrived.add(id);
    break; // those before it are not awaited any more
  }
  return arrived;
}

/** The latest one, because the oldest may have had its time. */
async function tellWhere({ ledger, watch }: CanaryPorts, record: CanaryRecord, minutes: number): Promise<void> {
  const latest = record.awaited.at(-1);
  const row = latest === undefined ? null : await canaryRow(ledger, latest.id);
  watch.warn('sweep.canary-late', {
    minutes,
    canary: latest?.id,
    to: record.to,
    ...(row === null
      ? { state: 'not received' }
      : { state: row.state, spoolId: row.spoolId, nextHop: row.nextHop, reason: row.lastReason }),
  });
}

/** The pauses of a next hop, of inbound mail and of all. */
function isOnPausedWay({ routes }: CanaryPorts, { standing }: Pauses, to: string): boolean {
  const mailbox = parseMailbox(to);
  const nextHop = mailbox === null ? undefined : routes.resolve(mailbox, 'inbound')?.actions[0]?.via;
  return standing.some(({ scope }) => scope === 'inbound' || scope === 'all' || scope === nextHop);
}
