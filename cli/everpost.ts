#!/usr/bin/env node
// `everpost <verb>`: operates a running instance (--data DIR) or a deployed stack (--stack NAME).
// Here verbs are only found; each has a file of its own. Exit codes as in sysexits: 0, 1, 2 usage, 69 not reachable, 75, 78.

import { exitCodes, NotReachable, Usage } from './exit.ts';
import { holdHelp, holdVerb, releaseHelp, releaseVerb, removeHelp, removeVerb } from './operate.ts';
import { trace, traceHelp } from './trace.ts';

type Verb = {
  readonly summary: string;
  readonly help: string;
  readonly run: (args: readonly string[]) => Promise<number>;
};
const VERBS: Readonly<Record<string, Verb>> = {
  trace: { summary: 'what became of a message, newest first', help: traceHelp, run: trace },
  release: { summary: 'let held or quarantined deliveries go on', help: releaseHelp, run: releaseVerb },
  hold: { summary: 'stop deliveries until they are released', help: holdHelp, run: holdVerb },
  remove: { summary: 'end deliveries; their senders are told', help: removeHelp, run: removeVerb },
};

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === 'help') {
    process.stdout.write(overview());
    return name === undefined ? exitCodes.usage : exitCodes.done;
  }
  const verb = VERBS[name];
  if (verb === undefined) throw new Usage(`there is no verb "${name}"; write one of: ${Object.keys(VERBS).join(', ')}`);
  if (rest.includes('--help')) {
    process.stdout.write(verb.help);
    return exitCodes.done;
  }
  return verb.run(rest);
}

function overview(): string {
  const verbs = Object.entries(VERBS).map(([name, verb]) => `  ${name.padEnd(10)} ${verb.summary}`);
  return `everpost <verb> [options]\n\n${verbs.join('\n')}\n\nEvery verb has --help and --json. --data DIR (default .everpost) or --stack NAME says which instance.\n`;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`everpost: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode =
    error instanceof Usage
      ? exitCodes.usage
      : error instanceof NotReachable
        ? exitCodes.notReachable
        : exitCodes.failed;
}
