// How many bytes of content one execution environment may have under way: bytes limit a batch, not its count. First
// come, first served; a message larger than the whole budget runs alone. Weights are whole bytes: a sum of fractions
// does not return to zero, and a message that must run alone would then wait for ever.

import { roomWaitMsMax } from '#core/limits.ts';

export interface ByteBudget {
  /** Whether `take` would give it at once. */
  fits(bytes: number): boolean;
  /**
   * Waits for room; the returned function gives it back. Rejects when the signal aborts first, and with NoRoomInTime
   * when others kept the room for so long that the wait must be logged.
   */
  take(bytes: number, signal: AbortSignal): Promise<() => void>;
}

export class NoRoomInTime extends Error {}

export function byteBudget(bytesMax: number, waitMsMax = roomWaitMsMax): ByteBudget {
  let taken = 0;
  // A weight that is no number of bytes takes the whole budget, and gives the whole budget back.
  const weightOf = (bytes: number) => {
    const whole = Math.ceil(bytes);
    return Number.isSafeInteger(whole) && whole >= 0 ? whole : bytesMax;
  };
  const isRoomFor = (weight: number) => taken === 0 || taken + weight <= bytesMax;
  const waiting: { weight: number; start: () => void }[] = [];
  const next = () => {
    while (waiting[0] !== undefined && isRoomFor(waiting[0].weight)) {
      const first = waiting.shift();
      if (first === undefined) return;
      taken += first.weight;
      first.start();
    }
  };
  const giveBack = (weight: number) => {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      taken -= weight;
      next();
    };
  };
  return {
    fits: (bytes) => waiting.length === 0 && isRoomFor(weightOf(bytes)),
    take(bytes, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const weight = weightOf(bytes);
        let timer: NodeJS.Timeout | undefined;
        const settle = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
        };
        const entry = {
          weight,
          start: () => {
            settle();
            resolve(giveBack(weight));
          },
        };
        const giveUp = (reason: unknown) => {
          settle();
          const at = waiting.indexOf(entry);
          if (at >= 0) waiting.splice(at, 1);
          reject(reason);
          next(); // who stood behind may fit
        };
        const abort = () => giveUp(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
        waiting.push(entry);
        next();
        if (waiting.includes(entry)) timer = setTimeout(() => giveUp(new NoRoomInTime('no room')), waitMsMax);
      });
    },
  };
}
