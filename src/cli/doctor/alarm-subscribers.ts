// Checks that somebody hears of alarms: the topic has a subscriber who has confirmed. Called by doctor.ts. It only
// reads. Who has not confirmed is nobody.

import type { Subscriber } from '#adapters/aws/account-reader.ts';
import { asking, type Check, type Finding, ok, unknown, wrong } from './finding.ts';
import { outputsOf, type Place } from './place.ts';

export function alarmChecks(place: Place): readonly Check[] {
  const run = (signal: AbortSignal) => subscribers(place, signal);
  return [{ name: 'subscribers', area: 'alarms', beforeDeploy: false, run }];
}

async function subscribers(place: Place, signal: AbortSignal): Promise<readonly Finding[]> {
  const { AlarmTopic: topicArn } = await outputsOf(place);
  if (topicArn === undefined) return [unknown('the stack names no AlarmTopic', 'npm run deploy')];
  const right = 'sns:ListSubscriptionsByTopic';
  const found = await asking(right, () => place.reader.subscribers(topicArn, signal));
  return subscriberFindings(topicArn, place.settings.alarms.email, found);
}

/** Who has confirmed, and each of `alarms.email` who has not. */
function subscriberFindings(
  topicArn: string,
  wanted: readonly string[],
  all: readonly Subscriber[],
): readonly Finding[] {
  const [first, ...others] = all.filter(({ confirmed }) => confirmed);
  const heard = new Set([first, ...others].map((each) => each?.endpoint.toLowerCase()));
  const missing = wanted.filter((address) => !heard.has(address.toLowerCase()));
  const subscribe = (address: string) =>
    `aws sns subscribe --topic-arn ${topicArn} --protocol email --notification-endpoint ${address}`;
  const confirm = (address: string) =>
    `open the link in the mail of AWS to ${address}; it is valid for two days, then: ${subscribe(address)}`;
  if (first !== undefined)
    return [
      ok(`${first.endpoint}${others.length > 0 ? ` and ${others.length} more` : ''} hears of alarms`),
      ...missing.map((address) => wrong(`${address} of alarms.email hears of no alarm yet`, confirm(address))),
    ];
  const pending = missing[0] ?? all[0]?.endpoint;
  if (pending !== undefined) return [wrong(`nobody hears of alarms: ${pending} has not confirmed`, confirm(pending))];
  return [
    wrong(
      'nobody hears of alarms',
      `${subscribe('you@example.com')}, then confirm by the link in the mail; or write alarms.email, and deploy`,
    ),
  ];
}
