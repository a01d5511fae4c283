// Policy over every verdict: only a FAIL fails, and what could not be scanned is relayed unless the operator says
// otherwise. Which choice it leads to is the operator's.

import { describe, expect, it } from 'vitest';
import type { NextHopSettings } from '#config/settings.ts';
import type { Verdicts } from '#core/delivery/delivery.ts';
import { statusOf } from '#core/reply/status.ts';
import { disposition, routeDisposition } from '#core/routing/policy.ts';

const pass: Verdicts = { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'PASS', dmarc: 'PASS', dmarcPolicy: null };
const policy = { spam: 'quarantine', virus: 'refuse', dmarcReject: 'relay', unscanned: 'relay' } as const;

it.each<[Partial<Verdicts>, object]>([
  [{}, { kind: 'relay' }],
  [{ spam: 'FAIL' }, { kind: 'quarantine', reason: 'policy-spam' }],
  [{ virus: 'FAIL' }, { kind: 'refuse', reason: 'policy-virus', status: '5.7.1' }],
  [
    { virus: 'FAIL', spam: 'FAIL' },
    { kind: 'refuse', reason: 'policy-virus' },
  ],
  [{ dmarc: 'FAIL', dmarcPolicy: 'reject' }, { kind: 'relay' }],
  [{ spam: 'GRAY' }, { kind: 'relay' }],
  [{ spam: 'DISABLED', virus: 'DISABLED' }, { kind: 'relay' }],
  [{ spam: 'PROCESSING_FAILED', virus: 'PROCESSING_FAILED' }, { kind: 'relay' }],
  [{ spf: 'FAIL', dkim: 'FAIL' }, { kind: 'relay' }],
])('%j', (verdicts, expected) => {
  expect(disposition({ ...pass, ...verdicts }, policy)).toMatchObject(expected);
});

it.each(['quarantine', 'reject', 'none'] as const)('asks DMARC only for reject: %s', (dmarcPolicy) => {
  const found = disposition({ ...pass, dmarc: 'FAIL', dmarcPolicy }, { ...policy, dmarcReject: 'refuse' });
  expect(found.kind).toBe(dmarcPolicy === 'reject' ? 'refuse' : 'relay');
});

describe('with unscanned: quarantine', () => {
  const strict = { ...policy, unscanned: 'quarantine' } as const;
  const kept = { kind: 'quarantine', reason: 'policy-unscanned' };
  it.each<[Partial<Verdicts>, object]>([
    [{}, { kind: 'relay' }],
    ...(['spam', 'virus'] as const).flatMap((check) =>
      (['GRAY', 'PROCESSING_FAILED', 'DISABLED'] as const).map((word): [Partial<Verdicts>, object] => [
        { [check]: word },
        kept,
      ]),
    ),
    [{ spf: 'GRAY', dkim: 'PROCESSING_FAILED', dmarc: 'DISABLED' }, { kind: 'relay' }], // these are no scans
    [
      { virus: 'FAIL', spam: 'GRAY' },
      { kind: 'refuse', reason: 'policy-virus' },
    ],
    [
      { virus: 'GRAY', spam: 'FAIL' },
      { kind: 'quarantine', reason: 'policy-spam' },
    ],
    [{ virus: 'GRAY', dmarc: 'FAIL', dmarcPolicy: 'reject' }, kept], // policy relays what DMARC rejects here
  ])('%j', (verdicts, expected) => {
    expect(disposition({ ...pass, ...verdicts }, strict)).toMatchObject(expected);
  });
});

it('asks what else speaks against a message where policy relays one finding', () => {
  const lenient = { ...policy, virus: 'relay', dmarcReject: 'refuse' } as const;
  expect(disposition({ ...pass, virus: 'FAIL' }, lenient)).toEqual({ kind: 'relay' });
  expect(disposition({ ...pass, virus: 'FAIL', spam: 'FAIL' }, lenient)).toMatchObject({ reason: 'policy-spam' });
  const rejected = { ...pass, virus: 'FAIL', dmarc: 'FAIL', dmarcPolicy: 'reject' } as const;
  expect(disposition(rejected, lenient)).toMatchObject({ kind: 'refuse', reason: 'policy-dmarc' });
});

it.each<[NextHopSettings | undefined, object | null]>([
  [{ kind: 'discard' }, { kind: 'discard', reason: 'discarded-by-route' }],
  [
    { kind: 'refuse', status: statusOf('5.1.6'), text: 'moved' },
    { kind: 'refuse', reason: 'refused-by-route', status: '5.1.6', detail: 'moved' },
  ],
  [{ kind: 'ses' }, null],
  [undefined, null],
])('a route by %j decides alone', (nextHop, expected) => {
  expect(routeDisposition(nextHop)).toEqual(expected);
});
