// What the notice's pieces promise one by one: texts, statuses, dates, encodings.
// And that its two judges notice faults at all: each one spoils a sound notice in one place and must be seen.
// Whole notices are in notice-fixtures.test.ts, arbitrary ones in notice-property.test.ts.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import {
  asciiLine,
  encodedWords,
  foldedField,
  mailDate,
  oneLine,
  quotedPrintable,
} from '#core/message/text-encoding.ts';
import { noticeMessageId, noticeRecipient, noticeStatus } from '#core/notice/input.ts';
import { isOurWord } from '#core/notice/report-part.ts';
import { statusText } from '#core/notice/texts.ts';
import { REASONS } from '#core/reply/reasons.ts';
import { statusOf } from '#core/reply/status.ts';
import { mailDiff } from '#test/judges/mail-diff.ts';
import { judgeNotice } from '#test/judges/rfc3464.ts';

const sound = readFileSync(new URL('../../../fixtures/dsn/01-unknown-user.expected.eml', import.meta.url), 'latin1');
const bytes = (octets: string) => Buffer.from(octets, 'latin1');

describe('the judge of notices', () => {
  it('finds a sound one sound', () => expect(judgeNotice(bytes(sound))).toEqual([]));

  const faults: readonly [string, (octets: string) => string, RegExp][] = [
    ['a bare LF', (o) => o.replace('\r\nDate:', '\nDate:'), /bare CR or LF/],
    ['a NUL', (o) => o.replace('no such user', 'no\0such user'), /NUL/],
    [
      'a long line',
      (o) => o.replace('MIME-Version: 1.0', `X-Long: ${'x'.repeat(1_000)}\r\nMIME-Version: 1.0`),
      /line of/,
    ],
    ['no final boundary', (o) => o.replace(/--\r\n$/, '\r\n'), /final boundary/],
    ['text after the final boundary', (o) => `${o}more\r\n`, /final boundary/],
    ['two Subjects', (o) => o.replace('Subject:', 'Subject: x\r\nSubject:'), /2 subject/],
    ['no Auto-Submitted', (o) => o.replace(/Auto-Submitted:.*\r\n/, ''), /auto-submitted/],
    ['another report type', (o) => o.replace('report-type=delivery-status', 'report-type=feedback'), /report-type/],
    [
      'a quoted-printable report',
      (o) => o.replace('Transfer-Encoding: 7bit', 'Transfer-Encoding: quoted-printable'),
      /not 7bit/,
    ],
    ['no Reporting-MTA', (o) => o.replace(/Reporting-MTA:.*\r\n/, ''), /Reporting-MTA/],
    ['no Action', (o) => o.replace(/Action:.*\r\n/, ''), /Action/],
    ['free text after Status', (o) => o.replace('Status: 5.1.1\r\nR', 'Status: 5.1.1 no such user\r\nR'), /Status is/],
    ['leading zeros in Status', (o) => o.replace('Status: 5.1.1\r\nR', 'Status: 5.1.01\r\nR'), /Status is/],
    [
      'fields in another order',
      (o) => o.replace('Action: failed\r\nStatus: 5.1.1', 'Status: 5.1.1\r\nAction: failed'),
      /out of order/,
    ],
    ['Remote-MTA without its type', (o) => o.replace('Remote-MTA: dns;', 'Remote-MTA:'), /Remote-MTA/],
    [
      'Remote-MTA without a reply',
      (o) => o.replace('Diagnostic-Code: smtp; 550', 'Diagnostic-Code: X-Everpost; 550'),
      /Remote-MTA/,
    ],
    [
      'Will-Retry-Until in an NDR',
      (o) => o.replace(/(Last-Attempt-Date: (.*)\r\n)/, '$1Will-Retry-Until: $2\r\n'),
      /Will-Retry-Until/,
    ],
    ['a delay of class 5', (o) => o.replace('Action: failed', 'Action: delayed'), /delayed, and of class 5/],
    ['a success of class 5', (o) => o.replace('Action: failed', 'Action: relayed'), /relayed, and of class 5/],
    ['groups run together', (o) => o.replace(/\r\n\r\n(Final-Recipient)/, '\r\n$1'), /wrong group|no recipient/],
    ['an unknown field', (o) => o.replace('Action: failed', 'Action: failed\r\nBlame: you'), /unknown field/],
    [
      '8-bit in a 7-bit part',
      (o) => o.replace('no such user here\r\nLast', 'no s\xfcch user here\r\nLast'),
      /ASCII|7bit/,
    ],
    ['a Bcc in what is returned', (o) => o.replace('\r\nFrom: Ann', '\r\nBcc: x@y.example\r\nFrom: Ann'), /shows bcc/],
    ['no Return-Path in what is returned', (o) => o.replace('Return-Path: <ann@src.example>\r\n', ''), /Return-Path/],
    ['a third part of another type', (o) => o.replace('text/rfc822-headers', 'message/rfc822-headers'), /third part/],
    [
      'a bad soft line break',
      (o) => o.replace('reads what you answer.', 'reads = what you answer.'),
      /quoted-printable/,
    ],
  ];
  it.each(faults)('notices %s', (_, spoil, finding) => {
    const spoilt = spoil(sound);
    expect(spoilt).not.toBe(sound);
    expect(judgeNotice(bytes(spoilt)).join('\n')).toMatch(finding);
  });
});

