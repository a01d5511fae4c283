// Which deliveries an operator's words mean, and which words mean nothing. What is selected too much would be done to
// somebody's mail.

import { describe, expect, it } from 'vitest';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { select, selectionOf } from '#cli/select.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { asNoticeOf, facts, queued, T0 } from '#test/contract/rows.ts';

const DAY = 86_400_000;

async function given(...rows: DeliveryRow[]): Promise<MemoryLedger> {
  const ledger = new MemoryLedger();
  for (const row of rows) await ledger.create([row], null);
  return ledger;
}
const held = (spoolId: string, change: Partial<DeliveryRow> = {}) => {
  const acceptedAt = change.acceptedAt ?? T0;
  return queued(spoolId, {
    state: 'held',
    stateReason: 'copy-delivery',
    message: facts(spoolId, { acceptedAt }),
    ...change,
  });
};

describe('the words', () => {
  it.each([
    [{}, 'say which'],
    [{ 'spool-id': 'x', state: 'held' }, 'say which'],
    [{ state: 'queued' }, 'held or quarantined'],
    [{ state: 'relayed' }, 'held or quarantined'],
    [{ 'spool-id': 'x', action: 'one' }, 'a number from 0'],
    [{ state: 'held', since: 'yesterday' }, 'a duration'],
    [{ state: 'held', limit: '0' }, 'a whole number from 1'],
  ])('%j: %s', (values, why) => {
    expect(() => selectionOf(values, ['held', 'quarantined'])).toThrow(why);
  });
});

describe('many', () => {
  const found = async (ledger: MemoryLedger, values: Parameters<typeof selectionOf>[0]) => {
    const selection = selectionOf(values, ['held', 'quarantined']);
    return (await select(ledger, selection, T0 + 10 * DAY)).map(({ spoolId, deliveryKey }) => [spoolId, deliveryKey]);
  };

  it('are those in the state, for the reason, at the next hop, accepted since: all of it in one row', async () => {
    const ledger = await given(
      held('a'),
      held('b', { nextHop: 'lotus' }),
      held('c', { stateReason: 'policy-spam' }),
      held('d', { acceptedAt: T0 + 9 * DAY }),
      held('e', { state: 'quarantined' }),
      held('f', { state: 'relayed' }),
      held('f', { deliveryKey: 'other', message: null, nextHop: 'lotus', stateReason: 'policy-spam' }),
    );
    const names = async (values: object) => (await found(ledger, { state: 'held', ...values })).map(([id]) => id);
    expect((await names({})).sort()).toEqual(['a', 'b', 'c', 'd', 'f']);
    expect(await names({ 'next-hop': 'lotus', reason: 'copy-delivery' })).toEqual(['b']);
    expect(await names({ since: '2d' })).toEqual(['d']);
    expect(await names({ 'forward-path': 'NOBODY@example.com' })).toEqual([]);
    expect(await found(ledger, { state: 'held', 'next-hop': 'lotus', reason: 'policy-spam' })).toEqual([
      ['f', 'other'],
    ]);
  });

  it('are bounded, newest first', async () => {
    const ledger = await given(...[3, 1, 2].map((days) => held(`m${days}`, { acceptedAt: T0 + days * DAY })));
    expect((await found(ledger, { state: 'held', limit: '2' })).map(([id]) => id)).toEqual(['m3', 'm2']);
  });

  it("take a held postmaster's copy along, and no notice that a delivery has the say of", async () => {
    const row = held('a', { state: 'returned' });
    const notice = (kind: 'ndr' | 'postmaster') => ({
      ...held('a', { ...asNoticeOf(row), deliveryKey: `k-${kind}`, noticeKind: kind, message: null }),
    });
    const ledger = await given(row, notice('ndr'), notice('postmaster'));
    expect(await found(ledger, { state: 'held' })).toEqual([['a', 'k-postmaster']]);
  });
});
