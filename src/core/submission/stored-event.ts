// Reads S3's event that objects were stored (aws-contracts §5), strictly. Ingest calls it. An event that is known to
// need no work differs from one that is not understood, and the latter is never skipped. It says where an envelope
// lies, never what it holds.

export type StoredEnvelope = {
  /** Decoded: events spell keys as forms do. */
  readonly objectKey: string;
  /** When S3 took it: the moment of acceptance. The same in an event that comes twice. */
  readonly storedAt: number;
};
export type SubmissionEventReading =
  | { readonly kind: 'stored'; readonly envelopes: readonly StoredEnvelope[] }
  /** S3's test event when notifications are configured: nothing to do, and nothing is lost. */
  | { readonly kind: 'test' }
  | { readonly kind: 'malformed'; readonly why: string }
  /** Another service's. */
  | { readonly kind: 'other' };

export const envelopeSuffix = '.envelope.json';

export function readSubmissionEvent(body: string): SubmissionEventReading {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: 'other' };
  }
  const records = member(value, 'Records');
  if (records === undefined)
    return member(value, 'Event') === 's3:TestEvent' && member(value, 'Service') === 'Amazon S3'
      ? { kind: 'test' }
      : { kind: 'other' };
  if (!Array.isArray(records) || records.length === 0)
    return { kind: 'malformed', why: 'Records is no list of events' };
  const envelopes: StoredEnvelope[] = [];
  for (const [index, record] of records.entries()) {
    const read = readRecord(record);
    if (typeof read === 'string') return { kind: 'malformed', why: `Records[${index}]${read}` };
    envelopes.push(read);
  }
  return { kind: 'stored', envelopes };
}

/** The same event, for the sweep that found an envelope of which nothing is known. */
export function writeSubmissionEvent({ objectKey, storedAt }: StoredEnvelope): string {
  const object = { key: encodeURIComponent(objectKey).replaceAll('%2F', '/').replaceAll('%20', '+') };
  const eventTime = new Date(storedAt).toISOString();
  const record = { eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', eventTime, s3: { object } };
  return JSON.stringify({ Records: [record] });
}

function readRecord(record: unknown): StoredEnvelope | string {
  if (member(record, 'eventSource') !== 'aws:s3') return ' is not of S3';
  const eventName = member(record, 'eventName');
  if (typeof eventName !== 'string' || !/^(?:s3:)?ObjectCreated:/.test(eventName))
    return '.eventName is no ObjectCreated';
  const storedAt = Date.parse(String(member(record, 'eventTime') ?? ''));
  if (Number.isNaN(storedAt)) return '.eventTime is no instant';
  const key = member(member(member(record, 's3'), 'object'), 'key');
  const objectKey = typeof key === 'string' ? decodedKey(key) : null;
  if (objectKey === null) return '.s3.object.key is no key';
  if (!objectKey.endsWith(envelopeSuffix)) return `.s3.object.key does not end in ${envelopeSuffix}`;
  return { objectKey, storedAt };
}

/** URL-encoded, with + for a space (aws-contracts §5). */
function decodedKey(key: string): string | null {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

function member(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}
