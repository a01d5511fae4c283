// Does the checker notice? Evidence in which the claim holds, and each way in which it may not.

import { describe, expect, it } from 'vitest';
import { check } from './checker.ts';
import type { Evidence, FindingKind, Recorded, Taken } from './evidence.ts';

const content = Buffer.from('Subject: hello\r\nMessage-ID: <1@src.example>\r\n\r\nHello\r\n');
const fields =
  'Received: by example.com (Everpost) with HTTP id m1-aaaaaaaaaaaaaaaa;\r\n\tSun, 22 Nov 2026 10:00:00 +0000\r\n';
const duplicate = 'X-Everpost-Possible-Duplicate: the result of an earlier attempt is unknown\r\n';
const bob = { nextHop: 'exchange', address: 'bob@example.com' };

const copy = (more: Partial<Taken> = {}, front = ''): Taken => ({
  ...bob,
  reversePath: 'ann@src.example',
  content: Buffer.concat([Buffer.from(fields + front), content]),
  answer: 'accepted',
  ...more,
});
const row = (more: Partial<Recorded> = {}): Recorded => ({
  spoolId: 'm1',
  deliveryKey: 'aaaaaaaaaaaaaaaa',
  kind: 'delivery',
  noticeOf: null,
  noticeKind: null,
  forwardPath: 'bob@example.com',
  action: 0,
  nextHop: 'exchange',
  copy: false,
  state: 'relayed',
  stateReason: null,
  possibleDuplicate: false,
  trace: [],
  ...more,
});
const doubted = {
  possibleDuplicate: true,
  trace: [{ event: 'POSSIBLE_DUPLICATE', at: 1, reason: 'earlier-attempt-unfinished' }],
};

/** A report in the form of ours, as far as the checker reads it. */
const ndr = (
  more: { readonly to?: string; readonly about?: string; readonly words?: string; readonly marked?: boolean } = {},
): Taken => {
  const { to = 'ann@src.example', about = 'bob@example.com', words = 'It was not delivered.', marked = false } = more;
  const lines = [
    'From: <postmaster@example.com>',
    `To: <${to}>`,
    'Subject: Undeliverable: hello',
    'X-Everpost-Notice: v1.x.y',
    ...(marked ? [duplicate.trimEnd()] : []),
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    words,
    '',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; example.com',
    'X-Everpost-Spool-ID: m1',
    '',
    `Final-Recipient: rfc822; ${about}`,
    'Action: failed',
    'Status: 5.1.1',
    '',
    '--b--',
    '',
  ];
  return {
    nextHop: 'exchange',
    reversePath: '',
    address: to,
    content: Buffer.from(lines.join('\r\n')),
    answer: 'accepted',
  };
};

const evidence = (more: Partial<Evidence> = {}): Evidence => ({
  accepted: [
    {
      spoolId: 'm1',
      direction: 'inbound',
      reversePath: 'ann@src.example',
      content,
      deliveries: [
        {
          forwardPath: 'bob@example.com',
          action: 0,
          copy: false,
          ways: [bob],
          ends: ['handed-on', 'returned', 'held: *'],
        },
      ],
    },
  ],
  taken: [copy()],
  serviceNotices: [],
  rows: [row()],
  waitsForPerson: 0,
  inDeadLetters: new Set(),
  postmaster: [{ nextHop: 'exchange', address: 'postmaster@example.com' }],
  skewMs: 0,
  expiryExcused: false,
  seen: [],
  ...more,
});
const held = row({
  state: 'held',
  stateReason: 'notice failed',
  trace: [{ event: 'HOLD', at: 100_005, reason: null }],
});
const returned = row({ state: 'returned' });

