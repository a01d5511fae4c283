// What a check of the first account is, and how one is run: each has a name, the contract that it asks, and an end that
// is a value. A check never throws: what it cannot do it says.

import type { AccountPlace } from './account-place.ts';

export type Outcome = { readonly state: 'pass' | 'fail' | 'not tried'; readonly what: string };
export type AccountCheck = {
  readonly name: string;
  /** What Everpost relies on. */
  readonly contract: string;
  /** Where it is written: a chapter of docs/aws-contracts.md, and AWS's own page. */
  readonly source: string;
  readonly run: (place: AccountPlace) => Promise<Outcome>;
};
export type Tried = Omit<AccountCheck, 'run'> & Outcome & { readonly ms: number };

export const pass = (what: string): Outcome => ({ state: 'pass', what });
export const fail = (what: string): Outcome => ({ state: 'fail', what });
export const notTried = (what: string): Outcome => ({ state: 'not tried', what });
export const passIf = (holds: boolean, what: string): Outcome => (holds ? pass(what) : fail(what));

export async function tryOne(check: AccountCheck, place: AccountPlace): Promise<Tried> {
  const { run, ...told } = check;
  const began = Date.now();
  const outcome = await run(place).catch((error: unknown) => ended(error, place));
  return { ...told, ...outcome, ms: Date.now() - began };
}

/** What the emulators do not know they say by name; of AWS the same words are a failure. */
function ended(error: unknown, { local }: AccountPlace): Outcome {
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  if (local && /NotImplemented|not emulated/.test(`${name} ${message}`))
    return notTried(`the emulators do not know it: ${message}`);
  return fail(`${name}: ${message}`);
}

export function linesOf(tried: readonly Tried[]): string {
  return tried
    .flatMap(({ name, state, what, contract, source }) => [
      `${state.padEnd(9)}  ${name}: ${what}`,
      ...(state === 'pass' ? [] : [`           it asks: ${contract} [${source}]`]),
    ])
    .join('\n');
}
