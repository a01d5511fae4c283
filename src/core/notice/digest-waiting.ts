// What the digest tells of mail that waits beside the quarantine: held rows by cause, pauses, and next hops at which
// mail waits by a fault, each with its figures and the command that moves it on. Pure. Its figures are those of
// core/delivery/waiting-sums.ts, as the levels' are. Replies of servers are cleaned, and stand in no command.

import type { HeldBecause } from '#core/delivery/delivery.ts';
import type { Health, HopFailure } from '#core/delivery/next-hop-health.ts';
import type { Pauses, StandingPause } from '#core/delivery/pause.ts';
import { replyLine } from '#core/delivery/trace.ts';
import type { Sum, WaitingSums } from '#core/delivery/waiting-sums.ts';
import { digestLinesMax, digestLongMs, replyTextMax } from '#core/limits.ts';
import { mailDate, oneLine } from '#core/message/text-encoding.ts';
import type { Reply } from '#core/reply/reply.ts';

export type DigestWaiting = {
  /** The cause of which most are held first. */
  readonly held: readonly (Sum & { readonly cause: HeldBecause | null })[];
  readonly pauses: readonly (StandingPause & { readonly kept: Sum | null })[];
  /** Where most waits first. */
  readonly hops: readonly HopWaiting[];
};
/**
 * `open`, `slow`: its health. `failing`: it is asked as always, and mail was put off. `limited`: the failure limit
 * holds what it refused.
 */
export type HopWaiting = Sum & {
  readonly nextHop: string;
  readonly standing: 'open' | 'slow' | 'failing' | 'limited';
  readonly since: number;
  /** The operator must act before it takes mail: our login was refused, say. */
  readonly byOperator: boolean;
  readonly last: { readonly text: string; readonly at: number | null } | null;
};

/** `replies`: of next hops whose refusals the failure limit holds, the reply of one of them. */
export function digestWaiting(
  sums: WaitingSums,
  healths: ReadonlyMap<string, Health>,
  pauses: Pauses,
  replies: ReadonlyMap<string, Reply | null>,
): DigestWaiting {
  const held = [...sums.held].map(([cause, sum]) => ({ cause, ...sum }));
  const failing = [...sums.byFault].map(([nextHop, sum]) => hopWaiting(nextHop, sum, healths.get(nextHop)));
  const limited = [...sums.failureLimited].map(
    ([nextHop, { count, oldestAt }]): HopWaiting => ({
      ...{ nextHop, count, oldestAt, standing: 'limited', since: oldestAt, byOperator: true },
      last: lastOf(replies.get(nextHop) ?? null, '', null),
    }),
  );
  return {
    held: held.sort(mostFirst),
    pauses: pauses.standing.map((pause) => ({ ...pause, kept: sums.kept.get(pause.scope) ?? null })),
    hops: [...failing, ...limited].sort(mostFirst),
  };
}

function hopWaiting(nextHop: string, sum: Sum, health: Health | undefined): HopWaiting {
  const failure = health?.lastFailure ?? null;
  const standing = health === undefined || health.state === 'healthy' ? 'failing' : health.state;
  const since = standing === 'slow' ? health?.since : health?.failingSince;
  return {
    ...{ nextHop, ...sum, standing, since: since ?? sum.oldestAt, byOperator: health?.waitsFor === 'operator' },
    last: failure === null ? null : lastOf(failure.reply, failure.detail, failure.at),
  };
}

function lastOf(reply: Reply | null, detail: HopFailure['detail'], at: number | null): HopWaiting['last'] {
  const text = reply === null ? detail : replyLine(reply);
  return text === '' ? null : { text, at };
}

function mostFirst(a: Sum, b: Sum): number {
  return b.count - a.count || a.oldestAt - b.oldestAt;
}

/**
 * Whether a day is worth a digest. Mail that was put off a moment ago is not. A digest that is held is not either,
 * since the next one would be held too.
 */
export function isWorthTelling({ held, pauses, hops }: DigestWaiting, heldDigests: number, now: number): boolean {
  const waitsForPerson = held.reduce((sum, { count }) => sum + count, 0);
  const longest = (hop: HopWaiting) => hop.standing === 'open' || hop.oldestAt <= now - digestLongMs;
  return waitsForPerson > heldDigests || pauses.length > 0 || hops.some(longest);
}

/** Parts of the Subject. */
export function waitingSubject({ held, pauses, hops }: DigestWaiting): string[] {
  const waitsForPerson = held.reduce((sum, { count }) => sum + count, 0);
  const names = new Set(hops.map(({ nextHop }) => nextHop)).size;
  return [
    ...(waitsForPerson > 0 ? [`${waitsForPerson} held`] : []),
    ...(names > 0 ? [`${names} next ${names === 1 ? 'hop' : 'hops'} with waiting mail`] : []),
    ...(pauses.length > 0 ? [`${pauses.length} ${pauses.length === 1 ? 'pause' : 'pauses'}`] : []),
  ];
}

const INDENT = '   ';

/** The three sections; one without anything to say is left out. */
export function waitingLines(waiting: DigestWaiting, stackName: string): string[] {
  return [...heldLines(waiting, stackName), ...pauseLines(waiting, stackName), ...hopLines(waiting, stackName)];
}

