// The keys of our signed marks: a pass, a notice, the token of a return path, a canary. Each has its own key, derived
// by a label from a secret of the stack, so that a mark of one kind says nothing about another. The stack's id signed
// all marks before there was a secret, and counts as the value before the first one. Pure: adapters/aws/mark-secret.ts
// reads the secret.

import { createHmac } from 'node:crypto';

/** A text alone signs and is accepted as it is: the stack's id, where the secret cannot be read. */
export type MarkKey = string | MarkSecrets;
export type MarkSecrets = {
  readonly current: string;
  /** Accepted still; null: the secret was never rotated. */
  readonly previous: string | null;
  /** Accepted as long as there is no other value before. */
  readonly stackId: string;
};
export type MarkLabel = 'pass' | 'notice' | 'return-path' | 'canary';

export function signingKey(key: MarkKey, label: MarkLabel): string | Buffer {
  return typeof key === 'string' ? key : derived(key.current, label);
}

/** The signing one first. */
export function acceptedKeys(key: MarkKey, label: MarkLabel): readonly (string | Buffer)[] {
  if (typeof key === 'string') return [key];
  const before = key.previous === null ? key.stackId : derived(key.previous, label);
  return [derived(key.current, label), before];
}

function derived(secret: string, label: MarkLabel): Buffer {
  return createHmac('sha256', secret).update(`everpost/${label}/1`).digest();
}
