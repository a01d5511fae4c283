// What a conditional write of DynamoDB's that was refused tells: what stood in its way, and whether that was written by ourselves, by a call
// that the SDK sent again. It calls nothing.

import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import type { Item } from './dynamo-row.ts';

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
