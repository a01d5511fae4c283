// What the doctor's checks are, and what they find. Each file of checks beside it makes checks; run-checks.ts runs
// them. A check only looks. What it could not find out is `unknown`, with the reason, and never `ok`.

import { refusalOf } from '#adapters/aws/account-refusals.ts';

export type State = 'ok' | 'wrong' | 'unknown';
export type Finding = {
  readonly state: State;
  /** One line, without secrets. */
  readonly what: string;
  /** What to do; null where nothing is to be done. */
  readonly remedy: string | null;
  /** A wrong that `unavailable` mends itself, or that no change of the configuration mends: exit 69 before a deploy. */
  readonly unavailable?: true;
};
export type Area = 'account' | 'ses' | 'secrets' | 'dns' | 'alarms' | 'next-hops' | 'mail' | 'leftovers';
export type Check = {
  readonly name: string;
  readonly area: Area;
  /** It must hold before CloudFormation starts. */
  readonly beforeDeploy: boolean;
  run(signal: AbortSignal): Promise<readonly Finding[]>;
};

export const ok = (what: string): Finding => ({ state: 'ok', what, remedy: null });
export const wrong = (what: string, remedy: string): Finding => ({ state: 'wrong', what, remedy });
export const unknown = (what: string, remedy: string): Finding => ({ state: 'unknown', what, remedy });

/** Thrown by a check that cannot go on: the finding says why. */
export class NotFoundOut extends Error {
  readonly finding: Finding;
  constructor(finding: Finding) {
    super(finding.what);
    this.name = 'NotFoundOut';
    this.finding = finding;
  }
}

/** The result of a call of AWS; where it fails, the check ends with a finding that names the right it needs. */
export async function asking<T>(right: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw new NotFoundOut(unanswered(right, error));
  }
}

export function unanswered(right: string, error: unknown): Finding {
  const { kind, words } = refusalOf(error);
  if (kind === 'no-right')
    return unknown(`AWS refuses ${right}`, `give your credentials the right ${right} (${words})`);
  if (kind === 'credentials')
    return unknown(`AWS does not take your credentials (${words})`, 'see the line of the check "credentials"');
  if (kind === 'no-answer')
    return unknown(
      `${right}: no answer (${words})`,
      'check the region and the network of this machine, then ask again',
    );
  return unknown(`${right} failed: ${words}`, 'ask again; where it stays, look at the status page of AWS');
}
