// The submission contract: what is written is read back, what is malformed is said to be, and keys name one submission
// or none. Each case of a malformed envelope is one change to a sound one.

import { describe, expect, it } from 'vitest';
import {
  contentKeyOf,
  envelopeKeyOf,
  parseSubmitter,
  readEnvelope,
  type SubmittedEnvelope,
  spoolIdOf,
  submissionOfKey,
  writeEnvelope,
} from '#core/submission/submission.ts';

const sound: SubmittedEnvelope = {
  version: 1,
  reversePath: 'ann@example.com',
  forwardPaths: [
    { address: 'bob@far.example', notify: ['FAILURE', 'DELAY'], orcpt: 'rfc822;Bob@far.example' },
    { address: '"b c"@far.example', notify: null, orcpt: null },
  ],
  ret: 'HDRS',
  envid: 'QQ314159',
  bytes: 1234,
  sha256: 'a'.repeat(64),
};
const ulid = '01JD8Z7Q9VXK4M2N6P8R3S5T7W';

describe('an envelope', () => {
  it('is read back as it was written', () => {
    expect(readEnvelope(writeEnvelope(sound))).toEqual({ kind: 'envelope', envelope: sound });
  });
  it('may leave out what has a default, and have members that we do not know', () => {
    const short = {
      ...sound,
      ret: undefined,
      envid: undefined,
      forwardPaths: [{ address: 'bob@far.example' }],
      later: 1,
    };
    expect(readEnvelope(JSON.stringify(short))).toEqual({
      kind: 'envelope',
      envelope: {
        ...sound,
        ret: null,
        envid: null,
        forwardPaths: [{ address: 'bob@far.example', notify: null, orcpt: null }],
      },
    });
  });
  it.each(['', '<>'])('takes %j for the null reverse-path', (reversePath) => {
    const read = readEnvelope(JSON.stringify({ ...sound, reversePath }));
    expect(read).toMatchObject({ kind: 'envelope', envelope: { reversePath: '' } });
  });

  const to = (recipient: unknown) => ({ ...sound, forwardPaths: [recipient] });
  it.each<[string, unknown]>([
    ['version is not 1', { ...sound, version: 2 }],
    ['bytes', { ...sound, bytes: 0 }],
    ['bytes', { ...sound, bytes: '1234' }],
    ['bytes is more than', { ...sound, bytes: 50 * 1024 * 1024 }],
    ['sha256', { ...sound, sha256: 'A'.repeat(64) }],
    ['sha256', { ...sound, sha256: undefined }],
    ['ret', { ...sound, ret: 'full' }],
    ['envid', { ...sound, envid: 'a\r\nb' }],
    ['names nobody', { ...sound, forwardPaths: [] }],
    ['names nobody', { ...sound, forwardPaths: 'bob@far.example' }],
    [
      'bytes times forwardPaths is more than',
      {
        ...sound,
        bytes: 40 * 1024 * 1024,
        forwardPaths: Array.from({ length: 101 }, (_, i) => ({ address: `a${i}@b.example` })),
      },
    ],
    ['names more than', { ...sound, forwardPaths: Array.from({ length: 1_001 }, () => ({ address: 'a@b.example' })) }],
    ['forwardPaths[0] is no object', to('bob@far.example')],
    ['forwardPaths[0].address', to({ address: 'bob' })],
    ['forwardPaths[0].address', to({ address: 'bob@far.example\r\nRCPT TO:<eve@far.example>' })],
    ['forwardPaths[0].notify', to({ address: 'bob@far.example', notify: [] })],
    ['forwardPaths[0].notify', to({ address: 'bob@far.example', notify: ['NEVER', 'FAILURE'] })],
    ['forwardPaths[0].notify', to({ address: 'bob@far.example', notify: ['failure'] })],
    ['forwardPaths[0].orcpt', to({ address: 'bob@far.example', orcpt: 'bob@far.example' })],
  ])('is malformed: %s', (why, value) => {
    const read = readEnvelope(JSON.stringify(value));
    expect(read).toMatchObject({ kind: 'malformed', reversePath: 'ann@example.com' });
    expect(read.kind === 'malformed' && read.why).toContain(why);
  });
  it.each<[string, string]>([
    ['not JSON', '{'],
    ['no object', '[]'],
    ['no object', 'null'],
    ['reversePath', JSON.stringify({ ...sound, reversePath: 'ann' })],
    ['reversePath', JSON.stringify({ ...sound, reversePath: null })],
    ['characters', ' '.repeat(2_000_000)],
  ])('that is %s has nobody to tell', (why, text) => {
    const read = readEnvelope(text);
    expect(read).toMatchObject({ kind: 'malformed', reversePath: null });
    expect(read.kind === 'malformed' && read.why).toContain(why);
  });
});

describe('keys', () => {
  const one = { submitter: 'web-shop', ulid };
  it('name a submission and its part', () => {
    expect(contentKeyOf(one)).toBe(`out/web-shop/${ulid}.eml`);
    expect(submissionOfKey(contentKeyOf(one))).toEqual({ ...one, part: 'content' });
    expect(submissionOfKey(envelopeKeyOf(one))).toEqual({ ...one, part: 'envelope' });
  });
  it.each([
    `in/${ulid}.eml`,
    `out/${ulid}.eml`,
    `out/web-shop/${ulid}`,
    `out/web-shop/${ulid.toLowerCase()}.eml`,
    `out/web-shop/8${ulid.slice(1)}.eml`,
    `out/Web/${ulid}.eml`,
    `out/../${ulid}.eml`,
    `out/a/b/${ulid}.eml`,
    `out/web-shop/${ulid}.eml `,
  ])('leave %s alone', (key) => {
    expect(submissionOfKey(key)).toBeNull();
  });
  it('give messages of two submitters different ids, whatever ULIDs they choose', () => {
    expect(spoolIdOf(one)).not.toBe(spoolIdOf({ submitter: 'web', ulid }));
    expect(spoolIdOf(one)).toMatch(/^[\w-]+$/);
  });
  it.each(['', 'A', 'a_b', '-a', 'a-', 'a/b', 'a'.repeat(33)])('refuse the submitter %j', (name) => {
    expect(parseSubmitter(name)).toBeNull();
  });
});
