// SQS over HTTP: the AWS JSON protocol 1.0 in front of queues.ts. Opened by emulators.ts. It finds the operation, reads
// its parameters and words the answer. The older Query protocol and every other operation are refused by name.

import { readBody } from '../http/request-body.ts';
import type { HttpCall, HttpService, World } from '../world.ts';
import { AwsError } from '../world.ts';
import type { MoveTasks } from './move-tasks.ts';
import type { MessageAttribute } from './queue.ts';
import type { BatchEntry, BatchResult, Queues, ReceivedMessage, Sent } from './queues.ts';
import * as rules from './validation.ts';

type Input = Readonly<Record<string, unknown>>;
type Operation = (call: HttpCall, input: Input) => Promise<object>;

/** Above the largest legal request: a batch of 1 MiB, base64 and JSON escapes included. */
const requestBytesMax = 16 * 1_048_576;

/**
 * @param endpoint the beginning of queue URLs: an IP address, because the SDK follows the URL and no resolver knows AWS
 * names
 */
export function createSqs(world: World, queues: Queues, moves: MoveTasks, endpoint: () => string): HttpService {
  const operations: Readonly<Record<string, Operation>> = {
    async SendMessage(call, input) {
      return sentOutput(await queues.send(call, arnOf(input), outgoing(input)));
    },
    async SendMessageBatch(call, input) {
      const results = await queues.sendBatch(call, arnOf(input), entries(input, outgoing));
      return batchOutput(results, (id, sent) => ({ Id: id, ...sentOutput(sent) }));
    },
    ReceiveMessage: receive,
    async DeleteMessage(call, input) {
      await queues.delete(call, arnOf(input), text(input, 'ReceiptHandle'));
      return {};
    },
    async DeleteMessageBatch(call, input) {
      const handles = entries(input, (entry) => ({ receiptHandle: text(entry, 'ReceiptHandle') }));
      return batchOutput(await queues.deleteBatch(call, arnOf(input), handles), (id) => ({ Id: id }));
    },
    async ChangeMessageVisibility(call, input) {
      const seconds = integer(input, 'VisibilityTimeout');
      if (seconds === undefined) throw rules.missingParameter('VisibilityTimeout');
      await queues.changeVisibility(call, arnOf(input), text(input, 'ReceiptHandle'), seconds);
      return {};
    },
    async ChangeMessageVisibilityBatch(call, input) {
      const changes = entries(input, (entry) => ({
        receiptHandle: text(entry, 'ReceiptHandle'),
        visibilitySeconds: integer(entry, 'VisibilityTimeout') ?? 0,
      }));
      return batchOutput(await queues.changeVisibilityBatch(call, arnOf(input), changes), (id) => ({ Id: id }));
    },
    async GetQueueAttributes(call, input) {
      const all = await queues.attributes(call, arnOf(input));
      const wanted = names(input, 'AttributeNames');
      const unknown = wanted.find((name) => name !== 'All' && !knownAttributes.has(name));
      if (unknown !== undefined) throw new AwsError('InvalidAttributeName', 400, `Unknown Attribute ${unknown}.`);
      const chosen = Object.entries(all).filter(([name]) => wanted.includes('All') || wanted.includes(name));
      return chosen.length === 0 ? {} : { Attributes: Object.fromEntries(chosen) };
    },
    GetQueueUrl(call, input) {
      const name = text(input, 'QueueName');
      return queues.pass(call, queues.arnOf(name), 'GetQueueUrl', 'GetQueueUrl', async () => ({
        QueueUrl: urlOf(name),
      }));
    },
    ListQueues(call, input) {
      const prefix = optionalText(input, 'QueueNamePrefix') ?? '';
      return listQueues(call, 'ListQueues', '*', (name) => name.startsWith(prefix));
    },
    ListDeadLetterSourceQueues(call, input) {
      const arn = arnOf(input);
      const sources = new Set(
        queues.all().flatMap(({ spec }) => (spec.redrive?.deadLetterTargetArn === arn ? [spec.name] : [])),
      );
      return queues.pass(call, arn, 'ListDeadLetterSourceQueues', 'ListDeadLetterSourceQueues', async () => ({
        queueUrls: [...sources].map(urlOf),
      }));
    },
    async PurgeQueue(call, input) {
      await queues.purge(call, arnOf(input));
      return {};
    },
    async StartMessageMoveTask(call, input) {
      const taskHandle = await moves.start(call, {
        sourceArn: text(input, 'SourceArn'),
        destinationArn: optionalText(input, 'DestinationArn') ?? null,
        perSecondMax: integer(input, 'MaxNumberOfMessagesPerSecond') ?? null,
      });
      return { TaskHandle: taskHandle };
    },
    async ListMessageMoveTasks(call, input) {
      return { Results: await moves.list(call, text(input, 'SourceArn'), integer(input, 'MaxResults') ?? 1) };
    },
    async CancelMessageMoveTask(call, input) {
      return { ApproximateNumberOfMessagesMoved: await moves.cancel(call, text(input, 'TaskHandle')) };
    },
  };

  return {
    name: 'sqs',
    async serve(call) {
      const body = await readBody(call.request, requestBytesMax);
      const target = /^AmazonSQS\.(\w+)$/.exec(String(call.request.headers['x-amz-target'] ?? ''))?.[1];
      if (target === undefined) {
        const action = new URLSearchParams(body.toString()).get('Action') ?? 'no operation';
        throw new AwsError(
          'NotImplemented',
          501,
          `SQS is emulated in the AWS JSON protocol only; this request is in another one (${action}).`,
        );
      }
      const operation = Object.hasOwn(operations, target) ? operations[target] : undefined;
      if (operation === undefined) throw new AwsError('NotImplemented', 501, `SQS ${target} is not emulated.`);
      answer(call, 200, await operation(call, parse(body)));
    },
    fail(call, error) {
      const queryCode = queryCodes[error.code] ?? error.code;
      call.response.setHeader('x-amzn-query-error', `${queryCode};${error.statusCode < 500 ? 'Sender' : 'Receiver'}`);
      answer(call, error.statusCode, { __type: `com.amazonaws.sqs#${error.code}`, message: error.message });
    },
  };

  async function receive(call: HttpCall, input: Input): Promise<object> {
    const hangUp = new AbortController();
    const gone = () => hangUp.abort();
    call.response.once('close', gone);
    const waitSeconds = integer(input, 'WaitTimeSeconds');
    const visibilitySeconds = integer(input, 'VisibilityTimeout');
    const messages = await queues.receive(call, arnOf(input), {
      max: integer(input, 'MaxNumberOfMessages') ?? 1,
      signal: hangUp.signal,
      ...(waitSeconds === undefined ? {} : { waitMs: waitSeconds * 1_000 }),
      ...(visibilitySeconds === undefined ? {} : { visibilitySeconds }),
    });
    const system = [...names(input, 'MessageSystemAttributeNames'), ...names(input, 'AttributeNames')];
    const own = names(input, 'MessageAttributeNames');
    // SQS leaves the member out when there is nothing.
    return messages.length === 0 ? {} : { Messages: messages.map((message) => messageOutput(message, system, own)) };
  }

  function listQueues(
    call: HttpCall,
    operation: string,
    resource: string,
    wanted: (name: string) => boolean,
  ): Promise<object> {
    return world.gate.pass(
      {
        service: 'sqs',
        operation,
        target: '',
        principal: call.principal,
        access: [{ action: `sqs:${operation}`, resource }],
      },
      async () => ({ QueueUrls: queues.all().flatMap(({ spec }) => (wanted(spec.name) ? [urlOf(spec.name)] : [])) }),
    );
  }

  function urlOf(name: string): string {
    return `${endpoint()}/${world.account}/${name}`;
  }

  /** Only the path counts: the same queue may be reached by another port after a restart. */
  function arnOf(input: Input): string {
    const [, account, name] = /\/(\d{12})\/([A-Za-z0-9_.-]{1,80})$/.exec(text(input, 'QueueUrl')) ?? [];
    if (name === undefined || account !== world.account) throw rules.noSuchQueue();
    return queues.arnOf(name);
  }
}

