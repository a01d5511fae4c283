// The Lambda host. Each concurrent invocation of a function has an execution environment (a worker thread), which is
// reused while warm. A throw that nothing catches, an exit, a lack of memory or the timeout is a function error, and
// ends the environment. Called by event source mappings, schedules and custom resources. It never retries: its callers
// do.

import { availableParallelism } from 'node:os';
import { AwsError, type Call, type ConditionContext, type Principal, ResponseLost } from '../world.ts';
import { type Environment, functionError, STOPPED, startEnvironment } from './environment.ts';
import type { FunctionDefinition, HostOptions, Invocation } from './invocation.ts';

/** The invoking principal, for the gate. Lambda's own poller needs no permission on the function; other services do. */
export type Invoker = { readonly principal: Principal; readonly context?: ConditionContext };

/** A place among the invocations that this machine runs at once. Give it back with `leave`, whatever happened. */
export type Seat = { run(payload: string, by?: Invoker): Promise<Invocation>; leave(): void };

export type LambdaHost = {
  define(definition: FunctionDefinition): void;
  definition(functionName: string): FunctionDefinition;
  functionNames(): readonly string[];
  /** One synchronous invocation; waits for a seat. Throws only for an unknown function or a stopped host. */
  invoke(functionName: string, payload: string, by?: Invoker): Promise<Invocation>;
  seat(functionName: string): Promise<Seat>;
  /** Ends every environment at once. A running invocation ends as a function error. */
  stop(): Promise<void>;
};

/**
 * An invocation that has run this long and waits for a network leaves our processors alone: another one may begin
 * beside it.
 */
const PATIENCE_MS = 1_000;
/** Environments of one function at most: each holds a heap of its own (about 30 MB, and more after a backlog). */
const SEATS_MAX = 16;
/**
 * An unused environment is ended, as Lambda does after some minutes. The last one of a function is kept for longer,
 * because a person waits. One that has worked off a backlog is not: its heap has grown and would not shrink by itself.
 */
const IDLE_MS = { surplus: 30_000, last: 600_000, look: 10_000 };
const GROWN_INVOCATIONS = 200;

type Pool = {
  definition: FunctionDefinition;
  /** The one that was used last is taken first, so that the others can go. */
  idle: { readonly environment: Environment; readonly since: number }[];
  readonly all: Set<Environment>;
  readonly seats: Set<Place>;
  readonly waiting: ((seat: Seat) => void)[];
  timer: NodeJS.Timeout | null;
  running: number;
};

/** A seat taken: when (performance.now), and by which environment once one runs. */
type Place = { readonly since: number; environment: Environment | null };

