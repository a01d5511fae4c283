// The one list of reasons not to send a notice (RFC 5321 §6.1 and §6.2, RFC 3834), against backscatter. The envelope
// decides. Header fields (Auto-Submitted, List-*) never suppress an NDR, because automatic mail with a real
// reverse-path relies on it; they suppress delay notices only. A notice that is not sent always has its reason in the
// ledger.

import type { Direction, HeldBecause, NoticeKind, Verdicts } from '#core/delivery/delivery.ts';
import type { Mailbox } from '#core/message/address.ts';
import type { Notify } from '#core/submission/submission.ts';
import type { NoticeLimit } from './counts.ts';
import { isAuthorOf, isForMailbox, voucherOf } from './vouching.ts';

export type NoticeFacts = {
  readonly kind: NoticeKind;
  /** The failed delivery is itself a notice of ours: a double bounce. */
  readonly ofNotice: boolean;
  /** A canary of our own: it has no sender. */
  readonly canary: boolean;
  /** A further action of a route: the first one answers to the sender. */
  readonly copy: boolean;
  readonly direction: Direction;
  /** As accepted; '' is the null reverse-path. */
  readonly reversePath: string;
  /** The same, parsed; null where it is null or cannot be parsed. */
  readonly to: Mailbox | null;
  /** `notices.from`. */
  readonly noticesFrom: string;
  /** It came to a return path of ours, and neither to its postmaster nor to abuse. */
  readonly toReturnPath: boolean;
  /** The message bears an X-Everpost-Notice that our own key signed. */
  readonly bearsOurMarker: boolean;
  /** SES's verdicts; null for mail of our own submitters. */
  readonly verdicts: Verdicts | null;
  /** The From field as received, for DMARC's alignment with the reverse-path; null where it is not known. */
  readonly fromField: string | null;
  /** The Auto-Submitted field (RFC 3834 §5); null where there is none. */
  readonly autoSubmitted: string | null;
  /** It has a List-* field or Precedence: list, bulk or junk. */
  readonly listMail: boolean;
  /** The limit that is reached, of those that hold where nothing vouches for the reverse-path; null: none. */
  readonly overLimit: NoticeLimit | null;
  /**
   * Only a report with an envelope sender could carry it, and the message is itself an automatic answer
   * (core/notice/way.ts).
   */
  readonly wayClosed: boolean;
  readonly mode: 'send' | 'hold';
  /** The submitter's request (RFC 3461 §4.1); null: none, and then failures and delays are told. */
  readonly notify: readonly Notify[] | null;
  /**
   * Outbound mail whose reverse-path is none that its submitter may use: an operator released it, or the configuration
   * has changed.
   */
  readonly foreignSender: boolean;
  /**
   * It had been confirmed before an operator resubmitted it (core/delivery/resubmission.ts): a report of its failure
   * may be useless.
   */
  readonly confirmedBefore: boolean;
};

/**
 * Whether the notice counts: where nothing vouches for the reverse-path itself, and one would be sent. Only then are
 * the counts asked for and raised.
 */
export function isCounted(facts: NoticeFacts): boolean {
  return (
    reasonToWithhold({ ...facts, overLimit: null }) === null &&
    reasonToWithhold({ ...facts, overLimit: 'domain-limit' })?.name === 'domain-limit'
  );
}

export type WithheldName = keyof typeof EXPLANATIONS;

/**
 * The delivery becomes unreturnable: no notice is allowed. Or, where `heldBecause` says why, held with an alarm:
 * a person must look.
 */
export type Withheld = {
  readonly name: WithheldName;
  readonly heldBecause: HeldBecause | null;
  readonly explanation: string;
};

/** Names are stable: they stand in ledgers and traces. */
const EXPLANATIONS = {
  canary: 'it is a canary, which Everpost sent to itself; one that does not arrive has an alarm',
  'double-bounce': 'the notice itself could not be delivered; there is never a third',
  'copy-delivery': 'this is a copy, and only the first action of a route answers to the sender',
  'null-reverse-path': 'the reverse-path is null, which forbids an answer (RFC 5321 §6.1)',
  'reverse-path-invalid': 'the reverse-path is not an address that a notice could be sent to',
  'own-notice-address': 'the reverse-path is our own notice address: answering would loop',
  'own-notice': 'the message is a notice of our own: answering would loop',
  'return-path': 'it was sent to a return path of ours, where only postmaster and abuse are answered',
  virus: 'the message carries a virus and nothing vouches for its reverse-path',
  spam: 'the message is spam and nothing vouches for its reverse-path',
  'spf-fail': 'SPF says that the reverse-path is forged, and no aligned DMARC pass says otherwise',
  'dmarc-fail': "the reverse-path's own domain asks that mail failing DMARC, as this did, be distrusted",
  'auto-replied':
    'the message is an automatic answer itself, and a notice with an envelope sender could be answered again',
  'foreign-sender': 'the reverse-path is not of the domains of who submitted the message, and may be anybody',
  'notify-never': 'its submitter asked for no notice at all (RFC 3461 §4.1)',
  'notify-no-failure': 'its submitter asked for other notices than those of failures (RFC 3461 §4.1)',
  'notify-no-delay': 'its submitter asked for other notices than those of delays (RFC 3461 §4.1)',
  'resubmitted-confirmed':
    'its arrival had been confirmed before it was resubmitted, and a report that it failed would be false for all we know',
  'message-limit':
    'as many notices of this message were sent as may be where nothing vouches for its reverse-path; a forger chooses its recipients',
  'address-limit': 'the hourly number of notices to this reverse-path is used up, and nothing vouches for it',
  'domain-limit': 'the hourly number of notices to this unverified domain is used up',
  'total-limit': 'the hourly number of notices to reverse-paths that nothing vouches for is used up',
  'delay-auto-submitted': 'the message was sent by a program, which a delay notice does not concern',
  'delay-list-mail': 'the message is list or bulk mail, which a delay notice does not concern',
  'notices-held': 'notices are held by the configuration (notices.mode)',
} as const;

