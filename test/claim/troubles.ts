// The troubles of a plan: services that are away, bad deploys, purged queues, spoilt content and clocks that differ.
// Drawn from a stream of their own. It decides nothing that the product decides.

import type { Chance } from './chance.ts';
import type { End } from './evidence.ts';
import { HOUR, MINUTE, SECOND, SERVICES, STAGES, type Stage, type Trouble } from './plan.ts';

type Room = { readonly calmFrom: number; readonly lifetimeMs: number; readonly count: number };

export function troublesOf(chance: Chance, room: Room): Trouble[] {
  return Array.from({ length: chance.whole(1, 3) }, () => troubleOf(chance, room));
}

function troubleOf(chance: Chance, { calmFrom, lifetimeMs, count }: Room): Trouble {
  const from = chance.whole(0, calmFrom);
  const until =
    from +
    chance.weighted([
      [3, chance.whole(SECOND, 10 * MINUTE)],
      [2, chance.whole(10 * MINUTE, 2 * HOUR)],
      [1, Math.round(1.2 * lifetimeMs)],
    ]);
  return chance.weighted<Trouble>([
    [4, { kind: 'outage', service: chance.of(SERVICES), from, until }],
    [2, badDeploy(chance, from, lifetimeMs)],
    [2, { kind: 'purge-queue', queue: chance.of(['ingest', 'relay', 'bounce', 'feedback']), at: from }],
    [
      3,
      {
        kind: 'content',
        message: chance.whole(0, count - 1),
        how: chance.of(['hidden', 'damaged', 'denied', 'removed']),
        from,
        until: chance.happens(0.5) ? until : null,
      },
    ],
    [
      3,
      {
        kind: 'skew',
        stage: chance.of(STAGES),
        worker: chance.whole(0, 1),
        byMs: chance.weighted([
          [3, chance.whole(-2_000, 2_000)],
          [1, chance.whole(-20 * MINUTE, 20 * MINUTE)],
        ]),
      },
    ],
  ]);
}

const DEADLY: readonly (readonly [Stage, string])[] = [
  ['relay', 'attempt'],
  ['relay', 'attempt'],
  ['relay', 'sendBounce'],
  ['relay', 'write'],
  ['relay', 'open'],
  ['ingest', 'create'],
  ['ingest', 'send'],
  ['bounce', 'create'],
  ['bounce', 'write'],
  ['bounce', 'send'],
  ['feedback', 'write'],
  ['sweep', 'write'],
  ['sweep', 'send'],
  ['orphans', 'create'],
  ['purge', 'remove'],
];

function badDeploy(chance: Chance, from: number, lifetimeMs: number): Trouble {
  const [stage, call] = chance.of(DEADLY);
  const until =
    from +
    chance.weighted([
      [3, HOUR],
      [1, chance.whole(HOUR, Math.round(1.2 * lifetimeMs))],
    ]);
  if (chance.happens(0.3)) return { kind: 'bad-deploy', stage: chance.of(STAGES), dies: 'at-start', from, until };
  return { kind: 'bad-deploy', stage, dies: { call, when: chance.of(['before', 'after', 'after']) }, from, until };
}

/** What lasts long may end a lifetime, and what was lost may end in a hold. */
export function endsOf(troubles: readonly Trouble[]): End[] {
  const short = troubles.every(
    (trouble) =>
      trouble.kind === 'skew' ||
      trouble.kind === 'purge-queue' ||
      ((trouble.kind === 'outage' ||
        (trouble.kind === 'content' && trouble.until !== null && trouble.how !== 'removed')) &&
        (trouble.until ?? 0) - trouble.from < HOUR),
  );
  const held: End[] = troubles.some(({ kind }) => kind === 'purge-queue') ? ['held: receipt-missing'] : [];
  return short ? held : ['returned', 'held: *'];
}