const sound: readonly (readonly [string, Partial<Evidence>])[] = [
  ['handed on once', {}],
  ['returned once', { taken: [ndr()], rows: [returned] }],
  ['held, and the level is on', { taken: [], rows: [held], waitsForPerson: 1 }],
  ['a marked duplicate', { taken: [copy(), copy({}, duplicate)], rows: [row(doubted)] }],
  ['a next hop that kept what it refused', { taken: [copy({ answer: 'refused' }), copy()], rows: [row()] }],
  [
    'taken and returned, and all say that it may have arrived',
    {
      taken: [copy({ answer: 'unheard' }), ndr({ words: 'The message may have arrived.' })],
      rows: [row({ ...returned, ...doubted })],
    },
  ],
  [
    'a second NDR that says so',
    {
      taken: [ndr(), ndr({ marked: true })],
      rows: [
        returned,
        row({ ...doubted, kind: 'notice', deliveryKey: 'n', noticeOf: 'aaaaaaaaaaaaaaaa', noticeKind: 'ndr' }),
      ],
    },
  ],
];

const faults: readonly (readonly [string, FindingKind, Partial<Evidence>])[] = [
  ['no row', 'unaccounted', { taken: [], rows: [] }],
  ['relayed in the ledger alone', 'unaccounted', { taken: [] }],
  ['returned in the ledger alone', 'unaccounted', { taken: [], rows: [returned] }],
  ['one byte less', 'strange', { taken: [copy({ content: copy().content.subarray(0, -1) })] }],
  ['no body', 'strange', { taken: [copy({ content: Buffer.from(fields) })] }],
  [
    'a strange field in front',
    'strange',
    { taken: [copy({ content: Buffer.concat([Buffer.from('X-Other: 1\r\n'), copy().content]) })] },
  ],
  ['another recipient', 'strange', { taken: [copy(), copy({ address: 'eve@example.com' })] }],
  ['another next hop', 'strange', { taken: [copy(), copy({ nextHop: 'backup' })] }],
  ['an unmarked duplicate', 'unmarked', { taken: [copy(), copy({}, duplicate)] }],
  ['a duplicate without the field', 'unmarked', { taken: [copy(), copy()], rows: [row(doubted)] }],
  ['taken and returned', 'unmarked', { taken: [copy(), ndr()], rows: [returned] }],
  [
    'taken and returned, and the NDR does not say so',
    'unmarked',
    { taken: [copy(), ndr()], rows: [row({ ...returned, ...doubted })] },
  ],
  ['a second NDR', 'second-notice', { taken: [ndr(), ndr()], rows: [returned] }],
  [
    'a second NDR with a row of its own',
    'second-notice',
    {
      taken: [ndr(), ndr()],
      rows: [
        returned,
        ...['n', 'm'].map((deliveryKey) =>
          row({ kind: 'notice', deliveryKey, noticeOf: 'aaaaaaaaaaaaaaaa', noticeKind: 'ndr' }),
        ),
      ],
    },
  ],
  [
    'a second NDR without the field',
    'second-notice',
    {
      taken: [ndr(), ndr()],
      rows: [
        returned,
        row({ ...doubted, kind: 'notice', deliveryKey: 'n', noticeOf: 'aaaaaaaaaaaaaaaa', noticeKind: 'ndr' }),
      ],
    },
  ],
  ['an NDR to somebody else', 'strange', { taken: [ndr({ to: 'eve@src.example' })], rows: [returned] }],
  ['an NDR about somebody else', 'strange', { taken: [copy(), ndr({ about: 'eve@example.com' })] }],
  ['held without an alarm', 'no-alarm', { taken: [], rows: [held] }],
  ['still deferred', 'unfinished', { taken: [], rows: [row({ state: 'deferred' })] }],
  [
    'discarded, which nobody asked for',
    'wrong-end',
    { taken: [], rows: [row({ state: 'discarded', stateReason: 'by-route' })] },
  ],
  ['unreturnable without a reason', 'unaccounted', { taken: [], rows: [row({ state: 'unreturnable' })] }],
  [
    'a notice under way',
    'unfinished',
    { rows: [row(), row({ kind: 'notice', state: 'queued', noticeKind: 'ndr', noticeOf: 'x' })] },
  ],
];

describe('the checker', () => {
  it.each(sound)('has nothing against: %s', (_, more) => {
    expect(check(evidence(more)).findings).toEqual([]);
  });
  it.each(faults)('notices: %s', (_, kind, more) => {
    expect(check(evidence(more)).findings.map((finding) => finding.kind)).toContain(kind);
  });
});