const knownAttributes = new Set([
  'QueueArn',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
  'VisibilityTimeout',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'DelaySeconds',
  'ReceiveMessageWaitTimeSeconds',
  'SqsManagedSseEnabled',
  'Policy',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'KmsMasterKeyId',
  'KmsDataKeyReusePeriodSeconds',
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
]);

/** Errors whose code in the older protocol, which the SDK still shows as `Code`, is another one (SQS API model). */
const queryCodes: Readonly<Record<string, string>> = {
  QueueDoesNotExist: 'AWS.SimpleQueueService.NonExistentQueue',
  MessageNotInflight: 'AWS.SimpleQueueService.MessageNotInflight',
  EmptyBatchRequest: 'AWS.SimpleQueueService.EmptyBatchRequest',
  TooManyEntriesInBatchRequest: 'AWS.SimpleQueueService.TooManyEntriesInBatchRequest',
  BatchEntryIdsNotDistinct: 'AWS.SimpleQueueService.BatchEntryIdsNotDistinct',
  BatchRequestTooLong: 'AWS.SimpleQueueService.BatchRequestTooLong',
  InvalidBatchEntryId: 'AWS.SimpleQueueService.InvalidBatchEntryId',
  PurgeQueueInProgress: 'AWS.SimpleQueueService.PurgeQueueInProgress',
  UnsupportedOperation: 'AWS.SimpleQueueService.UnsupportedOperation',
};

// ── parameters ──

function parse(body: Buffer): Input {
  let input: unknown;
  try {
    input = body.length === 0 ? {} : JSON.parse(body.toString());
  } catch {
    throw new AwsError('SerializationException', 400, 'The request is not valid JSON.');
  }
  if (!isRecord(input)) throw new AwsError('SerializationException', 400, 'The request is not a JSON object.');
  return input;
}

