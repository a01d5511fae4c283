// The header section for SES, as a table of messages; and the promise that holds for any bytes: the body is not touched.

import { describe, expect, it } from 'vitest';
import { authorsOf, mailboxText } from '#core/author.ts';
import { type SesTerms, sesEdit } from '#core/ses-edit.ts';

const terms: SesTerms = { domains: ['example.com'], noticesFrom: 'postmaster@example.com', authorDoubted: false };

function edited(message: string, more: Partial<SesTerms> = {}) {
  const bytes = Buffer.from(message, 'latin1');
  const edit = sesEdit(bytes, { ...terms, ...more });
  return { ...edit, text: Buffer.from(edit.header).toString('latin1'), body: message.slice(edit.bodyStart) };
}
function fieldOf(text: string, name: string): string[] {
  const unfolded = text.replace(/\r\n[ \t]+/g, ' ');
  return Array.from(unfolded.matchAll(new RegExp(`^${name}: ?(.*)\\r$`, 'gim')), ([, value = '']) => value);
}

const VIA = '<postmaster@example.com>';
describe('the author', () => {
  it.each([
    ['Ann <ann@src.example>', `"Ann (ann@src.example) via example.com" ${VIA}`],
    ['ann@src.example', `"ann@src.example via example.com" ${VIA}`],
    ['ann@src.example (Ann)', `"Ann (ann@src.example) via example.com" ${VIA}`],
    ['"Smith, \\"Ann\\"" <ann@src.example>', `"Smith, \\"Ann\\" (ann@src.example) via example.com" ${VIA}`],
    ['A <a@x.example>, B <b@y.example>', `"A (a@x.example) and 1 more via example.com" ${VIA}`],
    ['A <a@example.com>, B <b@y.example>', `"A (a@example.com) and 1 more via example.com" ${VIA}`],
    ['nonsense', `"nonsense via example.com" ${VIA}`],
    ['', `"unknown author via example.com" ${VIA}`],
    ['Ann <ann@notexample.com>', `"Ann (ann@notexample.com) via example.com" ${VIA}`],
  ])('of another domain, %s, is named in ours', (from, wanted) => {
    const { text, kept, from: address } = edited(`From: ${from}\r\n\r\nbody`);
    expect([kept, address]).toEqual([false, 'postmaster@example.com']);
    expect(fieldOf(text, 'From')).toEqual([wanted]);
    expect(fieldOf(text, 'X-Original-From')).toEqual([from]);
  });

  it.each([
    ['Ann <ann@example.com>', 'ann@example.com'],
    ['ANN@EXAMPLE.COM', 'ANN@example.com'],
    ['Ann <ann@eu.example.com>', 'ann@eu.example.com'],
  ])('of ours, %s, is kept', (from, address) => {
    const edit = edited(`From: ${from}\r\nDKIM-Signature: one\r\nDKIM-Signature: two\r\n\r\nbody`);
    expect([edit.kept, edit.from]).toEqual([true, address]);
    expect(fieldOf(edit.text, 'From')).toEqual([from]);
    expect(fieldOf(edit.text, 'DKIM-Signature')).toEqual(['one']);
    expect(edit.text).not.toContain('Reply-To');
  });

  it('of ours is not kept where something speaks against him', () => {
    expect(edited('From: Boss <boss@example.com>\r\n\r\n', { authorDoubted: true }).kept).toBe(false);
  });

  it('beyond ASCII is written in encoded words', () => {
    const { text } = edited('From: =?utf-8?Q?J=C3=BCrgen?= <j@src.example>\r\n\r\n');
    expect(fieldOf(text, 'From')[0]).toMatch(/^(=\?utf-8\?B\?[\w+/=]+\?= )+<postmaster@example\.com>$/);
    expect(fieldOf(text, 'Reply-To')[0]).toMatch(/^=\?utf-8\?B\?\S+\?= <j@src\.example>$/);
  });

  it('has no field, and no field can be smuggled in by his name', () => {
    expect(fieldOf(edited('Subject: x\r\n\r\nbody').text, 'From')).toHaveLength(1);
    const { text } = edited('From: "a\\\r\nX-SES-CONFIGURATION-SET: theirs\r\n" <a@src.example>\r\n\r\n');
    expect(text.toLowerCase()).not.toContain('x-ses-');
  });
});

