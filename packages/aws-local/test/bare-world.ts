// A world for tests of single parts of the local runtime: the real virtual clock, and a gate that lets every call pass
// unless the test refuses it. No service stands behind it.

import { createClock, type LocalClock } from '../src/virtual-clock.ts';
import type { Call, FaultEffect, World } from '../src/world.ts';

export type BareWorld = World & { readonly clock: LocalClock; readonly lines: string[]; readonly calls: Call[] };

/** `start` is the virtual instant at which the world begins. */
export function bareWorld(
  settings: { start?: number; timeScale?: number; dataFolder?: string; refuse?: (call: Call) => Error | null } = {},
): BareWorld {
  const lines: string[] = [];
  const calls: Call[] = [];
  return {
    account: '000000000000',
    region: 'eu-west-1',
    partition: 'aws',
    clock: createClock({ offsetMs: settings.start === undefined ? 0 : settings.start - Date.now() }),
    gate: {
      async pass<T>(call: Call, work: (effects: readonly FaultEffect[]) => Promise<T>): Promise<T> {
        calls.push(call);
        const refusal = settings.refuse?.(call) ?? null;
        if (refusal !== null) throw refusal;
        return work([]);
      },
      may: () => true,
    },
    timeScale: settings.timeScale ?? 1,
    dataFolder: settings.dataFolder ?? '',
    log: (line) => lines.push(line),
    lines,
    calls,
  };
}
