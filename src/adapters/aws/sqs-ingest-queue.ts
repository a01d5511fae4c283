// Puts into the ingest queue, where receipts and S3's events come in otherwise, an operator's word on an orphan, and an
// event that S3 did not bring. Nothing else is ever sent there by us. Sending it twice is harmless: the second one
// finds the deliveries made.

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