describe('mail-diff', () => {
  const diff = (expected: string, actual: string) => mailDiff(bytes(expected), bytes(actual));

  it('agrees with itself', () => expect(diff(sound, sound)).toEqual([]));
  it('takes * to the end of the line, and ? for one character', () => {
    expect(diff(sound.replace(/Date: .*/, 'Date: *').replace('550 5.1.1', '5?0 5.?.1'), sound)).toEqual([]);
    expect(diff(sound.replace(/Date: .*/, 'Date: Mon*'), sound)).toHaveLength(1);
  });
  it('says where the difference is', () => {
    expect(diff(sound, sound.replace('Action: failed', 'Action: delayed'))[0]).toMatch(
      /^mail, part 2, line \d+: .*failed.*delayed/,
    );
    expect(diff(sound, sound.replace(/In-Reply-To:.*\r\n/, ''))[0]).toMatch(/in-reply-to: missing/);
    expect(diff(sound, sound.replace('To: <ann', 'X-New: y\r\nTo: <ann'))[0]).toMatch(/x-new: unexpected/);
    expect(diff('A: 1\r\nB: 2\r\n\r\n', 'B: 2\r\nA: 1\r\n\r\n')[0]).toMatch(/another order/);
  });
  it('sees a lost CR, a lost part and a lost closing boundary', () => {
    expect(diff('A: 1\r\n\r\nx*\r\n', 'A: 1\r\n\r\nxyz\n')).toHaveLength(1);
    expect(diff(sound, sound.replace(/--(=_\w+)\r\nContent-Type: message.*?(?=--\1)/s, ''))[0]).toMatch(/parts/);
    expect(diff(sound, sound.replace(/--\r\n$/, ''))).toHaveLength(1);
  });
});

