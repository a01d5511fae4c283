// The header section for SES, as a table of messages; and the promise that holds for any bytes: the body is not
// touched.

import { describe, expect, it } from 'vitest';
import { addressListFault } from '#aws-local/ses/address-lists.ts';
import { noEvidence } from '#core/message/author-trust.ts';
import { authorsOf, mailboxText } from '#core/message/authors.ts';
import { plainText } from '#core/message/field-text.ts';
import { headerSection } from '#core/message/header.ts';
import { type SesTerms, sesEdit } from '#core/message/ses-edit.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

const evidence = { by: 'submitter', senderDomains: ['example.com'], ourDomains: ['example.com'] } as const;
const terms: SesTerms = { domains: ['example.com'], noticesFrom: 'postmaster@example.com', evidence };

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

  it('of ours is not kept where nothing speaks for him', () => {
    expect(edited('From: Boss <boss@example.com>\r\n\r\n', { evidence: noEvidence }).kept).toBe(false);
  });

  it('in two From fields is written over once, and both are kept under another name', () => {
    const { text, kept, why } = edited('From: Ann <ann@example.com>\r\nFrom: eve@src.example\r\n\r\n');
    expect([kept, why]).toEqual([false, 'several-from-fields']);
    expect(fieldOf(text, 'From')).toEqual([`"Ann (ann@example.com) and 1 more via example.com" ${VIA}`]);
    expect(fieldOf(text, 'X-Original-From')).toEqual(['Ann <ann@example.com>', 'eve@src.example']);
    expect(fieldOf(text, 'Reply-To')).toEqual(['"Ann" <ann@example.com>, <eve@src.example>']);
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
    const started = process.cpuUsage();
    for (const unit of ['From \n', 'a\n', 'a:\n', ' \n', 'From: (((((\n', 'From: <,<,"\n'])
      edited(unit.repeat(1_000_000 / unit.length));
    expect(ownMsSince(started)).toBeLessThan(20_000);
  });
});

describe('a line that is no field', () => {
  const rest = 'Subject: Report\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n';
  it.each([
    ['without a colon', 'X-Scanned by filter 3', 'X-Scanned by filter 3'],
    ['with what is folded onto it', 'stray\r\n\tand more', 'stray and more'],
    [
      'that mailbox files put in front',
      'From ann@src.example Mon Jan  1 00:00:00 2024',
      'From ann@src.example Mon Jan 1 00:00:00 2024',
    ],
    ['that mailbox files quote', '>From ann Mon', '>From ann Mon'],
    ['without a name', ': value', ': value'],
    ['with 8-bit in its name', 'S\xfcbject: x', '=?utf-8?B?U8O8YmplY3Q6IHg=?='],
    ['with NUL in its name', 'A\0B: x', 'A B: x'],
    ['with a blank in its name', 'My Field: x', 'My Field: x'],
  ])('%s stays in a field of its own, and what follows is still the header section', (_, line, kept) => {
    const { text, body } = edited(`Received: by us\r\n${line}\r\nFrom: Zoe <zoe@src.example>\r\n${rest}`);
    expect(fieldOf(text, 'Subject')).toEqual(['Report']);
    expect(fieldOf(text, 'Content-Type')).toEqual(['multipart/mixed; boundary=b']);
    expect(fieldOf(text, 'X-Original-Line').join('').replace(/ {2,}/g, ' ')).toBe(kept);
    expect(body).toBe('--b--\r\n');
    expect(headerSection(Buffer.from(text, 'latin1')).strays).toEqual([]);
  });

  it.each([
    ['blanks before the colon', 'Subject \t: x', 'Subject: x\r\n'],
    ['a byte order mark, below what others put on top', '\xef\xbb\xbfSubject: x', 'Subject: x\r\n'],
    ['a folded line of blanks', 'Subject: x\r\n \t\r\n y', 'Subject: x\r\n y\r\n'],
    ['NUL and bare CR in the value', 'Subject: a\0b\rc', 'Subject: ab c\r\n'],
    ['line ends that were converted twice', 'Subject: x\r\r', 'Subject: x\r\n'],
  ])('is none: %s', (_, line, wanted) => {
    const { text } = edited(`Received: by us\r\n${line}\r\nFrom: a@src.example\r\n\r\n`);
    expect(text).toContain(`Received: by us\r\n${wanted}`);
    expect(text).not.toContain('X-Original-Line');
  });
});

