// What is promised of next hops, checked by their own records: their limits are kept, a pause is kept, and a next hop
// that turns has few of its failures returned. Beside the records it asks what the operator was told, and the ledger
// alone for how a delivery ended. Pure.

import type { Direction } from '#core/delivery/delivery.ts';
import type { Finding, FindingKind, Recorded } from './evidence.ts';

/** One attempt, as the next hop saw it. Instants are milliseconds since the epoch. */
export type Seen = {
  readonly nextHop: string;
  /** The delivery, or the notice. */
  readonly spoolId: string;
  readonly deliveryKey: string;
  readonly address: string;
  readonly from: number;
  /** Its connection ended, also by the death of the function. */
  until: number;
  /** When its function was given the job, and when the gate let it in; null: nobody was asked. */
  readonly givenAt: number;
  readonly turnAt: number | null;
  /** `turned`: refused in words that no rule knows. */
  answer: 'accepted' | 'turned' | 'other';
};

/** What an operator said, or a deploy, of a scope; null: resumed. */
export type Word = {
  readonly scope: string;
  readonly by: 'operator' | 'configuration';
  readonly mode: 'hold' | 'drain' | null;
  /** Nothing of it was known before. */
  readonly askedAt: number;
  /** From then on it stands; null: its answer never came. */
  told: number | null;
};

export type HopEvidence = {
  readonly seen: readonly Seen[];
  readonly words: readonly Word[];
  readonly rows: readonly Recorded[];
  /** By next hop. */
  readonly limits: ReadonlyMap<string, { readonly concurrency: number | null; readonly perSecond: number | null }>;
  readonly accepted: ReadonlyMap<string, { readonly at: number; readonly direction: Direction }>;
  readonly skewMs: number;
  /** By how much an answer of a port may be late. */
  readonly lateMs: number;
};

/** Functions read the board of next hops so often (docs/decisions/pauses.md). */
const BOARD_MS = 10_000;
const HOUR = 3_600_000;
/** So many recipients are told of a failure that no rule knows, within an hour (docs/decisions/failure-limit.md). */
const RETURNED_MAX = 10;
/** From a refusal to its count: some calls of the ledger. */
const COUNTED_MS = 3 * 60_000;
/** AWS keeps clocks within milliseconds; leases and rates compare them (docs/decisions/next-hop-limits.md). */
const CLOCKS_MS = 2_000;

export function checkHops(evidence: HopEvidence): Finding[] {
  const hops = Map.groupBy(evidence.seen, ({ nextHop }) => nextHop);
  return [
    ...[...hops].flatMap(([nextHop, seen]) => checkHop(evidence, nextHop, seen)),
    ...evidence.seen.flatMap((each) => checkPause(evidence, each)),
  ];
}

function checkHop(evidence: HopEvidence, nextHop: string, seen: readonly Seen[]): Finding[] {
  const limits = evidence.limits.get(nextHop);
  const inOrder = [...seen].sort((a, b) => a.from - b.from);
  return [
    ...(limits?.concurrency == null ? [] : checkConcurrency(evidence, nextHop, inOrder, limits.concurrency)),
    ...(limits?.perSecond == null ? [] : checkRate(evidence, nextHop, inOrder, limits.perSecond)),
    ...checkTurned(evidence, nextHop, inOrder),
  ];
}

function find(kind: FindingKind, { spoolId, address, nextHop }: Seen, what: string): Finding {
  return { kind, spoolId, says: `<${address}> at ${nextHop}: ${what}` };
}

function checkConcurrency({ skewMs }: HopEvidence, _: string, inOrder: readonly Seen[], most: number): Finding[] {
  if (skewMs > CLOCKS_MS) return [];
  const worst = inOrder.find((each) => atOnce(inOrder, each) > most);
  return worst === undefined ? [] : [find('over-limit', worst, `${atOnce(inOrder, worst)} at once, and not ${most}`)];
}

function atOnce(inOrder: readonly Seen[], { from }: Seen): number {
  return inOrder.filter((each) => each.from <= from && from < each.until).length;
}