describe('texts', () => {
  // Every situation of the status table that Everpost follows has words of its own.
  const remote = [
    '5.1.1',
    '5.1.2',
    '5.1.3',
    '5.1.10',
    '4.2.2',
    '5.2.2',
    '5.2.1',
    '5.2.3',
    '5.3.4',
    '4.4.1',
    '4.4.2',
    '4.4.3',
    '5.4.4',
    '4.4.4',
    '5.4.6',
    '4.4.7',
    '5.3.0',
    '5.6.0',
    '4.7.0',
    '4.3.5',
    '5.7.1',
    '5.7.20',
    '5.7.23',
    '5.7.26',
    '5.6.7',
    '5.7.10',
    '5.7.30',
    '4.7.5',
    '4.5.3',
  ];
  it.each(remote)('%s has its own', (status) => {
    const { cause } = statusText(statusOf(status), false);
    const [of = '', subject = ''] = status.split('.');
    expect(cause).not.toBe(statusText(statusOf(`${of}.${subject}.999`), false).cause);
    expect(cause).not.toBe(statusText(statusOf(`${of}.9.999`), false).cause);
  });
  it('tells our own decisions from those of others', () => {
    for (const status of ['5.1.1', '5.3.0', '4.3.5', '5.4.6', '4.7.0', '5.7.1', '4.0.0', '5.0.0']) {
      expect(statusText(statusOf(status), true).cause).not.toBe(statusText(statusOf(status), false).cause);
    }
  });
  it.each([
    ['bounced-general', false],
    ['bounced', false],
    ['reported-failed', false],
    ['no-route', true],
    ['bounced-by-nobody-who-is-known', false],
    [null, true],
  ])('without a reply, %s is our own: %s', (reason, own) => {
    const row = { state: 'failed', lastReason: reason, lastReply: null, lastStatus: statusOf('5.1.1') };
    expect(isOurWord(noticeRecipient(row as DeliveryRow, 'ndr'))).toBe(own);
  });
  it('answers for any status, in whole sentences', () => {
    for (const status of ['5.0.0', '4.0.0', '5.9.999', '4.8.7', '5.7.509', '2.0.0']) {
      for (const own of [true, false])
        for (const text of Object.values(statusText(statusOf(status), own))) expect(text).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('a recipient of a notice', () => {
  it('has the last real status, and never 5.4.7', () => {
    expect(noticeStatus('ndr', statusOf('4.2.2'), 'mailbox-full')).toBe('4.2.2');
    expect(noticeStatus('ndr', null, null)).toBe('4.4.7');
    expect(noticeStatus('ndr', statusOf('4.3.0'), 'content-unreadable')).toBe('5.3.0');
    expect(noticeStatus('ndr', statusOf('2.0.0'), null)).toBe('5.0.0');
  });
  it('is delayed by class 4 alone', () => {
    expect(noticeStatus('delay', statusOf('5.3.0'), 'content-unreadable')).toBe('4.3.0');
    expect(noticeStatus('delay', null, null)).toBe('4.0.0');
  });
  it('is not told what another said where the fault is ours', () => {
    const row = {
      state: 'expired',
      stateReason: 'poison',
      lastReason: 'greylisted',
      lastStatus: statusOf('5.3.0'),
      lastReply: { code: 451, status: null, text: 'later', host: 'x' },
    };
    expect(noticeRecipient(row as DeliveryRow, 'ndr')).toMatchObject({
      status: '5.3.0',
      reply: null,
      detail: 'the stored message could not be processed',
    });
  });
  it('is not told what is for the operator alone: names of secrets, of settings and of roles, words of a token endpoint', () => {
    const because = Object.entries(REASONS).filter(([, { forOperatorAlone }]) => forOperatorAlone);
    expect(because.map(([reason]) => reason)).toEqual([
      'port-25-blocked',
      'credentials-unavailable',
      'token-refused',
      'token-unavailable',
      'certificate-unusable',
      'ses-not-found',
      'ses-access-denied',
    ]);
    for (const [reason, { says }] of because) {
      const lastDetail = 'the secret everpost/m365 …: AADSTS7000215 in tenant 6f1c';
      const row = {
        state: 'expired',
        stateReason: reason,
        lastReason: reason,
        lastReply: null,
        lastStatus: null,
        lastDetail,
      };
      expect(noticeRecipient(row as DeliveryRow, 'ndr')).toMatchObject({ reason, detail: says });
      const late = { ...row, state: 'deferred' };
      expect(noticeRecipient(late as DeliveryRow, 'delay')).toMatchObject({ reason, detail: says });
    }
  });
  it('gives the same Message-ID each time, another for each delivery and kind', () => {
    const of = { spoolId: 's', deliveryKey: 'k', kind: 'ndr' as const, host: 'Example.com' };
    expect(noticeMessageId(of)).toBe(noticeMessageId({ ...of }));
    const others = [
      { ...of, spoolId: 't' },
      { ...of, deliveryKey: 'l' },
      { ...of, kind: 'delay' as const },
    ];
    expect(new Set([of, ...others].map(noticeMessageId)).size).toBe(4);
    expect(noticeMessageId({ ...of, host: '\r\n<>' })).toMatch(/^<ndr\.[0-9a-f]{40}@everpost\.invalid>$/);
  });
});

describe('encodings', () => {
  it('dates are RFC 5322, whatever the number', () => {
    expect(mailDate(Date.UTC(2015, 8, 13, 20, 32, 33))).toBe('Sun, 13 Sep 2015 20:32:33 +0000');
    for (const ms of [Number.NaN, -1, Number.MAX_VALUE, Number.POSITIVE_INFINITY])
      expect(mailDate(ms)).toBe('Thu, 01 Jan 1970 00:00:00 +0000');
  });
  it('one line is one line, cut between characters', () => {
    expect(oneLine('a\r\n\tb\0\u2028c \u202Ed\ud800', 99)).toBe('a b c d\ufffd');
    expect(oneLine('😀'.repeat(200), 120)).toBe(`${'😀'.repeat(117)}...`);
    expect(asciiLine('Grüße 漢', 99)).toBe('Gr??e ?');
  });
  it('encoded-words hold whole characters and stay within 75', () => {
    const words = encodedWords('漢字😀ü'.repeat(30)).split(' ');
    for (const word of words) expect(word.length).toBeLessThanOrEqual(75);
    const texts = words.map((word) =>
      new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(word.slice(10, -2), 'base64')),
    );
    expect(texts.join('')).toBe('漢字😀ü'.repeat(30));
  });
  it('folds at spaces, and breaks what cannot be folded', () => {
    expect(
      foldedField('X', 'word '.repeat(40).trim())
        .split('\r\n')
        .every((line) => line.length <= 78),
    ).toBe(true);
    expect(
      foldedField('X', 'w'.repeat(3_000))
        .split('\r\n')
        .every((line) => line.length <= 998),
    ).toBe(true);
  });
  it('quotes what RFC 2045 wants quoted, and never breaks an escape', () => {
    expect(quotedPrintable('From me = \u00fc \r\n.\t')).toBe('=46rom me =3D =FC=20\r\n.=09');
    const lines = quotedPrintable('\xfc='.repeat(200)).split('\r\n');
    for (const line of lines) expect(line).toMatch(/^(?:=[0-9A-F]{2}|[^=]){1,}=?$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(76);
  });
});
