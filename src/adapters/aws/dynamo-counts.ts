// Counters beside the ledger's rows, for dynamo-ledger.ts: the expiries of an hour, and actions that are limited in
// number. Each counter is one item and one atomic update, and DynamoDB removes it by TTL. A call that the SDK sends
// again may count twice where no id says what is counted. It never leaves a count out.

import { ConditionalCheckFailedException, type DynamoDBClient, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type { ExpiryCount } from '#core/delivery/expiry-limit.ts';
import { EXPIRIES_KEY, secondsOf } from './dynamo-row.ts';

export async function countExpiry(
  client: DynamoDBClient,
  table: string,
  { hour, suspect, until }: { readonly hour: number; readonly suspect: boolean; readonly until: number },
): Promise<ExpiryCount> {
  const { Attributes } = await client.send(
    new UpdateItemCommand({
      TableName: table,
      Key: { pk: { S: EXPIRIES_KEY }, sk: { S: `h#${hour}` } },
      UpdateExpression: 'ADD #total :one, #suspect :suspect SET #ttl = if_not_exists(#ttl, :ttl)',
      ExpressionAttributeNames: { '#total': 'total', '#suspect': 'suspect', '#ttl': 'ttl' },
      ExpressionAttributeValues: {
        ':one': { N: '1' },
        ':suspect': { N: suspect ? '1' : '0' },
        ':ttl': secondsOf(until),
      },
      ReturnValues: 'ALL_NEW',
    }),
  );
  return { total: Number(Attributes?.total?.N ?? 0), suspect: Number(Attributes?.suspect?.N ?? 0) };
}

/** False: `max` is reached, and nothing was counted. */
export async function countUpTo(
  client: DynamoDBClient,
  table: string,
  { name, max, until }: { readonly name: string; readonly max: number; readonly until: number },
): Promise<boolean> {
  const command = new UpdateItemCommand({
    TableName: table,
    Key: { pk: { S: `n#${name}` }, sk: { S: 'n' } }, // no spoolId has a #
    UpdateExpression: 'SET #until = :until ADD #count :one',
    ConditionExpression: 'attribute_not_exists(#count) OR #count < :max',
    ExpressionAttributeNames: { '#count': 'c', '#until': 'ttl' },
    ExpressionAttributeValues: { ':one': { N: '1' }, ':max': { N: String(max) }, ':until': secondsOf(until) },
  });
  return taken(client, command);
}

/**
 * The same, where each counted thing has a name: a set of strings, which holds at most `max` of them and so stays
 * small.
 */
export async function countOnce(
  client: DynamoDBClient,
  table: string,
  {
    name,
    key,
    max,
    until,
  }: { readonly name: string; readonly key: string; readonly max: number; readonly until: number },
): Promise<boolean> {
  const command = new UpdateItemCommand({
    TableName: table,
    Key: { pk: { S: `n#${name}` }, sk: { S: 'n' } },
    UpdateExpression: 'SET #until = :until ADD #keys :keys',
    ConditionExpression: 'attribute_not_exists(#keys) OR contains(#keys, :key) OR size(#keys) < :max',
    ExpressionAttributeNames: { '#keys': 'k', '#until': 'ttl' },
    ExpressionAttributeValues: {
      ':keys': { SS: [key] },
      ':key': { S: key },
      ':max': { N: String(max) },
      ':until': secondsOf(until),
    },
  });
  return taken(client, command);
}

/** False: its condition did not hold, and nothing changed. */
async function taken(client: DynamoDBClient, command: UpdateItemCommand): Promise<boolean> {
  try {
    await client.send(command);
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}
