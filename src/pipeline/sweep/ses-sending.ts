// The level SesSending: what SES does not send for us. Called by levels.ts. It adds up what waits because SES refused
// it, and what SES itself says of the account, so that a person hears of it before mail is refused too. Where the
// account cannot be read only the first is known, and CallsRefused tells of the second. It changes nothing.

import type { SesAccount } from '#pipeline/ses-account.ts';

export type SesSendingParts = {
  /** Deliveries and notices that SES refused until the operator corrects something. */
  readonly refused: number;
  /** Sending is switched off for the account, or SES has shut it down. */
  readonly off: 0 | 1;
  /** The quota of 24 hours is used up. */
  readonly quotaUsedUp: 0 | 1;
};

/** `account` is null where nothing leaves by SES, or where SES does not tell. */
export function sesSendingParts(refused: number, account: SesAccount | null): SesSendingParts {
  if (account === null) return { refused, off: 0, quotaUsedUp: 0 };
  const { sendingEnabled, enforcement, max24Hours, sentLast24Hours } = account;
  const isOff = !sendingEnabled || enforcement === 'SHUTDOWN';
  const isUsedUp = max24Hours !== null && sentLast24Hours >= max24Hours;
  return { refused, off: isOff ? 1 : 0, quotaUsedUp: isUsedUp ? 1 : 0 };
}
