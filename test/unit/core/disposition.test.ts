// Policy over every verdict: only a FAIL fails, and what could not be judged is relayed.
// Which choice it leads to is the operator's.

import { expect, it } from 'vitest';
import type { Verdicts } from '#core/delivery.ts';
import { disposition } from '#core/disposition.ts';

const pass: Verdicts = { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'PASS', dmarc: 'PASS', dmarcPolicy: null };
const policy = { spam: 'quarantine', virus: 'refuse', dmarcReject: 'relay' } as const;

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
