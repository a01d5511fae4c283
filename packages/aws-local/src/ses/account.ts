// The account's sending at SES: what GetAccount (v2) tells, and what it refuses. Called by ses.ts; a test sets the
// values. Its defaults stand in no program's way. Contract: docs/aws-contracts.md §2.6.

import { AwsError, type World } from '../world.ts';

export type SesAccountValues = {
  readonly sendingEnabled: boolean;
  /** False: the account is in the sandbox. */
  readonly productionAccess: boolean;
  readonly enforcement: 'HEALTHY' | 'PROBATION' | 'SHUTDOWN';
  /** Recipients in a second. */
  readonly maxSendRate: number;
  /** Recipients in 24 hours; -1: no limit. */
  readonly max24HourSend: number;
};
export type SesAccount = {
  values(): SesAccountValues;
  /** Throws, with what is wrong, where a value is not of its kind. */
  set(change: unknown): void;
  /** Counts a message to so many recipients. Throws where the account may not send it now: nothing is sent then. */
  spend(recipients: number): void;
  sentLast24Hours(): number;
};

const SECOND = 1_000;
const DAY = 24 * 60 * 60 * SECOND;

export function createSesAccount({ clock }: Pick<World, 'clock'>): SesAccount {
  let values: SesAccountValues = {
    ...{ sendingEnabled: true, productionAccess: true, enforcement: 'HEALTHY' },
    ...{ maxSendRate: 1_000, max24HourSend: 1_000_000 },
  };
  let sent: { readonly at: number; readonly recipients: number }[] = [];
  const sentWithin = (ms: number): number =>
    sent.filter(({ at }) => at > clock.now() - ms).reduce((sum, { recipients }) => sum + recipients, 0);
  return {
    values: () => values,
    set(change) {
      values = { ...values, ...checked(change) };
    },
    spend(recipients) {
      const { sendingEnabled, maxSendRate, max24HourSend } = values;
      if (!sendingEnabled) throw new AwsError('SendingPausedException', 400, 'Sending is paused for this account.');
      sent = sent.filter(({ at }) => at > clock.now() - DAY);
      if (max24HourSend !== -1 && sentWithin(DAY) + recipients > max24HourSend)
        throw new AwsError('LimitExceededException', 400, 'Daily message quota exceeded.');
      if (sentWithin(SECOND) + recipients > Math.max(1, maxSendRate))
        throw new AwsError('TooManyRequestsException', 429, 'Maximum sending rate exceeded.');
      sent.push({ at: clock.now(), recipients });
    },
    sentLast24Hours: () => sentWithin(DAY),
  };
}

const KINDS: Readonly<Record<keyof SesAccountValues, string>> = {
  sendingEnabled: 'boolean',
  productionAccess: 'boolean',
  enforcement: 'string',
  maxSendRate: 'number',
  max24HourSend: 'number',
};

function checked(change: unknown): Partial<SesAccountValues> {
  if (typeof change !== 'object' || change === null) throw new Error('an object with the values that change');
  for (const [name, value] of Object.entries(change)) {
    const kind = (KINDS as Readonly<Record<string, string>>)[name];
    if (kind === undefined) throw new Error(`${name}: one of ${Object.keys(KINDS).join(', ')}`);
    if (typeof value !== kind) throw new Error(`${name} must be a ${kind}`);
  }
  return change;
}
