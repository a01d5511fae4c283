// Checks of the first account on the queues: what of a batch comes again, and a redrive. They send two kinds of
// messages: SES's word of trial, which ingest is done with at once, and one that it cannot read.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import { type AccountCheck, fail, passIf } from './account-check.ts';
import { type AccountPlace, output, ROOT } from './account-place.ts';
import { arnOf } from './resource-facts.ts';

const known = readFileSync(join(ROOT, 'test/fixtures/events/setup-notification.json'), 'utf8');

/** Waits until the queue has so many messages in all. SQS's counts are approximate, and settle within a minute. */
async function counts(place: AccountPlace, client: SQSClient, QueueUrl: string, wanted: number): Promise<number> {
  const names = [
    'ApproximateNumberOfMessages',
    'ApproximateNumberOfMessagesNotVisible',
    'ApproximateNumberOfMessagesDelayed',
  ] as const;
  const end = Date.now() + place.patienceMs;
  for (let same = 0; ; ) {
    const { Attributes = {} } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] }),
    );
    const count = names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
    same = count === wanted ? same + 1 : 0;
    if (same >= 3 || Date.now() > end) return count;
    await new Promise((resolve) => setTimeout(resolve, place.local ? 200 : 20_000));
  }
}

export const queueFacts: readonly AccountCheck[] = [
  {
    name: 'partial-failure',
    contract: 'of a batch what the function names comes again, and everything else is deleted',
    source: 'aws-contracts §4.2; Lambda developer guide, "Handling errors for an SQS event source"',
    async run(place) {
      const client = new SQSClient(place.client);
      const QueueUrl = output(place, 'IngestQueueUrl');
      const Entries = [known, 'no receipt', known].map((MessageBody, at) => ({ Id: `m${at}`, MessageBody }));
      await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
      const left = await counts(place, client, QueueUrl, 1);
      return passIf(left === 1, `of three messages, one of which cannot be read, ${left} are left`);
    },
  },
  {
    name: 'dead-letter-redrive',
    contract: 'a move task takes messages from a dead-letter queue back to the stage, as new ones',
    source: 'aws-contracts §4.4; SQS API reference, StartMessageMoveTask',
    async run(place) {
      const client = new SQSClient(place.client);
      const QueueUrl = output(place, 'IngestDeadLettersUrl');
      const before = await counts(place, client, QueueUrl, 0);
      if (before !== 0)
        return fail(`there are ${before} dead letters already: see docs/runbook/ingest-dead-letters.md`);
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody: known }));
      const SourceArn = await arnOf(client, QueueUrl);
      const DestinationArn = await arnOf(client, output(place, 'IngestQueueUrl'));
      await client.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn }));
      const left = await counts(place, client, QueueUrl, 0);
      return passIf(left === 0, `${left} dead letters are left`);
    },
  },
  {
    name: 'dead-letters-stay-readable',
    contract: 'a message of a dead-letter queue can be received, and deleted by its handle',
    source: 'aws-contracts §4.4',
    async run(place) {
      const client = new SQSClient(place.client);
      const QueueUrl = output(place, 'ReceiptDeadLettersUrl');
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody: known }));
      const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }));
      for (const { ReceiptHandle } of Messages)
        await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      return passIf(Messages.length === 1 && Messages[0]?.Body === known, `${Messages.length} came`);
    },
  },
];
