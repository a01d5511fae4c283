// SNS's topics, and their delivery to SQS queues in SNS's own name, under the queue's policy. Called by sns.ts and by
// services inside. A refusal by the queue is final: the message goes to the subscription's dead-letter queue, or is
// lost with a log line, as in AWS. A server-side error is retried, across restarts. Only queues can subscribe.
// Contract: docs/aws-contracts.md §1.5.

import { randomUUID } from 'node:crypto';
import type { Queues } from '../sqs/queues.ts';
import type { Store } from '../store.ts';
import { AwsError, type Caller, ResponseLost, type World } from '../world.ts';

export type SubscriptionSpec = {
  readonly topicArn: string;
  /** The queue's ARN. */
  readonly endpoint: string;
  readonly raw: boolean;
  /** RedrivePolicy.deadLetterTargetArn. */
  readonly deadLetterTargetArn: string | null;
};
/** A person, by e-mail. Nothing is delivered: the address is there to be listed, and confirmed or not. */
export type PersonSpec = { readonly topicArn: string; readonly address: string; readonly confirmed: boolean };
/** As ListSubscriptionsByTopic tells it; `arn` is PendingConfirmation until it is confirmed. */
export type ListedSubscription = {
  readonly arn: string;
  readonly protocol: 'sqs' | 'email';
  readonly endpoint: string;
};
export type Publication = { readonly message: string; readonly subject?: string };
export type Topics = ReturnType<typeof createTopics>;

type Topic = {
  readonly arn: string;
  readonly policy: unknown;
  readonly defaultPolicy: unknown;
  readonly subscriptions: SubscriptionSpec[];
  readonly listed: ListedSubscription[];
};
/** A delivery that met trouble on the server's side; kept until it succeeds or is refused. */
type Pending = { readonly topicArn: string; readonly queueArn: string; readonly body: string; attempts: number };

/** 256 KiB, everything included. */
const publicationBytesMax = 262_144;