function outgoing(input: Input): rules.Outgoing {
  if (input.MessageDeduplicationId !== undefined) {
    throw rules.invalidValue(
      'MessageDeduplicationId',
      'The request include parameter that is not valid for this queue type',
    );
  }
  const system = attributesOf(input, 'MessageSystemAttributes');
  const stranger = Object.keys(system ?? {}).find((name) => name !== 'AWSTraceHeader');
  if (stranger !== undefined) throw rules.invalidValue('MessageSystemAttributes', `${stranger} cannot be sent`);
  const delaySeconds = integer(input, 'DelaySeconds');
  const groupId = optionalText(input, 'MessageGroupId');
  const attributes = attributesOf(input, 'MessageAttributes');
  const traceHeader = system?.AWSTraceHeader?.StringValue;
  return {
    body: text(input, 'MessageBody'),
    ...(delaySeconds === undefined ? {} : { delaySeconds }),
    ...(groupId === undefined ? {} : { groupId }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(traceHeader === undefined ? {} : { traceHeader }),
  };
}

function attributesOf(input: Input, name: string): Record<string, MessageAttribute> | undefined {
  const value = input[name];
  if (value === undefined || value === null) return undefined;
  if (!isRecord(value)) throw rules.invalidValue(name, 'not a map of attributes');
  const attributes = Object.entries(value).map(([key, attribute]): [string, MessageAttribute] => {
    if (!isRecord(attribute)) throw rules.invalidValue(name, `${key} is not an attribute`);
    const { DataType, StringValue, BinaryValue } = attribute;
    return [
      key,
      {
        DataType: typeof DataType === 'string' ? DataType : '',
        ...(typeof StringValue === 'string' ? { StringValue } : {}),
        ...(typeof BinaryValue === 'string' ? { BinaryValue } : {}),
      },
    ];
  });
  return attributes.length === 0 ? undefined : Object.fromEntries(attributes);
}

function entries<T extends object>(input: Input, read: (entry: Input) => T): readonly BatchEntry<T>[] {
  const list = input.Entries ?? [];
  if (!Array.isArray(list)) throw rules.invalidValue('Entries', 'not a list');
  return list.map((entry: unknown) => {
    if (!isRecord(entry)) throw rules.invalidValue('Entries', 'not a list of entries');
    return { ...read(entry), id: text(entry, 'Id') };
  });
}

function text(input: Input, name: string): string {
  const value = optionalText(input, name);
  if (value === undefined) throw rules.missingParameter(name);
  return value;
}

function optionalText(input: Input, name: string): string | undefined {
  const value = input[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw rules.invalidValue(name, 'not a string');
  return value;
}

function integer(input: Input, name: string): number | undefined {
  const value = input[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw rules.invalidValue(name, 'not a whole number');
  return value;
}

function names(input: Input, name: string): readonly string[] {
  const value = input[name] ?? [];
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string'))
    throw rules.invalidValue(name, 'not a list of names');
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// ── answers ──

function sentOutput(sent: Sent): object {
  return {
    MessageId: sent.sqsMessageId,
    MD5OfMessageBody: sent.md5OfBody,
    MD5OfMessageAttributes: sent.md5OfAttributes,
  };
}

function batchOutput<T>(results: readonly BatchResult<T>[], done: (id: string, value: T) => object): object {
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const result of results) {
    if ('done' in result) Successful.push(done(result.id, result.done));
    else {
      const { code, message, statusCode } = result.error;
      Failed.push({ Id: result.id, Code: queryCodes[code] ?? code, Message: message, SenderFault: statusCode < 500 });
    }
  }
  return { Successful, Failed };
}

function messageOutput(message: ReceivedMessage, system: readonly string[], own: readonly string[]): object {
  const asked = (name: string, wanted: readonly string[]) =>
    wanted.some(
      (want) =>
        want === 'All' || want === '.*' || want === name || (want.endsWith('.*') && name.startsWith(want.slice(0, -1))),
    );
  const systemAttributes = Object.entries(message.systemAttributes).filter(([name]) => asked(name, system));
  const attributes = Object.entries(message.attributes ?? {}).filter(([name]) => asked(name, own));
  return {
    MessageId: message.sqsMessageId,
    ReceiptHandle: message.receiptHandle,
    Body: message.body,
    MD5OfBody: message.md5OfBody,
    ...(systemAttributes.length === 0 ? {} : { Attributes: Object.fromEntries(systemAttributes) }),
    ...(attributes.length === 0
      ? {}
      : {
          MessageAttributes: Object.fromEntries(attributes),
          MD5OfMessageAttributes: rules.md5OfAttributes(Object.fromEntries(attributes)),
        }),
  };
}

function answer(call: HttpCall, statusCode: number, body: object): void {
  call.response.writeHead(statusCode, { 'content-type': 'application/x-amz-json-1.0' });
  call.response.end(JSON.stringify(body));
}
