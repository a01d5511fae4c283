// Puts an operator's word on an orphan into the ingest queue, where receipts come in otherwise. Nothing else is ever sent there by us.
// Sending it twice is harmless: the second one finds the deliveries made.

import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { type NamedRecipients, namedRecipientsBody } from '#core/named-recipients.ts';

export class SqsIngestQueue {
  private readonly client: SQSClient;
  private readonly queueUrl: string;

  constructor(client: SQSClient, queueUrl: string) {
    this.client = client;
    this.queueUrl = queueUrl;
  }

  /** Throws where SQS does. */
  async name(named: Omit<NamedRecipients, 'kind' | 'version'>): Promise<void> {
    await this.client.send(
      new SendMessageCommand({ QueueUrl: this.queueUrl, MessageBody: namedRecipientsBody(named) }),
    );
  }
}
