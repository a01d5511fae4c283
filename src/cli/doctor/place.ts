// What the doctor's checks look at: one configuration, one AWS account and region, and the stack in it, where it
// stands. doctor.ts and the deploy make it. The stack is read once, whatever many checks ask for it.

import { AccountReader, type FoundStack } from '#adapters/aws/account-reader.ts';
import type { AwsSettings } from '#adapters/aws/client-settings.ts';
import type { Settings } from '#config/settings.ts';
import type { AskDns } from '../dns-answers.ts';
import type { Instance } from '../find-instance.ts';
import { asking, NotFoundOut, unknown } from './finding.ts';

export type Place = {
  /** The local runtime's settings; null: an account of AWS, by one's own credentials. */
  readonly aws: AwsSettings | null;
  readonly region: string;
  readonly settings: Settings;
  readonly stackName: string;
  readonly reader: AccountReader;
  readonly ask: AskDns;
  /** By the clock of the instance. */
  now(): number;
  /** Null: no stack of that name. Throws NotFoundOut where AWS does not say. */
  stack(): Promise<FoundStack | null>;
};

const STACK_MS = 15_000;

/** `instance`: one that runs on this machine; null: the account of one's own credentials. */
export function placeOf(given: {
  readonly settings: Settings;
  readonly stackName: string;
  readonly region: string;
  readonly instance: Instance | null;
  readonly ask: AskDns;
}): Place {
  const { settings, stackName, region, instance, ask } = given;
  const aws = instance?.aws ?? null;
  const reader = new AccountReader({ aws, region, account: instance?.account ?? null });
  let stack: Promise<FoundStack | null> | null = null;
  const read = () =>
    instance === null
      ? asking('cloudformation:DescribeStacks', () => reader.stack(stackName, AbortSignal.timeout(STACK_MS)))
      : Promise.resolve({ status: 'CREATE_COMPLETE', outputs: withNames(instance) });
  return {
    aws,
    region,
    settings,
    stackName,
    reader,
    ask,
    now: () => Date.now() + (instance?.aheadMs ?? 0),
    stack() {
      stack ??= read();
      return stack;
    },
  };
}

function withNames({ outputs, table, bucket }: Instance): FoundStack['outputs'] {
  return { Table: table, Bucket: bucket, ...outputs };
}

/** What the stack says of itself. Where it does not stand, the check ends: the check "stack" says what to do. */
export async function outputsOf(place: Place): Promise<FoundStack['outputs']> {
  const stack = await place.stack();
  if (stack !== null && Object.keys(stack.outputs).length > 0) return stack.outputs;
  throw new NotFoundOut(unknown('it cannot be known before the stack stands', 'see the line of the check "stack"'));
}
