// Ledger rows and jobs that the version before wrote (test/fixtures/rows-before) are read as they were meant, and
// decided on as any others. The files were made by that version's own code; they never change.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { itemOfRow, rowOfItem } from '#adapters/aws/dynamo-row.ts';
import { isMeant } from '#adapters/trace-query.ts';
import { heldBecauseOf, releasedFromOf } from '#core/delivery/become.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isSuspectExpiry } from '#core/delivery/expiry-limit.ts';
import { released } from '#core/delivery/hold-release.ts';
import { doubtAbout } from '#core/delivery/resubmission.ts';
import { sweepDecision } from '#core/delivery/sweep-decision.ts';
import { hasHeldNotice, noticeReleased } from '#core/notice/held-notice.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import { workFor } from '#pipeline/jobs.ts';
import { queued } from './rows.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/rows-before');
type Kept = { readonly item: Parameters<typeof rowOfItem>[0]; readonly row: Partial<DeliveryRow> };
const names = readdirSync(FOLDER)
  .map((file) => basename(file, '.json'))
  .filter((name) => name !== 'jobs');
const kept = (name: string) => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8')) as Kept;
const rowIn = (name: string) => rowOfItem(kept(name).item);

const NOW = 1_760_003_600_000;
const sweep = {
  ...{ now: NOW, sweepAgainMs: 900_000, backlog: false, lostAnywayMs: 3_600_000, delayNoticeMs: null },
  ...{ lifetimeMs: 3_600_000, hop: { takesMail: true, down: null, resumedAt: null, lineEndsAt: 0, queuedUntil: 0 } },
};

describe('a row of the version before', () => {
  it.each(names)('%s: is read as it was meant, and written again without a loss', (name) => {
    const { item, row } = kept(name);
    const read = rowOfItem(item);
    expect(read).toMatchObject(row);
    const again = itemOfRow(read, { search: true, ledgerRetentionMs: 90 * 86_400_000 });
    // The index keeps rows of a class together now: a deferred one moves there with its next write.
    expect({ ...again, ...(item.dueShard && { dueShard: item.dueShard }) }).toEqual(item);
  });

  it.each([
    ['held-by-operator', 'operator'],
    ['held-expiry', 'expiry-limit'],
    ['held-notices', 'notices-held'],
    ['held-copy', 'copy-failed'],
    ['held-notice-failed', 'notice-not-delivered'],
    ['held-receipt-missing', 'receipt-missing'],
    ['held-envelope-missing', 'envelope-missing'],
    ['held-foreign-author', 'foreign-author'],
    ['held-submitter-unknown', 'foreign-sender'],
    ['held-notice-expired', 'notice-not-delivered'],
    ['held-notice-bounced', 'notice-not-delivered'],
    ['held-notice-itself', 'notice-not-delivered'],
    ['held-by-policy-copy', 'copy-failed'],
    ['released-foreign-author-held-again', 'operator'],
    ['queued', null],
    ...names
      .filter((name) => name.startsWith('held-by-policy-') && name !== 'held-by-policy-copy')
      .map((name): [string, string] => [name, 'policy']),
  ])('%s: is held because: %s', (name, because) => {
    expect(heldBecauseOf(rowIn(name))).toBe(because);
  });

  it.each([
    ['released-foreign-author', ['foreign-author']],
    ['released-foreign-author-held-again', ['foreign-author', 'operator']],
    ['queued', []],
    ['relayed-by-smtp', []],
  ])('%s: was released from: %j', (name, causes) => {
    expect(releasedFromOf(rowIn(name))).toEqual(causes);
  });

  it('keeps what it was released from when it is released once more', () => {
    const terms = { now: NOW, lifetimeMs: 1_000, sweepAgainMs: 10 };
    const { row } = released(rowIn('released-foreign-author-held-again'), terms);
    expect(row.releasedFrom).toEqual(['foreign-author', 'operator']);
  });

  it('is doubted to be lost where SES took it', () => {
    expect(doubtAbout(rowIn('relayed-by-ses'))).toMatch(/^it went by SES/);
    expect(doubtAbout(rowIn('relayed-by-smtp'))).toBeNull();
  });

  it('that the expiry limit held is found by the name of today, too', () => {
    for (const reason of ['expiry-valve', 'expiry-limit']) expect(isMeant(rowIn('held-expiry'), { reason })).toBe(true);
    expect(isMeant(rowIn('held-notices'), { reason: 'expiry-limit' })).toBe(false);
  });

  it('is released: what was held, and a notice that was', () => {
    const terms = { now: NOW, lifetimeMs: 1_000, sweepAgainMs: 10 };
    expect(released(rowIn('held-by-operator'), terms).row.state).toBe('queued');
    expect(hasHeldNotice(rowIn('held-notices'))).toBe(true);
    expect(noticeReleased(rowIn('held-notices'), NOW, 10).row).toMatchObject({ state: 'failed', dueAt: NOW + 10 });
  });

  it('has its reason in the table', () => {
    expect(reasonRow(rowIn('deferred').lastReason)).toMatchObject({ fault: 'operator' });
    expect(reasonRow(rowIn('failed-by-policy').stateReason)).toMatchObject({ byPolicy: true });
    expect(isSuspectExpiry(rowIn('expired-unattempted'))).toBe(true);
  });

  it('is what the sweep goes on with', () => {
    const unpaused = (name: string) => ({ kept: false, expiresAt: rowIn(name).expiresAt, resumedAt: null });
    const due = (name: string) =>
      sweepDecision({ ...rowIn(name), dueAt: NOW }, { ...sweep, pause: unpaused(name) }).kind;
    expect(['queued', 'deferred', 'expired', 'failed-by-policy'].map(due)).toEqual([
      'relay',
      'wait',
      'bounce',
      'bounce',
    ]);
    // The version before had sent its last job: one more is sent, which a claim refuses where it is one too many.
    expect(due('expired-unattempted')).toBe('relay');
  });

  it('of mail that came back has its job in the feedback queue', () => {
    expect(workFor(rowIn('came-back')).group).toBe('returns');
  });
});

describe('a job of the version before', () => {
  it('is what a row’s job is today, but for its next hop', () => {
    const jobs = JSON.parse(readFileSync(join(FOLDER, 'jobs.json'), 'utf8')) as unknown[];
    const { nextHop: _, ...job } = workFor(queued('s1')).job;
    expect(jobs).toEqual([job]);
  });
});