export function lambdaHost(options: HostOptions): LambdaHost {
  const pools = new Map<string, Pool>();
  const parallel = options.parallel ?? Math.max(2, availableParallelism());
  let stopped = false;
  const served = new WeakMap<Environment, number>();
  const idle = { ...IDLE_MS, ...options.idleMs };
  const looking = setInterval(() => pools.forEach(endIdle), idle.look).unref();

  const pool = (name: string): Pool => {
    const found = pools.get(name);
    if (found === undefined) throw new Error(`no such function: ${name}`);
    if (stopped) throw new Error('the Lambda host has stopped');
    return found;
  };

  function seat(functionName: string): Promise<Seat> {
    const of = pool(functionName);
    return new Promise((take) => {
      of.waiting.push(take);
      admit(of);
    });
  }

  function admit(of: Pool): void {
    while (of.waiting.length > 0 && hasRoom(of)) {
      const place: Place = { since: performance.now(), environment: null };
      of.seats.add(place);
      const leave = (): void => {
        if (of.seats.delete(place)) admit(of);
      };
      of.waiting.shift()?.({ run: (payload, by) => run(of, place, payload, by), leave });
    }
    if (of.waiting.length > 0 && of.timer === null)
      of.timer = setTimeout(() => {
        of.timer = null;
        admit(of);
      }, PATIENCE_MS / 4).unref();
  }

  function hasRoom(of: Pool): boolean {
    if (of.seats.size < parallel) return true;
    if (of.seats.size >= SEATS_MAX) return false;
    const young = performance.now() - PATIENCE_MS;
    let busy = 0;
    for (const it of of.seats) if (it.since > young || it.environment?.waits() !== true) busy++;
    return busy < parallel;
  }

  async function run(of: Pool, place: Place, payload: string, by: Invoker | undefined): Promise<Invocation> {
    const { name, arn } = of.definition;
    const began = performance.now();
    const call: Call = {
      service: 'lambda',
      operation: 'Invoke',
      target: name,
      principal: by?.principal ?? { kind: 'service', name: 'lambda.amazonaws.com' },
      access:
        by === undefined
          ? []
          : [{ action: 'lambda:InvokeFunction', resource: arn, ...(by.context && { context: by.context }) }],
    };
    const result = await options.world.gate
      .pass(call, () => work(of, place, payload))
      .catch((error: unknown): Invocation => {
        if (error instanceof AwsError) {
          const throttled = error.code === 'TooManyRequestsException';
          return { kind: 'refused', reason: `${error.code}: ${error.message}`, throttled };
        }
        if (error instanceof ResponseLost) return functionError('Service.ResponseLost', error.message);
        throw error;
      });
    options.onInvocation?.({ functionName: name, durationMs: performance.now() - began, result: result.kind });
    return result;
  }

  async function work(of: Pool, place: Place, payload: string): Promise<Invocation> {
    const { reservedConcurrency } = of.definition;
    if (reservedConcurrency !== null && of.running >= reservedConcurrency)
      throw new AwsError(
        'TooManyRequestsException',
        429,
        'Rate Exceeded. (ReservedFunctionConcurrentInvocationLimitExceeded)',
      );
    of.running++;
    const done = options.world.clock.busy(`function ${of.definition.name}`);
    try {
      const environment = of.idle.pop()?.environment ?? environmentOf(of);
      place.environment = environment;
      served.set(environment, (served.get(environment) ?? 0) + 1);
      const result = await environment.invoke(payload);
      if (environment.usable() && !stopped) of.idle.push({ environment, since: performance.now() });
      return result;
    } finally {
      of.running--;
      done();
    }
  }

  /** Takes an environment out of the pool: nothing else uses or ends it. */
  function endIdle(of: Pool): void {
    const present = performance.now();
    const isOver = (since: number, ms: number): boolean => present - since > ms;
    const ending = of.idle.filter(({ environment, since }, index) => {
      const grown = (served.get(environment) ?? 0) > GROWN_INVOCATIONS;
      const last = index === of.idle.length - 1 && of.running === 0 && !grown;
      return isOver(since, last ? idle.last : idle.surplus);
    });
    of.idle = of.idle.filter((it) => !ending.includes(it));
    for (const { environment } of ending) void environment.end(STOPPED);
  }

  function environmentOf(of: Pool): Environment {
    const environment = startEnvironment(of.definition, options, (ended) => {
      of.all.delete(ended);
      of.idle = of.idle.filter(({ environment }) => environment !== ended);
    });
    of.all.add(environment);
    return environment;
  }

  return {
    define(definition) {
      const before = pools.get(definition.name);
      if (before !== undefined) throw new Error(`the function ${definition.name} is defined twice`);
      pools.set(definition.name, {
        definition,
        idle: [],
        all: new Set(),
        seats: new Set(),
        waiting: [],
        timer: null,
        running: 0,
      });
    },
    definition: (functionName) => pool(functionName).definition,
    functionNames: () => [...pools.keys()],
    seat,
    async invoke(functionName, payload, by) {
      const place = await seat(functionName);
      try {
        return await place.run(payload, by);
      } finally {
        place.leave();
      }
    },
    async stop() {
      stopped = true;
      clearInterval(looking);
      await Promise.all(
        [...pools.values()].flatMap((it) => [...it.all].map((environment) => environment.end(STOPPED))),
      );
    },
  };
}
