// Parses sendmail's command line as cron, PHP and scripts write it: single letters, some with a value attached or
// following, several in one word. Options of sendmail that mean nothing here are accepted and ignored; unknown options
// are errors. Our own options stand before all others. A visitor of a web page may have written the rest, and must not
// decide whose mail it is or where it goes. Pure.

import { envidCharsMax } from '#core/limits.ts';
import { decodeXtext } from './smtp-command.ts';
import type { Notify, Return } from './submission.ts';

export type SendmailArguments = {
  readonly kind: 'arguments';
  /** -bs: SMTP on standard input and output. */
  readonly mode: 'message' | 'smtp';
  /** -t: recipients stand in the header section. */
  readonly fromHeader: boolean;
  /** -i, -oi: a lone dot ends nothing. */
  readonly dotsAreText: boolean;
  /** -f or -r; null: the user who runs it. '' or '<>' is the null reverse-path. */
  readonly reversePath: string | null;
  /** -F. */
  readonly fullName: string | null;
  readonly notify: readonly Notify[] | null;
  readonly ret: Return | null;
  readonly envid: string | null;
  readonly recipients: readonly string[];
  /** Options of ours: --submitter NAME and the like, before the first option of sendmail and the first recipient. */
  readonly own: Readonly<Record<string, string>>;
};
export type WrongArguments = { readonly kind: 'wrong'; readonly why: string };

export const ownOptions = ['submitter', 'bucket', 'stack', 'data', 'domain', 'config'];
/** The part of an unknown word that an error shows. */
const NAME_MAX = 40;
/** Letters that take a value. */
const VALUED = 'fFrNRVBoObdhpCLXAqMDe';
/** Letters that stand alone: verbose, metoo, no aliases, gateway, initial submission, … */
const ALONE = 'tivmnGUs';
/** Of these the value may only be attached: `-q30m`, `-oi`, `-em`. */
const ATTACHED_ONLY = 'qdoe';

export function readSendmailArguments(args: readonly string[]): SendmailArguments | WrongArguments {
  const given = new Map<string, string>();
  const recipients: string[] = [];
  const own: Record<string, string> = {};
  const words = args.toReversed(); // the next one is taken from the end, which costs the same however many there are
  let ours = true;
  for (let word = words.pop(); word !== undefined; word = words.pop()) {
    if (word === '--') {
      for (let rest = words.pop(); rest !== undefined; rest = words.pop()) recipients.push(rest);
    } else if (word.startsWith('--')) {
      const [name = '', attached] = word.slice(2).split(/=(.*)/s);
      if (!ours)
        return wrong(
          `--${name.slice(0, NAME_MAX)}: options of Everpost stand before those of sendmail and before recipients`,
        );
      const value = attached ?? words.pop();
      if (!ownOptions.includes(name) || value === undefined)
        return wrong(`--${name.slice(0, NAME_MAX)}: write one of --${ownOptions.join(', --')} VALUE`);
      own[name] = value;
      continue;
    } else if (word.startsWith('-') && word.length > 1) {
      const problem = readLetters(word, words, given);
      if (problem !== null) return wrong(problem);
    } else recipients.push(word);
    ours = false;
  }
  return settled(given, recipients, own);
}

/** One word of letters; null where it is understood. Takes from `words`, the next one last, where a value follows. */
function readLetters(word: string, words: string[], given: Map<string, string>): string | null {
  for (let at = 1; at < word.length; at += 1) {
    const letter = word.charAt(at);
    if (ALONE.includes(letter)) {
      given.set(letter, '');
      continue;
    }
    if (!VALUED.includes(letter)) return `-${letter} is no option of sendmail`;
    const attached = word.slice(at + 1);
    const value = attached !== '' || ATTACHED_ONLY.includes(letter) ? attached : words.pop();
    if (value === undefined) return `-${letter} takes a value`;
    given.set(letter === 'o' || letter === 'b' ? `${letter}${value.charAt(0)}` : letter, value);
    return null;
  }
  return null;
}

function settled(
  given: ReadonlyMap<string, string>,
  recipients: readonly string[],
  own: Readonly<Record<string, string>>,
): SendmailArguments | WrongArguments {
  const mode = [...given.keys()].find((key) => /^b/.test(key) && key !== 'bm');
  if (mode !== undefined && mode !== 'bs')
    return wrong(`-${mode} is not offered: what became of a message is shown by everpost trace`);
  const notify = given.has('N') ? readNotify(given.get('N') ?? '') : null;
  if (notify === 'wrong') return wrong('-N takes never, or some of success,failure,delay');
  const ret = given.get('R')?.toLowerCase();
  if (ret !== undefined && ret !== 'full' && ret !== 'hdrs') return wrong('-R takes full or hdrs');
  const envid = given.has('V') ? decodeXtext(given.get('V') ?? '') : null;
  if (given.has('V') && (envid === null || envid.length > envidCharsMax))
    return wrong(`-V takes xtext of at most ${envidCharsMax} characters`);
  return {
    kind: 'arguments',
    mode: mode === 'bs' ? 'smtp' : 'message',
    fromHeader: given.has('t'),
    dotsAreText: given.has('i') || given.has('oi'),
    reversePath: given.get('f') ?? given.get('r') ?? null,
    fullName: given.get('F') ?? null,
    notify,
    ret: ret === undefined ? null : ret === 'full' ? 'FULL' : 'HDRS',
    envid,
    recipients,
    own,
  };
}

function readNotify(text: string): readonly Notify[] | 'wrong' {
  const words = text.toUpperCase().split(',');
  const known = words.filter((w) => w === 'NEVER' || w === 'SUCCESS' || w === 'FAILURE' || w === 'DELAY');
  if (known.length !== words.length || new Set(known).size !== known.length) return 'wrong';
  return known.includes('NEVER') && known.length > 1 ? 'wrong' : known;
}

function wrong(why: string): WrongArguments {
  return { kind: 'wrong', why };
}