/** No span of time has more than the rate allows, but for one. What a function took after its turn is the network's. */
function checkRate({ skewMs }: HopEvidence, _: string, inOrder: readonly Seen[], perSecond: number): Finding[] {
  const turns = inOrder.map((each) => each.turnAt ?? each.from).sort((a, b) => a - b);
  const spacingMs = 1_000 / perSecond;
  for (let first = 0; first < turns.length; first++)
    for (let last = first + 1; last < turns.length; last++) {
      const [began, ended] = [turns[first] ?? 0, turns[last] ?? 0];
      const least = (last - first - 1) * spacingMs - 2 * skewMs - 1;
      const [at] = inOrder;
      if (at !== undefined && ended - began < least)
        return [find('over-limit', at, `${last - first + 1} within ${ended - began} ms, at ${perSecond} a second`)];
    }
  return [];
}

// ── Pauses ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A job that was given to its function after the pause stood, and a look at the board, makes no attempt. */
function checkPause(evidence: HopEvidence, seen: Seen): Finding[] {
  const { words, skewMs } = evidence;
  const isNotice = seen.deliveryKey === 'digest' || seen.deliveryKey.includes('-');
  const message = evidence.accepted.get(seen.spoolId);
  const scopes = isNotice ? [seen.nextHop] : [seen.nextHop, 'all', message?.direction ?? ''];
  for (const scope of scopes) {
    const standing = standingAt(words, scope, seen.from);
    if (standing === null || seen.givenAt <= standing.told + BOARD_MS + 2 * skewMs) continue;
    // A drain keeps what was accepted after it alone.
    if (standing.mode === 'drain' && (message === undefined || message.at <= standing.told + 2 * skewMs)) continue;
    return [find('while-paused', seen, `attempted while ${scope} is paused (${standing.mode})`)];
  }
  return [];
}

/** Null where none stands, or nobody could say. */
export function standingAt(
  words: readonly Word[],
  scope: string,
  at: number,
): { readonly mode: 'hold' | 'drain'; readonly told: number } | null {
  const said = words.filter((word) => word.scope === scope && word.askedAt <= at);
  const operator = said.findLast(({ by }) => by === 'operator');
  const configured = said.findLast(({ by }) => by === 'configuration');
  const isOperators =
    operator !== undefined &&
    (operator.told === null ||
      operator.mode !== null ||
      configured === undefined ||
      operator.told >= configured.askedAt);
  const word = isOperators ? operator : configured;
  if (word === undefined || word.told === null || word.told > at || word.mode === null) return null;
  return { mode: word.mode, told: word.told };
}

// ── A next hop that turns ───────────────────────────────────────────────────────────────────────────────────────────

function checkTurned(evidence: HopEvidence, nextHop: string, inOrder: readonly Seen[]): Finding[] {
  const { rows } = evidence;
  const lateMs = COUNTED_MS + evidence.lateMs;
  const last = new Map<string, Seen>();
  for (const each of inOrder) last.set(`${each.spoolId}\n${each.deliveryKey}`, each);
  const turned = [...last.values()].filter(({ answer }) => answer === 'turned');
  if (turned.length === 0) return [];
  const firstAccepted = inOrder.find(({ answer }) => answer === 'accepted')?.from ?? Number.POSITIVE_INFINITY;
  const acceptances = inOrder.filter(({ answer, deliveryKey }) => answer === 'accepted' && !deliveryKey.includes('-'));
  const refused = turned.flatMap((seen) => {
    const row = rows.find((each) => each.spoolId === seen.spoolId && each.deliveryKey === seen.deliveryKey);
    return row === undefined || row.copy || row.kind === 'notice' ? [] : [{ seen, row }];
  });
  return refused.flatMap(({ seen, row }) => {
    if (row.nextHop !== nextHop || !isReturnedByItself(row)) return [];
    if (seen.until <= firstAccepted) return [find('returned-by-new', seen, 'it has not accepted anything yet')];
    if (lateMs >= HOUR / 2) return [];
    const window = { from: seen.until - HOUR + lateMs, until: seen.from - lateMs };
    if (acceptances.some(({ until }) => until > window.from - lateMs && until < seen.until + lateMs)) return [];
    const before = refused.filter(({ seen: each }) => each.until > window.from && each.until < window.until);
    const others = new Set(before.map((each) => each.seen.address).filter((address) => address !== seen.address));
    if (others.size < RETURNED_MAX) return [];
    return [find('too-many-returned', seen, `returned, after ${others.size} others within the hour`)];
  });
}

/** Nobody let its failure go, and no lifetime was over. */
function isReturnedByItself({ state, trace }: Recorded): boolean {
  const ended = state === 'returned' || state === 'unreturnable' || state === 'failed';
  return ended && !trace.some(({ event }) => event === 'RELEASE' || event === 'EXPIRE' || event === 'HOLD');
}
