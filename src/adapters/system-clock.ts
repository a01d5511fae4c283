// The machine's time and randomness.
// It is the only place from which a deployed stage gets them (STYLE rule 6).

import type { Clock, Entropy } from '#pipeline/ports.ts';

export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }
}

export class SystemEntropy implements Entropy {
  fraction(): number {
    return Math.random();
  }
}
