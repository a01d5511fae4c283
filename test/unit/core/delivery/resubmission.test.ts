// What speaks for a recipient having a message already that an operator would have relayed again.

import { expect, it } from 'vitest';
import { doubtAbout, resubmitted } from '#core/delivery/resubmission.ts';
import { sesHost } from '#core/message/ses-use.ts';
import { statusOf } from '#core/reply/status.ts';
import { queued } from '../../../contract/rows.ts';

const said = (host: string) => ({ code: 250, status: statusOf('2.0.0'), text: 'Ok', host });
const bySes = said(sesHost('eu-west-1'));
const row = queued('m', { state: 'relayed', dueAt: null, lastReply: said('mx.example') });

it.each([
  ['SES took it', { ...row, attemptedBy: 'ses' }, /^it went by SES/],
  [
    'SES took it, whatever its endpoint is called',
    { ...row, attemptedBy: 'ses', lastReply: said('vpce-1.example') },
    /SES/,
  ],
  ['a server took it that bears the name of SES', { ...row, attemptedBy: 'smtp', lastReply: bySes }, null],
  ['an LMTP server took it', { ...row, attemptedBy: 'lmtp' }, null],
  ['a row of before, by SES', { ...row, lastReply: bySes }, /^it went by SES/],
  ['a row of before, by SMTP', row, null],
  ['its arrival was confirmed', { ...row, state: 'confirmed', attemptedBy: 'smtp' }, /confirmed/],
] as const)('%s', (_, given, doubt) => {
  if (doubt === null) expect(doubtAbout(given)).toBeNull();
  else expect(doubtAbout(given)).toMatch(doubt);
});

it('begins anew, and says nothing of the attempts before', () => {
  const { row: next } = resubmitted({ ...row, attemptedBy: 'ses' }, { now: 1, lifetimeMs: 1, sweepAgainMs: 1 });
  expect(next).toMatchObject({ state: 'queued', lastReply: null });
  expect(next).not.toHaveProperty('attemptedBy');
});
