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
  {
    name: 'ledger/message-after-its-rows',
    file: 'adapters/dynamo-ledger.ts',
    text: '    if (message !== null) await this.putNew(itemOfMessage(message, this.options));\n    return inBatches(rows, (row) => this.putNew(itemOfRow(row, this.options)));',
    replacement:
      '    const results = await inBatches(rows, (row) => this.putNew(itemOfRow(row, this.options)));\n    if (message !== null) await this.putNew(itemOfMessage(message, this.options));\n    return results;',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > asks DynamoDB > to keep the message before its deliveries: one without it could not be relayed, nor its sender told',
    },
  },
  {
    name: 'ledger/reads-what-was',
    file: 'adapters/dynamo-ledger.ts',
    text: 'new GetItemCommand({ TableName: this.table, Key: key, ConsistentRead: true })',
    replacement: 'new GetItemCommand({ TableName: this.table, Key: key })',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > asks DynamoDB > for what is written already, not for what was some seconds ago; but of an index, which has nothing else',
    },
  },
  {
    name: 'ledger/outage-is-no-item',
    file: 'adapters/dynamo-ledger.ts',
    text: '      if (!(error instanceof ConditionalCheckFailedException)) throw error;\n',
    replacement: '',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > never takes an outage for an answer: forgetMessage',
    },
  },
  {
    name: 'ledger/expiries-of-the-hour-forgotten',
    file: 'adapters/dynamo-ledger.ts',
    text: 'until: hour + this.options.ledgerRetentionMs',
    replacement: 'until: hour',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > counts an hour\u2019s expiries for longer than that hour, and a domain\u2019s notices until they may be forgotten',
    },
  },
];
