// How a delivery stands, in words and as JSON: an operator sees why mail is held without reading its events.

import { describe, expect, it } from 'vitest';
import { standingOf, stateInWords } from '#cli/standing.ts';
import { forPeople } from '#cli/trace.ts';
import { traceJson } from '#cli/trace-json.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { event, facts, queued, T0 } from '../../contract/rows.ts';

const row = (change: Partial<DeliveryRow>) => queued('m', { dueAt: null, ...change });
const said = (reason: string) => event('HOLD', T0, { reason });

describe('a delivery that is', () => {
  it.each([
    [{ state: 'queued' }, 'queued', null],
    [{ state: 'deferred', stateReason: 'greylisted' }, 'deferred', 'greylisted'],
    [{ state: 'quarantined', stateReason: 'policy-spam' }, 'quarantined, policy-spam', 'policy-spam'],
    [
      { state: 'held', stateReason: 'held-by-operator', heldBecause: 'operator' },
      'held, operator (held-by-operator)',
      'held-by-operator',
    ],
    [
      {
        state: 'held',
        stateReason: 'foreign-author',
        heldBecause: 'foreign-author',
        trace: [said('foreign-author: x')],
      },
      'held, foreign-author: x',
      'foreign-author: x',
    ],
    [
      { state: 'held', stateReason: 'submitter-unknown', trace: [said('submitter-unknown: no submitter is called x')] },
      'held, foreign-sender (submitter-unknown: no submitter is called x)',
      'submitter-unknown: no submitter is called x',
    ],
    [
      { state: 'held', stateReason: 'held-by-operator', trace: [said('foreign-author: x'), said('held-by-operator')] },
      'held, operator (held-by-operator)',
      'held-by-operator',
    ],
    [
      { state: 'held', stateReason: 'notice failed: recipient-unknown', heldBecause: 'notice-not-delivered' },
      'held, notice-not-delivered (notice failed: recipient-unknown)',
      'notice failed: recipient-unknown',
    ],
    [{ state: 'held', stateReason: null }, 'held, notice-not-delivered', null],
  ] as const)('%j is shown as: %s', (change, words, reason) => {
    const standing = standingOf(row(change));
    expect([stateInWords(standing), standing.reason]).toEqual([words, reason]);
  });

  it('is not in the ledger has none', () => {
    expect(standingOf(null)).toEqual({ state: null, heldBecause: null, reason: null });
  });
});

it('is in a trace, for people and for tools', () => {
  const held = row({ state: 'held', stateReason: 'expiry-valve' });
  const json = traceJson({ message: facts('m'), rows: [held] });
  expect(json.deliveries).toMatchObject([{ state: 'held', heldBecause: 'expiry-limit', reason: 'expiry-valve' }]);
  expect(forPeople([json])).toContain('<bob@example.com>  held, expiry-limit (expiry-valve)  by exchange, 0 attempts');
});
