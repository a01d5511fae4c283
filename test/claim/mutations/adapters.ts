// Mutations of adapters/: see run.ts.

import type { Mutation } from './mutation.ts';

const paged = "DynamoLedger behind pages of two items, on the emulator, keeps the ledger's contract";

export const adapterMutations: readonly Mutation[] = [
  {
    name: "ledger/first-page-of-a-message's-items",
    file: 'adapters/dynamo-ledger.ts',
    text: '      items.push(...(page.Items ?? []));\n      from = page.LastEvaluatedKey;',
    replacement: '      items.push(...(page.Items ?? []));\n      from = undefined;',
    test: {
      file: 'test/contract/ledger.test.ts',
      name: `${paged} > trace > gives a message once, with all its deliveries and notices`,
    },
  },
];
