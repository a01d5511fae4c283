// A verb of `everpost` with its options as data. From them the library (commander) reads the command line and writes
// the help. Each verb's own file calls `verb`. It calls no instance, prints nothing and never ends the process: a wrong
// command line throws Usage, which is exit code 2.

import { Command, CommanderError, type Help, Option } from 'commander';
import { short, Usage } from './exit.ts';

export type Verb = {
  readonly help: () => string;
  readonly run: (args: readonly string[]) => Promise<number>;
  /** Its options, with their dashes. */
  readonly options: readonly string[];
};

type OptionWords = {
  readonly kind: 'text' | 'texts' | 'flag';
  /** The name of its value in the help: ID, DURATION. */
  readonly value: string;
  readonly says: string;
  readonly mayBeEmpty?: boolean;
};
export type Options = Readonly<Record<string, OptionWords>>;

/** Takes a value. Given again, the last one counts. */
export const text = (value: string, says: string) => ({ kind: 'text', value, says }) as const;
/** Takes a value that may be empty, as the null reverse-path is. */
export const textOrEmpty = (value: string, says: string) => ({ kind: 'text', value, says, mayBeEmpty: true }) as const;
/** Takes a value, and may be given again: each one counts. */
export const texts = (value: string, says: string) => ({ kind: 'texts', value, says }) as const;
/** Takes none. */
export const flag = (says: string) => ({ kind: 'flag', value: '', says }) as const;

type ValueOf<O extends OptionWords> = O['kind'] extends 'flag'
  ? true
  : O['kind'] extends 'texts'
    ? readonly string[]
    : string;
export type ValuesOf<O extends Options> = { readonly [name in keyof O]?: ValueOf<O[name]> };

/** How a command line names the instance. */
export const instanceOptions = {
  data: text('DIR', 'the local instance of this folder (default .everpost)'),
  stack: text('NAME', 'the deployed stack of this name, by your AWS credentials'),
};

/** Options that stand together in the help, or a sentence between them. */
type Section = Options | string;
type OptionsIn<S extends readonly Section[]> = S extends readonly [
  infer First,
  ...infer Rest extends readonly Section[],
]
  ? (First extends Options ? ValuesOf<First> : unknown) & OptionsIn<Rest>
  : unknown;

type VerbWords<S extends readonly Section[]> = {
  /** The first line of the help, after `everpost`. */
  readonly usage: string;
  readonly about: string;
  readonly sections: S;
  /** The operand after the verb, such as REPLY; absent: there may be none. */
  readonly operand?: string;
  /** Options of other verbs that people try here: option → the verb that has it. */
  readonly elsewhere?: Readonly<Record<string, string>>;
  readonly run: (values: OptionsIn<S>, operands: readonly string[]) => Promise<number>;
};

export function verb<const S extends readonly Section[]>(words: VerbWords<S>): Verb {
  return {
    help: () => commandOf(words).helpInformation(),
    run: async (args) => {
      const { values, operands } = read(words, args);
      return words.run(values as OptionsIn<S>, operands);
    },
    options: commandOf(words).options.map(({ long }) => long ?? ''),
  };
}

/** The library's command, new for each reading: it keeps the values of the last one. */
function commandOf({ usage, about, sections, operand }: VerbWords<readonly Section[]>): Command {
  const command = new Command(usage.split(' ')[0]).helpOption(false).exitOverride();
  if (operand !== undefined) command.argument(`[${operand}...]`);
  command.configureOutput({ writeOut: () => {}, writeErr: () => {} });
  for (const section of sections) {
    if (typeof section === 'string') continue;
    for (const [name, option] of Object.entries(section)) command.addOption(optionOf(name, option));
  }
  return command.configureHelp({
    helpWidth: Math.min(process.stdout.columns ?? HELP_WIDTH, HELP_WIDTH),
    optionTerm: ({ flags }) => flags.replace(/<(.*)>/, '$1'),
    formatHelp: (_, helper) => {
      const width = Math.max(TERM_WIDTH, helper.longestOptionTermLength(command, helper));
      const blocks = sections.map((section) =>
        typeof section === 'string' ? `${section}\n` : block(section, command, helper, width),
      );
      return `everpost ${usage}: ${about}\n\n${blocks.join('\n')}`;
    },
  });
}
const HELP_WIDTH = 120;
/** Of an option with its value. */
const TERM_WIDTH = 21;

