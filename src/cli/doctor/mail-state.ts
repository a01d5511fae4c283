// Checks of the mail that the stack has: dead letters, pauses, next hops that take nothing as the functions saw it, and
// what is held. Called by doctor.ts. They read the ledger and the queues, and change nothing.

import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoWaiting } from '#adapters/aws/dynamo-waiting.ts';
import { pausesOf } from '#core/delivery/pause.ts';
import type { Board } from '#pipeline/next-hop-board.ts';
import { dynamoFor } from '../find-instance.ts';
import { asking, type Check, type Finding, NotFoundOut, ok, unknown, wrong } from './finding.ts';
import { outputsOf, type Place } from './place.ts';

export function mailChecks(place: Place): readonly Check[] {
  let board: Promise<Board> | null = null;
  const readBoard = () => {
    board ??= onTable(place, (table) => new DynamoBoard(dynamoFor(place), table).read());
    return board;
  };
  const check = (name: string, run: Check['run']): Check => ({ name, area: 'mail', beforeDeploy: false, run });
  return [
    check('dead-letters', (signal) => deadLetters(place, signal)),
    check('health', async () => healthFindings(await readBoard(), place)),
    check('pauses', async () => pauseFindings(await readBoard(), place)),
    check('held', () => held(place)),
  ];
}

async function onTable<T>(place: Place, read: (table: string) => Promise<T>): Promise<T> {
  const { Table: table } = await outputsOf(place);
  if (table === undefined) throw new NotFoundOut(unknown('the stack names no Table', 'npm run deploy'));
  return asking(`dynamodb:Query on ${table} and its indexes`, () => read(table));
}

const SUFFIX = 'DeadLettersUrl';

async function deadLetters(place: Place, signal: AbortSignal): Promise<readonly Finding[]> {
  const outputs = await outputsOf(place);
  const queues = Object.entries(outputs).filter(([name]) => name.endsWith(SUFFIX));
  if (queues.length === 0) return [unknown('the stack names no dead-letter queues', 'npm run deploy')];
  const counted = await Promise.all(
    queues.map(async ([name, url = '']) => ({
      name: name.slice(0, -'Url'.length),
      count: await asking('sqs:GetQueueAttributes', () => place.reader.messagesIn(url, signal)),
    })),
  );
  const full = counted.filter(({ count }) => count > 0);
  if (full.length === 0) return [ok(`${counted.length} queues are empty`)];
  return full.map(({ name, count }) =>
    wrong(`${name} has ${count}`, `see the article of the alarm ${name} in docs/runbook/README.md`),
  );
}

function healthFindings({ healths }: Board, place: Place): readonly Finding[] {
  const names = Object.keys(place.settings.nextHops);
  const sick = names.flatMap((name) => {
    const health = healths.get(name);
    return health === undefined || health.state === 'healthy' ? [] : [health];
  });
  if (sick.length === 0) return [ok('no next hop is slow or takes nothing, as relay sees it')];
  return sick.map(({ nextHop, state, since, lastFailure }) => {
    const does = state === 'open' ? 'takes nothing' : 'is slow';
    const last = lastFailure === null ? '' : ` (${lastFailure.detail})`;
    return wrong(
      `${nextHop} ${does} since ${new Date(since).toISOString()}${last}`,
      lastFailure?.waitsFor === 'operator' ? 'docs/runbook/operator-fault.md' : 'docs/runbook/next-hop-down.md',
    );
  });
}

function pauseFindings({ pauses }: Board, place: Place): readonly Finding[] {
  const { standing } = pausesOf(pauses, place.settings, place.now());
  if (standing.length === 0) return [ok('nothing is paused')];
  return standing.map(({ scope, mode, since, by }) =>
    wrong(
      `${scope} is paused (${mode}) since ${new Date(since).toISOString()} by ${by ?? 'the configuration'}`,
      by === null ? `set \`transfer\` to 'normal' and deploy, or everpost resume ${scope}` : `everpost resume ${scope}`,
    ),
  );
}

async function held(place: Place): Promise<readonly Finding[]> {
  const count = await onTable(place, (table) => new DynamoWaiting(dynamoFor(place), table).heldCount());
  if (count === 0) return [ok('no mail is held')];
  return [
    wrong(
      `${count} ${count === 1 ? 'delivery is' : 'deliveries are'} held`,
      'everpost release --state held shows them; docs/runbook/held.md',
    ),
  ];
}
