// What relay takes out for every next hop: every form of such a field, whole; no other byte; the same however the
// content is cut into chunks.

import { describe, expect, test } from 'vitest';
import { authservIdBytesMax } from '#core/limits.ts';
import { type RemovalTerms, withoutRemovedFields } from '#core/message/removed-fields.ts';

const OUTBOUND: RemovalTerms = { direction: 'outbound', domains: [] };

async function filtered(text: string, size: number, terms: RemovalTerms = OUTBOUND): Promise<string> {
  const bytes = Buffer.from(text, 'latin1');
  const buffer = Buffer.alloc(size); // one buffer for all chunks, as a reader of files has it
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size);
      buffer.fill(0x2a);
      part.copy(buffer);
      yield buffer.subarray(0, part.length);
    }
  }
  let out = '';
  for await (const part of withoutRemovedFields(chunks(), terms)) out += Buffer.from(part).toString('latin1');
  return out;
}

const cases: readonly (readonly [what: string, given: string, left: string])[] = [
  ['one field', 'From: a@x\r\nBcc: b@y\r\nTo: c@z\r\n\r\nBcc: body\r\n', 'From: a@x\r\nTo: c@z\r\n\r\nBcc: body\r\n'],
  ['the first field', 'Bcc: b@y\r\nTo: c@z\r\n\r\n', 'To: c@z\r\n\r\n'],
  ['the last field', 'To: c@z\r\nBcc: b@y\r\n\r\nx', 'To: c@z\r\n\r\nx'],
  ['two in a row', 'Bcc: b@y\r\nBcc: c@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['odd case', 'bCC: b@y\r\nRESENT-bcc: c@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['blanks before the colon', 'Bcc : b@y\r\nBcc\t \t: c@y\r\nResent-Bcc :d@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['folded', 'X: y\r\nBcc: b@y,\r\n\tc@y,\r\n  \r\n d@y\r\nZ: z\r\n folded\r\n\r\n', 'X: y\r\nZ: z\r\n folded\r\n\r\n'],
  ['folded at once', 'Bcc:\r\n b@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['bare line feeds', 'X: y\nBcc: b@y\n c@y\n\nBcc: body\n', 'X: y\n\nBcc: body\n'],
  ['line ends converted twice', 'X: y\r\r\nBcc: b@y\r\r\n\r\r\nBcc: body\r\r\n', 'X: y\r\r\n\r\r\nBcc: body\r\r\n'],
  ['behind a CR alone, which leaves as CRLF', 'Subject: x\rBcc: b@y\r\nTo: c@z\r\n\r\n', 'Subject: x\rTo: c@z\r\n\r\n'],
  ['up to a CR alone', 'Bcc: b@y\rTo: c@z\r\n\r\n', 'To: c@z\r\n\r\n'],
  [
    'between a CR alone and the empty line, which stays empty',
    'Subject: x\rBcc: b@y\r\n\r\nBcc: body\r\n',
    'Subject: x\r\n\r\nBcc: body\r\n',
  ],
  ['two of them there', 'X: y\rBcc: b@y\rBcc: c@y\n\nBcc: body\n', 'X: y\r\n\nBcc: body\n'],
  ['NUL in its name', 'X: y\r\nB\0cc: b@y\r\n\0Bcc\0 : c@y\r\nZ: z\r\n\r\n', 'X: y\r\nZ: z\r\n\r\n'],
  ['CRs at the end', 'X: y\r\r', 'X: y\r\r'],
  ['behind a byte order mark', '\xef\xbb\xbfBcc: b@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  [
    'behind a line that is no field',
    'From a Sun\r\nBcc: b@y\r\nstray\r\nBCC: c@y\r\n\r\n',
    'From a Sun\r\nstray\r\n\r\n',
  ],
  ['without an empty line', 'X: y\r\nBcc: b@y', 'X: y\r\n'],
  ['an empty field', 'Bcc:\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ...(
    [
      ['other names', 'X-Bcc: b@y\r\nBccc: b@y\r\nBc: c\r\nResent-Bccs: d\r\nAbcc: e\r\n\r\n'],
      ['no colon', 'X: y\r\nBcc\r\nbcc b@y: z\r\n\r\n'],
      ['a fold of another field', 'Subject: a\r\n Bcc: b@y\r\n\r\n'],
      ['no header section', '\r\nBcc: b@y\r\n'],
      ['nothing', ''],
      ['the beginning of a name', 'X: y\r\nRese'],
      ['all bytes', `X: ${String.fromCharCode(...Array.from({ length: 246 }, (_, i) => i + 10))}\r\n\r\n\x00\xff`],
    ] as const
  ).map(([what, text]) => [what, text, text] as const),
];

const SIZES = [1, 2, 3, 5, 7, 64, 10_000];
async function expectLeft(given: string, left: string, terms?: RemovalTerms): Promise<void> {
  for (const size of SIZES) expect([size, await filtered(given, size, terms)]).toEqual([size, left]);
}

test.each(cases)('%s', (_, given, left) => expectLeft(given, left));

test('a field of a megabyte goes, and nothing of it is held', async () => {
  const long = `Bcc: ${'b@y.test,\r\n '.repeat(100_000)}c@y\r\n`;
  expect(await filtered(`X: y\r\n${long}Z: z\r\n\r\nbody`, 65_536)).toBe('X: y\r\nZ: z\r\n\r\nbody');
});

const SES_BLOCK = [
  'Return-Path: <ann@src.example>',
  'Received: from mx.src.example (mx.src.example [192.0.2.1])\r\n by inbound-smtp.eu-west-1.amazonaws.com with SMTP id abc\r\n for bob@example.com;\r\n Sun, 29 Nov 2026 10:00:00 +0000 (UTC)',
  'X-SES-Spam-Verdict: PASS',
  'X-SES-Virus-Verdict: PASS',
  'Received-SPF: fail (spfCheck: domain of src.example) client-ip=192.0.2.1;',
  'Authentication-Results: amazonses.com;\r\n spf=fail;\r\n dkim=fail header.i=@src.example;\r\n dmarc=fail header.from=src.example;',
  'X-SES-RECEIPT: AEFBQUFBQUFB',
  'X-SES-DKIM-SIGNATURE: a=rsa-sha256; q=dns/txt; d=amazonses.com; b=x;',
].map((field) => `${field}\r\n`);
const block = SES_BLOCK.join('');
const INBOUND: RemovalTerms = { direction: 'inbound', domains: ['example.com', 'xn--bcher-kva.example'] };
const REST =
  'From: a@src.example\r\nSubject: x\r\n\r\nAuthentication-Results: amazonses.com; spf=pass\r\nX-SES-A: b\r\n';

/** Fields that came with a message: those that go, and those that stay. */
const FORGED: readonly string[] = [
  'Authentication-Results: amazonses.com; dmarc=pass header.from=example.com',
  'authentication-RESULTS: AmazonSES.com; dmarc=pass',
  'Authentication-Results : amazonses.com 1; dmarc=pass',
  'Authentication-Results:amazonses.com',
  'Authentication-Results: "amazonses.com"; dmarc=pass',
  'Authentication-Results: "amazon\\ses.com" ; dmarc=pass',
  'Authentication-Results: (a (nested; comment\\)) here) amazonses.com (x) 1 (y); dmarc=pass',
  'Authentication-Results:\r\n\t(folded\r\n comment)\r\n amazonses.com\r\n ; dmarc=pass',
  'Authentication-Results: amazonses.com.; dmarc=pass',
  'Authentication-Results: example.com; none',
  'Authentication-Results: mx.example.com; dmarc=pass',
  'Authentication-Results: b\xc3\xbccher.example; dmarc=pass',
  'Authentication-Results: xn--BCHER-kva.example; dmarc=pass',
  // no authserv-id that could be compared, and our name where it would stand
  'Authentication-Results: "amazonses.com; dmarc=pass',
  'Authentication-Results: (amazonses.com; dmarc=pass',
  'Authentication-Results: amazonses.com/1; dmarc=pass',
  'Authentication-Results: amazonses.com dmarc=pass',
  'Authentication-Results: x amazonses.com; dmarc=pass',
  'Authentication-Results: amazonses(x).com; dmarc=pass',
  'Authentication-Results: amazonses\r\n .com; dmarc=pass',
  'Authentication-Results: amazonses.com\x00; dmarc=pass',
  'Authentication-Results: =?utf-8?q?amazonses=2Ecom?=; dmarc=pass',
  'Authentication-Results: spf=pass amazonses.com; dmarc=pass',
  'Authentication-Results: amazonses.com=1; dmarc=pass',
  'Authentication-Results: =amazonses.com; dmarc=pass',
  'Authentication-Results: amazon\x00ses.com; dmarc=pass',
  'Authentication-Results: amazonses.com\xe2\x80\x8e; dmarc=pass',
  'Authentication\x00-Results: amazonses.com; dmarc=pass',
  '\x00X-SES-Spam-Verdict\x00: PASS',
  `Authentication-Results: (${'x'.repeat(authservIdBytesMax)}) amazonses.com; dmarc=pass`,
  `Authentication-Results${' '.repeat(5_000)}: amazonses.com; dmarc=pass`,
  'X-SES-Spam-Verdict: PASS',
  'X-SES-CONFIGURATION-SET: theirs',
  'x-ses-message-tags: delivery=other\r\n folded',
  'X-SES-RETURN-PATH-ARN : arn',
  'X-SES-SOURCE-ARN:',
  'X-SES-RECEIPT: forged',
  `X-SES-${'a'.repeat(5_000)}: b`,
];
const HONEST: readonly string[] = [
  'Authentication-Results: mx.src.example; dmarc=pass header.from=example.com',
  'Authentication-Results: mx.src.example 1; none',
  'Authentication-Results: notamazonses.com; dmarc=pass',
  'Authentication-Results: amazonses.com.src.example; dmarc=pass',
  'Authentication-Results: (amazonses.com) mx.src.example; dmarc=pass',
  'Authentication-Results: "amazonses.com\\; x"; dmarc=pass',
  'Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=src.example; amazonses.com; dkim=pass',
  'Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.com; dkim=pass header.d=example.com',
  'Authentication-Results: spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=mail.example.com; dmarc=pass header.from=example.com;compauth=pass reason=100',
  'Authentication-Results: dkim=pass (signature was verified) header.d=example.com;dmarc=pass action=none',
  'Authentication-Results:',
  'Authentication-Results-Original: amazonses.com; dmarc=pass',
  'ARC-Authentication-Results: i=1; amazonses.com; dmarc=pass',
  'X-SESSION: 1',
  'X-SES: 1',
  'X-Feedback: X-SES-A',
  'Received-SPF: pass',
  'Bcc: seen@src.example',
];

describe('what came with a message that SES received', () => {
  const first = (field: string) => (field.length > 60 ? `${field.slice(0, 60)}…` : field).replace(/[^ -~]/g, '?');

  test.each(FORGED.map((field) => [first(field), field] as const))('goes: %s', async (_, field) => {
    await expectLeft(`${block}${field}\r\n${REST}`, `${block}${REST}`, INBOUND);
    await expectLeft(`${block}To: b@example.com\r\n${field}\r\n${field}`, `${block}To: b@example.com\r\n`, INBOUND);
  });

  test.each(HONEST.map((field) => [first(field), field] as const))('stays: %s', async (_, field) => {
    const given = `${block}${field}\r\n${REST}`;
    await expectLeft(given, given, INBOUND);
  });

  test('goes where a whole block is forged below the true one', () =>
    expectLeft(
      `${block}${SES_BLOCK.join('')}${REST}`,
      `${block}${SES_BLOCK[0]}${SES_BLOCK[1]}${SES_BLOCK[4]}${REST}`,
      INBOUND,
    ));

  test('goes where a line that is no field stands before it', () =>
    expectLeft(`${block}From a Sun\r\nX-SES-A: b\r\n${REST}`, `${block}From a Sun\r\n${REST}`, INBOUND));

  test('goes from the first field on where nothing says that SES received the message', async () => {
    await expectLeft(`X-SES-Spam-Verdict: PASS\r\n${REST}`, REST, INBOUND);
    const path = SES_BLOCK[0];
    await expectLeft(`${path}Authentication-Results: amazonses.com; spf=pass\r\n${REST}`, `${path}${REST}`, INBOUND);
  });

  // What is missing is never made good by the stranger's: behind SES's last fields nothing more is SES's.
  test.each([2, 3, 5])('goes where SES itself wrote no such field: %i', async (left) => {
    const short = SES_BLOCK.filter((_, index) => index !== left).join('');
    await expectLeft(short + SES_BLOCK[left] + REST, short + REST, INBOUND);
  });

  test('goes where it is the second of its name, whether SES’s block was closed or not', async () => {
    const open = SES_BLOCK.slice(0, 6).join('');
    await expectLeft(`${open}${SES_BLOCK[5]}${SES_BLOCK[2]}${REST}`, open + REST, INBOUND);
  });

  test('leaves SES its own fields in another order', async () => {
    const [path, received, ...more] = SES_BLOCK;
    const turned = [path, received, more[3], more[0], more[1], more[2], more[5], more[4]].join('');
    await expectLeft(`${turned}X-SES-A: b\r\n${REST}`, turned + REST, INBOUND);
  });
});

test('what is left has nothing more to be taken out, however lines end', async () => {
  const ends = ['\r', '\n', '\r\n', '\r\r\n'];
  const parts = ['X: y', 'Bcc: b@y', 'X-SES-A: b', '', ' folded'];
  for (const first of ends)
    for (const second of ends)
      for (const third of ends)
        for (const part of parts)
          for (const next of parts) {
            const left = await filtered(`X: y${first}${part}${second}${next}${third}Bcc: b@y${third}Z: z`, 64);
            expect(await filtered(left, 64)).toBe(left);
          }
});

test('from what is submitted these fields and Bcc go, wherever they stand', () => {
  const forged = FORGED.map((field) => `${field}\r\n`).join('');
  const given = `${SES_BLOCK.slice(1).join('')}${forged}Bcc: b@y\r\n${REST}`;
  return expectLeft(given, `${SES_BLOCK[1]}${SES_BLOCK[4]}${REST}`, { ...INBOUND, direction: 'outbound' });
});

test('such fields cost time in proportion to their number, however many domains are ours', async () => {
  const terms = { ...INBOUND, domains: Array.from({ length: 10_000 }, (_, index) => `d${index}.example`) };
  const seconds = async (count: number) => {
    const given = `${block}${`Authentication-Results: (((${'a.'.repeat(500)} x; y\r\n`.repeat(count)}${REST}`;
    const began = performance.now();
    expect(await filtered(given, 65_536, terms)).toBe(given);
    return performance.now() - began;
  };
  await seconds(200);
  const [once, fourfold] = [await seconds(1_000), await seconds(4_000)];
  expect(fourfold).toBeLessThan(once * 12 + 200);
});