export function createTopics(world: World, store: Store, queues: Queues) {
  const topics = new Map<string, Topic>();
  const pending = store.table<Pending>('sns_pending');
  const remembered = [...pending.entries()];

  return {
    create,
    subscribe,
    subscribePerson,
    subscriptions,
    publish,
    announce,
    /** For the gate. */
    policyOf: (arn: string): unknown => topics.get(arn)?.policy ?? null,
    /** For the gate, where a topic has no policy of its own: any policy replaces SNS's default one whole (§1.4). */
    defaultPolicyOf: (arn: string): unknown => topics.get(arn)?.defaultPolicy ?? null,
    resume,
  };

  /** Creates the topic and returns its ARN. */
  function create(name: string, policy: unknown = null): string {
    if (!/^[A-Za-z0-9_-]{1,256}$/.test(name)) {
      const reason = name.endsWith('.fifo') ? 'FIFO topics are not emulated' : 'not a name for a topic';
      throw new AwsError('InvalidParameter', 400, `${name}: ${reason}`);
    }
    const arn = `arn:${world.partition}:sns:${world.region}:${world.account}:${name}`;
    topics.set(arn, { arn, policy, defaultPolicy: defaultPolicy(arn, world.account), subscriptions: [], listed: [] });
    return arn;
  }

  /** Returns the subscription's ARN. */
  function subscribe(spec: SubscriptionSpec): string {
    const topic = find(spec.topicArn);
    for (const arn of [spec.endpoint, spec.deadLetterTargetArn]) {
      if (arn !== null && !queues.all().some((queue) => queue.arn === arn)) {
        throw new AwsError('InvalidParameter', 400, `Invalid parameter: no queue ${arn} to subscribe`);
      }
    }
    topic.subscriptions.push(spec);
    const arn = `${topic.arn}:${randomUUID()}`;
    topic.listed.push({ arn, protocol: 'sqs', endpoint: spec.endpoint });
    return arn;
  }

  /** The same address again takes the place of what stood for it. */
  function subscribePerson({ topicArn, address, confirmed }: PersonSpec): void {
    const { listed } = find(topicArn);
    const others = listed.filter(({ endpoint }) => endpoint !== address);
    const arn = confirmed ? `${topicArn}:${randomUUID()}` : 'PendingConfirmation';
    listed.splice(0, listed.length, ...others, { arn, protocol: 'email', endpoint: address });
  }

  /** In the caller's name. */
  function subscriptions(by: Caller, topicArn: string): Promise<readonly ListedSubscription[]> {
    const call = {
      service: 'sns' as const,
      operation: 'ListSubscriptionsByTopic',
      target: topicArn.slice(topicArn.lastIndexOf(':') + 1),
      principal: by.principal,
      access: [
        {
          action: 'sns:ListSubscriptionsByTopic',
          resource: topicArn,
          context: { 'aws:sourceowner': world.account, ...by.context },
        },
      ],
      ...(by.kill ? { kill: by.kill } : {}),
    };
    return world.gate.pass(call, async () => [...find(topicArn).listed]);
  }

  /** Publishes in the caller's name. Resolves once each subscription has the message, or it is kept for another try. */
  async function publish(
    by: Caller,
    topicArn: string,
    publication: Publication,
  ): Promise<{ readonly snsMessageId: string }> {
    const published = await announce(by, topicArn, publication);
    await store.flushed();
    return published;
  }

  /**
   * A publish that is committed with the other writes of this turn: a caller that acknowledges it waits for the store.
   */
  function announce(
    by: Caller,
    topicArn: string,
    publication: Publication,
  ): Promise<{ readonly snsMessageId: string }> {
    const call = {
      service: 'sns' as const,
      operation: 'Publish',
      target: topicArn.slice(topicArn.lastIndexOf(':') + 1),
      principal: by.principal,
      access: [
        { action: 'sns:Publish', resource: topicArn, context: { 'aws:sourceowner': world.account, ...by.context } },
      ],
      ...(by.kill ? { kill: by.kill } : {}),
    };
    return world.gate.pass(call, async () => {
      const topic = find(topicArn);
      const bytes = Buffer.byteLength(publication.message) + Buffer.byteLength(publication.subject ?? '');
      if (bytes > publicationBytesMax)
        throw new AwsError('InvalidParameter', 400, 'Invalid parameter: Message too long');
      if (publication.message === '') throw new AwsError('InvalidParameter', 400, 'Invalid parameter: Empty message');
      const snsMessageId = randomUUID();
      await Promise.all(
        topic.subscriptions.map((subscription) => {
          const body = subscription.raw
            ? publication.message
            : envelope(topicArn, snsMessageId, publication, world.clock.now());
          return deliver(randomUUID(), { topicArn, queueArn: subscription.endpoint, body, attempts: 0 });
        }),
      );
      return { snsMessageId };
    });
  }

  /** One attempt; keeps the delivery for another where the trouble was on the server's side. */
  async function deliver(key: string, delivery: Pending): Promise<void> {
    const subscription = topics
      .get(delivery.topicArn)
      ?.subscriptions.find(({ endpoint }) => endpoint === delivery.queueArn);
    if (subscription === undefined) {
      world.log(
        `sns: ${delivery.queueArn} is no longer subscribed to ${delivery.topicArn}; its kept message is dropped`,
      );
      pending.delete(key);
      return;
    }
    const trouble = await sendTo(delivery.queueArn, delivery);
    if (trouble === null) {
      if (delivery.attempts > 0) pending.delete(key);
    } else if (isServerSide(trouble)) {
      keep(key, delivery);
    } else {
      await giveUp(key, delivery, subscription, trouble);
    }
  }

  /** A client-side error is not retried (aws-contracts §1.5). */
  async function giveUp(key: string, delivery: Pending, subscription: SubscriptionSpec, refusal: Error): Promise<void> {
    const { deadLetterTargetArn } = subscription;
    const trouble = deadLetterTargetArn === null ? refusal : await sendTo(deadLetterTargetArn, delivery);
    if (trouble !== null && deadLetterTargetArn !== null && isServerSide(trouble)) {
      keep(key, delivery);
      return;
    }
    pending.delete(key);
    const what = `sns: ${subscription.endpoint} refused a message of ${subscription.topicArn} (${refusal.message})`;
    if (deadLetterTargetArn === null) world.log(`${what}; it is LOST: the subscription has no dead-letter queue`);
    else if (trouble === null) world.log(`${what}; it went to ${deadLetterTargetArn}`);
    else world.log(`${what}; it is LOST: ${deadLetterTargetArn} refused it too (${trouble.message})`);
  }

  async function sendTo(queueArn: string, { topicArn, body }: Pending): Promise<Error | null> {
    const by: Caller = {
      principal: { kind: 'service', name: 'sns.amazonaws.com' },
      context: { 'aws:sourcearn': topicArn, 'aws:sourceaccount': world.account },
    };
    try {
      await queues.post(by, queueArn, { body });
      return null;
    } catch (error) {
      if (error instanceof AwsError || error instanceof ResponseLost) return error;
      throw error;
    }
  }

  function keep(key: string, delivery: Pending): void {
    delivery.attempts += 1;
    pending.put(key, delivery);
    tryLater(key, delivery);
  }

  function tryLater(key: string, delivery: Pending): void {
    world.clock.at(world.clock.now() + retryDelayMs(delivery.attempts), () => {
      const done = world.clock.busy('a delivery of SNS');
      deliver(key, delivery)
        .then(() => store.flushed())
        .catch((error: Error) => world.log(`sns: ${error.stack}`))
        .finally(done);
    });
  }

  /** Continues with messages that an earlier process could not deliver, once all topics and queues exist. */
  function resume(): void {
    for (const [key, delivery] of remembered.splice(0)) tryLater(key, delivery);
  }

  function find(arn: string): Topic {
    const topic = topics.get(arn);
    if (topic === undefined) throw new AwsError('NotFound', 404, 'Topic does not exist');
    return topic;
  }
}

