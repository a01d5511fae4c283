// An item of the ledger's table that carries a version: it is written only where the version that was read still
// stands. Used by the board of next hops and by the failure limit's counts. It decides nothing, and reads nothing.

import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';

export type VersionedItem = Record<string, AttributeValue>;

export function versionOf(item: VersionedItem): number {
  return Number(item.v?.N ?? 0);
}

/**
 * Replaces the item where its stored version is still `version` (0: none stands), and stores `version + 1`. Otherwise
 * the item that stands; empty where none does.
 */
export async function putVersioned(
  client: DynamoDBClient,
  table: string,
  item: VersionedItem,
  version: number,
): Promise<'written' | VersionedItem> {
  const isNew = version === 0;
  try {
    await client.send(
      new PutItemCommand({
        TableName: table,
        Item: { ...item, v: { N: String(version + 1) } },
        ConditionExpression: isNew ? 'attribute_not_exists(pk)' : 'v = :version',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        ...(isNew ? {} : { ExpressionAttributeValues: { ':version': { N: String(version) } } }),
      }),
    );
    return 'written';
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return error.Item ?? {};
    throw error;
  }
}
