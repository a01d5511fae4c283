// What vouches for a reverse-path: that its domain, or our own submitter's login, stands for whoever wrote it. Asked before a notice is
// sent (core/notice/permission.ts) and before a body goes back with it (core/notice/body.ts). Pure; it decides on verdicts that SES gave.

import type { Direction, Verdicts } from '#core/delivery/delivery.ts';
import { type Mailbox, parseMailbox } from '#core/message/address.ts';
import { isAligned } from '#core/message/organizational-domain.ts';

export type VouchingFacts = {
  readonly direction: Direction;
  readonly reversePath: Mailbox;
  /** SES's; null where there are none: mail of our own submitters, and mail whose receipt is missing. */
  readonly verdicts: Verdicts | null;
  /** The From field as it was received; null where it is not known. */
  readonly fromField: string | null;
};

/**
 * `login`: one of our own submitters sent it, and may use this reverse-path (core/submission/submitter.ts). `spf`: PASS is about the reverse-path's own
 * domain (RFC 7208 §2.6.3). `dmarc`: PASS is about the From field's domain, so it counts where the two are of one organization.
 * Null: nothing does. Any other result of SPF is no word for the reverse-path: SES says GRAY for none, softfail and neutral. DKIM's PASS
 * counts for nothing by itself: SES's verdict does not say which domain signed, and anybody can sign with his own.
 */
export function voucherOf({
  direction,
  reversePath,
  verdicts,
  fromField,
}: VouchingFacts): 'login' | 'spf' | 'dmarc' | null {
  if (direction === 'outbound') return 'login';
  if (verdicts === null) return null;
  if (verdicts.spf === 'PASS') return 'spf';
  return verdicts.dmarc === 'PASS' && isAuthorOf(reversePath, fromField) ? 'dmarc' : null;
}

/** The From field names one domain alone, wherever in it, and that one is aligned with the reverse-path's. */
export function isAuthorOf(reversePath: Mailbox, fromField: string | null): boolean {
  const domains = fromField?.match(/@[^\s<>,;"'()@]+/g) ?? [];
  const author = domains.length === 1 ? parseMailbox(`author${domains[0]}`.replace(/\.$/, '')) : null;
  return author !== null && isAligned(author.domainKey, reversePath.domainKey);
}
