// By which way a notice leaves, which failures the postmaster gets a copy of, and which notices count against a domain:
// as tables.

import { describe, expect, it } from 'vitest';
import { wantsCopy } from '#core/notice/copy-rule.ts';
import type { NoticeFacts } from '#core/notice/permission.ts';
import { isCounted } from '#core/notice/permission.ts';
import { noticeWay, type WayFacts, wayName } from '#core/notice/way.ts';
import { statusOf } from '#core/reply/status.ts';
import { queued } from '#test/contract/rows.ts';

const HOUR = 3_600_000;
const facts: WayFacts = {
  kind: 'ndr',
  via: null,
  direction: 'inbound',
  acceptedAt: 0,
  now: HOUR,
  autoSubmitted: null,
  forwardPath: 'bob@example.com',
  rowNextHop: 'ses-report',
};

describe('a notice goes', () => {
  it.each([
    ['by notices.via', { via: 'exchange', autoSubmitted: 'auto-replied', now: 90 * HOUR }, 'next-hop', 'exchange'],
    ['by SendBounce while the receipt is young', {}, 'ses-bounce', 'ses-bounce'],
    ['by a report once it is not', { now: 23.8 * HOUR }, 'ses-report', 'ses-report'],
    ['by a report for mail of our own', { direction: 'outbound' }, 'ses-report', 'ses-report'],
    ['by a report for a forward-path beyond ASCII', { forwardPath: 'bü@example.com' }, 'ses-report', 'ses-report'],
    ['by SendBounce to an automatic answer', { autoSubmitted: 'auto-replied' }, 'ses-bounce', 'ses-bounce'],
    [
      'nowhere, once only a report could carry it there',
      { autoSubmitted: ' Auto-Replied (vacation)', now: 30 * HOUR },
      'auto-replied',
      'ses-report',
    ],
    [
      'by a report to what was merely generated',
      { autoSubmitted: 'auto-generated', now: 30 * HOUR },
      'ses-report',
      'ses-report',
    ],
    ['to the postmaster as his mail goes', { kind: 'postmaster', rowNextHop: 'exchange' }, 'next-hop', 'exchange'],
    [
      'to a postmaster elsewhere by a report',
      { kind: 'postmaster', autoSubmitted: 'auto-replied' },
      'ses-report',
      'ses-report',
    ],
  ] as const)('%s', (_, more, kind, name) => {
    const way = noticeWay({ ...facts, ...more } as WayFacts);
    expect([way.kind, wayName(way)]).toEqual([kind, name]);
  });
  it('by no report in place of a throttled bounce where that would answer an answer', () => {
    expect(noticeWay(facts)).toMatchObject({ orReport: true });
    expect(noticeWay({ ...facts, autoSubmitted: 'auto-replied' })).toMatchObject({ orReport: false });
  });
});

describe('a copy for the postmaster', () => {
  const row = {
    ...queued('m1'),
    state: 'expired' as const,
    stateReason: 'timeout',
    lastReason: 'timeout',
    lastStatus: statusOf('4.4.2'),
  };
  it.each([
    [['expired'], true],
    [['timeout'], true],
    [['4.4.2'], true],
    [['4.4.*'], true],
    [['*.4.*'], true],
    [['4.4.*2'], true],
    [['*'], true],
    [['4.4'], false],
    [['5.*', 'failed'], false],
    [['4.4.2*2'], false],
    [[], false],
  ])('of %j: %s', (codes, wanted) => {
    expect(wantsCopy(codes, row)).toBe(wanted);
  });
});

describe('a notice counts against its domain', () => {
  const counted: NoticeFacts = {
    kind: 'ndr',
    canary: false,
    ofNotice: false,
    copy: false,
    direction: 'inbound',
    reversePath: 'a@src.example',
    to: { address: 'a@src.example', localPart: 'a', domain: 'src.example', domainKey: 'src.example' },
    noticesFrom: 'postmaster@example.com',
    toReturnPath: false,
    bearsOurMarker: false,
    verdicts: { spam: 'PASS', virus: 'PASS', spf: 'GRAY', dkim: 'GRAY', dmarc: 'GRAY', dmarcPolicy: null },
    fromField: 'a@src.example',
    autoSubmitted: null,
    listMail: false,
    overLimit: null,
    wayClosed: false,
    mode: 'send',
    notify: null,
    foreignSender: false,
    confirmedBefore: false,
  };
  it.each([
    ['where nothing vouches for it', {}, true],
    ['not where SPF does', { verdicts: { ...counted.verdicts, spf: 'PASS' } }, false],
    ['not where an aligned DMARC does', { verdicts: { ...counted.verdicts, dmarc: 'PASS' } }, false],
    ['not where none is sent', { reversePath: '', to: null }, false],
    ['not while notices are held', { mode: 'hold' }, false],
    ['not for mail of our own', { direction: 'outbound' }, false],
  ] as const)('%s', (_, more, wanted) => {
    expect(isCounted({ ...counted, ...more } as NoticeFacts)).toBe(wanted);
  });
});
