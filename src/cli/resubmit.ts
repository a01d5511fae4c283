// `everpost resubmit`: relays again the mail that a next hop accepted within a period and then lost. It first shows the
// rows; with --yes it queues them and sends their jobs. It never touches content and never resubmits a notice. A second
// call with the same arguments does not resubmit the same rows again.

import { parseDuration } from '#config/values.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { doubtAbout } from '#core/delivery/resubmission.ts';
import { operateConcurrency, queueRetentionMs } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import { type Operated, type ResubmitPorts, resubmit as resubmitRow, whyNotNow } from '#pipeline/operate/operate.ts';
import { exitCodes, NotReachable, Usage } from './exit.ts';
import { findInstance, spoolFor } from './find-instance.ts';
import type { Line } from './name-recipients.ts';
import { codeOf, describe, onlyShown, portsOf, print } from './operate.ts';
import { type Selection, select } from './select.ts';
import { flag, instanceOptions, text, type ValuesOf, verb } from './verb.ts';

const lossOptions = {
  'next-hop': text('NAME', 'what this next hop accepted'),
  since: text(
    'WHEN',
    'at attempts that began within this time (30s, 15m, 4h, 2d) or since this instant (2026-01-31T10:00:00Z); an attempt may have begun minutes before it was accepted',
  ),
  until: text('WHEN', 'and before then (default now)'),
  'spool-id': text('ID', 'of that, one message'),
  'forward-path': text('ADDR', 'of that, what is for this recipient'),
  limit: text(
    'N',
    'at most N deliveries, newest first (default 100); the same command with --yes goes on with the next',
  ),
  again: flag('also what has been resubmitted since then'),
  lifetime: text('DURATION', 'how long it is tried from now (default 48h)'),
  yes: flag('do it; without it the deliveries are only shown'),
};
const placeOptions = { ...instanceOptions, json: flag('one JSON array: what became of each delivery') };
type Words = ValuesOf<typeof lossOptions>;

export const resubmit = verb({
  usage: 'resubmit --next-hop NAME --since WHEN [options]',
  about: 'relays again what a next hop took and lost',
  sections: [
    lossOptions,
    'A recipient who has the message already gets it twice. The second copy has the field X-Everpost-Possible-Duplicate.',
    placeOptions,
  ],
  run: resubmitLost,
});
const NEVER = new AbortController().signal;

async function resubmitLost(words: Words & ValuesOf<typeof placeOptions>): Promise<number> {
  const lifetimeMs = parseDuration(words.lifetime ?? '48h');
  if (lifetimeMs === null || lifetimeMs >= queueRetentionMs)
    throw new Usage(`--lifetime takes a duration of less than 14d, such as 48h, not "${words.lifetime}"`);
  const selectionAt = lossOf(words);
  const instance = await findInstance(words);
  const ports = { ...(await portsOf(instance)), spool: spoolFor(instance) };
  const selection = selectionAt(ports.clock.now());
  const meant = await select(ports.ledger, selection, ports.clock.now()).catch((error: unknown) => {
    throw new NotReachable(`the ledger ${instance.table} cannot be read: ${wordsOf(error)}`);
  });
  const lines = await inTurns(
    meant.map((row, index) => ({ row, index })),
    operateConcurrency,
    async ({ row, index }) => ({
      index,
      ...(await (words.yes === true ? done(ports, row, lifetimeMs) : shown(ports, row))),
    }),
    NEVER,
  );
  lines.sort((a, b) => a.index - b.index);
  print(
    lines.map(({ line }) => line),
    words.json === true,
  );
  if (meant.length === selection.max)
    process.stderr.write(`everpost: ${selection.max} is the limit; there may be more (--limit N)\n`);
  if (words.yes === true) return codeOf(lines.map(({ result }) => result));
  return meant.length > 0 ? exitCodes.done : exitCodes.failed;
}

type Told = { readonly line: Line; readonly result: Operated };

async function done(ports: ResubmitPorts, row: DeliveryRow, lifetimeMs: number): Promise<Told> {
  // A failure of one delivery must not hide the results of the others. Where the row was written, the sweep sends its
  // job.
  const result = await resubmitRow(ports, row, lifetimeMs, NEVER).catch(
    (error: unknown): Operated => ({ kind: 'refused', row, why: `${wordsOf(error)}; try again`, tryAgain: true }),
  );
  return told(row, result);
}

async function shown(ports: ResubmitPorts, row: DeliveryRow): Promise<Told> {
  const doubt = doubtAbout(row);
  const why = doubt === null ? onlyShown : `${onlyShown}; ${doubt}`;
  return told(row, (await whyNotNow(ports, row, NEVER)) ?? { kind: 'refused', row, why });
}

function told(row: DeliveryRow, result: Operated): Told {
  const relayedAt = row.lastAttemptAt === null ? null : new Date(row.lastAttemptAt).toISOString();
  return { line: { ...describe(row, result), relayedAt }, result };
}

/**
 * The instants that the options mean, by the instance's clock: the local runtime's may be days ahead. Throws Usage in
 * both cases.
 */
export function lossOf(words: Words): (now: number) => Selection {
  const { 'next-hop': nextHop, 'spool-id': spoolId, 'forward-path': forwardPath, since, until, limit, again } = words;
  if (nextHop === undefined || nextHop === '') throw new Usage('--next-hop is missing: it says who lost the mail');
  if (since === undefined) throw new Usage('--since is missing: it says from when on mail was lost');
  const fromAt = momentOf('--since', since);
  const untilAt = until === undefined ? (now: number) => now + 1 : momentOf('--until', until);
  const max = Number(limit ?? '100');
  if (!Number.isInteger(max) || max < 1) throw new Usage('--limit takes a whole number from 1');
  return (now) => {
    const attempted = { from: fromAt(now), until: untilAt(now) };
    if (attempted.from >= attempted.until) throw new Usage('--since must be before --until, and not in the future');
    const resubmittedBefore = again === true ? {} : { resubmittedBefore: attempted.from };
    const row = { states: ['relayed', 'confirmed'] as const, nextHop, attempted, ...resubmittedBefore };
    // Not by acceptance: it may have been deferred for days before.
    return { spoolId: spoolId ?? null, forwardPath, action: undefined, row, sinceMs: undefined, max };
  };
}

/** A duration before now, or an instant with its zone: without one it would mean another time on each machine. */
export function momentOf(option: string, text: string): (now: number) => number {
  const before = parseDuration(text);
  if (before !== null) return (now) => now - before;
  const zoned = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const at = zoned ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw new Usage(
      `${option} takes a duration such as 4h or 2d, or an instant such as 2026-01-31T10:00:00Z, not "${text}"`,
    );
  return () => at;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
