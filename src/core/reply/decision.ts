// Finds the row or rule that decides on a reply, and the delivery's reason after it (DESIGN decision 27). Called by
// classify.ts. It tries the rows of rules/ first, then the general rules, and last those of the stages of the dialogue.
// It decides nothing about a 2yz or a 3yz, and never what becomes of a delivery.

import { REASONS, type TableReason } from './reasons.ts';
import type { Phase, Reply } from './reply.ts';
import { replyRules } from './reply-rules.ts';
import type { ReplyRule } from './rule.ts';
import { type Asked, foldText, ready } from './rules/fit.ts';
import { rowGroups } from './rules/providers.ts';
import { parseStatus, type Status, statusOf } from './status.ts';

export type Decision = {
  readonly reason: TableReason;
  readonly status: Status;
  /** The id of a row or of a general rule; null: the stage alone. */
  readonly rule: string | null;
};

const replyRows = rowGroups.flatMap(({ rows }) => rows.map(ready));

/** Null for a code that is neither a 4yz nor a 5yz. */
export function decisionOn(phase: Phase, reply: Reply): Decision | null {
  const asked = askedOf(phase, reply);
  return asked === null ? null : (byRow(asked) ?? byRule(asked));
}

/** The parts of the reply that rules read. Null for a code that is neither a 4yz nor a 5yz. */
export function askedOf(phase: Phase, reply: Reply): Asked | null {
  const digit = digitOf(reply);
  if (digit !== 4 && digit !== 5) return null;
  const text = withoutAddresses(reply.text);
  return { phase, code: reply.code, status: replyStatus(reply), text, folded: foldText(text) };
}

function byRow(asked: Asked): Decision | null {
  const row = replyRows.find(({ fits }) => fits(asked))?.row;
  if (row === undefined) return null;
  const status = asked.status ?? statusOf(`${digitOf(asked)}${REASONS[row.reason].status.slice(1)}`);
  return { reason: row.reason, status, rule: row.id };
}

/** The general rules alone. */
export function byRule(asked: Asked): Decision | null {
  const rule = replyRules.find((candidate) => fits(candidate, asked));
  return rule === undefined ? null : { reason: rule.reason, status: statusBy(rule, asked), rule: rule.id };
}

function fits(rule: ReplyRule, { phase, code, status, text }: Asked): boolean {
  if (rule.phases !== undefined && !rule.phases.includes(phase)) return false;
  if (rule.codes === '4xx' || rule.codes === '5xx') {
    if (String(code).charAt(0) !== rule.codes.charAt(0)) return false;
  } else if (rule.codes !== undefined && !rule.codes.includes(code)) return false;
  if (rule.status !== undefined && !rule.status.test(status ?? '')) return false;
  if (rule.unless?.test(text) === true) return false;
  return rule.text === undefined || rule.text.test(text);
}

function statusBy(rule: ReplyRule, asked: Asked): Status {
  if (rule.statusAlways !== undefined) return statusOf(rule.statusAlways);
  return asked.status ?? statusOf(rule.statusIfNone ?? `${digitOf(asked)}.0.0`);
}

/**
 * The server's text without the addresses that it repeats: a stranger who chose an address must not choose the rule.
 */
function withoutAddresses(text: string): string {
  return text
    .replace(/"(?:[^"\\]|\\.){0,320}"@[^\s<>()[\]"',;:@]{1,255}/g, '')
    .replace(/(?<![^\s<>()[\]"',;:=])[^\s<>()[\]"',;:=@]{0,320}@[^\s<>()[\]"',;:@]{1,255}/g, '');
}

/** qmail and Cisco write the enhanced code among the words: `(#5.1.1)`, `#5.1.0 Address rejected`. */
const AMONG_WORDS = /#([45]\.\d{1,3}\.\d{1,3})(?!\d)/;

/**
 * The reply code wins over an enhanced code of another class (RFC 2034 §4 wants them to agree; Postfix smtp_chat.c).
 */
export function replyStatus(reply: Reply): Status | null {
  const status = reply.status ?? parseStatus(AMONG_WORDS.exec(reply.text)?.[1] ?? '');
  return status?.startsWith(`${digitOf(reply)}.`) === true ? status : null;
}

/** 0 for a number that is no reply code (RFC 5321 §4.2.1: 200 to 599). */
export function digitOf({ code }: { readonly code: number }): number {
  return Number.isInteger(code) && code >= 200 && code <= 599 ? Math.floor(code / 100) : 0;
}
