// The doctor's report: a line for each finding with its state, the check, what was found and the remedy; or JSON.
// doctor.ts and the deploy print it. Pure.

import { printable, printableJson } from '#core/message/printable.ts';
import type { Finding } from './finding.ts';
import { type Examined, stateOf } from './run-checks.ts';

const STATE_WIDTH = 8;
const NAME_WIDTH = 15;

export function reportLines(examined: readonly Examined[]): readonly string[] {
  return examined.flatMap(({ name, findings }) => findings.map((finding) => lineOf(name, finding)));
}

function lineOf(name: string, { state, what, remedy }: Finding): string {
  const end = remedy === null ? '' : `   remedy: ${remedy}`;
  return printable(`${state.padEnd(STATE_WIDTH)} ${name.padEnd(NAME_WIDTH)} ${what}${end}`);
}

export function reportJson(examined: readonly Examined[]): string {
  const checks = examined.flatMap(({ name, area, findings }) =>
    findings.map(({ state, what, remedy }) => ({ area, name, state, what, remedy })),
  );
  return printableJson(JSON.stringify({ state: stateOf(examined), checks }, null, 1));
}
