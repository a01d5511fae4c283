// One invocation of a function: its ports, each of whose calls takes time and may go wrong, its deadline, and its
// death. A dead process makes no more calls and gets no more answers, but what it had sent on its way may still arrive.
// It decides nothing about mail.

import { aroundCalls } from '#adapters/memory/interrupt.ts';
import { deadlineMarginMs } from '#core/limits.ts';
import type { MetricName } from '#pipeline/metric-names.ts';
import type { Clock, Timer, Watch } from '#pipeline/ports.ts';
import { Chance, fractionOf, hashOf } from './chance.ts';
import type { CallFault, Faults } from './faults.ts';
import type { Death, Plan, Service, Stage } from './plan.ts';
import type { Schedule } from './schedule.ts';

/** A function, or a command of an operator. */
export type Process = Stage | 'operator';

/** What stands for one invocation in the world around it. */
export type Around = {
  readonly plan: Plan;
  readonly schedule: Schedule;
  readonly faults: Faults;
  isCalm(): boolean;
  isAway(service: Service): boolean;
  deathOf(stage: Process): Death | null;
  /** Metrics leave at the end of an invocation, with its log. */
  published(metric: MetricName, value: number): void;
  log(line: () => string): void;
};

/** A next hop whose script ends the function: out of memory, a bug in the runtime. */
export class Fatal extends Error {}

/** Of its own for each call: what waits for one that all share would be kept for ever. */
const never = () => new Promise<never>(() => {});

export class Invocation {
  readonly stage: Process;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly timer: Timer;
  /** Resolves once it is over by death. */
  readonly died: Promise<'died'>;
  private readonly around: Around;
  private readonly counted = new Map<MetricName, number>();
  private readonly controller = new AbortController();
  private dead = false;
  private die: () => void = () => {};

  constructor(around: Around, stage: Process, skewMs: number, timeoutMs: number) {
    this.around = around;
    this.stage = stage;
    this.signal = this.controller.signal;
    this.clock = { now: () => around.schedule.now + (around.isCalm() ? 0 : skewMs) };
    this.watch = this.watchOf();
    this.timer = { after: (ms, run) => this.later(ms, run) };
    this.died = new Promise((resolve) => {
      this.die = () => resolve('died');
    });
    const { schedule } = around;
    const began = schedule.now;
    schedule.at(began + timeoutMs - deadlineMarginMs, () =>
      this.controller.abort(new Error('the function is about to run out of time')),
    );
    schedule.at(began + timeoutMs, () => this.kill('ran out of time'));
  }

  get isDead(): boolean {
    return this.dead;
  }

  private later(ms: number, run: () => void): () => void {
    let wanted = true;
    this.around.schedule.at(this.around.schedule.now + ms, () => {
      if (wanted && !this.dead && !this.ended) run();
    });
    return () => {
      wanted = false;
    };
  }

  kill(why: string): void {
    if (this.dead || this.ended) return;
    this.dead = true;
    this.around.log(() => `${this.stage} dies: ${why}`);
    this.die();
  }

  private ended = false;
  /** It has answered: its metrics leave. */
  end(): void {
    this.ended = true;
    for (const [metric, value] of this.counted) this.around.published(metric, value);
  }

  /** The port as this invocation has it. */
  port<T extends object>(name: string, service: Service, inner: T): T {
    return aroundCalls(inner, (method, args, run) => this.call({ port: name, service, method }, args, run));
  }

  private async call(
    of: { readonly port: string; readonly service: Service; readonly method: string },
    args: readonly unknown[],
    run: () => unknown,
  ): Promise<unknown> {
    if (this.dead) return never();
    const { faults } = this.around;
    const name = faults.nameOf(`${this.stage}.${of.port}.${of.method}`);
    const fault = this.deadly(of.method) ?? faults.of(name, this.around.isCalm());
    const chance = new Chance(hashOf(this.around.plan.seed, `time of ${name}`));
    await this.pause(latency(chance));
    if (fault.kind === 'crash' && fault.when === 'before') this.kill(`before ${name}`);
    if (this.dead && (fault.kind === 'crash' || fractionOf(this.around.plan.seed, `${name} in flight`) < 0.5))
      return never();
    if (this.around.isAway(of.service)) return this.answer(() => away(of.method, `${of.service} is away`));
    if (fault.kind === 'throttle') return this.answer(() => away(of.method, 'Throttling: rate exceeded'));
    const { result, thrown } = await outcomeOf(run);
    if (thrown instanceof Fatal) this.kill(`${name}: ${thrown.message}`);
    if (fault.kind === 'crash') this.kill(`after ${name}`);
    this.around.log(
      () =>
        `${this.stage} ${of.port}.${of.method} ${brief(args)} → ${thrown === undefined ? brief([result]) : String(thrown)}`,
    );
    await this.pause(fault.kind === 'stall' ? fault.forMs : latency(chance));
    return this.answer(() => {
      if (fault.kind === 'lost-answer') return lostAnswer(of.method, fault.as, result);
      if (thrown !== undefined) throw thrown;
      return result;
    });
  }

