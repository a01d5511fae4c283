// The parameters of RFC 3461 as they stand on the wire: xtext, and nothing that could end a command.

import { expect, test } from 'vitest';
import { dsnOfMail, dsnOfRcpt } from '#core/submission/dsn-parameters.ts';

const none = { ret: null, envid: null, notify: null, orcpt: null };

test.each([
  [none, ''],
  [{ ...none, ret: 'FULL' as const }, ' RET=FULL'],
  [{ ...none, ret: 'HDRS' as const, envid: 'a+b=c d' }, ' RET=HDRS ENVID=a+2Bb+3Dc+20d'],
  [{ ...none, envid: 'Grüße' }, ''],
  [{ ...none, envid: 'x\r\nRSET' }, ''],
])('of MAIL: %o', (request, text) => {
  expect(dsnOfMail(request)).toBe(text);
});

test.each([
  [none, ''],
  [{ ...none, notify: ['NEVER'] as const }, ' NOTIFY=NEVER'],
  [
    { ...none, notify: ['SUCCESS', 'DELAY'] as const, orcpt: 'rfc822;a+b@x' },
    ' NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@x',
  ],
  [{ ...none, orcpt: 'utf-8;bøb@x' }, ''],
])('of RCPT: %o', (request, text) => {
  expect(dsnOfRcpt(request)).toBe(text);
});
