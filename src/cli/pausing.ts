// `everpost pause` and `everpost resume`: stop and continue deliveries to a next hop, of a direction, or all. They
// write the board of next hops by pipeline/operate/pauses.ts. Without a scope they list what is paused. They touch no
// delivery and no content.

import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { isPauseWord, type Pause, type PauseMode, type StandingPause, standingIn } from '#core/delivery/pause.ts';
import { printable, printableJson } from '#core/message/printable.ts';
import {
  type PausePorts,
  type PauseResult,
  pause as pauseScope,
  resume as resumeScope,
} from '#pipeline/operate/pauses.ts';
import { callerOf } from './caller.ts';
import { exitCodes, NotReachable, short, Usage } from './exit.ts';
import { dynamoFor, findInstance, type Instance } from './find-instance.ts';
import { flag, instanceOptions, type ValuesOf, type Verb, verb } from './verb.ts';

const common = { ...instanceOptions, json: flag('the result as JSON') };
const SCOPES =
  'inbound is mail that SES received, outbound that of submitters, all is both. Without a scope the verb lists what is\n' +
  'paused. Notices go on, unless the next hop that they use is paused by its name.';

export const pause: Verb = verb({
  usage: 'pause [HOP|inbound|outbound|all] [options]',
  about: 'keeps mail until it is resumed',
  sections: [{ drain: flag('deliver what was accepted before the pause began, and keep newer mail') }, common, SCOPES],
  operand: 'SCOPE',
  run: (values, operands) =>
    run('pause', values, operands, (ports, scope, by) =>
      pauseScope(ports, scope, values.drain === true ? 'drain' : 'hold', by),
    ),
});

export const resume: Verb = verb({
  usage: 'resume [HOP|inbound|outbound|all] [options]',
  about: 'delivers what a pause kept',
  sections: [common, SCOPES],
  operand: 'SCOPE',
  elsewhere: { '--drain': 'pause' },
  run: (values, operands) => run('resume', values, operands, resumeScope),
});

type Deed = (ports: PausePorts, scope: string, by: string) => Promise<PauseResult>;

async function run(
  name: string,
  values: ValuesOf<typeof common>,
  operands: readonly string[],
  deed: Deed,
): Promise<number> {
  const [scope, another] = operands;
  if (another !== undefined)
    throw new Usage(`one scope at a time, not "${short(another)}" too (everpost ${name} --help)`);
  const instance = await findInstance(values);
  if (scope !== undefined) mustBeScope(scope, instance);
  const ports = {
    board: new DynamoBoard(dynamoFor(instance), instance.table),
    clock: { now: () => Date.now() + instance.aheadMs },
  };
  const reached = <T>(call: Promise<T>) =>
    call.catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new NotReachable(`the ledger ${instance.table} cannot be read or written: ${why}`);
    });
  if (scope === undefined) return list((await reached(ports.board.read())).pauses, values.json === true);
  const result = await reached(deed(ports, scope, await callerOf(instance)));
  tell(result, values.json === true);
  return exitCodes.done;
}

/** A name that the stack does not have would be a pause of nothing. A stack of before does not tell its names. */
function mustBeScope(scope: string, { outputs }: Instance): void {
  const names = outputs.NextHops?.split(' ') ?? null;
  if (isPauseWord(scope) || names === null || names.includes(scope)) return;
  throw new Usage(
    `no next hop is named "${short(scope)}"; write one of: ${[...names, 'inbound', 'outbound', 'all'].join(', ')}`,
  );
}

type Line = {
  readonly scope: string;
  readonly state: 'normal' | PauseMode;
  readonly since: string | null;
  /** Null: the configuration. */
  readonly by: string | null;
  readonly changed?: boolean;
};

function lineOf(record: Pause, standing: StandingPause | null): Line {
  if (standing === null) {
    const said = record.since > 0;
    return {
      scope: record.scope,
      state: 'normal',
      since: said ? iso(record.since) : null,
      by: said ? record.by : null,
    };
  }
  return { scope: record.scope, state: standing.mode, since: iso(standing.since), by: standing.by };
}

const iso = (instant: number) => new Date(instant).toISOString();
/** As the sweep recorded the configuration. */
const standing = (record: Pause) => standingIn(record, record.configured?.mode ?? 'normal', Date.now());

function list(records: readonly Pause[], json: boolean): number {
  const lines = records.filter((each) => standing(each) !== null).map((each) => lineOf(each, standing(each)));
  if (json) process.stdout.write(`${printableJson(JSON.stringify(lines, null, 1))}\n`);
  else if (lines.length === 0) process.stdout.write('nothing is paused\n');
  else for (const line of lines) process.stdout.write(`${printable(inWords(line))}\n`);
  return exitCodes.done;
}

function tell({ changed, record, others }: PauseResult, json: boolean): void {
  const line = { ...lineOf(record, standing(record)), changed };
  const still = others.filter((each) => standing(each) !== null).map((each) => lineOf(each, standing(each)));
  if (json) {
    process.stdout.write(`${printableJson(JSON.stringify({ ...line, alsoPaused: still }, null, 1))}\n`);
    return;
  }
  const already = changed ? '' : ' already';
  const said =
    line.state === 'normal' ? `${line.scope}  is not paused${changed ? ' any more' : ''}` : inWords(line, already);
  process.stdout.write(`${printable(said)}\n`);
  for (const each of still) process.stdout.write(`${printable(`also paused: ${inWords(each)}`)}\n`);
}

function inWords({ scope, state, since, by }: Line, already = ''): string {
  const does = state === 'drain' ? 'paused (drain: older mail is delivered)' : 'paused (hold)';
  return `${scope}  ${already === '' ? '' : 'is already '}${does} since ${since} by ${by ?? 'the configuration'}`;
}
