// S3's word of a stored object: the shapes that S3 sends, the one that asks for nothing, and all that must not be taken
// for either.

import { describe, expect, test } from 'vitest';
import { refOfDeliveryId } from '#core/delivery/delivery.ts';
import { placeOfEnvelope } from '#core/submission/object-key.ts';
import { readSubmissionEvent, writeSubmissionEvent } from '#core/submission/stored-event.ts';

const STORED_AT = Date.UTC(2026, 10, 22, 10);
const record = (key: unknown, more: object = {}) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion: 'eu-west-1',
  eventTime: '2026-11-22T10:00:00.000Z',
  eventName: 'ObjectCreated:Put',
  s3: { s3SchemaVersion: '1.0', bucket: { name: 'spool' }, object: { key, size: 3, sequencer: '0055AED6DCD90281E5' } },
  ...more,
});
const read = (value: unknown) => readSubmissionEvent(JSON.stringify(value));

test('an event names its envelopes, and when they were stored', () => {
  const key = 'out/app/01JD0000000000000000000000.envelope.json';
  expect(read({ Records: [record(key), record(key, { eventName: 'ObjectCreated:CompleteMultipartUpload' })] })).toEqual(
    {
      kind: 'stored',
      envelopes: [
        { objectKey: key, storedAt: STORED_AT },
        { objectKey: key, storedAt: STORED_AT },
      ],
    },
  );
});

test.each([
  ['out/app/a+b%2Bc.envelope.json', 'out/app/a b+c.envelope.json'],
  ['out/app/%C3%BC.envelope.json', 'out/app/ü.envelope.json'],
  ['out/app/a%2Fb.envelope.json', 'out/app/a/b.envelope.json'],
])('keys are spelt as in forms: %s', (key, objectKey) => {
  expect(read({ Records: [record(key)] })).toEqual({ kind: 'stored', envelopes: [{ objectKey, storedAt: STORED_AT }] });
  expect(readSubmissionEvent(writeSubmissionEvent({ objectKey, storedAt: STORED_AT }))).toEqual({
    kind: 'stored',
    envelopes: [{ objectKey, storedAt: STORED_AT }],
  });
});

const TEST = { Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026-11-22T10:00:00Z', Bucket: 'spool' };
test("S3's test asks for nothing", () => {
  expect(read(TEST)).toEqual({ kind: 'test' });
});

describe('is no test and no event', () => {
  test.each([
    ['a test with records', { ...TEST, Records: [] }],
    ['records that are no list', { Records: {} }],
    ['another service', { Records: [record('x.envelope.json', { eventSource: 'aws:ses' })] }],
    ['an object removed', { Records: [record('x.envelope.json', { eventName: 'ObjectRemoved:Delete' })] }],
    ['no instant', { Records: [record('x.envelope.json', { eventTime: 'soon' })] }],
    ['no key', { Records: [record(undefined)] }],
    ['a key that is broken', { Records: [record('%E0%A4.envelope.json')] }],
    ['content', { Records: [record('out/app/01JD0000000000000000000000.eml')] }],
    ['one good record and one bad', { Records: [record('x.envelope.json'), null] }],
  ])('%s', (_, value) => {
    expect(read(value).kind).toBe('malformed');
  });
  test.each([['{}'], ['[]'], ['null'], ['"Records"'], ['no JSON'], ['{"Event":"s3:TestEvent"}'], ['{"mail":{}}']])(
    'but may be of another service: %s',
    (body) => {
      expect(readSubmissionEvent(body)).toEqual({ kind: 'other' });
    },
  );
});

describe('the place of an envelope', () => {
  test('as the contract has it', () => {
    expect(placeOfEnvelope('out/app/01JD0000000000000000000000.envelope.json')).toEqual({
      spoolId: 'app-01JD0000000000000000000000',
      submitter: 'app',
      envelopeKey: 'out/app/01JD0000000000000000000000.envelope.json',
      contentKey: 'out/app/01JD0000000000000000000000.eml',
      why: null,
    });
  });
  test.each([
    ['out/app/mine.envelope.json', 'app'],
    ['out/app/deep/01JD0000000000000000000000.envelope.json', 'app'],
    ['out/Two Words/x.envelope.json', 'unknown'],
    ['out/.envelope.json', 'unknown'],
    ['elsewhere/app/x.envelope.json', 'unknown'],
  ])('under another name it has an id all the same, of its own: %s', (key, submitter) => {
    const place = placeOfEnvelope(key);
    expect(place).toMatchObject({ submitter, envelopeKey: key, why: expect.stringContaining('key') });
    expect(place.spoolId).toMatch(new RegExp(`^${submitter}-Z[0-9A-HJKMNP-TV-Z]{25}$`));
    expect(refOfDeliveryId(`${place.spoolId}-abcdefghijklmnop`)?.spoolId).toBe(place.spoolId);
    expect(placeOfEnvelope(`${key.slice(0, -14)}2.envelope.json`).spoolId).not.toBe(place.spoolId);
  });
});
