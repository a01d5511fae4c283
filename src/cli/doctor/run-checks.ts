// Runs checks side by side, each within its time. doctor.ts and the deploy call it. A check that throws, or has no
// answer in its time, is a finding of its own: nothing is left out.

import { type Check, type Finding, NotFoundOut, type State, unknown } from './finding.ts';

export type Examined = {
  readonly name: string;
  readonly area: Check['area'];
  readonly findings: readonly Finding[];
};

/** In the order of the checks. Takes `limitMs` at most. */
export async function runChecks(checks: readonly Check[], limitMs: number): Promise<readonly Examined[]> {
  return Promise.all(
    checks.map(async (check) => ({
      name: check.name,
      area: check.area,
      findings: await withinTime(check, limitMs),
    })),
  );
}

async function withinTime(check: Check, limitMs: number): Promise<readonly Finding[]> {
  const ending = new AbortController();
  const late = Promise.withResolvers<readonly Finding[]>();
  const timer = setTimeout(() => {
    const seconds = limitMs / 1_000;
    late.resolve([unknown(`nothing within ${seconds} s`, 'ask again; where it stays, see what does not answer')]);
    ending.abort();
  }, limitMs);
  try {
    return await Promise.race([check.run(ending.signal), late.promise]);
  } catch (error) {
    if (error instanceof NotFoundOut) return [error.finding];
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return [unknown(`the check itself failed (${why})`, 'report it: a check must not fail')];
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
}

/** The worst of all: one wrong finding is enough. */
export function stateOf(examined: readonly Examined[]): State {
  const states = new Set(examined.flatMap(({ findings }) => findings.map(({ state }) => state)));
  return states.has('wrong') ? 'wrong' : states.has('unknown') ? 'unknown' : 'ok';
}
