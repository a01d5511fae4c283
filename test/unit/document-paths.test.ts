// What the documents point to: every path, link, heading and npm script that they name exists, and every decision
// record is listed. A move or a new name therefore changes the documents in the same commit. And what docs/style.md
// asks of their lines.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const documents = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => `docs/${file}`),
  ...readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}/README.md`),
].filter((path) => path.endsWith('.md') && existsSync(join(ROOT, path)));

/** Folders of the tree, and those of before: a path that begins with one of these is a path of ours. */
const FOLDERS = 'src|lambdas|infra|packages|test|bench|docs|core|config|pipeline|adapters|gateway|cli|local';

/** Paths that stand whole in backticks, files and folders, and those that a reader is told to test. */
function pathsOf(text: string): string[] {
  const path = `(?:${FOLDERS})/[\\w./-]*`;
  return [
    ...[...text.matchAll(new RegExp(`\`(${path})\``, 'g'))].map((found) => found[1] ?? ''),
    ...[...text.matchAll(new RegExp(`vitest run((?: ${path})+)`, 'g'))].flatMap((found) =>
      (found[1] ?? '').trim().split(' '),
    ),
  ];
}

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

function anchorsOf(path: string): string[] {
  return [...read(path).matchAll(/^#+ (.+)$/gm)].map((found) => anchorOf(found[1] ?? ''));
}

/** Links without a scheme that lead nowhere. */
function brokenLinks(path: string): string[] {
  return [...read(path).matchAll(/\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].flatMap(([, file = '', anchor]) => {
    const target = file === '' ? path : normalize(join(dirname(path), file));
    if (!existsSync(join(ROOT, target))) return [file];
    if (anchor === undefined || !target.endsWith('.md')) return [];
    return anchorsOf(target).includes(anchor) ? [] : [`${file}#${anchor}`];
  });
}

/** Lines over the width, but for tables and code, a command in backticks on a line of its own included. */
function longLines(text: string): string[] {
  let fenced = false;
  return text.split('\n').filter((line) => {
    if (line.startsWith('```')) fenced = !fenced;
    const words = line.replace(/`[^`]*`/g, '').replace(/^\s*(?:[-*]|\d+\.)? */, '');
    return !fenced && [...line].length > 120 && !/^(?:\||`{3}| {4})/.test(line) && words.includes(' ');
  });
}

describe('documents', () => {
  it.each(documents)('%s names paths that exist', (path) => {
    // A package's README stands for itself: its paths begin at the package.
    const home = path.startsWith('packages/') ? dirname(path) : '';
    expect(pathsOf(read(path)).filter((it) => !existsSync(join(ROOT, home, it)))).toEqual([]);
  });
  it.each(documents)('%s has links that lead somewhere', (path) => {
    expect(brokenLinks(path)).toEqual([]);
  });
  it.each(documents)('%s stays within 120 columns', (path) => {
    expect(longLines(read(path))).toEqual([]);
  });
  it.each(documents)('%s writes "cannot" in one word', (path) => {
    const others = path === 'docs/style.md' ? '| can not |' : '\0';
    expect(
      read(path)
        .replace(others, '')
        .match(/\bcan not\b(?! only)/gi),
    ).toBeNull();
  });
});

describe('ARCHITECTURE', () => {
  const [, table = ''] = /## Where is what decided\n([\s\S]*?)(?:\n#|$)/.exec(read('ARCHITECTURE.md')) ?? [];
  const rows = table.split('\n').filter((line) => /^\| [A-Z]/.test(line));
  it('says where what is decided, in at most three files for each question', () => {
    expect(rows.length).toBeGreaterThanOrEqual(15);
    for (const row of rows) {
      const files = pathsOf(row);
      expect(files.length, row).toBeGreaterThan(0);
      expect(files.length, row).toBeLessThanOrEqual(3);
    }
  });
  it('names each folder of src and of core', () => {
    const folders = ['src', 'src/core'].flatMap((under) =>
      readdirSync(join(ROOT, under), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `| \`${under}/${entry.name}/\` |`),
    );
    const text = read('ARCHITECTURE.md');
    expect(folders.filter((row) => !text.includes(row))).toEqual([]);
  });
});

describe('decision records', () => {
  it('are all listed, and nothing else is', () => {
    const listed = [...read('docs/decisions/README.md').matchAll(/^\| \[[^\]]+\]\(([\w-]+\.md)\)/gm)];
    const records = readdirSync(join(ROOT, 'docs/decisions')).filter((file) => file !== 'README.md');
    expect(listed.map((found) => found[1] ?? '').sort()).toEqual(records.sort());
  });
});

describe('the runbook', () => {
  const articles = readdirSync(join(ROOT, 'docs/runbook'))
    .filter((file) => file !== 'README.md')
    .map((file) => ({ file, text: read(`docs/runbook/${file}`) }));
  it('lists every article by its heading, once, and nothing else', () => {
    const listed = [...read('docs/runbook/README.md').matchAll(/^\| \[([^\]]+)\]\(([\w-]+\.md)\) \|/gm)];
    const wanted = articles.map(({ file, text }) => `${file}: ${/^# (.+)$/m.exec(text)?.[1]}`);
    expect(listed.map(([, heading, file]) => `${file}: ${heading}`).sort()).toEqual(wanted.sort());
  });
  it.each(articles)('$file says where the names that its commands use are defined', ({ text }) => {
    const [before = '', after = ''] = text.split('**Look.**');
    const used = ['STACK', 'out', 'name', 'logs', 'peek', 'arn', 'redrive'].filter((name) =>
      new RegExp(name === 'STACK' ? '\\$STACK\\b' : `(?:\`|\\$\\()${name} [A-Z]`).test(after),
    );
    for (const name of used) expect(before).toMatch(new RegExp(`\`\\$?${name}\`[^.]*\\(README.md#before-you-begin\\)`));
    if (used.includes('STACK')) expect(before).toMatch(/`--data DIR`\s+stands\s+in\s+place\s+of\s+`--stack \$STACK`/);
  });
});

describe('the npm scripts that documents name', () => {
  it.each(documents)('of %s exist', (path) => {
    const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
    const named = [...read(path).matchAll(/\bnpm run (?:-s )?([a-z][\w:-]*)/g)].map((found) => found[1] ?? '');
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});
