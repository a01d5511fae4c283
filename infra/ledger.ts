// The ledger: one DynamoDB table with the rows of each delivery. Called by stack.ts. It outlives the stack. Names of
// keys and indexes are a contract with src/adapters/aws/dynamo-ledger.ts.

import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, type CfnTable, ProjectionType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import type { Settings } from '#config/settings.ts';

/** When the sweep must look at a row next; sparse, and sharded so that no partition is hot. */
export const dueIndex = 'due';

const SEARCH_INDEXES = [
  ['byMessageIdField', 'messageIdField'],
  ['byReversePath', 'reversePathKey'],
  ['byForwardPath', 'forwardPathKey'],
] as const;

export function ledger(scope: Construct, settings: Settings): Table {
  const table = new Table(new Construct(scope, 'Ledger'), 'Table', {
    partitionKey: { name: 'pk', type: AttributeType.STRING },
    sortKey: { name: 'sk', type: AttributeType.STRING },
    billingMode: BillingMode.PAY_PER_REQUEST,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    timeToLiveAttribute: 'ttl',
    deletionProtection: true,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  table.addGlobalSecondaryIndex({
    indexName: dueIndex,
    partitionKey: { name: 'dueShard', type: AttributeType.STRING },
    sortKey: { name: 'dueAt', type: AttributeType.NUMBER },
    // The sweep chooses by these without reading rows: next hop, state, next attempt, expiry. The names are those of
    // adapters/aws/row-attributes.ts. They change only together with dueAt, so that the index costs no write more.
    projectionType: ProjectionType.INCLUDE,
    nonKeyAttributes: ['nh', 'st', 'na', 'ex'],
  });
  for (const [indexName, attribute] of settings.trace.search ? SEARCH_INDEXES : []) {
    table.addGlobalSecondaryIndex({
      indexName,
      partitionKey: { name: attribute, type: AttributeType.STRING },
      sortKey: { name: 'acceptedAt', type: AttributeType.NUMBER },
      projectionType: ProjectionType.KEYS_ONLY,
    });
  }
  // Pinned: under another logical id CloudFormation would make a new, empty ledger.
  (table.node.defaultChild as CfnTable).overrideLogicalId('LedgerTable');
  return table;
}
