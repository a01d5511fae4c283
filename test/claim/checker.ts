// The claim, checked from outside: each message that somebody was told to be accepted, for each forward-path and
// action, has reached the right next hop byte for byte, or its sender has one NDR, or there is a named reason, with an
// alarm where a person must act. It asks the witnesses first, the senders' mailboxes and the next hops, and only then
// the ledger, which must tell the same story. Pure.

import type { Accepted, Due, End, Evidence, Finding, FindingKind, Recorded, Taken } from './evidence.ts';
import { type Match, matchOf } from './matching.ts';
import { type Report, reportOf, reportsIn } from './reports.ts';

export type Verdict = {
  readonly messages: number;
  readonly findings: readonly Finding[];
  /** How each delivery ended, by the witnesses: for tables. */
  readonly ends: ReadonlyMap<string, number>;
};

/** What is wrong; nothing, where the claim holds. */
export function check(evidence: Evidence): Verdict {
  const ends = new Map<string, number>();
  const witnesses = witnessesOf(evidence);
  const findings = [
    ...evidence.seen,
    ...witnesses.strange,
    ...evidence.accepted.flatMap((message) => checkMessage(evidence, witnesses, message, ends)),
    ...evidence.rows.filter(({ kind }) => kind === 'notice').flatMap((row) => checkNotice(evidence, row)),
  ];
  return { messages: evidence.accepted.length, findings, ends };
}

// ── What the witnesses have ─────────────────────────────────────────────────────────────────────────────────────────

type Copy = { readonly taken: Taken; readonly marked: boolean };
type Witnesses = {
  /** By `wayKey`: what was taken for one address at one next hop of one message. */
  readonly copies: ReadonlyMap<string, readonly Copy[]>;
  /** By `reportKey`. */
  readonly reports: ReadonlyMap<string, readonly Report[]>;
  readonly strange: readonly Finding[];
};

const wayKey = (spoolId: string, nextHop: string, address: string) => `${spoolId}\n${nextHop}\n${address}`;
const reportKey = (spoolId: string, forwardPath: string) => `${spoolId}\n${forwardPath}`;

function witnessesOf(evidence: Evidence): Witnesses {
  const copies = new Map<string, Copy[]>();
  const reports = new Map<string, Report[]>();
  const strange: Finding[] = [];
  const match = matchOf(evidence.accepted, evidence.mayStandInFront, evidence.alike);
  const byId = new Map(evidence.accepted.map((message) => [message.spoolId, message]));
  for (const taken of evidence.taken) {
    const told = reportsIn(taken);
    if (told !== null) {
      strange.push(...strangeReport(evidence, byId, taken, told));
      if (taken.answer === 'refused') continue; // its next hop's lie
      for (const report of told)
        if (!report.postmasterCopy) push(reports, reportKey(report.spoolId, report.forwardPath), report);
      continue;
    }
    strange.push(...placeCopy(evidence, match, taken, copies));
  }
  for (const notice of evidence.serviceNotices)
    push(reports, reportKey(notice.spoolId, notice.forwardPath), reportOf(notice));
  return { copies, reports, strange };
}

function placeCopy(evidence: Evidence, match: Match, taken: Taken, copies: Map<string, Copy[]>): Finding[] {
  const toPostmaster = isFor(evidence, taken);
  const matched = match(taken);
  if (matched === null) {
    if (toPostmaster && /^x-everpost-notice:/im.test(headOf(taken.content))) return []; // a digest
    return [strangeTo(taken, '', 'bytes that nobody submitted')];
  }
  const { message, marked } = matched;
  const due = message.deliveries.find(({ ways }) =>
    ways.some(({ nextHop, address }) => nextHop === taken.nextHop && address === taken.address),
  );
  if (due === undefined && !toPostmaster)
    return [strangeTo(taken, message.spoolId, 'nobody wrote to this address there')];
  push(copies, wayKey(message.spoolId, taken.nextHop, taken.address), { taken, marked });
  return [];
}

function strangeReport(
  evidence: Evidence,
  byId: ReadonlyMap<string, Accepted>,
  taken: Taken,
  reports: readonly Report[],
): Finding[] {
  const toPostmaster = isFor(evidence, taken);
  return reports.flatMap((report) => {
    const message = byId.get(report.spoolId);
    const due = message?.deliveries.find(({ forwardPath }) => forwardPath === report.forwardPath);
    if (message === undefined || due === undefined)
      return [strangeTo(taken, report.spoolId, `a notice about ${report.forwardPath}, to whom nobody wrote`)];
    if (report.postmasterCopy)
      return toPostmaster ? [] : [strangeTo(taken, report.spoolId, 'a copy for the postmaster')];
    if (taken.address !== message.reversePath)
      return [strangeTo(taken, report.spoolId, 'a notice to who did not send it')];
    if (taken.reversePath !== '' && taken.nextHop !== 'ses-report')
      return [strangeTo(taken, report.spoolId, `a notice with the reverse-path <${taken.reversePath}>`)];
    return [];
  });
}

