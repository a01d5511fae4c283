// What comes back, read: one fixture for each shape that a report may have, then ten thousand ways of breaking them.
// Whatever the bytes, the answer is one of four kinds, well-formed and bounded, and comes soon.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type RemoteReport, readRemoteReport } from '#core/feedback/report.ts';
import { statusFrom, statusIn } from '#core/feedback/report-status.ts';
import { reportBytesMax, reportRecipientsMax } from '#core/limits.ts';
import { parseStatus } from '#core/reply/status.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

const FOLDER = join(import.meta.dirname, '../../../fixtures/reports');
const stems = readdirSync(FOLDER).flatMap((name) => (name.endsWith('.eml') ? [name.slice(0, -4)] : []));
const contentOf = (stem: string) => readFileSync(join(FOLDER, `${stem}.eml`));

describe('each shape', () => {
  it.each(stems)('%s', (stem) => {
    const report = readRemoteReport(contentOf(stem), { nullPath: true });
    const path = join(FOLDER, `${stem}.expected.json`);
    if (process.env.UPDATE === '1' && process.env.CI === undefined)
      writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
    expect(existsSync(join(FOLDER, `${stem}.why`))).toBe(true);
    expect(report).toEqual(JSON.parse(readFileSync(path, 'utf8')));
  });
});

describe('a status in words', () => {
  it.each([
    ['550 5.1.1 no such user', '5.1.1'],
    ['550-5.7.1 [192.0.2.1] not from here', '5.7.1'],
    ['#5.2.2', '5.2.2'],
    ['550 Requested action not taken: mailbox unavailable', '5.1.1'],
    ['452 mailbox full', '4.2.2'],
    ['552 quota exceeded', '5.2.2'],
    ['550 Host unknown', '5.1.2'],
    ['554 Too many hops', '5.4.6'],
    ['550 5.0.0 user unknown', '5.1.1'],
    ['550 go away', '5.0.0'],
    ['421 later', '4.0.0'],
    ['connected to 5.1.1.7 and left', null],
    ['MAPI 5.5.2657.72', null],
    ['', null],
  ])('%s is %s', (words, status) => {
    expect(statusFrom(words)).toBe(status);
  });
  it('is not found in numbers that are none', () => {
    expect(statusIn('5.1.1234')).toBeNull();
    expect(statusIn('15.1.1')).toBeNull();
    expect(statusIn('5.01.1')).toBe('5.1.1');
  });
});

/** A generator of its own, so that a failure can be played again from its seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function requireSound(report: RemoteReport): void {
  expect(['report', 'complaint', 'auto-reply', 'none']).toContain(report.kind);
  if (report.kind !== 'report') return;
  expect(report.recipients.length).toBeGreaterThan(0);
  expect(report.recipients.length).toBeLessThanOrEqual(reportRecipientsMax + 1);
  for (const { finalRecipient, originalRecipient, action, status, diagnostic, remoteMta } of report.recipients) {
    expect(['failed', 'delayed', 'delivered', 'relayed', 'expanded']).toContain(action);
    if (status !== null) expect(parseStatus(status)).toBe(status);
    for (const text of [finalRecipient, originalRecipient, diagnostic, remoteMta, report.reportingMta]) {
      if (text === null) continue;
      expect(text).not.toMatch(/[\u0000-\u001f\u007f\u2028\u2029]/);
      expect(text.length).toBeLessThanOrEqual(1_000);
      expect(text).not.toBe('');
    }
  }
}

describe('whatever the bytes', () => {
  const bodies = stems.map(contentOf);
  const mutations: Readonly<Record<string, (bytes: Buffer, random: () => number) => Buffer>> = {
    truncated: (bytes, random) => bytes.subarray(0, Math.floor(random() * bytes.length)),
    flipped: (bytes, random) => {
      const copy = Buffer.from(bytes);
      for (let left = 1 + Math.floor(random() * 30); left > 0 && copy.length > 0; left -= 1)
        copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256);
      return copy;
    },
    spliced: (bytes, random) => {
      const other = bodies[Math.floor(random() * bodies.length)] ?? bytes;
      const [from, to] = [Math.floor(random() * bytes.length), Math.floor(random() * other.length)];
      return Buffer.concat([bytes.subarray(0, from), other.subarray(to)]);
    },
    'without some of its lines': (bytes, random) =>
      Buffer.from(
        bytes
          .toString('latin1')
          .split('\n')
          .filter(() => random() > 0.15)
          .join('\n'),
        'latin1',
      ),
  };
  it.each(Object.entries(mutations))('%s, it gives a sound answer', (_, mutate) => {
    for (let seed = 1; seed <= 100; seed += 1)
      for (const bytes of bodies)
        requireSound(readRemoteReport(mutate(bytes, randomOf(seed * 7_919 + bytes.length)), { nullPath: true }));
  });

  const much = (text: string) => Buffer.from(text.repeat(Math.ceil((2 * reportBytesMax) / text.length)), 'latin1');
  const head = 'From: mailer-daemon@x\r\nSubject: undelivered\r\n';
  it.each([
    ['one endless line', Buffer.concat([Buffer.from(`${head}\r\n`), much('a@b ')])],
    [
      'addresses without end',
      Buffer.concat([Buffer.from(`${head}\r\ncould not be delivered\r\n`), much('<a@b.example>:\r\n')]),
    ],
    [
      'boundaries without end',
      Buffer.concat([Buffer.from(`${head}Content-Type: multipart/report; boundary=x\r\n\r\n`), much('--x\r\n\r\n')]),
    ],
    [
      'groups without end',
      Buffer.concat([
        Buffer.from('Content-Type: message/delivery-status\r\n\r\n'),
        much('Final-Recipient: x; a@b\r\nAction: failed\r\n\r\n'),
      ]),
    ],
    [
      'multiparts in multiparts',
      Buffer.from(
        `${head}${Array.from({ length: 2_000 }, (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`).join('')}`,
      ),
    ],
    ['fields without end', much('Subject: x\r\n')],
    ['folded lines without end', Buffer.concat([Buffer.from('Subject: x\r\n'), much(' y\r\n')])],
    ['tags without end', Buffer.concat([Buffer.from(`${head}Content-Type: text/html\r\n\r\n`), much('<style><br ')])],
    ['brackets without end', Buffer.concat([Buffer.from(`${head}\r\nfailed:\r\n`), much(`${'('.repeat(200)}<a@b`)])],
    [
      'escapes without end',
      Buffer.concat([Buffer.from(`${head}Content-Transfer-Encoding: quoted-printable\r\n\r\n`), much('=3D =\r\n')]),
    ],
    [
      'a parameter without end',
      Buffer.concat([Buffer.from('Content-Type: multipart/report; boundary="'), much('\\"x; y=')]),
    ],
  ])('%s is read in no time', (_, bytes) => {
    const startedAt = process.cpuUsage();
    requireSound(readRemoteReport(bytes, { nullPath: true }));
    expect(ownMsSince(startedAt)).toBeLessThan(3_000);
  });
});