function heldLines({ held }: DigestWaiting, stackName: string): string[] {
  if (held.length === 0) return [];
  const all = held.reduce((sum, { count }) => sum + count, 0);
  return [
    `WAITS FOR A PERSON: ${deliveries(all)}`,
    '',
    ...held.flatMap(({ cause, count, oldestAt }) => [
      `- ${cause ?? 'cause not known yet'}: ${deliveries(count)}, the oldest since ${mailDate(oldestAt)}`,
      `${INDENT}${cause === null ? 'Written by the version before: tomorrow it is known.' : CAUSES[cause]}`,
      `${INDENT}npx everpost ${verbOf(cause)} --stack ${stackName} --state held${cause === null ? '' : ` --reason ${cause}`}`,
      '',
    ]),
    'docs/runbook/held.md says what to do for each cause.',
    '',
  ];
}

function verbOf(cause: HeldBecause | null): string {
  return cause === 'failure-limit' ? 'retry' : 'release';
}

const CAUSES: Readonly<Record<HeldBecause, string>> = {
  operator: 'Somebody held it by "everpost hold".',
  'copy-failed': 'A copy could not be delivered.',
  'notice-not-delivered': 'Neither the message nor its NDR could be delivered.',
  'notices-held': 'notices.mode is "hold" in the configuration.',
  'expiry-limit': 'Too many expired by a fault of ours within an hour.',
  'failure-limit': 'Too many were refused in words that no rule knows. Its NDR goes when its lifetime ends.',
  'receipt-missing': 'Its receipt never came: add --spool-id and --to to name its recipients.',
  'envelope-missing': 'It was submitted without an envelope.',
  'submission-malformed': 'It was submitted in a form that cannot be used.',
  'foreign-sender': 'Its submitter may not use its reverse-path.',
  'foreign-author': 'Its submitter may not use its author.',
  'resubmitted-confirmed': 'It was resubmitted and failed, and its arrival had been confirmed before.',
  policy: 'Policy refused it, and no notice may go.',
  'no-way-to-the-postmaster': 'No next hop could carry it to notices.postmaster.',
};

function pauseLines({ pauses }: DigestWaiting, stackName: string): string[] {
  if (pauses.length === 0) return [];
  return [
    'PAUSED. Mail is accepted and kept.',
    '',
    ...bounded(
      pauses.map(({ scope, mode, since, by, kept }) => {
        const name = oneLine(scope, NAME_MAX);
        return [
          `- ${name} (${mode}), since ${mailDate(since)}, by ${by === null ? 'transfer of the configuration' : oneLine(by, NAME_MAX)}`,
          `${INDENT}${waits(kept)}`,
          by === null
            ? `${INDENT}Set transfer.${name} to "normal", and deploy.`
            : `${INDENT}npx everpost resume ${name} --stack ${stackName}`,
          '',
        ];
      }),
    ),
  ];
}

const NAME_MAX = 100;

function hopLines({ hops }: DigestWaiting, stackName: string): string[] {
  if (hops.length === 0) return [];
  return [
    'NEXT HOPS at which mail waits by a fault of theirs or of ours:',
    '',
    ...bounded(
      hops.map((hop) => [
        `- ${oneLine(hop.nextHop, NAME_MAX)}: ${STANDINGS[hop.standing]} since ${mailDate(hop.since)}`,
        `${INDENT}${hop.standing === 'limited' ? `${deliveries(hop.count)} held` : waits(hop)}`,
        ...lastLines(hop),
        ...moveOn(hop, stackName),
        '',
      ]),
    ),
  ];
}

const STANDINGS: Readonly<Record<HopWaiting['standing'], string>> = {
  open: 'takes nothing',
  slow: 'slow',
  failing: 'puts mail off',
  limited: 'refuses many in the same words',
};

function lastLines({ last }: HopWaiting): string[] {
  if (last === null) return [];
  const when = last.at === null ? '' : `, ${mailDate(last.at)}`;
  return [`${INDENT}Last reply${when}:`, `${INDENT}  ${oneLine(last.text, replyTextMax)}`];
}

/** What is repaired is tried by itself; only what the failure limit holds needs a command. */
function moveOn({ nextHop, standing, byOperator }: HopWaiting, stackName: string): string[] {
  const name = oneLine(nextHop, NAME_MAX);
  if (standing === 'limited')
    return [`${INDENT}npx everpost retry --stack ${stackName} --state held --next-hop ${name}`];
  return [
    byOperator
      ? `${INDENT}It refuses us: docs/runbook/operator-fault.md. A new secret is tried at once.`
      : `${INDENT}Repaired, it is tried by itself: docs/runbook/next-hop-down.md.`,
    `${INDENT}To keep its mail for longer: npx everpost pause ${name} --stack ${stackName}`,
  ];
}

function bounded(items: readonly (readonly string[])[]): string[] {
  const rest = items.length - digestLinesMax;
  return [...items.slice(0, digestLinesMax).flat(), ...(rest > 0 ? [`And ${rest} more.`, ''] : [])];
}

function waits(sum: Sum | null): string {
  if (sum === null || sum.count === 0) return 'Nothing waits.';
  const [verb, oldest] = sum.count === 1 ? ['waits', 'accepted'] : ['wait', 'the oldest accepted'];
  return `${deliveries(sum.count)} ${verb}, ${oldest} ${mailDate(sum.oldestAt)}`;
}

function deliveries(count: number): string {
  return count === 1 ? '1 delivery' : `${count} deliveries`;
}
