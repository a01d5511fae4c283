// One row of the reply rules, and the stages that rows name. The rows themselves: rules.ts and the files that it reads.
// Types and names alone; nothing is decided here.

import type { TableReason } from './reasons.ts';
import type { Phase } from './reply.ts';

export type ReplyRule = {
  /** All that are given must fit. */
  readonly phases?: readonly Phase[];
  readonly codes?: '4xx' | '5xx' | readonly number[];
  /** The enhanced code that came with the reply, where its class agrees with the reply code. */
  readonly status?: RegExp;
  /** Asked of the reply's text without the addresses that it quotes: a name is not the server's word. */
  readonly text?: RegExp;
  /** Words with which the rule does not fit. */
  readonly unless?: RegExp;

  readonly kind: 'deferred' | 'failed';
  /** Whose fault it is, and how soon the next attempt is, its row says (core/reply/reasons.ts). */
  readonly reason: TableReason;
  /** The status where the reply has none. */
  readonly statusIfNone?: string;
  /** The status whatever the reply has. */
  readonly statusAlways?: string;
  /** A reply that made this rule necessary. */
  readonly seen: string;
};

export const BEFORE_MAIL: readonly Phase[] = ['connect', 'greeting', 'ehlo'];
export const ENVELOPE: readonly Phase[] = ['mail', 'rcpt'];
export const CONTENT: readonly Phase[] = ['data', 'content', 'final-dot'];

/** A refusal that is ours to mend: by 4yz and 5yz alike, unless `when` says more. */
export function operators(reason: TableReason, seen: string, when: Partial<ReplyRule>): ReplyRule {
  return { kind: 'deferred', reason, seen, ...when };
}

/** A refusal for good that is not ours: the recipient's, the sender's or the message's. */
export function others(reason: TableReason, seen: string, when: Partial<ReplyRule>): ReplyRule {
  // Before MAIL nobody's message was named.
  return { kind: 'failed', codes: '5xx', reason, seen, phases: ['rcpt', 'mail', ...CONTENT], ...when };
}

/** Any of these, in any case. */
export function words(...patterns: readonly string[]): RegExp {
  return new RegExp(patterns.join('|'), 'i');
}
