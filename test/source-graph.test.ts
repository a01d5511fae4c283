// How the sources hang together: no circle of imports, types included; core's folders are stacked; a file name means
// one thing; and what a file exports, somebody uses. Read from the text of the imports, which the formatter keeps in
// one form.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, posix, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const ALIASES = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).imports as Record<string, string>;
const PRODUCT = ['src', 'lambdas', 'infra', 'packages'];

const texts = new Map(
  [...PRODUCT, 'test', 'bench']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((f) => join(folder, f)),
    )
    .filter((path) => path.endsWith('.ts') && !/[\\/](node_modules|dist|fixtures)[\\/]/.test(path))
    .map((path) => [path.replaceAll(sep, '/'), readFileSync(join(ROOT, path), 'utf8')] as const),
);
const isProduct = (path: string) => PRODUCT.includes(path.split('/')[0] ?? '') && !path.includes('/test/');
const product = [...texts.keys()].filter(isProduct);

/** The file that an import names; null for a package. */
function target(from: string, name: string): string | null {
  if (name.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), name));
  const alias = Object.keys(ALIASES).find((key) => name.startsWith(key.slice(0, -1)));
  return alias === undefined ? null : ALIASES[alias]?.slice(2, -1) + name.slice(alias.length - 1);
}

const imports = new Map(
  product.map((path) => [
    path,
    [...(texts.get(path) ?? '').matchAll(/(?:from|import)\s*\(?\s*'([.#][^']+)'/g)].flatMap(
      ([, name = '']) => target(path, name) ?? [],
    ),
  ]),
);

/** Each strongly connected set of more than one file (Tarjan). */
function circles(): string[] {
  const found: string[] = [];
  const number = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const visit = (file: string): void => {
    number.set(file, number.size);
    low.set(file, number.get(file) ?? 0);
    open.push(file);
    for (const next of imports.get(file) ?? []) {
      if (!imports.has(next)) continue;
      if (!number.has(next)) visit(next);
      if (open.includes(next)) low.set(file, Math.min(low.get(file) ?? 0, low.get(next) ?? 0));
    }
    if (low.get(file) !== number.get(file)) return;
    const circle = open.splice(open.indexOf(file));
    if (circle.length > 1) found.push(circle.sort().join(' '));
  };
  for (const file of product) if (!number.has(file)) visit(file);
  return found;
}

describe('imports', () => {
  it('name files that exist', () => {
    const wrong = product.flatMap((path) =>
      (imports.get(path) ?? []).filter((to) => !texts.has(to)).map((to) => `${path} ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  it('go round in no circle, types included', () => {
    expect(circles()).toEqual([]);
  });

  it('of core go down: a folder knows those before it', () => {
    const STACK = ['', 'message', 'reply', 'submission', 'delivery', 'notice', 'spool', 'routing', 'feedback'];
    const floor = (path: string) =>
      STACK.indexOf(/^src\/core\/(?:([\w-]+)\/)?(?:[\w-]+\/)*[\w.-]+$/.exec(path)?.[1] ?? '');
    const core = product.filter((path) => path.startsWith('src/core/'));
    expect(core.filter((path) => floor(path) < 0)).toEqual([]);
    const up = core.flatMap((path) =>
      (imports.get(path) ?? [])
        .filter((to) => to.startsWith('src/core/') && floor(to) > floor(path))
        .map((to) => `${path} ${to}`),
    );
    expect(up).toEqual([]);
  });

  it('of the emulators name nothing of the product', () => {
    const packages = product.filter((path) => path.startsWith('packages/'));
    expect(packages.length).toBeGreaterThan(10);
    const out = packages.flatMap((path) =>
      (imports.get(path) ?? []).filter((to) => !to.startsWith('packages/')).map((to) => `${path} ${to}`),
    );
    expect(out).toEqual([]);
  });
});

describe('a file name', () => {
  /** base name → what it means wherever it stands. */
  const ONE_MEANING: Readonly<Record<string, string>> = {
    'bounce.ts': 'the function, its stage',
    'feedback.ts': 'the function, its stage, its queue and topic',
    'ingest.ts': 'the function, its stage',
    'instance.ts': 'one run of the stack',
    'keep-alive.ts': 'the hourly call of a function in a VPC: its event, its schedule',
    'ledger.ts': 'the ledger: its table, its implementation in memory',
    'next-hop.ts': "the port's implementation",
    'operate.ts': 'what an operator does with deliveries: the verbs, and their effects',
    'orphans.ts': 'the function, its run',
    'purge.ts': 'the function, its run',
    'relay.ts': 'the function, its stage',
    'rules.ts': 'of the configuration',
    'spool.ts': 'the spool: its bucket, its implementation in memory',
    'stage.ts': 'what every stage of the pipeline has: queues and function, wiring',
    'submission.ts': 'a submission: the contract, and how it comes in',
    'sweep.ts': 'the function, its run',
    'trace.ts': 'the trace of a delivery: its events, the verb that shows it',
    'watch.ts': 'the watch: its alarms, its implementation in memory',
  };
  it('has one meaning in the whole house', () => {
    const house = product.filter((path) => !path.startsWith('packages/'));
    const folders = new Map<string, number>();
    for (const path of house) folders.set(basename(path), (folders.get(basename(path)) ?? 0) + 1);
    const twice = [...folders].filter(([, count]) => count > 1).map(([name]) => name);
    expect(twice.filter((name) => !(name in ONE_MEANING))).toEqual([]);
  });

  it('does not repeat its folder', () => {
    const STAGES = /^src\/pipeline\//;
    const repeating = product.filter((path) => {
      const [folder = '', file = ''] = path.split('/').slice(-2);
      return !STAGES.test(path) && /^src\/(core|adapters|gateway)\//.test(path) && file.startsWith(`${folder}-`);
    });
    // A reply rule is the field's own term, and the configuration has rules too.
    expect(repeating).toEqual(['src/core/reply/reply-rules.ts']);
  });
});

describe('an export', () => {
  /** `file name` → why tests alone may use it. */
  const FOR_TESTS: Readonly<Record<string, string>> = {
    'src/config/reference.ts keyNames': 'the test that nothing is missing from the reference page asks it',
    'src/core/limits.ts inlinePoliciesCharsMax': 'a limit of AWS: test/infra holds the template against it',
    'src/core/limits.ts visibilityMsMax': 'a limit of AWS: test/unit/core/limits.test.ts holds ours against it',
  };
  it('is used by somebody, and by more than a test', () => {
    const files = [...texts];
    const dead = product
      .filter((path) => !path.startsWith('src/adapters/memory/') && !path.startsWith('packages/'))
      .flatMap((path) => {
        const text = texts.get(path) ?? '';
        const names = [...text.matchAll(/^export (?:async )?(?:function\*?|const|class|type) (\w+)/gm)];
        return names
          .map(([, name = '']) => ({ name, word: new RegExp(`\\b${name}\\b`) }))
          .filter(({ name }) => (text.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length === 1)
          .filter(({ word }) => !files.some(([other, words]) => other !== path && isProduct(other) && word.test(words)))
          .map(({ name }) => `${path} ${name}`);
      });
    expect(dead.filter((entry) => !/^lambdas\/\w+\.ts handler$/.test(entry)).sort()).toEqual(
      Object.keys(FOR_TESTS).sort(),
    );
  });
});
