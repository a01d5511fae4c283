// Reads one folder of cases: case.json and the bytes that it names. A member that no kind knows is an error: a case
// that is half understood would pass without having been tried.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type Case = {
  readonly name: string;
  readonly folder: string;
  readonly kind: string;
  readonly given: Readonly<Record<string, unknown>>;
};
/** What a case does not pass by, one line each. Empty: it passes. */
export type Faults = readonly string[];

/** For people alone. */
const TOLD = ['kind', 'source', 'note', 'live', 'why', 'title', 'issue'];

/** The folder's cases in the order of their names; the folder may be one case itself. */
export function casesIn(folder: string): readonly string[] {
  if (existsSync(join(folder, 'case.json'))) return [folder];
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isDirectory());
}

export function readCase(folder: string): Case {
  const given = objectOf(JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')), 'case.json');
  const name = folder.split('/').at(-1) ?? folder;
  return { name, folder, kind: textOf(given.kind, 'kind'), given };
}

/** Throws on members of the case that are not among these. */
export function only(of: Readonly<Record<string, unknown>>, members: readonly string[], where: string): void {
  const unknown = Object.keys(of).filter((name) => !members.includes(name) && !TOLD.includes(name));
  if (unknown.length > 0) throw new Error(`${where}: the runner does not know the member ${unknown.join(', ')}`);
}

export function objectOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${where} is no object`);
  return { ...value };
}

export function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string') throw new Error(`${where} is no text`);
  return value;
}

export function textsOf(value: unknown, where: string): readonly string[] {
  if (!Array.isArray(value)) throw new Error(`${where} is no list`);
  return value.map((each, index) => textOf(each, `${where}[${index}]`));
}

/** The bytes of the file that `member` names. */
export function fileOf({ folder, given }: Case, member: string): Uint8Array {
  return readFileSync(join(folder, textOf(given[member], member)));
}

export function expected({ given }: Case, members: readonly string[]): Readonly<Record<string, unknown>> {
  const expect = objectOf(given.expect, 'expect');
  only(expect, members, 'expect');
  return expect;
}

/** Faults of the members that `expect` names, compared with what was found. */
export function differences(
  expect: Readonly<Record<string, unknown>>,
  found: Readonly<Record<string, unknown>>,
): string[] {
  return Object.entries(expect).flatMap(([name, wanted]) => {
    const same = JSON.stringify(wanted) === JSON.stringify(found[name]);
    return same ? [] : [`${name} is ${JSON.stringify(found[name])}, and ${JSON.stringify(wanted)} was expected`];
  });
}
