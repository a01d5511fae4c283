// What the command line of a verb means, word for word, and which words are refused: the argument library's own habits
// must not show.

import { describe, expect, it } from 'vitest';
import { exitCodes, Usage } from '#cli/exit.ts';
import { flag, instanceOptions, text, textOrEmpty, texts, type Verb, verb } from '#cli/verb.ts';
import { verbs } from '#cli/verbs.ts';

let taken: unknown = null;
const sample = verb({
  usage: 'sample [options]',
  about: 'is a sample',
  sections: [
    {
      'spool-id': text('ID', 'one message'),
      'reverse-path': textOrEmpty('ADDR', 'from this one'),
      limit: text('N', 'at most N'),
      to: texts('ADDR', 'to this one'),
      yes: flag('do it'),
    },
    'A sentence.',
    instanceOptions,
  ],
  elsewhere: { '--lifetime': 'release' },
  async run(values) {
    taken = values;
    return exitCodes.done;
  },
});
async function read(...args: string[]): Promise<unknown> {
  await sample.run(args);
  return taken;
}

describe('a command line', () => {
  it.each<[string[], object]>([
    [[], {}],
    [['--yes'], { yes: true }],
    [['--yes', '--yes'], { yes: true }],
    [['--spool-id', 'a', '--yes'], { 'spool-id': 'a', yes: true }],
    [['--spool-id=a'], { 'spool-id': 'a' }],
    [['--spool-id=a=b'], { 'spool-id': 'a=b' }],
    [['--spool-id', '-'], { 'spool-id': '-' }],
    [['--spool-id=-x'], { 'spool-id': '-x' }],
    [['--spool-id=--yes'], { 'spool-id': '--yes' }],
    [['--spool-id', 'two words\nand lines'], { 'spool-id': 'two words\nand lines' }],
    [['--spool-id', 'ünï'], { 'spool-id': 'ünï' }],
    [['--limit', '1', '--limit', '2'], { limit: '2' }],
    [['--to', 'a', '--yes', '--to=b', '--to', 'a'], { to: ['a', 'b', 'a'], yes: true }],
    [['--reverse-path', ''], { 'reverse-path': '' }],
    [['--reverse-path='], { 'reverse-path': '' }],
    [['--yes', '--'], { yes: true }],
    [['--data', 'x'.repeat(4096)], { data: 'x'.repeat(4096) }],
    [['--spool-id', 'x'.repeat(998)], { 'spool-id': 'x'.repeat(998) }],
  ])('%j is %j', async (args, values) => {
    expect(await read(...args)).toEqual(values);
  });
  it.each<[string[], string]>([
    [['--nevr'], "Unknown option '--nevr' (everpost sample --help)"],
    [['--limt', '3'], "Unknown option '--limt'. Did you mean --limit? (everpost sample --help)"],
    [['--limt=secret'], "Unknown option '--limt'. Did you mean --limit? (everpost sample --help)"],
    [['--lim', '3'], "Unknown option '--lim'"], // no abbreviations
    [['--spool'], "Unknown option '--spool'"],
    [['--no-yes'], "Unknown option '--no-yes'"],
    [['--help-me'], "Unknown option '--help-me'"],
    [['--version'], "Unknown option '--version'"],
    [['-V'], "Unknown option '-V'"],
    [['-y'], "Unknown option '-y'"],
    [['-yes'], "Unknown option '-yes'"],
    [['--Yes'], "Unknown option '--Yes'"],
    [['--=x'], "Unknown option '--=x'"],
    [['--__proto__', 'x'], "Unknown option '--__proto__'"],
    [['--constructor'], "Unknown option '--constructor'"],
    [['--x'.repeat(50_000)], "Unknown option '--x--x"],
    [['--lifetime', '4h'], '--lifetime means nothing here: it is an option of release'],
    [['--lifetime=4h'], '--lifetime means nothing here: it is an option of release'],
    [['id'], "Unexpected argument 'id'. This verb takes options alone (everpost sample --help)"],
    [['--yes', 'true'], "Unexpected argument 'true'"],
    [['--to', 'a', 'b'], "Unexpected argument 'b'"],
    [['--', '--yes'], "Unexpected argument '--yes'"],
    [['--', 'id'], "Unexpected argument 'id'"],
    [[''], "Unexpected argument ''"],
    [['-'], "Unexpected argument '-'"],
    [['-5'], "Unexpected argument '-5'"],
    [['y'.repeat(100_000)], `Unexpected argument '${'y'.repeat(40)}…'`],
    [['--spool-id'], "Option '--spool-id ID' argument missing (everpost sample --help)"],
    [['--yes', '--to'], "Option '--to ADDR' argument missing"],
    [['--spool-id', '--yes'], `Option '--spool-id' argument is ambiguous, "--yes" begins with a dash`],
    [['--spool-id', '-x'], 'A value that begins with a dash is written --spool-id=-XYZ'],
    [['--spool-id', '--', 'x'], "Option '--spool-id' argument is ambiguous"],
    [['--yes=true'], "Option '--yes' does not take an argument (everpost sample --help)"],
    [['--yes='], "Option '--yes' does not take an argument"],
    [['--spool-id', ''], '--spool-id is empty: write --spool-id ID'],
    [['--spool-id='], '--spool-id is empty: write --spool-id ID'],
    [['--to', 'a', '--to', ''], '--to is empty: write --to ADDR'],
    [['--stack', ''], '--stack is empty: write --stack NAME'],
    [['--data', ''], '--data is empty: write --data DIR'],
    [['--data', 'a\0b'], '--data contains a NUL character'],
    [['--reverse-path=\0'], '--reverse-path contains a NUL character'],
    [['--spool-id', 'x'.repeat(999)], '--spool-id is too long: at most 998 bytes'],
    [['--spool-id', 'ü'.repeat(500)], '--spool-id is too long: at most 998 bytes'],
    [['--data', 'x'.repeat(4097)], '--data is too long: at most 4096 bytes'],
  ])('%j is refused: %s', async (args, why) => {
    const error = await read(...args).catch((it: unknown) => it);
    expect(error).toBeInstanceOf(Usage);
    const { message } = error as Usage;
    expect(message).toContain(why);
    expect(message).not.toContain('secret');
    expect(message).not.toContain('\n');
    expect(message.length).toBeLessThan(300);
  });
  it('keeps nothing of the one before', async () => {
    await read('--to', 'a', '--yes');
    expect(await read('--to', 'b')).toEqual({ to: ['b'] });
  });
});

