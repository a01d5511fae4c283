// Which of a report's recipients its delivery hears of: the one that it names so, else the worst, because an alias may
// have made several of one.

import { describe, expect, it } from 'vitest';
import type { RemoteAction, RemoteRecipient } from '#core/feedback/report-fields.ts';
import { factOfReport, sentOnToPostmaster } from '#core/feedback/returned-mail.ts';
import { statusOf } from '#core/reply/status.ts';
import { queued, T0 } from '#test/contract/rows.ts';

const of = (finalRecipient: string | null, action: RemoteAction, originalRecipient: string | null = null) =>
  ({
    finalRecipient,
    originalRecipient,
    action,
    status: statusOf(
      { failed: '5.1.1', delayed: '4.4.1', delivered: '2.0.0', relayed: '2.0.0', expanded: '2.0.0' }[action],
    ),
    diagnostic: null,
    remoteMta: null,
  }) satisfies RemoteRecipient;

describe('a report of several recipients', () => {
  it.each<[string, readonly [RemoteRecipient, ...RemoteRecipient[]], string]>([
    [
      'the named one arrived, another failed',
      [of('zoe@x.example', 'failed'), of('Bob@Far.example', 'delivered')],
      'confirmed',
    ],
    [
      'the named one failed, another arrived',
      [of('zoe@x.example', 'delivered'), of('bob@far.example', 'failed')],
      'failed',
    ],
    [
      'named by the original',
      [of('b@inner.example', 'delayed', 'bob@far.example'), of('z@x.example', 'failed')],
      'delayed',
    ],
    [
      'an alias was expanded, a member failed',
      [of('bob@far.example', 'expanded'), of('m@far.example', 'failed')],
      'failed',
    ],
    ['nobody is named so', [of('m@far.example', 'delivered'), of('n@far.example', 'failed')], 'failed'],
    ['nobody is named at all', [of(null, 'failed')], 'failed'],
  ])('%s', (_, recipients, kind) => {
    const report = { kind: 'report', reportingMta: null, recipients, original: [] } as const;
    expect(factOfReport(report, 1, ['bob@far.example', 'alias@example.com']).kind).toBe(kind);
  });
});

it('what goes on to the postmaster has a fresh lifetime, and another last attempt', () => {
  const way = { nextHop: 'exchange', address: 'postmaster@example.com', route: 0, returnPath: null };
  const terms = { now: T0, lifetimeMs: 1_000, sweepAgainMs: 10, quarantineMs: 100 };
  const row = { ...queued('m1'), nextHop: 'returns', lastJobSent: true as const, expiresAt: T0 - 1 };
  for (const policy of [{ kind: 'relay' }, { kind: 'quarantine', reason: 'policy-spam' }] as const) {
    const { row: next } = sentOnToPostmaster(row, way, 'no-report', policy, terms);
    expect([next.expiresAt, next.attempts, next.lastJobSent]).toEqual([T0 + 1_000, 0, undefined]);
  }
});
