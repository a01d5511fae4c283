// Runs test files of a copy of the tree and reads what became of each test. It judges nothing.

import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

export type Ended = { readonly name: string; readonly file: string; readonly status: string; readonly ms: number };
export type Run = {
  /** Tests that were run, each by its full name. */
  readonly tests: readonly Ended[];
  /** What the runner wrote, where a file could not be loaded or nothing was reported. */
  readonly output: string;
};

const TEST_TIMEOUT_MS = 60_000;
/** A run that does not end at all: a worker that spins cannot be timed out from within. */
const RUN_TIMEOUT_MS = 180_000;
const OUTPUT_MAX = 4_000;

const running = new Set<number>();
/** Ends what still runs, with all that it started. */
export function endAll(): void {
  for (const pid of running) kill(pid);
}

export async function runTests(root: string, files: readonly string[], pattern: string, workers: number): Promise<Run> {
  const report = join(root, 'mutations-report.json');
  await rm(report, { force: true });
  const args = ['run', ...files, '-t', pattern, '--reporter=json', `--outputFile=${report}`];
  const limits = [`--testTimeout=${TEST_TIMEOUT_MS}`, `--maxWorkers=${workers}`, '--no-color'];
  const output = await spoken(join(root, 'node_modules/.bin/vitest'), [...args, ...limits], root);
  const text = await readFile(report, 'utf8').catch(() => null);
  return text === null ? { tests: [], output } : { tests: testsOf(JSON.parse(text) as Report, root), output };
}

type Report = {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
      readonly duration?: number | null;
    }[];
  }[];
};

function testsOf({ testResults }: Report, root: string): Ended[] {
  return testResults.flatMap(({ name: path, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map(({ ancestorTitles, title, status, duration }) => ({
        name: [...ancestorTitles, title].filter((part) => part !== '').join(' > '),
        file: path.slice(root.length + 1),
        status,
        ms: duration ?? 0,
      })),
  );
}

/** What a command wrote, its last part. Its exit code says no more than the report. */
export async function spoken(command: string, args: readonly string[], cwd: string): Promise<string> {
  // A group of its own, so that what it started ends with it.
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const timer = setTimeout(() => pid !== undefined && kill(pid), RUN_TIMEOUT_MS);
  await new Promise<void>((resolve, reject) => child.on('close', () => resolve()).on('error', reject));
  clearTimeout(timer);
  if (pid !== undefined) {
    kill(pid);
    running.delete(pid);
  }
  return output;
}

function kill(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended, and all of its group.
  }
}
