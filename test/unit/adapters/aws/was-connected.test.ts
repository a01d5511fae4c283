// An error of a connection that stood is never taken for one that was not made: SES may have the message.

import { expect, it } from 'vitest';
import { resultOfFailure } from '#adapters/aws/ses-errors.ts';
import { isNoConnection } from '#adapters/out-of-reach.ts';

it.each(['EHOSTUNREACH', 'ENETUNREACH'])('%s while reading or writing leaves the result unknown', (code) => {
  for (const [syscall, phase] of [
    ['connect', 'connect'],
    ['read', 'final-dot'],
    ['write', 'final-dot'],
  ]) {
    const error = Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
    expect(isNoConnection(error)).toBe(phase === 'connect');
    expect(resultOfFailure(error, 'email.test', new AbortController().signal)).toMatchObject({
      ...{ kind: 'network', fault: 'unreachable', phase },
    });
  }
});
