// A restore of the ledger: the plan of one, drawn from a stream of its own, and the operator who carries it out by the
// product's own code. The ledger goes back to its state of up to an hour ago: rows are lost, or written over. Jobs in
// queues, content and what next hops took stay as they are.

import { beginRestore, type RestoreReport, restore, type StoredVersions } from '#pipeline/operate/restore.ts';
import { Chance, hashOf } from './chance.ts';
import type { End } from './evidence.ts';
import { HOUR } from './plan.ts';
import type { Invocation } from './process.ts';
import type { LedgerCopy } from './watched-ledger.ts';
import type { World } from './world.ts';

export type RestorePlan = {
  /** Milliseconds after the start: to which state, and when the ledger goes back. */
  readonly since: number;
  readonly at: number;
  /** Of a hundred messages, so many lose their rows. */
  readonly lost: number;
  /** Rows that stand are put back too. */
  readonly replace: boolean;
  /** All mail is paused from before until it is over. */
  readonly paused: boolean;
};

/** How many of a hundred seeds have one. */
const SEEDS_WITH = 0.1;

/** `wanted`: every seed, or none; absent: some. */
export function restoreOf(seed: number, calmFrom: number, wanted: boolean | undefined): RestorePlan | null {
  const chance = new Chance(hashOf(seed, 'restore'));
  const happens = chance.happens(SEEDS_WITH);
  if (!(wanted ?? happens)) return null;
  const at = chance.whole(0, calmFrom) + chance.of([0, 0, HOUR / 2, 2 * HOUR]);
  const lost = chance.of([0, 30, 100, 100]);
  return {
    ...{ since: Math.max(0, at - chance.whole(0, HOUR)), at, lost },
    replace: lost === 0 || chance.happens(0.5),
    paused: chance.happens(0.4),
  };
}

/** Beside the script's ends: what nothing names any more is held, and a fact that was lost with its row is not told. */
export function endsByRestore(plan: RestorePlan | null): End[] {
  return plan === null || plan.lost === 0 ? [] : ['held: receipt-missing', 'held: rows-may-be-missing', 'handed-on'];
}

type Deeds = {
  pauseAll(): Promise<void>;
  resumeAll(): Promise<void>;
  untilAnswered(command: (process: Invocation) => Promise<RestoreReport>): Promise<RestoreReport>;
};

export function planRestore(world: World, plan: RestorePlan, start: number, deeds: Deeds): void {
  let copy: LedgerCopy | null = null;
  world.schedule.at(start + plan.since, () => {
    copy = world.ledger.copy();
  });
  world.schedule.at(start + plan.at, () => {
    if (copy !== null) void carryOut(world, { plan, copy, since: start + plan.since }, deeds);
  });
}

function versionsIn({ spool }: World): StoredVersions {
  return {
    look: async (objectKey, signal) => {
      const content = await spool.head(objectKey, 1, signal);
      if (content.kind === 'read') return content.undeleted === true ? 'hidden' : 'current';
      return content.cause === 'missing' ? 'none' : 'current';
    },
  };
}

type Given = { readonly plan: RestorePlan; readonly copy: LedgerCopy; readonly since: number };

async function carryOut(world: World, { plan, copy, since }: Given, deeds: Deeds): Promise<void> {
  if (plan.paused) await deeds.pauseAll();
  await beginRestore({ ledger: world.ledger.port, clock: { now: () => world.schedule.now } }, since);
  const chance = new Chance(hashOf(world.plan.seed, 'lost rows'));
  const all = new Set(world.ledger.all().map(({ spoolId }) => spoolId));
  // Where no list shows the content either, nothing is left by which anybody could know of the message.
  const spoolIds = [...all].filter((spoolId) => !world.mail.losesContent(spoolId)).sort();
  world.ledger.lose(spoolIds.filter(() => chance.whole(0, 99) < plan.lost));
  const report = await deeds.untilAnswered((process) =>
    restore(
      {
        ledger: process.port('ledger', 'ledger', world.ledger.port),
        restored: process.port('restored', 'ledger', world.ledger.restored(copy)),
        versions: process.port('versions', 'spool', versionsIn(world)),
        ...{ clock: process.clock, by: 'ann' },
      },
      { since, replace: plan.replace },
      process.signal,
    ),
  );
  world.coverage.count('restore');
  world.coverage.count('restore: missing rows put back', report.missing);
  world.coverage.count('restore: standing rows put back', report.replaced);
  if (plan.paused) await deeds.resumeAll();
}
