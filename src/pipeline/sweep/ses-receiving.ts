// The level SesReceiving: whether SES takes mail for us at all. Called by levels.ts. Another rule set may be active, or
// an identity of a domain may have lost its verification: mail is refused then, or goes elsewhere, and nothing of
// Everpost runs. It counts a fault when it has lasted, since a deploy activates our rule set last. It changes nothing.

import { sesFaultAfterMs, sesUnansweredAfterMs } from '#core/limits.ts';
import type { SesFaults } from '#pipeline/ses-set-up.ts';
import type { Lasting } from './lasting.ts';

export type SesReceivingParts = {
  /** Another receipt rule set is active, or none. */
  readonly otherRuleSet: 0 | 1;
  /** Identities that SES has not verified, or does not have, of domains that we receive for. */
  readonly unverified: number;
  /** SES has not told us for half an hour. */
  readonly unknown: 0 | 1;
};

/** `faults` null: SES did not tell. Null: it has not for some minutes, and what was so before may still be. */
export async function sesReceivingParts(faults: SesFaults | null, lasting: Lasting): Promise<SesReceivingParts | null> {
  const isUnknown = await lasting.lasts('ses-set-up-unknown', faults === null, sesUnansweredAfterMs);
  if (faults === null) return isUnknown ? { otherRuleSet: 0, unverified: 0, unknown: 1 } : null;
  const { otherRuleSet, unverifiedReceiving } = faults;
  const isWrong = otherRuleSet || unverifiedReceiving.length > 0;
  const counts = await lasting.lasts('ses-not-receiving', isWrong, sesFaultAfterMs);
  return {
    otherRuleSet: counts && otherRuleSet ? 1 : 0,
    unverified: counts ? unverifiedReceiving.length : 0,
    unknown: 0,
  };
}
