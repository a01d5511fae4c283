// The published schema and the reader agree: what the reader takes the schema takes, and each thing that the schema
// forbids the reader refuses. Only what an address is, the reader alone can say.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { envelopeBytesMax, messageBytesMax, submissionRecipientsMax } from '#core/limits.ts';
import { readEnvelope } from '#core/submission/submission.ts';
import { fits } from '#test/judges/json-schema.ts';

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../../docs/submission-envelope.schema.json'), 'utf8'),
);
const good = {
  version: 1,
  reversePath: 'ann@example.com',
  forwardPaths: [{ address: 'bob@far.example' }],
  bytes: 1,
  sha256: '0'.repeat(64),
};
const takes = (value: unknown) => readEnvelope(JSON.stringify(value)).kind === 'envelope';
const to = (more: object) => ({ ...good, forwardPaths: [{ ...good.forwardPaths[0], ...more }] });

describe('both take', () => {
  test.each<[string, object]>([
    ['the least', good],
    [
      'all of it',
      { ...to({ notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;b@x' }), ret: 'FULL', envid: 'Q 1', smtputf8: true },
    ],
    ['nulls', { ...to({ notify: null, orcpt: null }), ret: null, envid: null, smtputf8: null }],
    ['the client', { ...good, client: { address: '192.0.2.7', login: true, tls: 'TLSv1.3' } }],
    ['the client without TLS', { ...good, client: { address: '2001:db8::7', login: false, tls: null } }],
    ['SMTPUTF8 not declared', { ...good, smtputf8: false }],
    ['the null reverse-path', { ...good, reversePath: '' }],
    ['NEVER', to({ notify: ['NEVER'] })],
    ['the most content', { ...good, bytes: messageBytesMax }],
    [
      'the most recipients',
      { ...good, forwardPaths: Array.from({ length: submissionRecipientsMax }, (_, i) => ({ address: `u${i}@x` })) },
    ],
    ['members of a later version', { ...to({ later: 1 }), more: {} }],
  ])('%s', (_, value) => {
    expect([fits(schema, value), takes(value)]).toEqual([true, true]);
  });
});

describe('both refuse', () => {
  const without = (name: keyof typeof good) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
  test.each<[string, unknown]>([
    ...(['version', 'reversePath', 'forwardPaths', 'bytes', 'sha256'] as const).map((name): [string, unknown] => [
      `no ${name}`,
      without(name),
    ]),
    ['a list', [good]],
    ['another version', { ...good, version: 2 }],
    ['a version as text', { ...good, version: '1' }],
    ['a reverse-path that is none', { ...good, reversePath: 'ann' }],
    ['a reverse-path of null', { ...good, reversePath: null }],
    ['no recipients', { ...good, forwardPaths: [] }],
    [
      'too many recipients',
      {
        ...good,
        forwardPaths: Array.from({ length: submissionRecipientsMax + 1 }, (_, i) => ({ address: `u${i}@x` })),
      },
    ],
    ['a recipient as text', { ...good, forwardPaths: ['bob@far.example'] }],
    ['a recipient without address', { ...good, forwardPaths: [{}] }],
    ['an address without a domain', to({ address: 'bob' })],
    ['notify as text', to({ notify: 'NEVER' })],
    ['an empty notify', to({ notify: [] })],
    ['NEVER and more', to({ notify: ['NEVER', 'DELAY'] })],
    ['a word that is none', to({ notify: ['ALWAYS'] })],
    ['a word twice', to({ notify: ['DELAY', 'DELAY'] })],
    ['an orcpt without type', to({ orcpt: 'b@x' })],
    ['an orcpt too long', to({ orcpt: `rfc822;${'x'.repeat(500)}` })],
    ['another ret', { ...good, ret: 'BODY' }],
    ['an empty envid', { ...good, envid: '' }],
    ['an envid too long', { ...good, envid: 'x'.repeat(101) }],
    ['smtputf8 as text', { ...good, smtputf8: 'true' }],
    ['no bytes', { ...good, bytes: 0 }],
    ['half a byte', { ...good, bytes: 1.5 }],
    ['too many bytes', { ...good, bytes: messageBytesMax + 1 }],
    ['a digest in capitals', { ...good, sha256: 'A'.repeat(64) }],
    ['a digest in base64', { ...good, sha256: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' }],
  ])('%s', (_, value) => {
    expect([fits(schema, value), takes(value)]).toEqual([false, false]);
  });
});

test('a client of another form is not shown, and the message goes all the same', () => {
  const read = (client: unknown) => {
    const reading = readEnvelope(JSON.stringify({ ...good, client }));
    return reading.kind === 'envelope' ? (reading.envelope.client ?? null) : 'malformed';
  };
  expect(read({ address: '192.0.2.7', login: true })).toEqual({ address: '192.0.2.7', login: true, tls: null });
  const others = ['x', [], { login: true }, { address: 'a\u001b[2J', login: true }, { address: '192.0.2.7' }];
  for (const other of [...others, { address: '192.0.2.7', login: true, tls: '' }]) expect(read(other)).toBeNull();
});

test('the description names the limit of the object', () => {
  expect(envelopeBytesMax).toBe(1024 * 1024);
  expect(schema.description).toContain('1 MiB');
});
