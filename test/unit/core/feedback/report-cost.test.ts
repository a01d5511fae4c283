// Whatever strangers send to a return path is read in time that grows with its size, and no faster: every pattern
// behind every beginning at two sizes, by processor time. What reads in less than can be measured passes.

import { describe, expect, it } from 'vitest';
import { readRemoteReport } from '#core/feedback/report.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

const part = 'Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n';
const BEGINNINGS: Readonly<Record<string, string>> = {
  nothing: '',
  'a text': 'From: mailer-daemon@x\nSubject: undelivered\n\n',
  'a status part': `From: postmaster@x\n${part}Content-Type: message/delivery-status\n\n`,
  'a recipient': `${part}Content-Type: message/delivery-status\n\nFinal-Recipient: `,
  'a diagnostic': `${part}Content-Type: message/delivery-status\n\nAction: failed\nDiagnostic-Code: smtp; `,
  HTML: 'From: postmaster@x\nContent-Type: text/html\n\n',
  'quoted-printable': 'From: postmaster@x\nContent-Transfer-Encoding: quoted-printable\n\n',
  Base64: `From: postmaster@x\n${part}Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n`,
  'an attached message': 'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n',
  'a multipart': 'From: postmaster@x\nContent-Type: multipart/report; boundary=b\n\n',
  'a subject': 'Subject: ',
  'a type': 'Content-Type: ',
  'a boundary': 'Content-Type: multipart/report; boundary="',
  'an author': 'From: ',
  'recipients that failed': 'X-Failed-Recipients: ',
};
const PATTERNS = [
  ...[
    '\n',
    ' ',
    '\t',
    '\r',
    '\r\n',
    ' \n',
    'a',
    'é',
    '\0',
    '<',
    '>',
    '(',
    ')',
    ' (',
    '"',
    '\\"',
    ';',
    '; x=',
    '@',
    'a@',
    '<a@b>:\n',
    'a@b ',
  ],
  ...[
    '> ',
    '>\n',
    '-',
    '--',
    '--b\n',
    '--b\n\n',
    '--b\nContent-Type: x\n',
    '=',
    '=\n',
    '=3D',
    'YQ==',
    '&#64;',
    '<style>',
    '<!--',
    '</',
  ],
  ...[
    'is ',
    'could not be ',
    'mailbox ',
    'user not ',
    '550 ',
    '5.',
    '5.1.0 ',
    '=?a?q?',
    '=?utf-8?b?YQ==?= ',
    '\x1b$B',
    '+40',
    '\\x{41}',
  ],
  ...[
    'a: b\n',
    ' a\n',
    'Final-Recipient: x; a@b\nAction: failed\n\n',
    'Action: failed\n',
    'Received: from\n',
    '-- original message\n',
  ],
  ...['Content-Type: message/rfc822\n\n', 'Content-Type: multipart/mixed; boundary=b\n\n--b\n'],
];
const BYTES = 96 * 1024;
/** Below it a measurement says nothing. */
const MEASURABLE_MS = 80;
/** What grows faster does so each time; the collector or a busy machine comes between now and then. */
const TRIES = 4;

function cost(beginning: string, pattern: string, bytes: number): number {
  const content = Buffer.from(beginning + pattern.repeat(Math.ceil(bytes / pattern.length)), 'latin1');
  const before = process.cpuUsage();
  readRemoteReport(content, { nullPath: true });
  return ownMsSince(before);
}

describe('twice as much is read in at most three times the time', () => {
  it.each(Object.entries(BEGINNINGS))('behind %s', (_, beginning) => {
    for (const pattern of PATTERNS) {
      let linear = cost(beginning, pattern, 2 * BYTES) < MEASURABLE_MS;
      for (let tries = 0; tries < TRIES && !linear; tries++) {
        const once = Math.max(cost(beginning, pattern, BYTES), MEASURABLE_MS / 4);
        const twice = cost(beginning, pattern, 2 * BYTES);
        linear = twice < MEASURABLE_MS || twice / once < 3;
      }
      expect([pattern, linear]).toEqual([pattern, true]);
    }
  });

  it('and however much it is, no more is read than a report can have', () => {
    for (const pattern of ['\n', ' ', 'Final-Recipient: x; a@b\nAction: failed\n\n', '--b\n'])
      expect(cost('From: mailer-daemon@x\n\n', pattern, 40 * 1024 * 1024)).toBeLessThan(3_000);
  });
});
