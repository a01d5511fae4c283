// The state machine, every pair of it: what is legal leads where DESIGN says, what is not throws, and facts that come
// late are ignored. A new state or command makes this table incomplete, and the test fail.

import { describe, expect, it } from 'vitest';
import {
  type Command,
  type DeliveryState,
  deliveryId,
  type Fact,
  isFinal,
  refOfDeliveryId,
  transition,
} from '#core/delivery/delivery.ts';

const commands: readonly Command[] = [
  'relayed',
  'deferred',
  'failed',
  'expired',
  'redirected',
  'quarantined',
  'discarded',
  'notice-accepted',
  'notice-withheld',
  'notice-failed',
  'held',
  'released',
  'resubmitted',
  'removed',
];
const facts: readonly Fact[] = ['confirmed', 'reported-failed', 'notice-bounced'];

/** state → what it may become by which event; all other commands throw, all other facts are ignored. */
const legal: Readonly<Record<DeliveryState, Partial<Record<Command | Fact, DeliveryState>>>> = {
  queued: {
    quarantined: 'quarantined',
    relayed: 'relayed',
    deferred: 'deferred',
    failed: 'failed',
    expired: 'expired',
    discarded: 'discarded',
    held: 'held',
    removed: 'removed',
    confirmed: 'confirmed',
    'reported-failed': 'failed',
  },
  deferred: {
    quarantined: 'quarantined',
    relayed: 'relayed',
    deferred: 'deferred',
    failed: 'failed',
    expired: 'expired',
    discarded: 'discarded',
    held: 'held',
    removed: 'removed',
    confirmed: 'confirmed',
    'reported-failed': 'failed',
  },
  relayed: { confirmed: 'confirmed', 'reported-failed': 'failed', resubmitted: 'queued' },
  confirmed: { 'reported-failed': 'failed', resubmitted: 'queued' },
  failed: { 'notice-accepted': 'returned', 'notice-withheld': 'unreturnable', 'notice-failed': 'held' },
  expired: {
    redirected: 'queued',
    'notice-accepted': 'returned',
    'notice-withheld': 'unreturnable',
    'notice-failed': 'held',
  },
  held: { released: 'queued', removed: 'removed', failed: 'failed' },
  quarantined: { released: 'queued', removed: 'removed', failed: 'failed', discarded: 'discarded' },
  returned: { 'notice-bounced': 'held' },
  unreturnable: {},
  discarded: {},
  removed: {},
};

describe('transition', () => {
  it.each(Object.keys(legal) as DeliveryState[])('from %s', (state) => {
    for (const command of commands) {
      const next = legal[state][command];
      if (next === undefined) expect(() => transition(state, command), `${state} + ${command}`).toThrow(state);
      else expect(transition(state, command)).toBe(next);
    }
    for (const fact of facts) expect(transition(state, fact)).toBe(legal[state][fact] ?? 'ignored');
  });
  it('never leaves a final state by a command, but where an operator resubmits', () => {
    for (const state of (Object.keys(legal) as DeliveryState[]).filter(isFinal)) {
      for (const command of commands.filter((each) => each !== 'resubmitted'))
        expect(() => transition(state, command)).toThrow();
    }
  });
});

it('makes ids that fit an SES message tag', () => {
  expect(deliveryId({ spoolId: 'd6iitobk75ur44p8', deliveryKey: 'abcd2345' })).toMatch(/^[\w-]+$/);
});

it('reads its ids back, and nothing else', () => {
  const refs = [
    { spoolId: 'd6iitobk75ur44p8', deliveryKey: 'abcdefgh234567ab' },
    { spoolId: 'd6iitobk75ur44p8', deliveryKey: 'abcdefgh234567ab-ndr' },
    { spoolId: 'web-shop-01JD8Z7Q9VXK4M2N6P8R3S5T7W', deliveryKey: 'abcdefgh234567ab-delay' },
  ];
  for (const ref of refs) expect(refOfDeliveryId(deliveryId(ref))).toEqual(ref);
  for (const text of [
    '',
    'abcdefgh234567ab',
    '-abcdefgh234567ab',
    'x-abcdefgh234567a1',
    'x y-abcdefgh234567ab',
    'x-abcdefgh234567ab-x',
  ])
    expect(refOfDeliveryId(text)).toBeNull();
});