function isFor({ postmaster }: Evidence, { nextHop, address }: Taken): boolean {
  return postmaster.some((way) => way.nextHop === nextHop && way.address === address);
}

function strangeTo({ nextHop, address }: Taken, spoolId: string, why: string): Finding {
  return { kind: 'strange', spoolId, says: `${nextHop} took for <${address}>: ${why}` };
}

const headOf = (content: Uint8Array) => Buffer.from(content.subarray(0, 4_096)).toString('latin1');

// ── Each delivery ───────────────────────────────────────────────────────────────────────────────────────────────────

function checkMessage(
  evidence: Evidence,
  witnesses: Witnesses,
  message: Accepted,
  ends: Map<string, number>,
): Finding[] {
  const rows = evidence.rows.filter(({ spoolId, kind }) => spoolId === message.spoolId && kind === 'delivery');
  return message.deliveries.flatMap((due) => {
    const row = rows.find(({ forwardPath, action }) => forwardPath === due.forwardPath && action === due.action);
    if (row === undefined) return withoutRow(evidence, message, due, rows, ends);
    return checkDelivery({ evidence, witnesses, message, due, row }, ends);
  });
}

/** Nothing is known for whom it is: a placeholder must be held for it, or its receipt lie in a dead-letter queue. */
function withoutRow(
  evidence: Evidence,
  { spoolId, deliveries }: Accepted,
  due: Due,
  rows: readonly Recorded[],
  ends: Map<string, number>,
): Finding[] {
  const isOfOne = (row: Recorded) =>
    deliveries.some(({ forwardPath, action }) => forwardPath === row.forwardPath && action === row.action);
  const held = rows.find((row) => row.state === 'held' && !isOfOne(row));
  const waits =
    held !== undefined ? `held: ${held.stateReason}` : evidence.inDeadLetters.has(spoolId) ? 'held: dead-letter' : null;
  count(ends, waits ?? 'unaccounted');
  const about = `<${due.forwardPath}>`;
  if (waits === null)
    return [{ kind: 'unaccounted', spoolId, says: `${about} has no row, and nothing stands for the message` }];
  const alarm = held === undefined ? [] : alarmOf(evidence, held);
  return allows(due.ends, waits) ? alarm : [...alarm, { kind: 'wrong-end', spoolId, says: `${about} ended ${waits}` }];
}

type Case = {
  readonly evidence: Evidence;
  readonly witnesses: Witnesses;
  readonly message: Accepted;
  readonly due: Due;
  readonly row: Recorded;
};

function checkDelivery(of: Case, ends: Map<string, number>): Finding[] {
  const { evidence, witnesses, message, due, row } = of;
  const { spoolId } = message;
  const copies = due.ways.flatMap(
    ({ nextHop, address }) => witnesses.copies.get(wayKey(spoolId, nextHop, address)) ?? [],
  );
  const arrived = copies.filter(({ taken }) => taken.answer !== 'refused');
  const reports = (witnesses.reports.get(reportKey(spoolId, due.forwardPath)) ?? []).filter(() => !due.copy);
  const ndrs = reports.filter(({ action }) => action === 'failed');
  const end = endOf(row, arrived.length, ndrs.length);
  count(ends, end);
  const find = (kind: FindingKind, what: string): Finding => ({
    kind,
    spoolId,
    says: `<${due.forwardPath}> by ${row.nextHop}: ${what}`,
  });
  const findings: Finding[] = [];
  if (end.startsWith('unaccounted'))
    findings.push(find('unaccounted', `${row.state} (${row.stateReason}), but ${end}`));
  else if (end.startsWith('unfinished')) findings.push(find('unfinished', `it is still ${row.state}`));
  else if (!allows(due.ends, end) && !excused(evidence, row, end))
    findings.push(find('wrong-end', `it ended ${end} (${row.stateReason}), and not ${due.ends.join(' or ')}`));
  if (row.state === 'held') findings.push(...alarmOf(evidence, row));
  findings.push(...checkMarks(of, find, arrived, ndrs));
  for (const action of ['failed', 'delayed', 'relayed'])
    findings.push(
      ...checkSecondNotice(
        of,
        find,
        action,
        reports.filter((report) => report.action === action),
      ),
    );
  return findings;
}

/** By the witnesses; a ledger that says what they do not have leaves the message unaccounted for. */
function endOf({ state, stateReason }: Recorded, arrived: number, ndrs: number): string {
  switch (state) {
    case 'relayed':
    case 'confirmed':
      return arrived > 0 ? 'handed-on' : 'unaccounted: no next hop has it';
    case 'returned':
      return ndrs > 0 ? 'returned' : 'unaccounted: its sender has no NDR';
    case 'unreturnable':
    case 'held':
    case 'discarded':
    case 'quarantined':
    case 'removed':
      return stateReason === null ? 'unaccounted: no reason' : `${state}: ${stateReason}`;
    case 'queued':
    case 'deferred':
    case 'failed':
    case 'expired':
      return `unfinished: ${state}`;
  }
}

