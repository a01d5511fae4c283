// SES as it must be, for tests whose sweep means something else: our rule set is active, every identity is verified and
// signs, and nothing has lasted. It asks nobody, and reads no ledger: a run has as many port calls as without it.

import { MemoryClock } from '#adapters/memory/clock.ts';
import type { SesFaults } from '#pipeline/ses-set-up.ts';
import { Lasting } from '#pipeline/sweep/lasting.ts';

export const noSesFaults: SesFaults = {
  otherRuleSet: false,
  unverifiedReceiving: [],
  unverifiedSending: [],
  unsigned: [],
};

const nothingNoted = {
  bookmark: async () => null,
  setBookmark: async () => Promise.reject(new Error('nothing lasts here')),
};

/** Of the ports of the levels. */
export const rightSes = {
  sesAccount: null,
  sesSetUp: { faults: async () => noSesFaults },
  lasting: new Lasting(nothingNoted, new MemoryClock(0), 1),
};
