// The commands of the runbook's articles, read from the articles themselves and run in a shell as an operator runs them
// against an instance on this machine: with the README's own definitions, and `--data DIR` in place of the stack.
// Called by alarm-watch.ts. A command that an article does not have, or that fails, throws.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readAssembly } from '#aws-local/cloudformation/template.ts';
import type { Runtime } from '#local/runtime.ts';

const ROOT = join(import.meta.dirname, '../..');
const RUNBOOK = join(ROOT, 'docs/runbook');

export type Article = { readonly file: string; readonly heading: string; readonly text: string };

const articles: readonly Article[] = readdirSync(RUNBOOK).map((file) => {
  const text = readFileSync(join(RUNBOOK, file), 'utf8');
  return { file, heading: (text.split('\n')[0] ?? '').replace('# ', ''), text };
});

/** An alarm's description opens with its article's heading. */
export function articleOf(description: string): Article {
  const found = articles.find(({ heading }) => description.startsWith(`${heading}: `));
  if (found === undefined) throw new Error(`no article for ${description}`);
  return found;
}

export function articleIn(file: string): Article {
  const found = articles.find((it) => it.file === file);
  if (found === undefined) throw new Error(`docs/runbook has no ${file}`);
  return found;
}

const FENCED = /```sh\n([\s\S]*?)```/g;

/** What stands as code in the article: whole blocks, and what is quoted in its sentences. */
function commandsOf({ text }: Article): readonly string[] {
  const blocks = [...text.matchAll(FENCED)].map(([, block = '']) => block.trim());
  const quoted = [...text.replace(FENCED, '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replace(/\s+/g, ' '));
  return [...blocks, ...quoted];
}

/** The one command of the article that is meant. */
export function commandOf(article: Article, meant: RegExp): string {
  const found = [...new Set(commandsOf(article).filter((it) => meant.test(it)))];
  const [command] = found;
  if (command === undefined || found.length > 1)
    throw new Error(`${article.file} has ${found.length} commands ${meant}: ${found.join(' | ')}`);
  return command;
}

/** Throws where the article does not say these words. */
export function checkWords(article: Article, words: string): void {
  const plain = (text: string): string => text.replace(/[\s*]+/g, ' ');
  if (!plain(article.text).includes(plain(words))) throw new Error(`${article.file} does not say: ${words}`);
}

/** Where it is run: without a runtime, `aws` finds nothing. */
export type Place = {
  readonly runtime: Runtime | null;
  readonly dataFolder: string;
  /** Of an instance in a process of its own: what `aws` is given. */
  readonly access?: object;
};

/** Runs it, each placeholder replaced. Returns what it printed. */
export async function runCommand(
  { runtime, dataFolder, access }: Place,
  command: string,
  filled: Readonly<Record<string, string>>,
): Promise<string> {
  const [, definitions] =
    /The articles use these definitions:\n+```sh\n([\s\S]*?)```/.exec(articleIn('README.md').text) ?? [];
  if (definitions === undefined) throw new Error("the runbook's README has no definitions");
  const node = process.execPath;
  const here = command.replaceAll('--stack $STACK', `--data '${dataFolder}'`);
  const whole = Object.entries(filled).reduce(
    (text, [placeholder, value]) => text.replace(new RegExp(`\\b${placeholder}\\b`, 'g'), value),
    here,
  );
  const script = [
    definitions,
    `aws() { '${node}' test/e2e/aws-commands.ts "$@"; }`,
    `npx() { [ "$1" = everpost ] && shift && '${node}' src/cli/everpost.ts "$@"; }`,
    whole,
  ];
  const reached = access ?? (runtime === null ? null : accessOf(runtime, dataFolder));
  const env = { ...process.env, AWS_LOCAL: reached === null ? '' : JSON.stringify(reached) };
  try {
    const options = { cwd: ROOT, env, maxBuffer: 64 << 20 };
    const { stdout } = await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', script.join('\n')], options);
    return stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    throw new Error(`${whole}\nended with ${code}:\n${stdout}${stderr}`);
  }
}

/** What aws-commands.ts needs: the endpoint, root's credentials, the stack's outputs and resources. */
function accessOf({ emulators, deployed }: Runtime, dataFolder: string) {
  const { front, keys, world } = emulators;
  const { Resources } = readAssembly(join(dataFolder, 'cdk.out')).template;
  return {
    client: { endpoint: front.endpoint, region: world.region, credentials: keys.issue({ kind: 'root' }) },
    outputs: deployed.outputs,
    resources: [...deployed.created].map(([id, { ref }]) => [id, Resources[id]?.Type, ref]),
  };
}