  private deadly(method: string): CallFault | null {
    const dies = this.around.deathOf(this.stage);
    return dies === null || dies === 'at-start' || dies.call !== method ? null : { kind: 'crash', when: dies.when };
  }

  private answer(give: () => unknown): unknown {
    return this.dead ? never() : give();
  }

  private pause(milliseconds: number): Promise<void> {
    return this.around.schedule.after(milliseconds);
  }

  private watchOf(): Watch {
    const say = (level: string) => (event: string, fields: Readonly<Record<string, unknown>>) =>
      this.around.log(() => `${this.stage} ${level} ${event} ${brief([fields])}`);
    return {
      info: say('info'),
      warn: say('warn'),
      error: say('error'),
      raise: (metric) => {
        if (!this.dead) this.around.published(metric, 1);
      },
      level: (metric, value) => {
        if (!this.dead) this.around.published(metric, value);
      },
      count: (metric, value = 1) => void this.counted.set(metric, (this.counted.get(metric) ?? 0) + value),
    };
  }
}

/** Mostly some milliseconds; now and then seconds, so that others come between. */
function latency(chance: Chance): number {
  return chance.happens(0.9)
    ? chance.whole(0, 30)
    : chance.happens(0.9)
      ? chance.whole(30, 2_000)
      : chance.whole(2_000, 20_000);
}

async function outcomeOf(run: () => unknown): Promise<{ readonly result: unknown; readonly thrown: unknown }> {
  try {
    return { result: await run(), thrown: undefined };
  } catch (thrown) {
    return { result: undefined, thrown };
  }
}

/** What the adapters make of a service that does not answer. */
function away(method: string, detail: string): unknown {
  if (method === 'open' || method === 'head') return { kind: 'unreadable', cause: 'unavailable', detail };
  if (method === 'attempt')
    return [{ kind: 'network', phase: 'connect', fault: 'refused', detail, host: 'away.example' }];
  if (method === 'sendBounce')
    return { kind: 'network', phase: 'connect', fault: 'refused', detail, host: 'away.example' };
  throw new Error(detail);
}

/** The effect stands. A client that tries again by itself finds its own write there, and takes it for another's. */
function lostAnswer(method: string, as: 'error' | 'own-write', result: unknown): unknown {
  if (method === 'attempt') return Array.isArray(result) ? result.map(lostResult) : result;
  if (method === 'sendBounce') return lostResult(result);
  if (method === 'open' || method === 'head')
    return { kind: 'unreadable', cause: 'unavailable', detail: 'the answer was lost' };
  if (as === 'own-write') {
    if (method === 'write') return 'lost';
    if (method === 'create' && Array.isArray(result)) return result.map(() => 'exists');
    if (method === 'claim' && isClaimed(result)) return { kind: 'refused', row: result.row };
  }
  throw new Error(`the answer to ${method} was lost`);
}

function isClaimed(result: unknown): result is { readonly kind: 'claimed'; readonly row: unknown } {
  return typeof result === 'object' && result !== null && 'kind' in result && result.kind === 'claimed';
}

function lostResult(result: unknown): unknown {
  const phase = typeof result === 'object' && result !== null && 'phase' in result ? result.phase : 'connect';
  return {
    kind: 'network',
    phase,
    fault: 'connection-lost',
    detail: 'the answer was lost',
    host: 'memory.next-hop.example',
  };
}

function brief(values: readonly unknown[]): string {
  const text =
    JSON.stringify(values, (key, value: unknown) =>
      key === 'trace' || key === 'message' || key === 'content' || key === 'chunks' ? undefined : value,
    ) ?? '';
  return text.length > 240 ? `${text.slice(0, 240)}…` : text;
}