describe('answers', () => {
  it.each([
    ['', ['"Ann" <ann@src.example>']],
    ['Reply-To: desk@src.example\r\n', ['<desk@src.example>, "Ann" <ann@src.example>']],
    ['Reply-To: Ann <ANN@src.example>\r\n', ['"Ann" <ANN@src.example>']],
    ['Reply-To: garbage\r\n', ['"Ann" <ann@src.example>']],
    ['Reply-To: a@x.example\r\nReply-To: b@x.example\r\n', ['<a@x.example>, "Ann" <ann@src.example>']],
  ])('with %j go to %j', (field, wanted) => {
    const { text } = edited(`From: Ann <ann@src.example>\r\n${field}\r\n`);
    expect(fieldOf(text, 'Reply-To')).toEqual(wanted);
  });
});

describe('fields', () => {
  it.each([
    ['Return-Path: <a@src.example>'],
    ['Bcc: secret@src.example'],
    ['Resent-Bcc: secret@src.example'],
    ['X-SES-CONFIGURATION-SET: theirs'],
    ['x-ses-message-tags: a=b'],
    ['Feedback-ID: theirs'],
    ['ARC-Seal: i=1'],
    ['DKIM-Signature: v=1;\r\n b=abc'],
    ['X-Original-From: forged@src.example'],
  ])('%j does not go along', (field) => {
    const { text } = edited(`Received: by us\r\n${field}\r\nFrom: Ann <ann@src.example>\r\n\r\n`);
    expect(text).not.toContain(field);
    expect(text.startsWith('Received: by us\r\n')).toBe(true);
  });

  it('that may not repeat are there once, the first; Sender and Message-ID have another name too', () => {
    const { text } = edited(
      'Subject: 1\r\nsubject: 2\r\nSender: s@x.example\r\nMessage-ID: <1@x>\r\nFrom: a@src.example\r\n\r\n',
    );
    expect(fieldOf(text, 'Subject')).toEqual(['1']);
    expect(fieldOf(text, 'Sender')).toEqual([]);
    expect(fieldOf(text, 'X-Original-Sender')).toEqual(['s@x.example']);
    expect(fieldOf(text, 'X-Original-Message-ID')).toEqual(['<1@x>']);
  });
});

describe('the body', () => {
  const body = 'bare\nline\rends \x00\xff\r\n.\r\n';
  it.each([
    ['after CRLF', `From: a@src.example\r\n\r\n${body}`, body],
    ['after bare LF', `From: a@src.example\n\n${body}`, body],
    ['after an mbox line', `From a@src.example Mon\r\nFrom: a@src.example\r\n\r\n${body}`, body],
    ['after a byte order mark', `\xef\xbb\xbfFrom: a@src.example\r\n\r\n${body}`, body],
    ['that begins without an empty line', `From: a@src.example\r\nHello world\r\n${body}`, `Hello world\r\n${body}`],
    ['that is missing', 'From: a@src.example', ''],
    ['without any header section', `\r\n${body}`, body],
  ])('%s stays as it is', (_, message, wanted) => {
    const edit = edited(message);
    expect(edit.body).toBe(wanted);
    expect(edit.text.endsWith('\r\n\r\n')).toBe(true);
    expect(edit.text.replace(/\r\n/g, '')).not.toMatch(/[\r\n]/);
  });

  it('is found in time however strange the header section is', () => {
    const started = performance.now();
    for (const unit of ['From \n', 'a\n', 'a:\n', ' \n', 'From: (((((\n', 'From: <,<,"\n'])
      edited(unit.repeat(1_000_000 / unit.length));
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

describe('an address field', () => {
  it.each([
    ['a@x.example', ['a@x.example']],
    ['A <a@x.example>,, B <b@x.example>', ['a@x.example', 'b@x.example']],
    ['friends: a@x.example, b@x.example;', ['a@x.example', 'b@x.example']],
    ['"x, y" <a@x.example> (c, d)', ['a@x.example']],
    ['undisclosed-recipients:;', []],
  ])('%j has %j', (value, wanted) => {
    expect(authorsOf(value).map(({ mailbox }) => mailbox.address)).toEqual(wanted);
  });
  it('is not written for a local part that ASCII can not write', () => {
    const [author] = authorsOf('jürgen@x.example');
    expect(author === undefined ? 'none' : mailboxText('', author.mailbox)).toBeNull();
  });
});
