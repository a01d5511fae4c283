// Sends to the ingest queue, which otherwise gets receipts and S3's events: an operator's command about an orphan, and
// an event that S3 did not send. The release verbs and the function orphans call it. It sends nothing else. A second
// send is harmless, because ingest finds the deliveries already made.

import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { type NamedRecipients, namedRecipientsBody } from '#core/spool/named-recipients.ts';
import type { EventQueue } from '#pipeline/ports.ts';

export class SqsIngestQueue implements EventQueue {
  private readonly client: SQSClient;
  private readonly queueUrl: string;

  constructor(client: SQSClient, queueUrl: string) {
    this.client = client;
    this.queueUrl = queueUrl;
  }

  async sendEvent(body: string): Promise<void> {
    await this.client.send(new SendMessageCommand({ QueueUrl: this.queueUrl, MessageBody: body }));
  }

  /** Throws where SQS does. */
  async name(named: Omit<NamedRecipients, 'kind' | 'version'>): Promise<void> {
    await this.sendEvent(namedRecipientsBody(named));
  }
}
