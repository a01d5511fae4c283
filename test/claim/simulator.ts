// One run: the plan of a seed, lived through and checked. A run that fails is made smaller: messages, troubles and
// single faults are left out as long as a finding of the same kind stays.

import { check, type Verdict } from './checker.ts';
import type { Finding, FindingKind } from './evidence.ts';
import { planOf, type Wish } from './generator.ts';
import type { Plan } from './plan.ts';
import { World } from './world.ts';
import { coverageOf, evidenceOf } from './world-evidence.ts';

export type Run = {
  readonly plan: Plan;
  readonly verdict: Verdict;
  /** Call faults that struck, by name. */
  readonly struck: ReadonlyMap<string, string>;
  readonly lines: readonly string[];
  /** How often it came by what its conditions are there for. */
  readonly coverage: ReadonlyMap<string, number>;
};

export async function simulate(plan: Plan, options: { readonly verbose?: boolean } = {}): Promise<Run> {
  const world = new World(plan, options);
  const run = (verdict: Verdict): Run => ({
    ...{ plan, verdict, struck: world.faults.struck, lines: world.lines ?? [] },
    coverage: world.coverage.all,
  });
  try {
    await world.live();
    coverageOf(world);
    return run(check(evidenceOf(world)));
  } catch (error) {
    const says = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return run({ messages: plan.messages.length, findings: [{ kind: 'crashed', spoolId: '', says }], ends: new Map() });
  }
}

export function simulateSeed(
  seed: number,
  wish: Wish = {},
  options: { readonly verbose?: boolean } = {},
): Promise<Run> {
  return simulate(planOf(seed, wish), options);
}

const SHRINKS_MAX = 300;

/** The smallest plan that was found with a finding of that kind. */
export async function shrink(failing: Run): Promise<Run> {
  const kind = failing.verdict.findings[0]?.kind;
  if (kind === undefined) return failing;
  let best = failing;
  let tries = 0;
  const attempt = async (plan: Plan): Promise<boolean> => {
    tries += 1;
    if (tries > SHRINKS_MAX) return false;
    const run = await simulate(plan).catch(() => null);
    if (run === null || !has(run.verdict.findings, kind)) return false;
    best = run;
    return true;
  };
  for (const trouble of best.plan.troubles)
    await attempt({ ...best.plan, troubles: best.plan.troubles.filter((each) => each !== trouble) });
  for (const condition of best.plan.conditions)
    await attempt({ ...best.plan, conditions: best.plan.conditions.filter((each) => each !== condition) });
  for (const { number } of best.plan.messages)
    if (best.plan.messages.length > 1)
      await attempt({ ...best.plan, messages: best.plan.messages.filter((each) => each.number !== number) });
  await attempt({ ...best.plan, only: new Set(best.struck.keys()) });
  for (let size = Math.ceil(best.struck.size / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    const names = [...best.struck.keys()];
    for (let at = 0; at < names.length; at += size) {
      const left = new Set([...best.struck.keys()].filter((name) => !names.slice(at, at + size).includes(name)));
      await attempt({ ...best.plan, only: left });
    }
  }
  for (const message of best.plan.messages)
    for (let index = message.recipients.length - 1; index >= 0 && message.notifications.length === 1; index--) {
      const now = best.plan.messages.find(({ number }) => number === message.number);
      if (now === undefined || now.recipients.length === 1) break;
      const recipients = now.recipients.filter((_, place) => place !== index);
      const smaller = { ...now, recipients, notifications: [recipients.map((_, place) => place)] };
      await attempt({
        ...best.plan,
        messages: best.plan.messages.map((each) => (each.number === now.number ? smaller : each)),
      });
    }
  return simulate(best.plan, { verbose: true });
}

function has(findings: readonly Finding[], kind: FindingKind): boolean {
  return findings.some((each) => each.kind === kind);
}
