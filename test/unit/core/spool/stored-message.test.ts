// Which listed objects are one message, and which are nobody's.

import { expect, it } from 'vitest';
import { messagesAmong, wholeMessages } from '#core/spool/stored-message.ts';

const ULID = '01JD0000000000000000000000';
const NEXT = '01JD0000000000000000000001';
const listed = (...keys: string[]) => keys.map((objectKey) => ({ objectKey }));
const worded = (...keys: string[]) =>
  messagesAmong(listed(...keys)).map(({ spoolId, contentKey, envelope, content }) => [
    spoolId,
    contentKey,
    envelope?.objectKey ?? null,
    content?.objectKey ?? null,
  ]);

it('received mail is one object', () => {
  expect(worded('in/a1', 'in/b2')).toEqual([
    ['a1', 'in/a1', null, 'in/a1'],
    ['b2', 'in/b2', null, 'in/b2'],
  ]);
});

it('a submission is two, of which one may be gone', () => {
  const [content, envelope] = [`out/app/${ULID}.eml`, `out/app/${ULID}.envelope.json`];
  const id = `app-${ULID}`;
  expect(worded(content, envelope)).toEqual([[id, content, envelope, content]]);
  expect(worded(envelope, content)).toEqual([[id, content, envelope, content]]);
  expect(worded(content)).toEqual([[id, content, null, content]]);
  expect(worded(envelope)).toEqual([[id, content, envelope, null]]);
  const other = `out/exchange/${ULID}.eml`;
  expect(worded(content, other).map(([spoolId]) => spoolId)).toEqual([id, `exchange-${ULID}`]);
});

it('a submission under a name that is none is one message all the same', () => {
  const [found, more] = worded('out/app/offer.eml', 'out/app/offer.envelope.json');
  expect(found?.slice(1)).toEqual(['out/app/offer.eml', 'out/app/offer.envelope.json', 'out/app/offer.eml']);
  expect(found?.[0]).toMatch(/^app-Z/);
  expect(more).toBeUndefined();
});

it.each(['in/', 'in/AMAZON_SES_SETUP_NOTIFICATION', 'in/a/b', 'out/', 'out/app/readme.txt', 'out/app/x.json'])(
  '%s is somebody’s file',
  (objectKey) => {
    expect(worded(objectKey)).toEqual([[null, objectKey, null, objectKey]]);
  },
);

it('a page does not end between content and its envelope', () => {
  const [content, envelope, next] = [`out/app/${ULID}.eml`, `out/app/${ULID}.envelope.json`, `out/app/${NEXT}.eml`];
  const keysOf = (...keys: string[]) => wholeMessages(listed(...keys)).map(({ objectKey }) => objectKey);
  expect(keysOf(content, envelope, next)).toEqual([content, envelope]);
  expect(keysOf(content, envelope)).toEqual([content, envelope]);
  expect(keysOf('in/a.eml', 'in/b.eml')).toEqual(['in/a.eml', 'in/b.eml']);
  expect(keysOf(content)).toEqual([content]); // or the list would never come past it
  expect(keysOf()).toEqual([]);
});
