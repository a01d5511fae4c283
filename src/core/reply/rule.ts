// The type of one general rule for replies, and the stages that rules name. reply-rules.ts and the files that it reads
// use it, after the rows of src/core/reply/rules/. It holds types and names, and decides nothing.

import type { TableReason } from './reasons.ts';
import type { Phase } from './reply.ts';

export type ReplyRule = {
  /** Its name in traces; null: only the stage of the dialogue decides (DESIGN decision 27, d). */
  readonly id: string | null;
  /** All that are given must fit. */
  readonly phases?: readonly Phase[];
  readonly codes?: '4xx' | '5xx' | readonly number[];
  /** The enhanced code that came with the reply, where its class agrees with the reply code. */
  readonly status?: RegExp;
  /** Matches the reply's text without the addresses that it quotes: a name is not the server's statement. */
  readonly text?: RegExp;
  /** Words with which the rule does not fit. */
  readonly unless?: RegExp;

  /** Its row (core/reply/reasons.ts) says whose fault it is, how soon the next attempt is, and whether it fails. */
  readonly reason: TableReason;
  /** The status where the reply has none. */
  readonly statusIfNone?: string;
  /** The status, whatever status the reply has. */
  readonly statusAlways?: string;
  /** A reply that made this rule necessary. */
  readonly seen: string;
};

export const BEFORE_MAIL: readonly Phase[] = ['connect', 'greeting', 'ehlo'];
export const ENVELOPE: readonly Phase[] = ['mail', 'rcpt'];
export const CONTENT: readonly Phase[] = ['data', 'content', 'final-dot'];
/** At MAIL there is no recipient yet: a mailbox that is full or closed there is the one that we log in with. */
export const FROM_RCPT_ON: readonly Phase[] = ['rcpt', ...CONTENT];

/** A refusal that the operator must correct: by 4yz and 5yz alike, unless `when` says more. */
export function operators(id: string, reason: TableReason, seen: string, when: Partial<ReplyRule>): ReplyRule {
  return { id, reason, seen, ...when };
}

/** A permanent refusal that is not our fault: the recipient's, the sender's or the message's. */
export function others(id: string, reason: TableReason, seen: string, when: Partial<ReplyRule>): ReplyRule {
  // Before MAIL the dialogue has named no message.
  return { id, codes: '5xx', reason, seen, phases: ['rcpt', 'mail', ...CONTENT], ...when };
}

/** A status that speaks for itself, by 4yz and 5yz alike (DESIGN decision 27, b). */
export function byStatus(id: string, reason: TableReason, seen: string, when: Partial<ReplyRule>): ReplyRule {
  return { id, reason, seen, phases: ['rcpt', 'mail', ...CONTENT], ...when };
}

/** Rules of the stage alone. */
export function stage(reason: TableReason, seen: string): Pick<ReplyRule, 'id' | 'reason' | 'seen'> {
  return { id: null, reason, seen };
}

/** Any of these, in any case. */
export function words(...patterns: readonly string[]): RegExp {
  return new RegExp(patterns.join('|'), 'i');
}
