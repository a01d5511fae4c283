// What every store of the figures promises that alarms stand on: the slots in which mail was accepted
// (pipeline/accepted-slots.ts), and the outcomes at next hops (pipeline/outcome-tally.ts). Asked of the memory stores,
// and of those on DynamoDB at the emulator.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DynamoAccepted } from '#adapters/aws/dynamo-accepted.ts';
import { DynamoOutcomes } from '#adapters/aws/dynamo-outcomes.ts';
import { MemoryAccepted } from '#adapters/memory/accepted.ts';
import { MemoryOutcomes } from '#adapters/memory/outcomes.ts';
import type { AcceptedSlots } from '#pipeline/accepted-slots.ts';
import type { OutcomeStore } from '#pipeline/outcome-tally.ts';
import { ledgerTable, openDynamoDb } from './emulated-aws.ts';

const SLOT = 5_980_000;
const UNTIL = 4_000_000_000_000;
type Stores = { readonly accepted: AcceptedSlots; readonly outcomes: OutcomeStore; close(): Promise<void> };

function figuresContract(name: string, open: () => Promise<Stores>): void {
  describe(`${name} keep their contract`, () => {
    let stores: Stores;
    beforeAll(async () => {
      stores = await open();
    });
    afterAll(() => stores.close());

    it('slots: none at first, each once, in order, and of its direction', async () => {
      const { accepted } = stores;
      expect(await accepted.latest('inbound', SLOT)).toBeNull();
      expect(await accepted.between('inbound', 0, SLOT)).toEqual([]);
      for (const slot of [SLOT + 2, SLOT, SLOT + 10, SLOT, 9]) await accepted.note('inbound', slot, UNTIL);
      await accepted.note('outbound', SLOT + 1, UNTIL);
      expect(await accepted.between('inbound', 0, SLOT + 11)).toEqual([9, SLOT, SLOT + 2, SLOT + 10]);
      expect(await accepted.between('inbound', SLOT, SLOT + 10)).toEqual([SLOT, SLOT + 2]);
      expect(await accepted.between('inbound', SLOT, SLOT)).toEqual([]);
      expect(await accepted.latest('inbound', SLOT + 10)).toBe(SLOT + 2);
      expect(await accepted.latest('inbound', SLOT)).toBe(9);
      expect(await accepted.latest('inbound', 9)).toBeNull();
      expect(await accepted.latest('outbound', SLOT + 99)).toBe(SLOT + 1);
    });

    it('outcomes: those of a slot and later, added up', async () => {
      const { outcomes } = stores;
      expect(await outcomes.since(0)).toEqual([]);
      await outcomes.add(SLOT - 1, { nextHop: 'exchange', failed: 9, accepted: 9 }, UNTIL);
      await outcomes.add(SLOT, { nextHop: 'exchange', failed: 2, accepted: 5 }, UNTIL);
      await outcomes.add(SLOT, { nextHop: 'exchange', failed: 1, accepted: -1 }, UNTIL);
      await outcomes.add(SLOT + 3, { nextHop: 'a-b_c.d', failed: 0, accepted: 7 }, UNTIL);
      const sums = new Map<string, readonly number[]>();
      for (const { nextHop, failed, accepted } of await outcomes.since(SLOT)) {
        const [f = 0, a = 0] = sums.get(nextHop) ?? [];
        sums.set(nextHop, [f + failed, a + accepted]);
      }
      expect(Object.fromEntries(sums)).toEqual({ exchange: [3, 4], 'a-b_c.d': [0, 7] });
    });
  });
}

figuresContract('MemoryAccepted and MemoryOutcomes', async () => {
  return { accepted: new MemoryAccepted(), outcomes: new MemoryOutcomes(), close: async () => {} };
});
figuresContract('DynamoAccepted and DynamoOutcomes', async () => {
  const { client, close } = await openDynamoDb();
  const table = ledgerTable.TableName;
  return { accepted: new DynamoAccepted(client, table), outcomes: new DynamoOutcomes(client, table), close };
});
