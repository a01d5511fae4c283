// A submission's two objects: the envelope commits the content, so it comes second and only where the first one is
// stored; what is said to the client is what the store said.

import { describe, expect, it } from 'vitest';
import { contentKeyOf, envelopeKeyOf, readEnvelope } from '#core/submission/submission.ts';
import type { StoreResult, SubmissionStore } from '#pipeline/ports.ts';
import { storableBytes, submit } from '#pipeline/submit/submit.ts';

const { signal } = new AbortController();
const place = { submitter: 'exchange', ulid: '01JD0000000000000000000000' };
const [CONTENT, ENVELOPE] = [contentKeyOf(place), envelopeKeyOf(place)];
const forwardPaths = ['a@x.example', 'b@x.example', 'c@x.example', 'd@x.example'].map((address) => ({
  address,
  notify: null,
  orcpt: null,
}));
const request = { ...place, reversePath: 'ann@example.com', forwardPaths, ret: null, envid: null };
const bytes = Buffer.from('Subject: x\r\n\r\nHello\r\n');

async function submitted(said: (objectKey: string) => StoreResult) {
  const stored = new Map<string, string>();
  const asked: string[] = [];
  const store: SubmissionStore = {
    async put(objectKey, content) {
      asked.push(objectKey);
      let text = '';
      for await (const chunk of content.chunks()) text += Buffer.from(chunk).toString();
      const result = said(objectKey);
      if (result.kind === 'stored') stored.set(objectKey, text);
      return result;
    },
  };
  return { result: await submit(store, request, storableBytes(bytes), signal), stored, asked };
}
const ok: StoreResult = { kind: 'stored' };

it('content first, then the envelope that commits exactly it, for all of its recipients', async () => {
  const { result, stored, asked } = await submitted(() => ok);
  expect(result).toEqual({ kind: 'submitted', spoolId: expect.any(String) });
  expect(asked).toEqual([CONTENT, ENVELOPE]);
  expect(stored.get(CONTENT)).toBe(bytes.toString());
  const reading = readEnvelope(stored.get(ENVELOPE) ?? '');
  const { sha256 } = storableBytes(bytes);
  expect(reading).toMatchObject({
    kind: 'envelope',
    envelope: { reversePath: 'ann@example.com', forwardPaths, bytes: bytes.length, sha256 },
  });
});

describe('nothing is promised', () => {
  const denied: StoreResult = { kind: 'failed', cause: 'denied', detail: 'AccessDenied' };
  const away: StoreResult = { kind: 'failed', cause: 'unavailable', detail: 'no answer' };
  it.each([
    ['refused', denied, 'denied', [CONTENT]],
    ['not answered', away, 'unavailable', [CONTENT]],
    ['already another’s', { kind: 'taken' }, 'unavailable', [CONTENT]],
  ] as [string, StoreResult, string, string[]][])(
    'where the content is %s: no envelope is written',
    async (_name, said, cause, keys) => {
      const { result, asked } = await submitted((key) => (key === CONTENT ? said : ok));
      expect([result, asked]).toEqual([expect.objectContaining({ kind: 'not-stored', cause }), keys]);
    },
  );
  it.each([
    ['refused', denied, 'denied'],
    ['not answered', away, 'unavailable'],
    ['already another’s', { kind: 'taken' }, 'unavailable'],
  ] as [string, StoreResult, string][])('where the envelope is %s', async (_name, said, cause) => {
    const { result } = await submitted((key) => (key === ENVELOPE ? said : ok));
    expect(result).toMatchObject({ kind: 'not-stored', cause });
  });
});
