// The level SesSending: what SES does not send for us. Called by levels.ts. It adds up what waits because SES refused
// it, and what SES itself says of the account and of the identities, so that a person hears of it before mail is
// refused too. What SES has not told for half an hour counts as well. It changes nothing.

import { sesQuotaNearly } from '#core/limits.ts';
import { quotaShare, type SesAccount } from '#pipeline/ses-account.ts';
import type { SesFaults } from '#pipeline/ses-set-up.ts';

export type SesSendingParts = {
  /** Deliveries and notices that SES refused until the operator corrects something. */
  readonly refused: number;
  /** Sending is switched off for the account, or SES has shut it down. */
  readonly off: 0 | 1;
  /** The quota of 24 hours is used up. */
  readonly quotaUsedUp: 0 | 1;
  /** Nine tenths of it are, and not all. */
  readonly quotaNearlyUsedUp: 0 | 1;
  /** Identities that SES has not verified, or does not have, of domains that we send as. */
  readonly unverified: number;
  /** Identities with whose DKIM key SES is to sign, and does not. */
  readonly unsigned: number;
  /** SES has not told us of the account for half an hour. */
  readonly unknown: 0 | 1;
};

/** `account` and `faults` are null where nothing leaves by SES, or where SES does not tell. */
export function sesSendingParts(
  refused: number,
  account: SesAccount | null,
  faults: SesFaults | null,
  isUnknown: boolean,
): SesSendingParts {
  const isOff = account !== null && (!account.sendingEnabled || account.enforcement === 'SHUTDOWN');
  const used = account === null ? 0 : quotaShare(account);
  return {
    refused,
    off: isOff ? 1 : 0,
    quotaUsedUp: used >= 1 ? 1 : 0,
    quotaNearlyUsedUp: used >= sesQuotaNearly && used < 1 ? 1 : 0,
    unverified: faults?.unverifiedSending.length ?? 0,
    unsigned: faults?.unsigned.length ?? 0,
    unknown: isUnknown ? 1 : 0,
  };
}
