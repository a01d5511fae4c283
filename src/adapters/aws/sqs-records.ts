// A queue as a function takes records from it that is held by other jobs of its batch (pipeline/places.ts). Called by
// lambdas/stage.ts. It gives records as the event source mapping does, and never waits for one: the function may end.
// Its permissions are those that the mapping has by the function's role.

import { DeleteMessageCommand, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';

/** SQS: messages of one ReceiveMessage. */
const receiveMax = 10;

export class SqsRecords {
  private readonly client: SQSClient;
  private readonly queueUrl: string;
  private readonly from: Pick<SQSRecord, 'eventSource' | 'eventSourceARN' | 'awsRegion'>;

  /** `record`: of the same queue, as the mapping gave it. */
  constructor(client: SQSClient, queueUrl: string, record: SQSRecord) {
    this.client = client;
    this.queueUrl = queueUrl;
    const { eventSource, eventSourceARN, awsRegion } = record;
    this.from = { eventSource, eventSourceARN, awsRegion };
  }

  async receive(max: number): Promise<readonly SQSRecord[]> {
    const { Messages = [] } = await this.client.send(
      new ReceiveMessageCommand({
        QueueUrl: this.queueUrl,
        MaxNumberOfMessages: Math.min(max, receiveMax),
        WaitTimeSeconds: 0,
        MessageSystemAttributeNames: ['All'],
      }),
    );
    return Messages.flatMap(({ MessageId, ReceiptHandle, Body, MD5OfBody = '', Attributes = {} }) =>
      MessageId === undefined || ReceiptHandle === undefined || Body === undefined
        ? []
        : [
            {
              ...{ messageId: MessageId, receiptHandle: ReceiptHandle, body: Body, md5OfBody: MD5OfBody },
              ...{ attributes: Attributes as unknown as SQSRecord['attributes'], messageAttributes: {}, ...this.from },
            },
          ],
    );
  }

  async remove({ receiptHandle }: SQSRecord): Promise<void> {
    await this.client.send(new DeleteMessageCommand({ QueueUrl: this.queueUrl, ReceiptHandle: receiptHandle }));
  }
}
