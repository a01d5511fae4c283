// The result of an attempt, decided. Postfix: sent, deferred, bounced.
// Made by classify.ts alone; what a row becomes by it, progress.ts says.

import type { Reply } from './reply.ts';
import type { Status } from './status.ts';

/** Machine-readable reasons; kebab-case, stable, shown in traces. */
export type Outcome =
  | { readonly kind: 'relayed'; readonly reply: Reply }
  | {
      readonly kind: 'deferred';
      readonly reason: string;
      readonly status: Status;
      readonly reply: Reply | null;
      /** One line for people; never contains secrets. */
      readonly detail: string;
      /** The next hop may have taken the message although we did not hear so (RFC 5321 §4.5.3.2.6, RFC 1047). */
      readonly possibleDuplicate: boolean;
      /** Ours to mend, not the sender's (a refused login, a missing certificate): alarmed, never blamed on the sender. */
      readonly operatorFault: boolean;
      /** Where the next attempt has a pace of its own: a throttled one comes soon, a used-up quota needs hours (core/delivery/retry-schedule.ts). */
      readonly pace?: 'short' | 'long';
    }
  | {
      readonly kind: 'failed';
      readonly reason: string;
      readonly status: Status;
      readonly reply: Reply | null;
      readonly detail: string;
    };