describe('the help', () => {
  it('shows options in their order, and sentences between them', () => {
    expect(sample.help()).toBe(`everpost sample [options]: is a sample

  --spool-id ID          one message
  --reverse-path ADDR    from this one
  --limit N              at most N
  --to ADDR              to this one
  --yes                  do it

A sentence.

  --data DIR             the local instance of this folder (default .everpost)
  --stack NAME           the deployed stack of this name, by your AWS credentials
`);
  });
});

describe('every verb that the library reads', () => {
  const loaded = [...verbs].filter(([name]) => name !== 'sendmail').map(([name, { load }]) => [name, load] as const);
  it.each(loaded)('%s refuses what it does not know and says where its help is', async (name, load) => {
    const it: Verb = await load();
    expect(it.help()).toMatch(new RegExp(`^everpost ${name}( .*)?: .*\n\n`));
    for (const line of it.help().split('\n')) expect(line.length).toBeLessThanOrEqual(120);
    const operands = name === 'pause' || name === 'resume' ? ['exchange', 'word'] : ['word']; // a next hop is one
    for (const args of [['--nevr'], ['-x'], operands, ['--data'], ['--json=1']]) {
      const error = await it.run(args).catch((thrown: unknown) => thrown);
      expect(error, args.join(' ')).toBeInstanceOf(Usage);
      expect((error as Usage).message).toContain(`(everpost ${name} --help)`);
    }
  });
});
