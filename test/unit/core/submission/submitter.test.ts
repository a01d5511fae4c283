// In whose name a submitter may write: an author of ours who is not the submitter's is refused wherever a reader may
// find him, and what cannot be seen whole is refused. A stranger passes.

import { describe, expect, it } from 'vitest';
import { parseMailbox } from '#core/message/address.ts';
import { readFrom } from '#core/message/from-field.ts';
import { mayAuthor } from '#core/submission/submitter.ts';

const settings = {
  domains: ['example.com', 'xn--bcher-kva.example'],
  submitters: { web: { senderDomains: ['web.example'], secrets: [] } },
} as unknown as Parameters<typeof mayAuthor>[0];
const path = parseMailbox('a@web.example');
const asked = (message: string) => mayAuthor(settings, 'web', path, readFrom(Buffer.from(message))).kind;
const ofField = (value: string) => asked(`From: ${value}\r\nSubject: x\r\n\r\nbody`);

describe('an author of another domain of ours is refused', () => {
  it.each([
    ['openly', 'ceo@example.com'],
    ['in capitals', 'CEO@EXAMPLE.COM'],
    ['with a final dot', 'ceo@example.com.'],
    ['in a sub-domain', 'ceo@eu.example.com'],
    ['as U-labels', 'ceo@bücher.example'],
    ['as A-labels', 'ceo@XN--BCHER-KVA.example'],
    ['decomposed', 'ceo@bu\u0308cher.example'],
    ['with an ideographic full stop', 'ceo@example。com'],
    ['in fullwidth letters', 'ceo@ｅxample.com'],
    ['in an encoded word', '=?utf-8?q?ceo=40example.com=00?=@web.example'],
    ['parted by NUL', 'ceo@exam\0ple.com'],
    ['behind a From of our own', 'a@web.example, ceo@example.com'],
    ['as a name', 'ceo@example.com <a@web.example>'],
  ])('%s', (_, value) => {
    expect(ofField(value)).toBe('refused');
  });

  it('behind more than is read', () => {
    expect(asked(`X: ${'a'.repeat(1_048_576)}\r\nFrom: ceo@example.com\r\n\r\n`)).toBe('refused');
    expect(ofField(`"${'é'.repeat(40_000)}" <eve@src.example>, ceo@example.com`)).toBe('refused');
    expect(ofField(`${'eve@src.example, '.repeat(5_000)}ceo@example.com`)).toBe('refused');
    expect(asked(`X: a\rFrom: ${'é'.repeat(40_000)} ceo@example.com\r\n\r\n`)).toBe('refused');
  });
});

it.each([
  'a@web.example',
  'a@web.example <a@web.example>',
  'Smith, Ann <a@web.example>',
  'eve@src.example',
  'eve@src.example.',
  '=?utf-8?q?Eve=40x?= <eve@src.example>',
  'Eve (via a@web.example) <eve@src.example>',
  'undisclosed:;',
])('%s passes', (value) => {
  expect(ofField(value)).toBe('allowed');
});

describe('of a submitter that is known by its address', () => {
  const submitters = { web: { secret: null, senderDomains: ['web.example'], from: ['192.168.10.0/24'] } };
  const asAddress = (value: string) =>
    mayAuthor({ ...settings, submitters }, 'web', path, readFrom(Buffer.from(`From: ${value}\r\n\r\n`))).kind;
  it.each(['a@web.example', '"Scan, 2nd floor" <a@web.example>', 'a@eu.web.example', 'Scanner', ''])(
    '%s passes',
    (value) => {
      expect(asAddress(value)).toBe('allowed');
    },
  );
  it.each([
    'eve@src.example',
    'a@web.example, eve@src.example',
    'a@web.example <eve@src.example>',
    'eve@src.example a@web.example',
    '=?utf-8?q?eve=40src.example?= <a@web.example',
    'ceo@example.com',
  ])('%s is refused', (value) => {
    expect(asAddress(value)).toBe('refused');
  });
});
