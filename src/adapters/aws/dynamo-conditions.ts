// Conditions of DynamoDB's. What a conditional write that was refused tells: what stood in its way, and whether that
// was written by ourselves, by a call that the SDK sent again. And what a scan is filtered by. It calls nothing.

import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import type { TraceQuery } from '#pipeline/ports.ts';
import type { Item } from './row-attributes.ts';

/** The item that stood in the way of a condition, or null where none did. Any other error is thrown on. */
export function standingItem(error: unknown): Item | null {
  if (error instanceof ConditionalCheckFailedException) return error.Item ?? null;
  throw error;
}

/** The SDK repeated the call, so what stands in the way may be what the first one wrote. */
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

/** What of a search a scan can tell by an item alone; `answers` has the last word. */
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
