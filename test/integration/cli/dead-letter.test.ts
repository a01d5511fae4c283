// A message that sendmail could not hand over: it stays, whole, for the user alone, and no link or strange file is
// written to.

import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepDeadLetter } from '#cli/dead-letter.ts';

let root: string;
let place: { home: string | null; shared: string; uid: number };
const uid = process.geteuid?.() ?? 0;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'everpost-dead-'));
  for (const name of ['home', 'shared', 'other']) mkdirSync(join(root, name));
  place = { home: join(root, 'home'), shared: join(root, 'shared'), uid };
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const usual = () => join(root, 'home/dead.letter');
const last = () => join(root, `shared/dead.letter.${uid}`);
async function* of(...parts: string[]) {
  for (const part of parts) yield Buffer.from(part, 'latin1');
}
const keep = (...parts: string[]) => keepDeadLetter(of(...parts), 'From x\n', place);

it('is appended to a file that only its owner reads, bytes as they came', async () => {
  expect(await keep('Subject: a\r\n\xe9', '\0')).toEqual({ kind: 'kept', path: usual() });
  expect(await keep('b\n')).toEqual({ kind: 'kept', path: usual() });
  expect(readFileSync(usual(), 'latin1')).toBe('From x\nSubject: a\r\n\xe9\0\n\nFrom x\nb\n\n');
  expect(statSync(usual()).mode & 0o777).toBe(0o600);
});
it('makes a file that others could read its own', async () => {
  writeFileSync(usual(), 'before\n', { mode: 0o644 });
  await keep('b\n');
  expect(readFileSync(usual(), 'latin1')).toBe('before\nFrom x\nb\n\n');
  expect(statSync(usual()).mode & 0o777).toBe(0o600);
});
it('goes to the shared folder where there is no home, and there again', async () => {
  place.home = null;
  expect(await keep('a\n')).toEqual({ kind: 'kept', path: last() });
  place.home = join(root, 'nowhere');
  expect(await keep('b\n')).toEqual({ kind: 'kept', path: last() });
  expect(readFileSync(last(), 'latin1')).toBe('From x\na\n\nFrom x\nb\n\n');
  expect(statSync(last()).mode & 0o777).toBe(0o600);
});
it.each<[string, (path: string, target: string) => void]>([
  ['a link', (path, target) => symlinkSync(target, path)],
  ['a link to nothing', (path) => symlinkSync(join(root, 'other/none'), path)],
  ['another name of a file', (path, target) => linkSync(target, path)],
  ['a folder', (path) => mkdirSync(path)],
  ['a pipe', (path) => execFileSync('mkfifo', [path])],
])('is not written to %s', async (_, make) => {
  const target = join(root, 'other/target');
  writeFileSync(target, 'theirs');
  make(usual(), target);
  expect(await keep('a\n')).toEqual({ kind: 'kept', path: last() });
  expect(readFileSync(target, 'latin1')).toBe('theirs');
  rmSync(last());
  make(last(), target);
  expect((await keep('a\n')).kind).toBe('lost');
  expect(readFileSync(target, 'latin1')).toBe('theirs');
  expect(() => statSync(join(root, 'other/none'))).toThrow();
});
it("is not written to somebody else's file", async () => {
  writeFileSync(last(), 'theirs');
  place = { ...place, home: null, uid: uid + 1 };
  writeFileSync(join(root, `shared/dead.letter.${uid + 1}`), 'theirs');
  expect(await keep('a\n')).toMatchObject({ kind: 'lost', why: expect.stringContaining('belongs to somebody else') });
});
it('is none where there was no message', async () => {
  expect(await keep()).toEqual({ kind: 'none' });
  expect(() => statSync(usual())).toThrow();
});
