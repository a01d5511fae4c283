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
  return [subscriberFinding(topicArn, found)];
}

function subscriberFinding(topicArn: string, all: readonly Subscriber[]): Finding {
  const [first, ...others] = all.filter(({ confirmed }) => confirmed);
  const subscribe = `aws sns subscribe --topic-arn ${topicArn} --protocol email --notification-endpoint you@example.com`;
  if (first !== undefined)
    return ok(`${first.endpoint}${others.length > 0 ? ` and ${others.length} more` : ''} hears of alarms`);
  const [pending] = all;
  return pending === undefined
    ? wrong('nobody hears of alarms', `${subscribe}, then confirm by the link in the mail`)
    : wrong(
        `nobody hears of alarms: ${pending.endpoint} has not confirmed`,
        `open the link in the mail of AWS to ${pending.endpoint}; it is valid for two days, then: ${subscribe}`,
      );
}
