// A job queue on SQS, used by the functions and the operator's verbs. It sends in batches of ten and reads the answer
// for each entry, because SendMessageBatch reports failures without throwing. It throws when a job could not be sent. A
// second send is harmless: the claim refuses the second job.

import { GetQueueAttributesCommand, SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { FeedbackWork } from '#pipeline/feedback/feedback-job.ts';
import type { Job, JobQueue } from '#pipeline/ports.ts';

/** SQS: entries of one batch. Ten jobs are some 2 KB, far below its 1 MiB. */
const batchMax = 10;
/** Batches under way at once: the sweep may send thousands of jobs in a minute. */
const batchesAtOnce = 8;

type Entry = { readonly job: Job; readonly group: string; readonly delayMs?: number };
type NotSent = { readonly entry: Entry; readonly why: string };

export class SqsJobQueue implements JobQueue {
  private readonly client: SQSClient;
  private readonly queueUrl: string;
  private readonly work: { readonly work?: FeedbackWork };

  /** `work` stands in each job of a queue that has jobs of several kinds. */
  constructor(client: SQSClient, queueUrl: string, work?: FeedbackWork) {
    this.client = client;
    this.queueUrl = queueUrl;
    this.work = work === undefined ? {} : { work };
  }

  async send(jobs: readonly Entry[]): Promise<void> {
    for (let at = 0; at < jobs.length; at += batchMax * batchesAtOnce) {
      const batches = Array.from({ length: batchesAtOnce }, (_, index) => {
        const from = at + index * batchMax;
        return jobs.slice(from, from + batchMax);
      });
      await Promise.all(batches.filter((batch) => batch.length > 0).map((batch) => this.sendBatch(batch)));
    }
  }

  async depth(): Promise<{ readonly visible: number; readonly inFlight: number }> {
    const { Attributes } = await this.client.send(
      new GetQueueAttributesCommand({
        QueueUrl: this.queueUrl,
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesDelayed',
          'ApproximateNumberOfMessagesNotVisible',
        ],
      }),
    );
    return {
      visible:
        Number(Attributes?.ApproximateNumberOfMessages ?? 0) +
        Number(Attributes?.ApproximateNumberOfMessagesDelayed ?? 0),
      inFlight: Number(Attributes?.ApproximateNumberOfMessagesNotVisible ?? 0),
    };
  }

  /**
   * Failed entries are sent once more. It throws when they fail again, and the jobs come again by their own queue or
   * the sweep.
   */
  private async sendBatch(batch: readonly Entry[]): Promise<void> {
    const failed = await this.attempt(batch);
    const again = failed.length === 0 ? [] : await this.attempt(failed.map(({ entry }) => entry));
    const first = again[0];
    if (first !== undefined)
      throw new Error(`SendMessageBatch: ${again.length} of ${batch.length} jobs not sent: ${first.why}`);
  }

  private async attempt(batch: readonly Entry[]): Promise<readonly NotSent[]> {
    const { Failed = [] } = await this.client.send(
      new SendMessageBatchCommand({
        QueueUrl: this.queueUrl,
        Entries: batch.map(({ job, group, delayMs = 0 }, index) => ({
          Id: String(index),
          MessageBody: JSON.stringify({ ...job, ...this.work }),
          MessageGroupId: group, // fair queues: one slow next hop must not starve the others
          ...(delayMs > 0 ? { DelaySeconds: Math.ceil(delayMs / 1_000) } : {}),
        })),
      }),
    );
    return Failed.flatMap(({ Id, Code, Message }) => {
      const entry = batch[Number(Id)];
      return entry === undefined ? [] : [{ entry, why: `${Code}: ${Message ?? 'no message'}` }];
    });
  }
}
