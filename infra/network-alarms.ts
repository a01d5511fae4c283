// The alarms that exist only where relay runs in a VPC, or has an hourly call: services that it cannot reach, and calls
// that could not be started. Called by watch.ts, which makes them. It decides their articles and texts.

import type { Queue } from 'aws-cdk-lib/aws-sqs';

export const callsInVpc = [
  {
    metricName: 'ServiceUnreachable',
    article: 'A service of AWS that relay cannot reach',
    says: 'the VPC does not lead to a service that relay needs; its log names the service and the endpoint.',
  },
] as const;

/** As in watch.ts: id, queue, article, and what a message in the queue means. */
export function keepAliveRest(queue: Queue | null): readonly (readonly [string, Queue, string, string])[] {
  if (queue === null) return [];
  const says = "EventBridge could not start relay's hourly call, for its network interfaces and client certificates.";
  return [['KeepAliveDeadLetters', queue, 'Sweeps that could not be started', says]];
}
