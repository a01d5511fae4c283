#!/usr/bin/env node
// `everpost <verb>`: operates a running instance (--data DIR) or a deployed stack (--stack NAME). It finds the verb,
// and turns its errors into exit codes: 0 done, 1 found something wrong, 2 usage, 69 not reachable, 75 try again, 78
// configuration.

import { printableLines } from '#core/message/printable.ts';
import { passOverBrokenPipe } from './broken-pipe.ts';
import { BadConfiguration, exitCodes, NotReachable, short, Usage } from './exit.ts';
import { laterVerbs, type VerbEntry, verbs } from './verbs.ts';

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) return say(overview(), exitCodes.usage);
  if (name === '--version') return say(`${await version()}\n`, exitCodes.done);
  if (name === 'help' || asksForHelp(name)) {
    const [about] = name === 'help' ? rest : [];
    if (about === undefined || asksForHelp(about)) return say(overview(), exitCodes.done);
    return say((await entryOf(about).load()).help(), exitCodes.done);
  }
  const verb = await entryOf(name).load();
  // A visitor of a web page may have written words for sendmail: only a call for help and nothing else ends with 0 and
  // takes no message.
  if (name === 'sendmail' ? rest.length === 1 && rest[0] === '--help' : rest.some(asksForHelp))
    return say(verb.help(), exitCodes.done);
  return verb.run(rest);
}

function asksForHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

function say(text: string, code: number): number {
  process.stdout.write(text);
  return code;
}

/** Throws Usage where there is none. */
function entryOf(name: string): VerbEntry {
  const entry = verbs.get(name);
  if (entry !== undefined) return entry;
  const names = [...verbs.keys()].join(', ');
  if (laterVerbs.includes(name)) throw new Usage(`'${name}' is not built yet; write one of: ${names}`);
  const order = name.startsWith('-') ? ' (options stand after the verb)' : '';
  throw new Usage(`there is no verb "${short(name)}"${order}; write one of: ${names}`);
}

function overview(): string {
  const lines = [...verbs].map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`);
  return `everpost <verb> [options]

${lines.join('\n')}

Every verb has --help. Every verb but sendmail has --json.
--data DIR (default .everpost) or --stack NAME says which instance. --version says which Everpost this is.
`;
}

/** Loads what it needs here alone: otherwise every start of `sendmail` would load it. */
async function version(): Promise<string> {
  const [{ readFileSync }, { findPackageJSON }] = await Promise.all([import('node:fs'), import('node:module')]);
  const file = findPackageJSON(import.meta.url);
  if (file === undefined) throw new Error('package.json is missing beside the program');
  const { version: number }: { readonly version: string } = JSON.parse(readFileSync(file, 'utf8'));
  return number;
}

passOverBrokenPipe(process.stdout, process.stderr);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`everpost: ${printableLines(error instanceof Error ? error.message : String(error))}\n`);
  process.exitCode =
    error instanceof Usage
      ? exitCodes.usage
      : error instanceof NotReachable
        ? exitCodes.notReachable
        : error instanceof BadConfiguration
          ? exitCodes.badConfiguration
          : exitCodes.failed;
}
