// The settings of a queue, what SQS refuses in them, and the state of an open queue. Called by queues.ts. Pure. A FIFO
// queue is refused by name.

import { AwsError } from '../world.ts';
import type { Message, Queue } from './queue.ts';
import * as rules from './validation.ts';

export type QueueSpec = {
  readonly name: string;
  readonly visibilityTimeoutSeconds?: number; // 30
  readonly delaySeconds?: number; // 0
  readonly retentionSeconds?: number; // 345,600: four days
  readonly messageBytesMax?: number; // 1 MiB
  readonly receiveWaitSeconds?: number; // 0
  readonly redrive?: { readonly deadLetterTargetArn: string; readonly maxReceiveCount: number };
  readonly redriveAllow?: {
    readonly redrivePermission: 'allowAll' | 'denyAll' | 'byQueue';
    readonly sourceQueueArns?: readonly string[];
  };
  /** The parsed policy document. */
  readonly policy?: unknown;
};

export type ReceiveOptions = {
  readonly max?: number; // 1 to 10; 1
  readonly waitMs?: number; // the queue's own
  readonly visibilitySeconds?: number; // the queue's own
  /** Ends a long poll. Its messages stay in the queue. */
  readonly signal?: AbortSignal;
};
export type FullSpec = QueueSpec & Required<Omit<QueueSpec, 'redrive' | 'redriveAllow' | 'policy'>>;

/** A queue with its long polls and listeners. */
export type OpenQueue = {
  readonly arn: string;
  readonly spec: FullSpec;
  readonly queue: Queue;
  readonly createdAt: number;
  readonly pollers: Set<Poller>;
  readonly listeners: Set<() => void>;
  purgedAt: number;
  armedFor: number | null;
  disarm: () => void;
  dispatching: boolean;
};
export type Poller = { readonly options: ReceiveOptions; readonly finish: (messages: readonly Message[]) => void };

export function withDefaults(spec: QueueSpec): FullSpec {
  return {
    visibilityTimeoutSeconds: 30,
    delaySeconds: 0,
    retentionSeconds: 345_600,
    messageBytesMax: rules.messageBytesMax,
    receiveWaitSeconds: 0,
    ...spec,
  };
}

/** Throws the error of CreateQueue. `target` is the open dead-letter queue that the redrive policy names. */
export function checkSpec(spec: FullSpec, arn: string, target: OpenQueue | undefined): void {
  if (!/^[A-Za-z0-9_-]{1,80}$/.test(spec.name)) {
    if (spec.name.endsWith('.fifo'))
      throw new AwsError('NotImplemented', 501, `${spec.name}: FIFO queues are not emulated`);
    throw rules.invalidValue('QueueName', `${spec.name} is not a name for a queue`);
  }
  rules.checkRange('VisibilityTimeout', spec.visibilityTimeoutSeconds, 0, rules.visibilitySecondsMax);
  rules.checkRange('DelaySeconds', spec.delaySeconds, 0, rules.delaySecondsMax);
  rules.checkRange(
    'MessageRetentionPeriod',
    spec.retentionSeconds,
    rules.retentionSecondsMin,
    rules.retentionSecondsMax,
  );
  rules.checkRange('MaximumMessageSize', spec.messageBytesMax, 1_024, rules.messageBytesMax);
  rules.checkRange('ReceiveMessageWaitTimeSeconds', spec.receiveWaitSeconds, 0, rules.waitSecondsMax);
  if (spec.redrive === undefined) return;
  rules.checkRange('maxReceiveCount', spec.redrive.maxReceiveCount, 1, 1_000);
  if (target === undefined) throw rules.invalidValue('RedrivePolicy', 'Dead letter target does not exist');
  const allow = target.spec.redriveAllow;
  const refused =
    allow?.redrivePermission === 'denyAll' ||
    (allow?.redrivePermission === 'byQueue' && !(allow.sourceQueueArns ?? []).includes(arn));
  if (refused) throw rules.invalidValue('RedrivePolicy', 'the dead letter target does not allow this source');
}