/**
 * What was claimed five times without an outcome is poison, and what was kept from its next hop for its lifetime
 * expires.
 */
function excused({ expiryExcused }: Evidence, { trace }: Recorded, end: string): boolean {
  const ended = trace.some(({ event }) => event === 'POISON' || event === 'EXPIRE');
  return expiryExcused && ended && /^(?:returned|unreturnable: |held: )/.test(end);
}

export function allows(ends: readonly End[], end: string): boolean {
  return ends.some((each) => each === end || (each.endsWith('*') && end.startsWith(each.slice(0, -1))));
}

function isDoubted({ possibleDuplicate, trace }: Recorded): boolean {
  return possibleDuplicate && trace.some(({ event }) => event === 'POSSIBLE_DUPLICATE');
}

type Find = (kind: FindingKind, what: string) => Finding;

/**
 * What came twice, or came although the ledger says otherwise, is marked: in the row, its trace, the copies and the
 * NDR.
 */
function checkMarks({ due, row }: Case, find: Find, arrived: readonly Copy[], ndrs: readonly Report[]): Finding[] {
  const findings: Finding[] = [];
  const doubted = isDoubted(row);
  if (arrived.length > 1 && !doubted) findings.push(find('unmarked', `${arrived.length} copies were taken`));
  const unmarked = arrived.filter(({ marked }) => !marked);
  if (unmarked.length > 1) findings.push(find('unmarked', `${unmarked.length} copies bear no mark of a duplicate`));
  const handedOn = row.state === 'relayed' || row.state === 'confirmed';
  if (arrived.length === 0 || handedOn || due.mayFailLater === true) return findings;
  if (!doubted) findings.push(find('unmarked', `a next hop took it, and it is ${row.state}`));
  if (ndrs.some(({ to, doubtful }) => to !== null && !doubtful))
    findings.push(find('unmarked', 'a next hop took it, and the NDR does not say that it may have arrived'));
  return findings;
}

/** The kinds of notice that have such an Action (RFC 3464 §2.3.3). */
const KINDS_OF: Readonly<Record<string, readonly string[]>> = {
  failed: ['ndr'],
  delayed: ['delay', 'uncertain'],
  relayed: ['success'],
};

/**
 * At most one notice of each kind, but for one whose result was lost: it says so in its row, and where we compose it in
 * itself.
 */
function checkSecondNotice(
  { evidence, message, row }: Case,
  find: Find,
  action: string,
  reports: readonly Report[],
): Finding[] {
  const own = evidence.rows.filter(
    ({ spoolId, noticeOf, noticeKind }) =>
      spoolId === message.spoolId &&
      noticeOf === row.deliveryKey &&
      KINDS_OF[action]?.includes(noticeKind ?? '') === true,
  );
  const kinds = Math.max(1, new Set(own.map(({ noticeKind }) => noticeKind)).size);
  if (reports.length <= kinds) return [];
  const findings: Finding[] = [];
  if (!own.some(isDoubted)) findings.push(find('second-notice', `${reports.length} notices: ${action}`));
  const unmarked = reports.filter(({ to, marked }) => to !== null && !marked);
  if (unmarked.length > kinds)
    findings.push(find('second-notice', `${unmarked.length} notices (${action}) bear no mark`));
  return findings;
}

// ── Notices' own rows, and alarms ───────────────────────────────────────────────────────────────────────────────────

function checkNotice(evidence: Evidence, row: Recorded): Finding[] {
  if (['queued', 'deferred', 'failed', 'expired'].includes(row.state))
    return [{ kind: 'unfinished', spoolId: row.spoolId, says: `its ${row.noticeKind} notice is still ${row.state}` }];
  const alone = row.noticeKind === 'postmaster' || row.noticeKind === 'digest';
  return row.state === 'held' && alone ? alarmOf(evidence, row) : [];
}

/** What is held is accounted for only while the level of all that waits for a person says so. */
function alarmOf({ waitsForPerson }: Evidence, { spoolId, forwardPath, stateReason }: Recorded): Finding[] {
  if (waitsForPerson >= 1) return [];
  return [{ kind: 'no-alarm', spoolId, says: `<${forwardPath}> is held (${stateReason}), and no alarm is on` }];
}

function push<T>(map: Map<string, T[]>, key: string, item: T): void {
  const standing = map.get(key);
  if (standing === undefined) map.set(key, [item]);
  else standing.push(item);
}

function count(ends: Map<string, number>, end: string): void {
  ends.set(end, (ends.get(end) ?? 0) + 1);
}
