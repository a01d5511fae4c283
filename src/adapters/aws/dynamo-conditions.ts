// Conditions of DynamoDB writes and filters of its scans, for dynamo-ledger.ts. From a refused conditional write it
// tells which row stood in the way, and whether we wrote that row ourselves by a call that the SDK sent again. It calls
// nothing.

import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import type { TraceQuery } from '#pipeline/ports.ts';
import type { Item } from './row-attributes.ts';

/** The item that stood in the way of a condition, or null where none did. Any other error is thrown on. */
export function standingItem(error: unknown): Item | null {
  if (error instanceof ConditionalCheckFailedException) return error.Item ?? null;
  throw error;
}

/** The SDK repeated the call, so the item in the way may be the one that the first call wrote. */
export function sentAgain(error: unknown): boolean {
  return error instanceof ConditionalCheckFailedException && (error.$metadata.attempts ?? 1) > 1;
}

/** For comparing items: attribute order says nothing. */
export function canonical(item: Item): string {
  return JSON.stringify(item, (_, value) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** The part of a search that a scan can decide by an item alone; `answers` decides in the end. */
export function scanFilter(since: number, { states, reason, nextHop, attempted }: NonNullable<TraceQuery['row']>) {
  const terms = ['acceptedAt >= :since'];
  const values: Item = { ':since': { N: String(since) } };
  const want = (term: string, given: Item) => {
    terms.push(term);
    Object.assign(values, given);
  };
  if (states !== undefined) {
    const named = Object.fromEntries(states.map((state, index) => [`:st${index}`, { S: state }]));
    want(`st IN (${Object.keys(named).join(', ')})`, named);
  }
  // A row of an older version says by its reason how it came to be held: which one means this, `answers` knows.
  if (reason !== undefined)
    want('(begins_with(sr, :sr) OR hb = :sr OR (st = :held AND attribute_not_exists(hb)))', {
      ':sr': { S: reason },
      ':held': { S: 'held' },
    });
  if (nextHop !== undefined) want('nh = :nh', { ':nh': { S: nextHop } });
  if (attempted !== undefined)
    want('la >= :from AND la < :until', {
      ':from': { N: String(attempted.from) },
      ':until': { N: String(attempted.until) },
    });
  return { FilterExpression: terms.join(' AND '), ExpressionAttributeValues: values };
}
