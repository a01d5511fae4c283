// What vouches for a reverse-path: a verdict on its domain, or the login of our own submitter, shows that it belongs to
// the author of the message. Asked before a notice is sent (core/notice/permission.ts) and before a body is returned
// with it (core/notice/body.ts). Pure; it decides on verdicts that SES gave.

import type { Direction, Verdicts } from '#core/delivery/delivery.ts';
import { type Mailbox, personKey } from '#core/message/address.ts';
import { type Named, namedIn } from '#core/message/from-text.ts';
import { isAligned } from '#core/message/organizational-domain.ts';

export type VouchingFacts = {
  readonly direction: Direction;
  readonly reversePath: Mailbox;
  /** SES's; null where there are none: mail of our own submitters, and mail whose receipt is missing. */
  readonly verdicts: Verdicts | null;
  /** The From field as it was received; null where it is not known. */
  readonly fromField: string | null;
};

/** `author` and `organization` are results of DMARC. */
export type Voucher = 'login' | 'spf' | 'author' | 'organization';

/**
 * `login`: one of our own submitters sent it, and may use this reverse-path (core/submission/submitter.ts). `spf`: PASS
 * is about the reverse-path's own domain (RFC 7208 §2.6.3). DMARC's PASS is about the From field's domain: `author`
 * where the author is the reverse-path itself, `organization` where the two are of one organization. Null: nothing
 * does. Any other result of SPF does not vouch for the reverse-path: SES says GRAY for none, softfail and neutral.
 * DKIM's PASS counts for nothing by itself: SES's verdict does not say which domain signed, and anybody can sign with
 * his own.
 */
export function voucherOf({ direction, reversePath, verdicts, fromField }: VouchingFacts): Voucher | null {
  if (direction === 'outbound') return 'login';
  if (verdicts === null) return null;
  if (verdicts.spf === 'PASS') return 'spf';
  if (verdicts.dmarc !== 'PASS' || !isAuthorOf(reversePath, fromField)) return null;
  const mailbox = authorIn(fromField)?.mailbox ?? null;
  return mailbox !== null && personKey(mailbox) === personKey(reversePath) ? 'author' : 'organization';
}

/**
 * Whether the voucher stands for the reverse-path itself, so that notices need no limit and the body may be returned.
 * An organization does not: a signature says nothing of the envelope (RFC 6376 §8.6), and a customer of a mail provider
 * can send a message that it signed once more, under the reverse-path of any other customer.
 */
export function isForMailbox(voucher: Voucher | null): boolean {
  return voucher !== null && voucher !== 'organization';
}

/** The From field names one domain alone, wherever in it, and that one is aligned with the reverse-path's. */
export function isAuthorOf(reversePath: Mailbox, fromField: string | null): boolean {
  const domainKey = authorIn(fromField)?.domainKey ?? null;
  return domainKey !== null && isAligned(domainKey, reversePath.domainKey);
}

function authorIn(fromField: string | null): Named | null {
  const [named, ...others] = namedIn(fromField ?? '');
  return others.length === 0 ? (named ?? null) : null;
}
