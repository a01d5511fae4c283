// What several runs came to, as plain data that one process can send to another.

import type { FindingKind } from './evidence.ts';
import type { Run } from './simulator.ts';

export type Tally = {
  readonly messages: number;
  readonly findings: readonly (readonly [FindingKind, number])[];
  readonly ends: readonly (readonly [string, number])[];
  /** What the conditions are there for: in how many seeds, and how often in all. */
  readonly coverage: readonly (readonly [what: string, seeds: number, times: number])[];
  /** Seeds with a finding. */
  readonly failed: readonly number[];
};

export function tallyOf(runs: readonly { readonly seed: number; readonly run: Run }[]): Tally {
  const findings = new Map<FindingKind, number>();
  const ends = new Map<string, number>();
  const coverage = new Map<string, { seeds: number; times: number }>();
  for (const { run } of runs) {
    for (const { kind } of run.verdict.findings) findings.set(kind, (findings.get(kind) ?? 0) + 1);
    for (const [end, count] of run.verdict.ends) ends.set(end, (ends.get(end) ?? 0) + count);
    for (const [what, times] of run.coverage) {
      const before = coverage.get(what) ?? { seeds: 0, times: 0 };
      coverage.set(what, { seeds: before.seeds + 1, times: before.times + times });
    }
  }
  return {
    messages: runs.reduce((total, { run }) => total + run.verdict.messages, 0),
    findings: [...findings],
    ends: [...ends],
    coverage: [...coverage].map(([what, { seeds, times }]) => [what, seeds, times] as const),
    failed: runs.filter(({ run }) => run.verdict.findings.length > 0).map(({ seed }) => seed),
  };
}
