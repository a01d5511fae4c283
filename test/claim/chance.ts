// Chance for generator and simulator: the same draws for the same seed, on every machine.

import { MemoryEntropy } from '#adapters/memory/clock.ts';

/** A generator of draws. */
export class Chance {
  private readonly entropy: MemoryEntropy;

  constructor(seed: number) {
    this.entropy = new MemoryEntropy(seed);
  }

  /** In [0, 1). */
  fraction(): number {
    return this.entropy.fraction();
  }

  /** A whole number in [min, max]. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  /** True with this probability. */
  happens(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of them; there is at least one. */
  of<T>(items: readonly T[]): T {
    const item = items[this.whole(0, items.length - 1)];
    if (item === undefined) throw new Error('nothing to choose from');
    return item;
  }

  /** By weights, which are whole numbers. */
  weighted<T>(choices: readonly (readonly [weight: number, item: T])[]): T {
    let at = this.whole(
      1,
      choices.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, item] of choices) {
      at -= weight;
      if (at <= 0) return item;
    }
    throw new Error('nothing to choose from');
  }
}

/** A draw that hangs on a name alone, so that it stays when other draws come or go: in [0, 1). */
export function fractionOf(seed: number, name: string): number {
  return new Chance(hashOf(seed, name)).fraction();
}

/** 32 bits (FNV-1a). */
export function hashOf(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}
