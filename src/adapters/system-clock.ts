// The machine's time and randomness.
// It is the only place from which a deployed stage gets them (STYLE rule 6).

import type { Clock, Entropy, Timer } from '#pipeline/ports.ts';

export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }
}

export class SystemTimer implements Timer {
  after(ms: number, run: () => void): () => void {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }
}

export class SystemEntropy implements Entropy {
  fraction(): number {
    return Math.random();
  }
}