/** Throttling and faults of the queue's side. Every other error of the queue is the subscriber's own fault. */
function isServerSide(error: Error): boolean {
  return (
    !(error instanceof AwsError) ||
    error.statusCode >= 500 ||
    error.code === 'RequestThrottled' ||
    error.code === 'OverLimit'
  );
}

/** SNS to SQS: 3 tries at once, 2 after a second each, 10 backing off from 1 to 20 s, then every 20 s for 23 days. */
function retryDelayMs(attempts: number): number {
  if (attempts <= 3) return 0;
  if (attempts <= 5) return 1_000;
  return Math.min(20_000, 1_000 * 2 ** Math.min(attempts - 5, 10));
}

/** SNS's default policy: every principal of the account may publish, and SES for the account (§1.4). */
function defaultPolicy(arn: string, account: string): unknown {
  return {
    Version: '2008-10-17',
    Id: '__default_policy_ID',
    Statement: [
      {
        Sid: '__default_statement_ID',
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: ['SNS:Publish', 'SNS:Subscribe', 'SNS:GetTopicAttributes', 'SNS:ListSubscriptionsByTopic'],
        Resource: arn,
        Condition: { StringEquals: { 'AWS:SourceOwner': account } },
      },
    ],
  };
}

function envelope(topicArn: string, snsMessageId: string, { message, subject }: Publication, now: number): string {
  return JSON.stringify({
    Type: 'Notification',
    MessageId: snsMessageId,
    TopicArn: topicArn,
    ...(subject === undefined ? {} : { Subject: subject }),
    Message: message,
    Timestamp: new Date(now).toISOString(),
    SignatureVersion: '1',
    Signature: 'not-signed-here',
    SigningCertURL: 'https://sns.invalid/not-signed-here.pem',
    UnsubscribeURL: 'https://sns.invalid/not-emulated',
  });
}
