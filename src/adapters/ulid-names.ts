// ULIDs for submissions, for sendmail and the gateway: 48 bits of time, so that a listing is in order, and 80 bits of
// the system's randomness, so that no name can be guessed. It never gives a number of its own making twice, and keeps
// no state.

import { randomBytes } from 'node:crypto';
import type { Clock, SubmissionNames } from '#pipeline/ports.ts';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export class UlidNames implements SubmissionNames {
  private readonly clock: Clock;
  private readonly random: (size: number) => Uint8Array;

  constructor(clock: Clock, random: (size: number) => Uint8Array = randomBytes) {
    this.clock = clock;
    this.random = random;
  }

  next(): string {
    let value = BigInt(Math.trunc(this.clock.now())) & 0xffff_ffff_ffffn;
    for (const byte of this.random(10)) value = (value << 8n) | BigInt(byte);
    let text = '';
    for (let digit = 0; digit < 26; digit += 1) {
      text = (CROCKFORD[Number(value & 31n)] ?? '') + text;
      value >>= 5n;
    }
    return text;
  }
}
