// npm run test:mutations [NAME]: makes each bug of the table in a copy of the tree, and requires that its own test
// fails. A row fails the run where its text does not stand in the file exactly once, where the mutated tree has a type
// error, where its test fails without the mutation too, where the test's file cannot be loaded with it, and where the
// test passes: then the bug has survived.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mutation, mutated, patternOf } from './mutation.ts';
import { PrivateCopy } from './private-copy.ts';
import { mutations } from './table.ts';
import { typeErrors } from './type-errors.ts';
import { endAll, type Run, runTests } from './vitest-run.ts';

const repository = join(import.meta.dirname, '../../..');
const WORKERS = 2;

type Verdict = { readonly caught: boolean; readonly what: string };

async function main([wanted = '']: readonly string[]): Promise<number> {
  const rows = mutations.filter(({ name }) => name.includes(wanted));
  if (rows.length === 0) {
    process.stderr.write(`no mutation's name contains "${wanted}"\n`);
    return 2;
  }
  const copies = await Promise.all(Array.from({ length: WORKERS }, () => PrivateCopy.of(repository)));
  const removeAll = () => Promise.all(copies.map((copy) => copy.remove()));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      endAll();
      void removeAll().then(() => process.exit(1));
    });
  try {
    return await judgeAll(rows, copies);
  } finally {
    await removeAll();
  }
}

async function judgeAll(rows: readonly Mutation[], copies: readonly PrivateCopy[]): Promise<number> {
  const [first] = copies;
  if (first === undefined) throw new Error('no copy of the tree');
  const unfit = await unfitRows(rows, first);
  const fit = rows.filter(({ name }) => !unfit.has(name));
  for (const [name, why] of unfit) say('UNFIT', name, null, why);

  let caught = 0;
  const left = [...fit];
  const work = async (copy: PrivateCopy) => {
    for (let row = left.shift(); row !== undefined; row = left.shift()) {
      const began = Date.now();
      const verdict = await judge(row, copy);
      if (verdict.caught) caught += 1;
      say(verdict.caught ? 'caught' : 'FAILED', row.name, Date.now() - began, verdict.what);
    }
  };
  await Promise.all(copies.map(work));
  process.stdout.write(`${caught} passed, ${rows.length - caught} failed\n`);
  return caught === rows.length ? 0 : 1;
}

/** Rows that say nothing about a test, with the reason: by name. */
async function unfitRows(rows: readonly Mutation[], copy: PrivateCopy): Promise<ReadonlyMap<string, string>> {
  const unfit = new Map<string, string>();
  for (const row of rows) {
    const source = await readFile(join(copy.root, row.file), 'utf8').catch(() => '');
    if (mutated(source, row) === null) unfit.set(row.name, `its text does not stand in ${row.file} exactly once`);
  }
  const found = rows.filter(({ name }) => !unfit.has(name));
  for (const [name, why] of await typeErrors(found, copy)) unfit.set(name, why);
  const files = [...new Set(found.map(({ test }) => test.file))];
  const unmutated = await runTests(copy.root, files, patternOf(found.map(({ test }) => test.name)), WORKERS);
  for (const row of found) {
    const status = statusIn(unmutated, row);
    if (status === undefined) unfit.set(row.name, `${row.test.file} has no test "${row.test.name}"`);
    else if (status !== 'passed') unfit.set(row.name, `without it too its test ${status}: ${row.test.name}`);
  }
  return unfit;
}

async function judge(row: Mutation, copy: PrivateCopy): Promise<Verdict> {
  const text = mutated(await readFile(join(copy.root, row.file), 'utf8'), row);
  if (text === null) return { caught: false, what: 'its text is gone' };
  const run = await copy.with(row.file, text, () =>
    runTests(copy.root, [row.test.file], patternOf([row.test.name]), 1),
  );
  const what = `${row.test.file}: ${row.test.name}`;
  switch (statusIn(run, row)) {
    case 'failed':
      return { caught: true, what };
    case 'passed':
      return { caught: false, what: `SURVIVED ${what}` };
    default:
      return { caught: false, what: `the test did not run: ${what}\n${run.output}` };
  }
}

/** Of several tests of one name the first that failed; undefined where none ran. */
function statusIn({ tests }: Run, { test }: Mutation): string | undefined {
  const named = tests.filter(({ name, file }) => name === test.name && file === test.file);
  return (named.find(({ status }) => status === 'failed') ?? named[0])?.status;
}

function say(verdict: string, name: string, ms: number | null, what: string): void {
  const seconds = ms === null ? '' : `${(ms / 1000).toFixed(1)} s`;
  process.stdout.write(`${verdict.padEnd(7)} ${name.padEnd(48)} ${seconds.padStart(7)}  ${what}\n`);
}

process.exitCode = await main(process.argv.slice(2));
