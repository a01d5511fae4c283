// Whether mutated files still are TypeScript: a bug that the compiler notices needs no test. One run of the compiler
// looks at as many mutations as can stand side by side in one tree.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mutation } from './mutation.ts';
import type { PrivateCopy } from './private-copy.ts';
import { spoken } from './vitest-run.ts';

type Span = { readonly from: number; readonly to: number; readonly row: Mutation };

/** By the mutation's name. Each row's text stands in its file once. */
export async function typeErrors(rows: readonly Mutation[], copy: PrivateCopy): Promise<ReadonlyMap<string, string>> {
  const wrong = new Map<string, string>();
  const sources = new Map<string, string>();
  for (const { file } of rows) sources.set(file, await readFile(join(copy.root, file), 'utf8'));
  for (let left = rows; left.length > 0; ) {
    const { together, later } = sideBySide(left, sources);
    const output = await checked(
      [...together.keys()].map((file) => [file, textOf(file, together, sources)]),
      copy,
    );
    for (const [name, why] of blamed(output, together, sources)) wrong.set(name, why);
    left = later;
  }
  return wrong;
}

function sideBySide(rows: readonly Mutation[], sources: ReadonlyMap<string, string>) {
  const together = new Map<string, Span[]>();
  const later: Mutation[] = [];
  for (const row of rows) {
    const from = (sources.get(row.file) ?? '').indexOf(row.text);
    const span = { from, to: from + row.text.length, row };
    const spans = together.get(row.file) ?? [];
    if (spans.some((other) => span.from < other.to && other.from < span.to)) later.push(row);
    else
      together.set(
        row.file,
        [...spans, span].sort((a, b) => a.from - b.from),
      );
  }
  return { together, later };
}

function textOf(file: string, together: ReadonlyMap<string, readonly Span[]>, sources: ReadonlyMap<string, string>) {
  const source = sources.get(file) ?? '';
  let text = '';
  let at = 0;
  for (const { from, to, row } of together.get(file) ?? []) {
    text += source.slice(at, from) + row.replacement;
    at = to;
  }
  return text + source.slice(at);
}

async function checked(texts: readonly (readonly [string, string])[], copy: PrivateCopy): Promise<string> {
  const [first, ...rest] = texts;
  if (first === undefined)
    return spoken(join(copy.root, 'node_modules/.bin/tsc'), ['--noEmit', '--pretty', 'false'], copy.root);
  return copy.with(...first, () => checked(rest, copy));
}

/**
 * Errors of the compiler, `file(line,column): error …`, each laid to the mutation that stands there, or else to all of
 * them.
 */
function blamed(output: string, together: ReadonlyMap<string, readonly Span[]>, sources: ReadonlyMap<string, string>) {
  const found: [string, string][] = [];
  for (const [, file = '', line = '', error = ''] of output.matchAll(/^(\S+?)\((\d+),\d+\): (error .*)$/gm)) {
    const spans = together.get(file) ?? [];
    const before = textOf(file, together, sources).split('\n').slice(0, Number(line)).join('\n').length;
    const near = spans.filter((span) => startIn(span, spans) <= before).at(-1);
    const guilty = near === undefined ? [...together.values()].flat() : [near];
    for (const { row } of guilty) found.push([row.name, `${file}:${line} ${error}`]);
  }
  return found;
}

/** Where the mutation begins in the mutated text. */
function startIn(span: Span, spans: readonly Span[]): number {
  return spans
    .filter((other) => other.from < span.from)
    .reduce((at, { from, to, row }) => at + row.replacement.length - (to - from), span.from);
}