/** Why no notice may be sent, or null where one must be. */
export function reasonToWithhold(facts: NoticeFacts): Withheld | null {
  if (facts.canary) return because('canary');
  if (facts.ofNotice) return because('double-bounce', 'notice-not-delivered');
  if (facts.copy) return because('copy-delivery', 'copy-failed');
  if (facts.reversePath === '') return because('null-reverse-path');
  if (facts.to === null) return because('reverse-path-invalid');
  if (sameAddress(facts.to.address, facts.noticesFrom)) return because('own-notice-address');
  if (facts.bearsOurMarker) return because('own-notice');
  if (facts.toReturnPath) return because('return-path');
  if (facts.foreignSender) return because('foreign-sender');
  const unasked = notAskedFor(facts);
  if (unasked !== null) return because(unasked);
  const doubt = backscatter(facts, facts.to);
  if (doubt !== null) return because(doubt);
  if (facts.wayClosed) return because('auto-replied');
  if (facts.kind === 'ndr' && facts.confirmedBefore) return because('resubmitted-confirmed', 'resubmitted-confirmed');
  if (facts.kind === 'delay') {
    if (isAutomatic(facts.autoSubmitted)) return because('delay-auto-submitted');
    if (facts.listMail) return because('delay-list-mail');
  }
  return facts.mode === 'hold' ? because('notices-held', 'notices-held') : null;
}

function because(name: WithheldName, heldBecause: HeldBecause | null = null): Withheld {
  return { name, heldBecause, explanation: EXPLANATIONS[name] };
}

/**
 * RFC 3461 §4.1, §5.2: the request binds every host on the way. No sender asks for the postmaster's copy.
 */
function notAskedFor({ kind, notify }: NoticeFacts): WithheldName | null {
  if (notify === null) return null;
  if (notify.includes('NEVER')) return 'notify-never';
  if (kind === 'ndr' && !notify.includes('FAILURE')) return 'notify-no-failure';
  // It may be a failure as well: a sender who asked for either is told.
  if (kind === 'uncertain') return notify.includes('FAILURE') || notify.includes('DELAY') ? null : 'notify-no-delay';
  return kind === 'delay' && !notify.includes('DELAY') ? 'notify-no-delay' : null;
}

/**
 * RFC 5321 §6.2: a notice only where it will be usefully delivered. Where something vouches for the reverse-path
 * (core/notice/vouching.ts), the notice reaches the author; within limits where DMARC vouches for the organization
 * alone. Otherwise spam, viruses and SPF FAIL get none. No SPF at all (GRAY) is merely ambiguous, and one is sent,
 * within limits.
 */
function backscatter(facts: NoticeFacts, to: Mailbox): WithheldName | null {
  const { direction, verdicts, fromField } = facts;
  const voucher = voucherOf({ direction, reversePath: to, verdicts, fromField });
  if (isForMailbox(voucher)) return null;
  if (voucher === 'organization') return facts.overLimit;
  if (verdicts?.virus === 'FAIL') return 'virus';
  if (verdicts?.spam === 'FAIL') return 'spam';
  if (verdicts?.spf === 'FAIL') return 'spf-fail';
  const distrusted = verdicts?.dmarcPolicy === 'reject' || verdicts?.dmarcPolicy === 'quarantine';
  if (verdicts?.dmarc === 'FAIL' && distrusted && isAuthorOf(to, fromField)) return 'dmarc-fail';
  return facts.overLimit;
}

function sameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** RFC 3834 §5: any keyword but `no` says that a program sent it. */
export function isAutomatic(autoSubmitted: string | null): boolean {
  const keyword =
    autoSubmitted
      ?.replace(/[;(].*$/s, '')
      .trim()
      .toLowerCase() ?? '';
  return keyword !== '' && keyword !== 'no';
}
