// `everpost release`, `hold` and `remove`: what an operator does with the deliveries of one message, each traced.
// They write the ledger and send a job, as the stages do; they never touch content.

import { parseArgs } from 'node:util';
import { DynamoLedger } from '#adapters/dynamo-ledger.ts';
import { SqsJobQueue } from '#adapters/sqs-job-queue.ts';
import { parseDuration } from '#core/config-values.ts';
import type { DeliveryRow } from '#core/delivery.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { hold, type Operated, type OperatePorts, release, remove } from '#pipeline/operate.ts';
import { exitCodes, NotReachable, Usage } from './exit.ts';
import { dynamoFor, findInstance, type Instance, sqsFor } from './instance.ts';

const WHERE = `  --spool-id ID          the message (its id is in every notice, and in everpost trace)
  --forward-path ADDR    of its deliveries those to this recipient alone
  --action N             and of those the one by this action of the route (0 is the first)

  --data DIR             the local instance of this folder (default .everpost)
  --stack NAME           the deployed stack of this name, by your AWS credentials
  --json                 one JSON array: what became of each delivery
`;
export const releaseHelp = `everpost release --spool-id ID [options]: lets held or quarantined deliveries go on

${WHERE}  --lifetime DURATION    how long it is tried from now (default 48h)
`;
export const holdHelp = `everpost hold --spool-id ID [options]: stops queued or deferred deliveries until they are released

${WHERE}`;
export const removeHelp = `everpost remove --spool-id ID [options]: ends held, quarantined, queued or deferred deliveries; senders are told

${WHERE}  --without-notice       nobody is told
`;

const OPTIONS = {
  'spool-id': { type: 'string' },
  'forward-path': { type: 'string' },
  action: { type: 'string' },
  lifetime: { type: 'string' },
  'without-notice': { type: 'boolean' },
  data: { type: 'string' },
  stack: { type: 'string' },
  json: { type: 'boolean' },
} as const;
const DAY_MS = 86_400_000;
type Values = ReturnType<typeof parsed>;
type Deed = (ports: OperatePorts, row: DeliveryRow) => Promise<Operated>;

export function releaseVerb(args: readonly string[]): Promise<number> {
  const values = parsed(args, ['without-notice']);
  const lifetimeMs = parseDuration(values.lifetime ?? '48h');
  if (lifetimeMs === null) throw new Usage(`--lifetime takes a duration such as 48h, not "${values.lifetime}"`);
  return toEach(
    values,
    (row) => isKept(row),
    (ports, row) => release(ports, row, lifetimeMs),
  );
}

export function holdVerb(args: readonly string[]): Promise<number> {
  return toEach(parsed(args, ['without-notice', 'lifetime']), (row) => isGoing(row), hold);
}

export function removeVerb(args: readonly string[]): Promise<number> {
  const values = parsed(args, ['lifetime']);
  const notice = values['without-notice'] !== true;
  return toEach(
    values,
    (row) => isKept(row) || isGoing(row),
    (ports, row) => remove(ports, row, notice),
  );
}

const isKept = ({ state }: DeliveryRow) => state === 'held' || state === 'quarantined';
const isGoing = ({ state }: DeliveryRow) => state === 'queued' || state === 'deferred';

/** Does it to every delivery that was named and can be meant; to one that was named and can not, it is tried, and why not is said. */
async function toEach(values: Values, fits: (row: DeliveryRow) => boolean, deed: Deed): Promise<number> {
  const instance = await findInstance({ data: values.data ?? '.everpost', stack: values.stack ?? null });
  const ports = portsOf(instance);
  const spoolId = values['spool-id'] ?? '';
  const found = await deliveriesOf(ports, instance, spoolId);
  const named = found.filter((row) => isNamed(row, values));
  const meant = named.some(fits) ? named.filter(fits) : named;
  const results: Operated[] = [];
  for (const row of meant) results.push(await deed(ports, row));
  const lines = results.map((result, index) => ({ ...describe(meant[index], result), spoolId }));
  if (values.json === true) process.stdout.write(`${JSON.stringify(lines, null, 1)}\n`);
  else if (lines.length === 0) process.stdout.write('no delivery fits\n');
  else for (const line of lines) process.stdout.write(`<${line.forwardPath}>  ${line.why ?? line.state}\n`);
  if (results.some((result) => result.kind === 'refused' && result.tryAgain === true)) return exitCodes.tryAgain;
  return results.length > 0 && results.every((result) => result.kind === 'done') ? exitCodes.done : exitCodes.failed;
}

async function deliveriesOf(
  ports: OperatePorts,
  { table }: Instance,
  spoolId: string,
): Promise<readonly DeliveryRow[]> {
  const records = await ports.ledger.trace({ spoolId, limit: 1 }).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotReachable(`the ledger ${table} can not be read: ${why}`);
  });
  return (records[0]?.rows ?? []).filter((row) => row.kind === 'delivery');
}

function isNamed(row: DeliveryRow, values: Values): boolean {
  const forwardPath = values['forward-path'];
  if (forwardPath !== undefined && row.forwardPath.toLowerCase() !== forwardPath.toLowerCase()) return false;
  return values.action === undefined || row.action === Number(values.action);
}

function describe(before: DeliveryRow | undefined, result: Operated) {
  const row = result.row ?? before;
  return {
    forwardPath: row?.forwardPath ?? '',
    action: row?.action ?? 0,
    nextHop: row?.nextHop ?? '',
    state: row?.state ?? null,
    done: result.kind === 'done',
    why: result.kind === 'done' ? null : result.why,
  };
}

function portsOf(instance: Instance): OperatePorts {
  const sqs = sqsFor(instance);
  return {
    ledger: new DynamoLedger(dynamoFor(instance), instance.table, {
      // The stack's own terms are not known here: a row may live longer than they say, and be found by more, never the opposite.
      ledgerRetentionMs: 3650 * DAY_MS,
      search: true,
    }),
    relayQueue: new SqsJobQueue(sqs, instance.relayQueueUrl),
    bounceQueue: new SqsJobQueue(sqs, instance.bounceQueueUrl),
    feedbackQueue: new SqsJobQueue(sqs, instance.feedbackQueueUrl),
    clock: { now: () => Date.now() + instance.aheadMs },
    sweepAgainMs: lostJobAfterMs,
  };
}

function parsed(args: readonly string[], strange: readonly (keyof typeof OPTIONS)[] = []) {
  let values: ReturnType<typeof read>['values'];
  try {
    ({ values } = read(args));
  } catch (error) {
    throw new Usage(error instanceof Error ? error.message : String(error));
  }
  const odd = strange.find((name) => values[name] !== undefined);
  if (odd !== undefined) throw new Usage(`--${odd} means nothing here`);
  if (values['spool-id'] === undefined) throw new Usage('--spool-id is missing: it says which message');
  if (values.action !== undefined && !/^\d+$/.test(values.action)) throw new Usage('--action takes a number from 0');
  return values;
}

function read(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
}
