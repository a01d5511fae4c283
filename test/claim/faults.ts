// What goes wrong at a call of a port. Each call has a name, its stage, port, method and number, and what it draws
// hangs on the name and the seed alone, so that a run can be played again with some of its faults left out.

import { Chance, hashOf } from './chance.ts';
import type { Plan, Rates } from './plan.ts';

export type CallFault =
  | { readonly kind: 'none' }
  /** The process ends before the call, or after its effect. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' }
  /**
   * The effect stands, and the answer does not come; `as`: a retry inside the client finds its own write, and says so.
   */
  | { readonly kind: 'lost-answer'; readonly as: 'error' | 'own-write' }
  | { readonly kind: 'throttle' }
  | { readonly kind: 'stall'; readonly forMs: number };

const NONE: CallFault = { kind: 'none' };
const STALL_MS_MAX = 2 * 3_600_000;

export class Faults {
  private readonly plan: Plan;
  private readonly counts = new Map<string, number>();
  /** Those that struck, by name, in order. */
  readonly struck = new Map<string, string>();

  constructor(plan: Plan) {
    this.plan = plan;
  }

  /** The name of the next such call. */
  nameOf(call: string): string {
    const number = (this.counts.get(call) ?? 0) + 1;
    this.counts.set(call, number);
    return `${call}#${number}`;
  }

  of(name: string, calm: boolean): CallFault {
    if (calm || !this.mayStrike(name)) return NONE;
    const chance = new Chance(hashOf(this.plan.seed, name));
    const fault = draw(chance, this.plan.rates);
    if (fault.kind !== 'none') this.struck.set(name, describe(fault));
    return fault;
  }

  /** Of a job on its way into a queue. */
  ofJob(queue: string, number: number, calm: boolean): 'once' | 'twice' | 'lost' {
    const name = `job into ${queue}#${number}`;
    if (calm || !this.mayStrike(name)) return 'once';
    const { doubleJob, lostJob } = this.plan.rates;
    const at = new Chance(hashOf(this.plan.seed, name)).fraction();
    const fate = at < doubleJob ? 'twice' : at < doubleJob + lostJob ? 'lost' : 'once';
    if (fate !== 'once') this.struck.set(name, fate);
    return fate;
  }

  private mayStrike(name: string): boolean {
    const { only } = this.plan;
    return only === null || only.has(name);
  }
}

function draw(chance: Chance, rates: Rates): CallFault {
  let at = chance.fraction();
  const falls = (rate: number) => {
    const here = at < rate;
    at -= rate;
    return here;
  };
  if (falls(rates.crash)) return { kind: 'crash', when: chance.of(['before', 'after']) };
  if (falls(rates.lostAnswer)) return { kind: 'lost-answer', as: chance.of(['error', 'own-write']) };
  if (falls(rates.throttle)) return { kind: 'throttle' };
  if (falls(rates.stall)) return { kind: 'stall', forMs: chance.whole(1_000, STALL_MS_MAX) };
  return NONE;
}

function describe(fault: Exclude<CallFault, { kind: 'none' }>): string {
  switch (fault.kind) {
    case 'crash':
      return `crash ${fault.when}`;
    case 'lost-answer':
      return `lost answer (${fault.as})`;
    case 'throttle':
      return 'throttled';
    case 'stall':
      return `stalled ${Math.round(fault.forMs / 1_000)} s`;
  }
}
