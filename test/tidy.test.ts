// Style is a test: what STYLE asks of the whole tree and no linter knows. A finding names the file, the line and the
// rule. Where a rule costs clarity in one place, the place is excused below, with its reason; an excuse nobody needs is
// a finding too.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const HOUSE = ['src', 'lambdas', 'infra', 'packages', 'test', 'bench'] as const;

/** file → why it may be longer than the limit. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/core/limits.ts': 'a list: each limit beside its reason, and nobody reads it from top to bottom',
};
/** `file: function` → why it may be longer than a screen. */
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {};

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 60;

type Source = {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  readonly lines: readonly string[];
};
const sources: readonly Source[] = HOUSE.flatMap((folder) => walk(join(ROOT, folder)))
  .filter((path) => path.endsWith('.ts') && !/[\\/](fixtures|dist|node_modules)[\\/]/.test(path))
  .map((path) => {
    const text = readFileSync(path, 'utf8');
    const name = path.slice(ROOT.length + 1).replaceAll(sep, '/');
    return { path: name, folder: folderOf(name), text, lines: text.split('\n') };
  });
const product = sources.filter((source) => source.folder !== 'test' && source.folder !== 'bench');

/** A room of src stands for itself; a package's tests are tests. */
function folderOf(name: string): string {
  const [top = '', room = '', part] = name.split('/');
  if (top === 'packages' && part === 'test') return 'test';
  return top === 'src' ? room : top;
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Findings as `path:line what`, so that a failure reads as a list of places. */
function matches(among: readonly Source[], pattern: RegExp, what: string): string[] {
  return among.flatMap((source) =>
    source.lines.flatMap((line, index) =>
      pattern.test(withoutText(line)) ? [`${source.path}:${index + 1} ${what}`] : [],
    ),
  );
}

/** A line without its comment and its quoted text, which may say anything. */
function withoutText(line: string): string {
  return line
    .replace(/(['"`])(?:\\.|(?!\1).)*\1/g, "''")
    .replace(/\/\/.*$/, '')
    .replace(/^\s*\*.*$|\/\*.*\*\//g, '');
}

describe('imports', () => {
  const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
    // The configuration's types are read everywhere; what checks a configuration asks the core's rules.
    core: ['config', 'core'],
    config: ['config', 'core'],
    pipeline: ['config', 'core', 'pipeline'],
    adapters: ['config', 'core', 'pipeline', 'adapters'],
    gateway: ['config', 'core', 'pipeline', 'adapters', 'gateway'],
    lambdas: ['config', 'core', 'pipeline', 'adapters', 'lambdas'],
    infra: ['config', 'core', 'infra'],
    local: ['config', 'core', 'infra', 'local', 'aws-local'],
    cli: ['config', 'core', 'pipeline', 'adapters', 'gateway', 'cli'],
    packages: [],
  };
  /** `file folder` → why this one may. */
  const EXCUSED: Readonly<Record<string, string>> = {
    'infra/deploy-steps.ts cli': "it asks the doctor's questions before CloudFormation starts",
    'infra/deploy.ts cli': 'it is a program that writes to a terminal',
    'infra/synth.ts cli': 'it is a program that writes to a terminal',
    'src/local/main.ts cli': 'it is a program that writes to a terminal',
    'src/local/named-secrets.ts adapters': 'it reads secrets as the functions do, before they do',
    'src/local/submission-port.ts adapters': 'it runs the gateway, as the Lambda host runs functions',
    'src/local/submission-port.ts gateway': 'it runs the gateway, as the Lambda host runs functions',
  };
  it('run one way: core ← pipeline ← adapters ← lambdas', () => {
    const wrong = product.flatMap((source) =>
      [...source.text.matchAll(/(?:from|import)\s*\(?'#([\w-]+)\//g)]
        .map((found) => found[1] ?? '')
        .filter((to) => MAY_IMPORT[source.folder]?.includes(to) === false)
        .map((to) => `${source.path} ${to}`),
    );
    expect([...new Set(wrong)].sort()).toEqual(Object.keys(EXCUSED).sort());
  });
  it('reach other folders by #name, never by a path', () => {
    expect(
      product
        .filter(
          (source) =>
            !['local', 'packages'].includes(source.folder) &&
            /from '\.\.\/\.\.|from '\.\.\/(config|core|pipeline|adapters|gateway|lambdas|infra|local|cli)\//.test(
              source.text,
            ),
        )
        .map((source) => source.path),
    ).toEqual([]);
  });
  it('of a package stay in it: its own files, Node, and what its package.json names', () => {
    const wrong = sources
      .filter((source) => source.path.startsWith('packages/'))
      .flatMap((source) => {
        const home = source.path.split('/').slice(0, 2).join('/');
        const named = JSON.parse(readFileSync(join(ROOT, home, 'package.json'), 'utf8')) as Record<string, object>;
        const may = Object.keys({
          ...named.dependencies,
          ...(source.folder === 'test' ? { ...named.devDependencies, vitest: '' } : {}),
        });
        const isOwn = (to: string) =>
          to.startsWith('.')
            ? join(dirname(source.path), to).startsWith(join(home, sep))
            : to.startsWith('node:') || may.includes(to);
        return [...source.text.matchAll(/(?:^|[ }])(?:from|import) '([^']+)';$|\bimport\('([^']+)'\)/gm)]
          .map((found) => found[1] ?? found[2] ?? '')
          .filter((to) => !isOwn(to))
          .map((to) => `${source.path} ${to}`);
      });
    expect(wrong).toEqual([]);
  });
  it('keep SDK clients in adapters (and the one custom resource), Node I/O out of core and pipeline', () => {
    const sdk = product
      .filter(
        (source) => !['adapters', 'local', 'infra'].includes(source.folder) && /from '@aws-sdk\//.test(source.text),
      )
      .map((source) => source.path);
    // The operator's own credentials come by the SDK's provider chain, which functions must not load.
    expect(sdk.sort()).toEqual(['lambdas/activate.ts', 'src/cli/find-instance.ts']);
    const io = product
      .filter(
        (source) =>
          ['core', 'pipeline'].includes(source.folder) && /from 'node:(?!crypto'|url'|buffer')/.test(source.text),
      )
      .map((source) => source.path);
    expect(io).toEqual([]);
  });
});

describe('time, chance and environment', () => {
  const PLACES = (source: Source) =>
    !['adapters', 'gateway', 'local', 'packages', 'cli', 'infra'].includes(source.folder) &&
    source.path !== 'lambdas/config.ts' &&
    source.path !== 'lambdas/activate.ts';
  it('come in through ports', () => {
    const pattern =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\brandomUUID\b|\brandomBytes\b|\bprocess\.env\b|\bperformance\.now\b/;
    expect(matches(product.filter(PLACES), pattern, 'time, chance or environment outside the ports')).toEqual([]);
  });
});

describe('names', () => {
  it('have no drawers', () => {
    const drawers = /(^|\/)(utils?|helpers?|shared|common|services?|managers?|misc)(\.ts|\/)/;
    expect(sources.map((source) => source.path).filter((path) => drawers.test(path))).toEqual([]);
  });
  it('are kebab-case files', () => {
    expect(
      sources.map((source) => source.path).filter((path) => !/^[a-z0-9-]+(\.[a-z0-9-]+)*\.ts$/.test(basename(path))),
    ).toEqual([]);
  });
  it('of types say what the thing is', () => {
    expect(
      matches(
        product,
        /\b(class|interface|type) (I[A-Z][a-z]\w*|\w+(Impl|Manager|Data|Helper|Utils?))\b/,
        'a name STYLE bans',
      ),
    ).toEqual([]);
  });
  it('never use a bare word for two things', () => {
    const places = product.filter((source) => ['core', 'pipeline'].includes(source.folder));
    expect(
      matches(
        places,
        /\breadonly (messageId|sender|recipient|bounce|queue)\??:/,
        'a bare word of the glossary: say which',
      ),
    ).toEqual([]);
  });
});

describe('files', () => {
  it('open with a comment that says what they are', () => {
    const opening = (source: Source) =>
      source.folder === 'test' || source.folder === 'bench' ? /^\/\/ / : /^(#!.*\n)?\/\/ .+\n\/\/ /;
    expect(sources.filter((source) => !opening(source).test(source.text)).map((source) => source.path)).toEqual([]);
  });
  it('are small enough to hold in mind', () => {
    const long = sources.filter((source) => source.lines.length > FILE_LINES_MAX).map((source) => source.path);
    expect(long.sort()).toEqual(Object.keys(LONG_FILES).sort());
  });
  it('have functions of a screen', () => {
    const long = product.flatMap(longFunctions);
    expect(long.sort()).toEqual(Object.keys(LONG_FUNCTIONS).sort());
  });
  it('are no barrels and have no default exports', () => {
    expect(matches(product, /^export \* from|^export default/, 'a barrel or default export')).toEqual([]);
  });
  it('have comments within the formatter’s width', () => {
    const wide = sources.flatMap((source) =>
      source.lines.flatMap((line, index) =>
        line.length > 120 && /^\s*(\/\/|\*|\/\*)/.test(line) ? [`${source.path}:${index + 1}`] : [],
      ),
    );
    expect(wide).toEqual([]);
  });
  it('carry no work left for later, no escape from the types', () => {
    const pattern = new RegExp(`\\b(TO${'DO'}|FIX${'ME'}|X${'XX'})\\b|@ts-(ignore|expect-error|nocheck)`);
    expect(
      sources.flatMap((source) =>
        source.lines.flatMap((line, index) => (pattern.test(line) ? [`${source.path}:${index + 1}`] : [])),
      ),
    ).toEqual([]);
  });
});

/** Functions and methods over the limit, found by their indentation, which the formatter guarantees. */
function longFunctions(source: Source): string[] {
  const found: string[] = [];
  source.lines.forEach((line, start) => {
    const head =
      /^(\s*)(?:export )?(?:private |static |override |readonly )*(?:async )?(?:function\*? )?\*?(\w+)(?:<[^(]*>)?\(.*\{$/.exec(
        line,
      );
    if (head === null || /^\s*(if|for|while|switch|return|describe|it|catch)\b/.test(line)) return;
    const end = source.lines.findIndex((each, index) => index > start && each.startsWith(`${head[1]}}`));
    // A function that only holds functions is a closure over state, as a class is: those inside are measured.
    const nested = source.lines
      .slice(start + 1, end)
      .some(
        (each) =>
          /^\s+(async )?function\b|^\s+(const \w+ = )?(async )?\(.*=> \{$|^\s+(async )?\*?\w+\([^()]*\)[^()]*\{$/.test(
            each,
          ) && !/^\s*(if|for|while|switch|catch)\b/.test(each),
      );
    if (end - start > FUNCTION_LINES_MAX && !nested) found.push(`${source.path}: ${head[2]}`);
  });
  return found;
}

describe('tests', () => {
  it('that are skipped say why', () => {
    const tests = sources.filter((source) => source.folder === 'test');
    const mute = tests.flatMap((source) =>
      source.lines.flatMap((line, index) =>
        /\.(skip|skipIf|todo|only)\(/.test(withoutText(line)) && !/skipped:/i.test(`${source.lines[index - 1]}${line}`)
          ? [`${source.path}:${index + 1}`]
          : [],
      ),
    );
    expect(mute).toEqual([]);
  });
  it('use every fixture', () => {
    const folders = readdirSync(join(ROOT, 'test/fixtures'), { withFileTypes: true });
    const used = sources
      .filter((source) => source.folder === 'test' || source.folder === 'bench')
      .map((source) => source.text)
      .join('\n');
    expect(
      folders
        .filter((entry) => !used.includes(`fixtures/${entry.name}`) && !used.includes(`'${entry.name}'`))
        .map((entry) => entry.name),
    ).toEqual([]);
  });
});
