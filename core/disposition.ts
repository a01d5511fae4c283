// Policy's decision on a message as a whole: relay it, hold it, or refuse it. Pure; from SES's verdicts and the operator's policy.
// It never discards: only an explicit route may, and that is traced.

import type { PolicyChoice, Settings } from './config.ts';
import type { Verdicts } from './delivery.ts';
import type { Status } from './status.ts';
import { statusOf } from './status.ts';

export type Disposition =
  | { readonly kind: 'relay' }
  /** Kept and not moving until an operator says so. */
  | { readonly kind: 'quarantine'; readonly reason: string }
  /** An NDR where one is allowed; else the bounce stage says why there is none. */
  | { readonly kind: 'refuse'; readonly reason: string; readonly status: Status; readonly detail: string };

/** `PROCESSING_FAILED`, `GRAY` and `DISABLED` are no failure: what could not be judged is relayed. */
export function disposition(verdicts: Verdicts, policy: Settings['policy']): Disposition {
  if (verdicts.virus === 'FAIL') return choose(policy.virus, 'policy-virus', 'the message was found to carry a virus');
  if (verdicts.spam === 'FAIL') return choose(policy.spam, 'policy-spam', 'the message was found to be spam');
  if (verdicts.dmarc === 'FAIL' && verdicts.dmarcPolicy === 'reject') {
    return choose(
      policy.dmarcReject,
      'policy-dmarc',
      'the domain of the From field asks that mail failing its DMARC policy be rejected',
    );
  }
  return { kind: 'relay' };
}

function choose(choice: PolicyChoice, reason: string, detail: string): Disposition {
  switch (choice) {
    case 'relay':
      return { kind: 'relay' };
    case 'quarantine':
      return { kind: 'quarantine', reason };
    case 'refuse':
      return { kind: 'refuse', reason, status: statusOf('5.7.1'), detail };
  }
}
