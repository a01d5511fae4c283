// How a row comes to be held, and that it says so for just as long as it is. Rows of older versions do not say it:
// their reason does.

import { describe, expect, it } from 'vitest';
import { become, heldBecauseOf, hold, holdForNotice } from '#core/delivery/become.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { heldByOperator, heldForPostmaster, released, removed } from '#core/delivery/hold-release.ts';
import { withNoticeWithheld } from '#core/delivery/progress.ts';
import { event, queued } from '../../../contract/rows.ts';

const NOW = 1_000_000;
const row = queued('m');
const HELD = event('HOLD', NOW, { reason: 'foreign-author: exchange may not send …' });

describe('a held row', () => {
  it.each([
    ['operator', heldByOperator(row, NOW).row],
    ['no-way-to-the-postmaster', heldForPostmaster(row, NOW).row],
    ['notice-not-delivered', holdForNotice({ ...row, state: 'returned' }, { reason: 'x', now: NOW })],
    ['foreign-author', hold(row, 'held', 'foreign-author', { reason: 'foreign-author', now: NOW })],
  ])('says %s', (because, held) => {
    expect([held.state, held.heldBecause, heldBecauseOf(held), held.dueAt]).toEqual([
      ...['held', because, because],
      NOW + 86_400_000,
    ]);
  });

  it('says it no more once it goes on or ends', () => {
    const held = heldByOperator(row, NOW).row;
    const terms = { now: NOW, lifetimeMs: 1_000, sweepAgainMs: 10 };
    expect([
      released(held, terms).row,
      removed(held, NOW).row,
      become(held, 'failed', { reason: null, dueAt: 1 }),
    ]).toEqual([expect.not.objectContaining({ heldBecause: expect.anything() }), expect.anything(), expect.anything()]);
    for (const next of [released(held, terms).row, removed(held, NOW).row])
      expect([Object.hasOwn(next, 'heldBecause'), heldBecauseOf(next)]).toEqual([false, null]);
  });
});

describe('a row that an older version held', () => {
  const held = (stateReason: string | null): DeliveryRow => ({ ...row, state: 'held', stateReason });
  it.each([
    ['held-by-operator', 'operator'],
    ['copy-delivery', 'copy-failed'],
    ['notice failed: recipient-unknown', 'notice-not-delivered'],
    ['notice-not-delivered', 'notice-not-delivered'],
    ['notices-held', 'notices-held'],
    ['expiry-valve', 'expiry-limit'],
    ['receipt-missing', 'receipt-missing'],
    ['envelope-missing', 'envelope-missing'],
    ['envelope-unreadable', 'submission-malformed'],
    ['submission-malformed', 'submission-malformed'],
    ['submitter-unknown', 'foreign-sender'],
    ['foreign-sender', 'foreign-sender'],
    ['foreign-author', 'foreign-author'],
    ['resubmitted-confirmed', 'resubmitted-confirmed'],
  ])('with %s is held because: %s', (stateReason, because) => {
    expect(heldBecauseOf(held(stateReason))).toBe(because);
  });

  it.each(['domain-limit', 'message-limit', 'null-reverse-path', 'spf-fail', 'a-name-of-no-version'])(
    'because policy refused it and its notice was withheld: %s',
    (reason) => {
      const withheld = withNoticeWithheld(
        { ...row, state: 'failed', lastReason: 'policy-spam' },
        reason,
        'policy',
        NOW,
      );
      const { heldBecause: _, ...before } = withheld.row;
      expect(heldBecauseOf(before)).toBe('policy');
    },
  );

  it.each([
    ['of today', { ...held('x'), heldBecause: 'foreign-author' } as const, ['foreign-author']],
    ['of before', held('foreign-author'), ['foreign-author']],
    [
      'released before by a version before',
      { ...held('held-by-operator'), trace: [HELD] },
      ['foreign-author', 'operator'],
    ],
    [
      'released before',
      { ...held('held-by-operator'), releasedFrom: ['foreign-author', 'operator'] } as const,
      ['foreign-author', 'operator'],
    ],
    ['quarantined', { ...row, state: 'quarantined', stateReason: 'policy-virus' } as const, undefined],
  ] as const)('once released says what it was held for: %s', (_, before, releasedFrom) => {
    const terms = { now: NOW, lifetimeMs: 1_000, sweepAgainMs: 10 };
    expect(released(before, terms).row.releasedFrom).toEqual(releasedFrom);
  });

  it('is released as any other', () => {
    const terms = { now: NOW, lifetimeMs: 1_000, sweepAgainMs: 10 };
    expect(released(held('notices-held'), terms).row.state).toBe('queued');
  });
});
