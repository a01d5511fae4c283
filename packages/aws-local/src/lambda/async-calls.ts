// Asynchronous invocations of one function (Lambda developer guide, error handling of asynchronous invocation). An
// event whose invocation is throttled goes back to Lambda's own queue. It is tried again after one second, then after
// ever longer waits up to five minutes, until it is older than the function's MaximumEventAgeInSeconds, and dropped
// then. Called by cloudformation/compute.ts for targets of rules. It repeats nothing that ran.

import type { World } from '../world.ts';
import type { Invocation } from './invocation.ts';
import type { Invoker, LambdaHost } from './lambda.ts';

export type AsyncCalls = {
  /** The first try. A throttled one is tried again later; any other result is the last. */
  call(payload: string, by: Invoker): Promise<Invocation>;
  /** Forgets the events that wait. */
  stop(): Promise<void>;
};

const WAIT_MS = { first: 1_000, max: 300_000 } as const;

export function asyncCalls(options: {
  readonly world: World;
  readonly host: LambdaHost;
  readonly functionName: string;
  readonly eventAgeMsMax: number;
}): AsyncCalls {
  const { world, host, functionName, eventAgeMsMax } = options;
  const waiting = new Set<() => void>();
  const running = new Set<Promise<void>>();
  let stopped = false;

  function keep(payload: string, by: Invoker, since: number, waitMs: number): void {
    const at = world.clock.now() + waitMs;
    if (stopped) return;
    if (at - since > eventAgeMsMax) {
      world.log(`${functionName}: an event is dropped: it was throttled for ${eventAgeMsMax / 1000} s`);
      return;
    }
    const cancel = world.clock.at(at, () => {
      waiting.delete(cancel);
      const done = world.clock.busy(`${functionName}, an event that was throttled`);
      const again = host
        .invoke(functionName, payload, by)
        .then((result) => {
          if (isThrottled(result)) keep(payload, by, since, Math.min(waitMs * 2, WAIT_MS.max));
          else if (result.kind === 'error') world.log(`${functionName}: ${result.errorType}: ${result.errorMessage}`);
        })
        .catch((error: Error) => world.log(`${functionName}: ${error.message}`))
        .finally(() => {
          running.delete(again);
          done();
        });
      running.add(again);
    });
    waiting.add(cancel);
  }

  return {
    async call(payload, by) {
      const since = world.clock.now();
      const result = await host.invoke(functionName, payload, by);
      if (isThrottled(result)) keep(payload, by, since, WAIT_MS.first);
      return result;
    },
    async stop() {
      stopped = true;
      for (const cancel of waiting) cancel();
      await Promise.all(running);
    },
  };
}

export function isThrottled(result: Invocation): boolean {
  return result.kind === 'refused' && result.throttled === true;
}