function block(section: Options, command: Command, helper: Help, width: number): string {
  const lines = helper
    .visibleOptions(command)
    .filter(({ long }) => Object.hasOwn(section, (long ?? '').slice(2)))
    .map((option) => helper.formatItem(helper.optionTerm(option), width, helper.optionDescription(option), helper));
  return `${lines.join('\n')}\n`;
}

function optionOf(name: string, { kind, value, says, mayBeEmpty = false }: OptionWords): Option {
  const option = new Option(kind === 'flag' ? `--${name}` : `--${name} <${value}>`, says);
  if (kind === 'flag') return option;
  return option.argParser<string | readonly string[]>((given, before) => {
    const most = value === 'FILE' || value === 'DIR' ? PATH_BYTES_MAX : VALUE_BYTES_MAX;
    if (given === '' && !mayBeEmpty) throw new Usage(`--${name} is empty: write --${name} ${value}`);
    if (given.includes('\0')) throw new Usage(`--${name} contains a NUL character`);
    if (Buffer.byteLength(given) > most) throw new Usage(`--${name} is too long: at most ${most} bytes`);
    return kind === 'texts' ? [...(before ?? []), given] : given;
  });
}
/** A line of a header section has 998 octets (RFC 5322 §2.1.1): no identifier and no address is longer. */
const VALUE_BYTES_MAX = 998;
/** Linux's PATH_MAX. */
const PATH_BYTES_MAX = 4096;

type Read = { readonly values: Readonly<Record<string, unknown>>; readonly operands: readonly string[] };

function read(words: VerbWords<readonly Section[]>, args: readonly string[]): Read {
  const command = commandOf(words);
  try {
    command.parse(plain(args, command, words.elsewhere ?? {}), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw new Usage(`${reasonOf(error, command)} (${helpFor(command)})`);
    throw error;
  }
  const found = command.opts<Record<string, unknown>>();
  const values = Object.fromEntries(
    command.options
      .map((option) => [option.long?.slice(2) ?? '', found[option.attributeName()]])
      .filter(([, value]) => value !== undefined),
  );
  return { values, operands: words.operand === undefined ? [] : command.args };
}

/**
 * The command line with each value in the same word as its option. Otherwise the library takes the next word whatever
 * it is, so that `hold --spool-id --yes` would mean a message called "--yes".
 */
function plain(args: readonly string[], command: Command, elsewhere: Readonly<Record<string, string>>): string[] {
  const out: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? '';
    if (word === '--') return [...out, ...args.slice(at)];
    const [name = '', attached] = word.startsWith('--') ? word.split(/=(.*)/s) : [word];
    const option = command.options.find(({ long }) => long === name);
    const owner = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined;
    if (owner !== undefined) throw new Usage(`${name} means nothing here: it is an option of ${owner}`);
    if (option === undefined) out.push(isOption(word) ? short(name === '--' ? word : name) : word);
    else if (!option.required && attached !== undefined)
      throw new Usage(`Option '${name}' does not take an argument (${helpFor(command)})`);
    else if (!option.required || attached !== undefined || at + 1 === args.length) out.push(word);
    else {
      at += 1;
      out.push(`${name}=${valueFor(name, args[at] ?? '', command)}`);
    }
  }
  return out;
}

function valueFor(name: string, next: string, command: Command): string {
  if (!isOption(next)) return next;
  const remedy = `did you forget its value? A value that begins with a dash is written ${name}=-XYZ`;
  throw new Usage(
    `Option '${name}' argument is ambiguous, "${short(next)}" begins with a dash: ${remedy} (${helpFor(command)})`,
  );
}

function isOption(word: string): boolean {
  return word.length > 1 && word.startsWith('-');
}

/** The library's reason as one line. It does not repeat a long argument. */
function reasonOf({ code, message }: CommanderError, { args }: Command): string {
  if (code === 'commander.excessArguments')
    return `Unexpected argument '${short(args[0] ?? '')}'. This verb takes options alone`;
  const line = message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/, '. Did you mean $1?')
    .replace(/ <(.*)>'/, " $1'");
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}`;
}

function helpFor(command: Command): string {
  return `everpost ${command.name()} --help`;
}
