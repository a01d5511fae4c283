// The outcome of an attempt, as Postfix has it: sent, deferred, bounced. classify.ts makes it from a next hop's
// answers, and relay makes it for attempts that never reached one. core/delivery/progress.ts decides what a row becomes
// by it.

import { REASONS, type Reason, type TableReason } from './reasons.ts';
import type { Reply } from './reply.ts';
import { type Status, statusOf } from './status.ts';

export type Outcome =
  | { readonly kind: 'relayed'; readonly reply: Reply }
  | {
      readonly kind: 'deferred';
      readonly reason: Reason;
      readonly status: Status;
      readonly reply: Reply | null;
      /** One line for people; never contains secrets. */
      readonly detail: string;
      /** The next hop may have taken the message although we got no reply (RFC 5321 §4.5.3.2.6, RFC 1047). */
      readonly possibleDuplicate: boolean;
      /** The operator must correct it (a refused login, a missing certificate): alarmed, never blamed on the sender. */
      readonly operatorFault: boolean;
      /** The row or general rule that decided on a reply, by its id; absent: the stage alone, or there was no reply. */
      readonly rule?: string;
      /** Absent: the configured schedule. A throttled attempt is repeated soon, a used-up quota takes hours. */
      readonly pace?: 'short' | 'long';
    }
  | {
      readonly kind: 'failed';
      readonly reason: Reason;
      readonly status: Status;
      readonly reply: Reply | null;
      readonly detail: string;
      readonly rule?: string;
      /**
       * The stage of the dialogue alone decided, at RCPT or later (DESIGN decision 27, d): no row or rule knows the
       * text. Code that needs a surer fault, such as a limit of failures, reads this.
       */
      readonly unrecognised?: true;
    };
export type Deferred = Extract<Outcome, { kind: 'deferred' }>;
export type Failed = Extract<Outcome, { kind: 'failed' }>;

type Said = { readonly status?: Status; readonly reply?: Reply; readonly rule?: string | null };
type Doubt = { readonly possibleDuplicate?: boolean; readonly operatorFault?: boolean };

/**
 * Another attempt follows, at the pace of the reason's row. `operatorFault` is given where the reason alone does not
 * decide.
 */
export function deferredFor(reason: TableReason, detail: string, more: Said & Doubt = {}): Deferred {
  const { fault, pace, status } = REASONS[reason];
  return {
    kind: 'deferred',
    reason,
    status: more.status ?? statusOf(status),
    reply: more.reply ?? null,
    detail,
    possibleDuplicate: more.possibleDuplicate ?? false,
    operatorFault: more.operatorFault ?? fault === 'operator',
    ...(pace === 'normal' ? {} : { pace }),
    ...decidedBy(more.rule),
  };
}

export function failedFor(
  reason: TableReason,
  detail: string,
  more: Said & { readonly unrecognised?: boolean } = {},
): Failed {
  const status = more.status ?? statusOf(REASONS[reason].status);
  const by = { ...decidedBy(more.rule), ...(more.unrecognised === true ? { unrecognised: true as const } : {}) };
  return { kind: 'failed', reason, status, reply: more.reply ?? null, detail, ...by };
}

function decidedBy(rule: string | null | undefined): { readonly rule?: string } {
  return rule === null || rule === undefined ? {} : { rule };
}
