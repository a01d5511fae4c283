// How many bytes of content one execution environment may have under way: a batch is bounded by bytes, not by its count.
// First come, first served; a message larger than the whole budget runs alone.

export interface ByteBudget {
  /** Waits for room; the returned function gives it back. Rejects when the signal aborts first. */
  take(bytes: number, signal: AbortSignal): Promise<() => void>;
}

export function byteBudget(bytesMax: number): ByteBudget {
  let taken = 0;
  const waiting: { bytes: number; start: () => void }[] = [];
  const next = () => {
    while (waiting[0] !== undefined && (taken === 0 || taken + waiting[0].bytes <= bytesMax)) {
      const first = waiting.shift();
      if (first === undefined) return;
      taken += first.bytes;
      first.start();
    }
  };
  const giveBack = (bytes: number) => {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      taken -= bytes;
      next();
    };
  };
  return {
    take(bytes, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const entry = {
          bytes,
          start: () => {
            signal.removeEventListener('abort', abort);
            resolve(giveBack(bytes));
          },
        };
        const abort = () => {
          const at = waiting.indexOf(entry);
          if (at >= 0) waiting.splice(at, 1);
          reject(signal.reason);
        };
        signal.addEventListener('abort', abort, { once: true });
        waiting.push(entry);
        next();
      });
    },
  };
}