describe('a field that SES refuses is mended', () => {
  it.each([
    ['To: undisclosed recipients', 'To: undisclosed recipients:;'],
    ['To: undisclosed-recipients:;', 'To: undisclosed-recipients:;'],
    ['To:', 'To: undisclosed-recipients:;'],
    ['To: root', 'To: root:;'],
    ['To: Ann :( <ann@x.example>, Bob :) <bob@x.example>', 'To: "Ann :(" <ann@x.example>, "Bob :)" <bob@x.example>'],
    ['To: "Ann <ann@x.example>, "Bob" <bob@x.example>', 'To: "Ann" <ann@x.example>, "Bob" <bob@x.example>'],
    ['To: Smith, Ann <ann@x.example>', 'To: Smith:;, "Ann" <ann@x.example>'],
    ['To: ann@x.example bob@x.example', 'To: <ann@x.example>, <bob@x.example>'],
    ['To: <ann@x.example> <bob@x.example>', 'To: <ann@x.example>, <bob@x.example>'],
    ['To: <mailto:ann@x.example>', 'To: <ann@x.example>'],
    ['To: Ann <ann@x.example', 'To: "Ann" <ann@x.example>'],
    ['To: <ann@x.example.>', 'To: <ann@x.example>'],
    ['To: ann @ x.example', 'To: <ann@x.example>'],
    ['To: a..b@x.example', 'To: <"a..b"@x.example>'],
    ['To: <ann@b\xfccher.example>', 'To: <ann@xn--bcher-kva.example>'],
    ['To: j\xfcrgen@x.example, ann@x.example', 'To: =?utf-8?B?asO8cmdlbkB4LmV4YW1wbGU=?=:;, <ann@x.example>'],
    ['To: ann@under_score.example', 'To: =?utf-8?B?YW5uQHVuZGVyX3Njb3JlLmV4YW1wbGU=?=:;'],
    ['Cc: "Ann"', 'Cc: Ann:;'],
    ['CC: a: b', 'CC: =?utf-8?B?YTogYg==?=:;'],
    ['Cc: "=?utf-8?Q?J=C3=BC?=" <j@x.example>, x', 'Cc: =?utf-8?B?SsO8?= <j@x.example>, x:;'],
  ])('%s', (field, wanted) => {
    const { text } = edited(`From: Zoe <zoe@src.example>\r\n${field}\r\n\r\n`);
    expect(text.replace(/\r\n[ \t]+/g, ' ')).toContain(`${wanted}\r\n`);
    expect(text.split('\r\n')[0]?.startsWith(wanted.slice(0, 4))).toBe(true);
  });

  it.each([
    'To: Ann Q. Smith <ann@x.example>, "b, c" <b@x.example> (d (e)), friends: a@x.example, b@x.example;, "a b"@x.example',
    'To: J\xfcrgen <j@x.example>',
    'To: root@localhost,\r\n <a@[192.0.2.1]>',
    'Cc: [External] Ann@work <ann@x.example>',
  ])('and one that SES takes keeps its octets: %s', (field) => {
    expect(edited(`From: a@src.example\r\n${field}\r\n\r\n`).text).toContain(`${field}\r\n`);
  });

  it('in every broken form of pieces put together by chance, so that the emulated SES, which reads for itself, takes it', () => {
    const pieces = [
      'Ann',
      ' ',
      ':(',
      ':)',
      '"',
      '<',
      '>',
      '<ann@x.example>',
      'bob@y.example',
      ',',
      ';',
      ':',
      '(',
      ')',
      '@',
      '.',
      '\\',
      '[',
      ']',
      '\xfc',
      '=?utf-8?Q?a?=',
    ];
    let seed = 7;
    const next = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let round = 0; round < 20_000; round += 1) {
      const value = Array.from({ length: 1 + next(9) }, () => pieces[next(pieces.length)] ?? '').join('');
      const { text } = edited(
        `From: ${next(2) === 0 ? 'a@example.com' : value}\r\nTo: ${value}\r\nReply-To: ${value}\r\n\r\n`,
      );
      for (const name of ['From', 'To', 'Reply-To'])
        for (const written of fieldOf(text, name))
          expect([value, name, written, addressListFault(written)]).toEqual([value, name, written, null]);
      for (const address of ['ann@x.example', 'bob@y.example'])
        if (!/["()[\]\\]|\.\.|\.a|\.b|e\./.test(value) && value.split(/[ ,;<>]/).includes(address))
          expect(fieldOf(text, 'To').join(), value).toContain(address);
    }
  });

  it('an author whose name is broken is answered all the same, and nothing is signed in his name', () => {
    for (const from of [
      'Zoe :( <zoe@example.com>',
      '"Zoe <zoe@example.com>',
      'Zoe zoe@example.com',
      'Zoe <zoe@example.com',
    ]) {
      const { text, kept } = edited(`From: ${from}\r\n\r\n`);
      expect([kept, ...fieldOf(text, 'Reply-To')]).toEqual([
        false,
        expect.stringMatching(/^"Zoe(?: :\()?" <zoe@example\.com>$/),
      ]);
    }
  });

  it('Reply-To of a kept author too; one without any address goes', () => {
    const of = (replyTo: string) => edited(`From: ann@example.com\r\nReply-To: ${replyTo}\r\n\r\n`).text;
    expect(of('Desk :( <desk@x.example>')).toContain('Reply-To: "Desk :(" <desk@x.example>\r\n');
    expect(of('<>')).not.toContain('Reply-To');
  });
});

describe('lines over 998 octets', () => {
  const unfolded = (text: string, name: string) =>
    new RegExp(`^${name}:(.*)$`, 'im').exec(text.replace(/\r\n(?=[ \t])/g, ''))?.[1]?.replace(/\r$/, '');
  it.each([
    ['References', ` ${Array.from({ length: 80 }, (_, i) => `<${i}@src.example>`).join(' ')}`],
    ['Subject', ` ${'many words '.repeat(200)}end`],
    ['Received', ` from a by b; ${'word '.repeat(400)}end`],
    ['X-Long', `\t${'a\t '.repeat(900)}end`],
  ])('%s is folded at its blanks, and unfolds to what it was', (name, value) => {
    const { text } = edited(`${name}:${value}\r\nFrom: a@src.example\r\n\r\n`);
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(78);
    expect(unfolded(text, name)).toBe(value);
  });

  it.each([
    ['Subject', 'x'.repeat(3_000)],
    ['X-Link', `https://src.example/?${'a=b&'.repeat(700)}`],
    ['Subject', `=?utf-8?B?${Buffer.from('\u00fc'.repeat(1_000)).toString('base64')}?=`],
  ])('%s without blanks goes into encoded-words', (name, value) => {
    const { text } = edited(`${name}: ${value}\r\nFrom: a@src.example\r\n\r\n`);
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(78);
    expect(plainText(unfolded(text, name) ?? '')).toBe(plainText(value));
  });

  it.each([
    ['References', '<1@src.example>'.repeat(200), /></],
    ['DKIM-Signature', `v=1;b=${'x'.repeat(3_000)}`, /./],
    ['To', Array.from({ length: 200 }, (_, i) => `a${i}@src.example`).join(','), /./],
  ])('%s without blanks is broken where it may be', (name, value) => {
    const { text } = edited(`${name}:${value}\r\nFrom: a@example.com\r\n\r\n`);
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
    expect(unfolded(text, name)?.replace(/ /g, '')).toBe(value);
  });
});

describe("a stranger's field costs little", () => {
  const units = [
    'From: <,<,"',
    '"',
    '\\"',
    '<',
    '>',
    '<a@b',
    '<a@b.c>',
    '(',
    ')',
    'a@b.c,',
    'a@b.c ',
    ',',
    ';',
    ':',
    '=?u?q?',
    '=?',
    '[',
    ']',
    ' @',
    '. ',
    '"@',
    '""@b ',
    '\r\n ',
    '\xe9',
    '<>',
    'a',
    ' ',
    '\t',
    '"a"',
    '\\',
    "'a@b'",
    '\r',
    '\0',
    '(a)',
    'a:a@b.c;',
    '<a@b>,"',
  ];
  it.each(['From', 'To', 'Cc', 'Reply-To', 'Subject', 'References', 'X-Any'])(
    '%s',
    (name) => {
      for (const unit of units) {
        const cost = (octets: number) => {
          const from = process.cpuUsage();
          edited(`${name}: ${unit.repeat(octets / unit.length)}\r\n\r\n`);
          return process.cpuUsage(from).user / 1_000;
        };
        cost(10_000);
        const small = cost(50_000);
        const large = cost(200_000);
        expect(large, `${name}: ${JSON.stringify(unit)} took ${small} and ${large} ms`).toBeLessThan(
          Math.max(12 * small, 500),
        );
      }
    },
    60_000,
  );
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
  it('is not written for a local part that ASCII cannot write', () => {
    const [author] = authorsOf('jürgen@x.example');
    expect(author === undefined ? 'none' : mailboxText('', author.mailbox)).toBeNull();
  });
});
