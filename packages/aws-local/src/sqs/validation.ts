// What SQS accepts and how it words a refusal: sizes, characters, batches, attributes and their checksums, receipt
// handles. Called by sqs.ts and queues.ts. The numbers are AWS's (docs/aws-contracts.md §4.1; SQS API reference), not
// the product's (core/limits.ts). Pure.

import { createHash } from 'node:crypto';
import { AwsError } from '../world.ts';
import type { MessageAttribute } from './queue.ts';

/** One message, and all messages of a batch together: 1 MiB, attributes included. */
export const messageBytesMax = 1_048_576;
export const batchEntriesMax = 10;
export const delaySecondsMax = 900;
/** Twelve hours, counted from the receive; changing the visibility does not start them anew. */
export const visibilitySecondsMax = 43_200;
export const waitSecondsMax = 20;
export const retentionSecondsMin = 60;
export const retentionSecondsMax = 1_209_600;
/** In flight on one standard queue; above it the queue stands still. */
export const inFlightMax = 120_000;
export const purgeIntervalMs = 60_000;

export type Outgoing = {
  readonly body: string;
  readonly delaySeconds?: number;
  readonly attributes?: Readonly<Record<string, MessageAttribute>>;
  readonly traceHeader?: string;
  /** On a standard queue: fair queues. Accepted, kept and returned; it orders nothing. */
  readonly groupId?: string;
};

/** Throws the error of SQS; returns the bytes that count against the limits. */
export function checkOutgoing(message: Outgoing, bytesMax: number): number {
  if (message.body === '') throw missingParameter('MessageBody');
  // XML 1.0 characters only (SendMessage reference). Anything else is refused, never replaced.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(message.body) || !message.body.isWellFormed()) {
    throw new AwsError(
      'InvalidMessageContents',
      400,
      'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
    );
  }
  if (message.delaySeconds !== undefined) checkRange('DelaySeconds', message.delaySeconds, 0, delaySecondsMax);
  if (message.groupId !== undefined && !/^[!-~]{1,128}$/.test(message.groupId)) {
    throw invalidValue('MessageGroupId', 'must be 1 to 128 printable ASCII characters without space');
  }
  const bytes = Buffer.byteLength(message.body) + attributeBytes(message.attributes ?? {});
  if (bytes > bytesMax) {
    throw new AwsError(
      'InvalidParameterValue',
      400,
      `One or more parameters are invalid. Reason: Message must be shorter than ${bytesMax} bytes.`,
    );
  }
  return bytes;
}

function attributeBytes(attributes: Readonly<Record<string, MessageAttribute>>): number {
  const entries = Object.entries(attributes);
  if (entries.length > 10) throw invalidValue('MessageAttributes', 'a message holds at most 10 attributes');
  return entries.reduce((bytes, [name, attribute]) => {
    if (!/^(String|Number|Binary)(\..+)?$/.test(attribute.DataType ?? '')) {
      throw invalidValue('MessageAttributes', `the attribute '${name}' has no type String, Number or Binary`);
    }
    return bytes + Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType) + valueBytes(attribute).length;
  }, 0);
}

export function checkBatch(entries: readonly { readonly id: string }[]): void {
  if (entries.length === 0)
    throw new AwsError('EmptyBatchRequest', 400, "The batch request doesn't contain any entries.");
  if (entries.length > batchEntriesMax) {
    throw new AwsError(
      'TooManyEntriesInBatchRequest',
      400,
      `Maximum number of entries per request are ${batchEntriesMax}. You have sent ${entries.length}.`,
    );
  }
  if (entries.some((entry) => !/^[A-Za-z0-9_-]{1,80}$/.test(entry.id))) {
    throw new AwsError(
      'InvalidBatchEntryId',
      400,
      'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
    );
  }
  if (new Set(entries.map((entry) => entry.id)).size < entries.length) {
    throw new AwsError('BatchEntryIdsNotDistinct', 400, 'Two or more batch entries in the request have the same Id.');
  }
}

export function checkBatchBytes(bytes: number): void {
  if (bytes <= messageBytesMax) return;
  throw new AwsError(
    'BatchRequestTooLong',
    400,
    `Batch requests cannot be longer than ${messageBytesMax} bytes. You have sent ${bytes} bytes.`,
  );
}

/** Throws unless `value` is a whole number within the bounds. */
export function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new AwsError(
    'InvalidParameterValue',
    400,
    `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
  );
}

export function invalidValue(name: string, reason: string): AwsError {
  return new AwsError('InvalidParameterValue', 400, `Value for parameter ${name} is invalid. Reason: ${reason}.`);
}

export function missingParameter(name: string): AwsError {
  return new AwsError('MissingParameter', 400, `The request must contain the parameter ${name}.`);
}

export function noSuchQueue(): AwsError {
  return new AwsError('QueueDoesNotExist', 400, 'The specified queue does not exist.');
}

export function md5(data: string | Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}

/**
 * SQS developer guide, "Calculating the MD5 message digest for message attributes": sorted, each part with its length
 * before it.
 */
export function md5OfAttributes(
  attributes: Readonly<Record<string, MessageAttribute>> | undefined,
): string | undefined {
  const entries = Object.entries(attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return undefined;
  const hash = createHash('md5');
  const part = (bytes: Uint8Array) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const [name, attribute] of entries) {
    part(Buffer.from(name));
    part(Buffer.from(attribute.DataType));
    hash.update(Uint8Array.of(attribute.DataType.startsWith('Binary') ? 2 : 1));
    part(valueBytes(attribute));
  }
  return hash.digest('hex');
}

function valueBytes(attribute: MessageAttribute): Uint8Array {
  return attribute.DataType.startsWith('Binary')
    ? Buffer.from(attribute.BinaryValue ?? '', 'base64')
    : Buffer.from(attribute.StringValue ?? '');
}

/** A handle names queue, message and the receive that gave it; it stays good across a restart. */
export function receiptHandle(queueName: string, sqsMessageId: string, receipt: number): string {
  return Buffer.from(`${queueName} ${sqsMessageId} ${receipt}`).toString('base64');
}

/** Throws ReceiptHandleIsInvalid for anything that this queue never gave out. */
export function readHandle(
  handle: unknown,
  queueName: string,
): { readonly sqsMessageId: string; readonly receipt: number } {
  const text = typeof handle === 'string' ? Buffer.from(handle, 'base64').toString() : '';
  const [name, sqsMessageId = '', receipt = ''] = text.split(' ');
  if (name !== queueName || !/^[0-9a-f-]{36}$/.test(sqsMessageId) || !/^\d+$/.test(receipt)) {
    throw new AwsError('ReceiptHandleIsInvalid', 404, 'The input receipt handle is invalid.');
  }
  return { sqsMessageId, receipt: Number(receipt) };
}
