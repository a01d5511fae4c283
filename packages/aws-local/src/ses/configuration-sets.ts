// SES's configuration sets and event destinations. Called by cloudformation/mail.ts at each start. A new destination is
// tried, as SES tries it: one message is published to its topic, and a topic that SES may not publish to is refused.
// Only SNS topics can be destinations. Contract: docs/aws-contracts.md §3.

import type { Store } from '../store.ts';
import { AwsError, type Caller, type World } from '../world.ts';
import type { Announce } from './receipt-actions.ts';

export const eventTypes = [
  'send',
  'reject',
  'bounce',
  'complaint',
  'delivery',
  'open',
  'click',
  'renderingFailure',
  'deliveryDelay',
  'subscription',
] as const;
export type EventType = (typeof eventTypes)[number];

export type EventDestination = {
  readonly name: string;
  readonly enabled: boolean;
  readonly types: readonly EventType[];
  readonly topicArn: string;
};
export type ConfigurationSet = {
  readonly name: string;
  /** How long SES tries to deliver. */
  readonly maxDeliverySeconds: number;
  readonly suppresses: boolean;
  /** Auto Validation: SES declines recipients that it does not expect to exist. */
  readonly validates: boolean;
  readonly destinations: readonly EventDestination[];
};
export type ConfigurationSets = {
  create(set: {
    readonly name: string;
    readonly maxDeliverySeconds: number | null;
    readonly suppresses: boolean;
    /** Null or absent: as the account has it. */
    readonly validates?: boolean | null;
  }): void;
  /** Rejects where SES may not publish to the topic. */
  addDestination(setName: string, destination: EventDestination): Promise<void>;
  find(name: string): ConfigurationSet | null;
};

/** SES's default is not documented; its bounces speak of 840 minutes. */
export const DELIVERY_SECONDS_MAX = 50_400;
/** The account-wide switch of Auto Validation, on: a set that does not say otherwise is judged by it. */
const ACCOUNT_VALIDATES = true;
export const TRIAL = 'Successfully validated SNS topic for Amazon SES event publishing.';

export function openConfigurationSets(world: World, store: Store, announce: Announce): ConfigurationSets {
  const sets = new Map<string, ConfigurationSet>();
  const tried = store.table<string>('ses_destinations');

  return {
    create({ name, maxDeliverySeconds, suppresses, validates = null }) {
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) throw invalid(`${name} is no name for a configuration set`);
      if (sets.has(name)) throw new AwsError('AlreadyExistsException', 400, `Configuration set <${name}> exists.`);
      const seconds = maxDeliverySeconds ?? DELIVERY_SECONDS_MAX;
      if (!(seconds >= 300 && seconds <= DELIVERY_SECONDS_MAX))
        throw invalid(`MaxDeliverySeconds must be from 300 to ${DELIVERY_SECONDS_MAX}, not ${seconds}`);
      const declines = validates ?? ACCOUNT_VALIDATES;
      sets.set(name, { name, maxDeliverySeconds: seconds, suppresses, validates: declines, destinations: [] });
    },
    async addDestination(setName, destination) {
      const set = sets.get(setName);
      if (set === undefined)
        throw new AwsError('NotFoundException', 404, `Configuration set <${setName}> does not exist.`);
      const key = `${setName}/${destination.name}`;
      if (tried.get(key) !== destination.topicArn) {
        await announce(eventCaller(world, setName), destination.topicArn, 'Amazon SES Email Event Notification', TRIAL);
        tried.put(key, destination.topicArn);
      }
      sets.set(setName, { ...set, destinations: [...set.destinations, destination] });
    },
    find: (name) => sets.get(name) ?? null,
  };
}

export function configurationSetArn(world: World, name: string): string {
  return `arn:${world.partition}:ses:${world.region}:${world.account}:configuration-set/${name}`;
}

/** SES in its own name, for a set of ours. */
export function eventCaller(world: World, setName: string): Caller {
  return {
    principal: { kind: 'service', name: 'ses.amazonaws.com' },
    context: { 'aws:sourceaccount': world.account, 'aws:sourcearn': configurationSetArn(world, setName) },
  };
}

const invalid = (message: string): AwsError => new AwsError('BadRequestException', 400, message);
