// The machine's time and chance.
// The only place where a deployed stage gets them from (STYLE rule 6).

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
