// What several runs came to, as plain data that one process can send to another.

import type { FindingKind } from './evidence.ts';
import type { Run } from './simulator.ts';

export type Tally = {
  readonly messages: number;
  readonly findings: readonly (readonly [FindingKind, number])[];
  readonly ends: readonly (readonly [string, number])[];
  /** Seeds with a finding. */
  readonly failed: readonly number[];
};

export function tallyOf(runs: readonly { readonly seed: number; readonly run: Run }[]): Tally {
  const findings = new Map<FindingKind, number>();
  const ends = new Map<string, number>();
  for (const { run } of runs) {
    for (const { kind } of run.verdict.findings) findings.set(kind, (findings.get(kind) ?? 0) + 1);
    for (const [end, count] of run.verdict.ends) ends.set(end, (ends.get(end) ?? 0) + count);
  }
  return {
    messages: runs.reduce((total, { run }) => total + run.verdict.messages, 0),
    findings: [...findings],
    ends: [...ends],
    failed: runs.filter(({ run }) => run.verdict.findings.length > 0).map(({ seed }) => seed),
  };
}
