// `everpost release`, `hold` and `remove`: what an operator does with the deliveries of one message, each traced.
// They write the ledger and send a job, as the stages do; they never touch content.

import { parseArgs } from 'node:util';
import { DynamoLedger } from '#adapters/dynamo-ledger.ts';
import { SqsIngestQueue } from '#adapters/sqs-ingest-queue.ts';
import { SqsJobQueue } from '#adapters/sqs-job-queue.ts';
import { parseDuration } from '#core/config-values.ts';
import type { DeliveryRow } from '#core/delivery.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { hold, type Operated, type OperatePorts, release, remove } from '#pipeline/operate.ts';
import { exitCodes, NotReachable, Usage } from './exit.ts';
import { dynamoFor, findInstance, type Instance, sqsFor } from './instance.ts';
import { checkNaming, type Line, nameRecipients } from './name-recipients.ts';

const WHERE = `  --spool-id ID          the message (its id is in every notice, and in everpost trace)
  --forward-path ADDR    of its deliveries those to this recipient alone
  --action N             and of those the one by this action of the route (0 is the first)

  --data DIR             the local instance of this folder (default .everpost)
  --stack NAME           the deployed stack of this name, by your AWS credentials
  --json                 one JSON array: what became of each delivery
`;
export const releaseHelp = `everpost release --spool-id ID [options]: lets held or quarantined deliveries go on

${WHERE}  --lifetime DURATION    how long it is tried from now (default 48h)
  --to ADDR              of a message without a receipt: deliver it to this recipient; may be given again.
                         Routes are asked, policy is not. Without a route for each of them, nothing is sent
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
  to: { type: 'string', multiple: true },
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
  if (values.to !== undefined) return releaseTo(values, values.to, lifetimeMs);
  return toEach(
    values,
    (row) => isKept(row),
    (ports, row) => release(ports, row, lifetimeMs),
  );
}

export function holdVerb(args: readonly string[]): Promise<number> {
  return toEach(parsed(args, ['without-notice', 'lifetime', 'to']), (row) => isGoing(row), hold);
}

export function removeVerb(args: readonly string[]): Promise<number> {
  const values = parsed(args, ['lifetime', 'to']);
  const notice = values['without-notice'] !== true;
  return toEach(
    values,
    (row) => isKept(row) || isGoing(row),
    (ports, row) => remove(ports, row, notice),
  );
}

/** A message without a receipt, to recipients whom the operator names. */
async function releaseTo(values: Values, recipients: readonly string[], lifetimeMs: number): Promise<number> {
  if (values['forward-path'] !== undefined || values.action !== undefined)
    throw new Usage('--to names new deliveries; --forward-path and --action choose among those that stand');
  checkNaming({ recipients, lifetimeMs });
  const instance = await findInstance({ data: values.data ?? '.everpost', stack: values.stack ?? null });
  const { ledger } = portsOf(instance);
  const ingestQueue = new SqsIngestQueue(sqsFor(instance), instance.ingestQueueUrl);
  const spoolId = values['spool-id'] ?? '';
  const { lines, code } = await nameRecipients({ ledger, ingestQueue, spoolId, recipients, lifetimeMs });
  show(lines, values.json === true);
  return code;
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
  show(lines, values.json === true);
  if (results.some((result) => result.kind === 'refused' && result.tryAgain === true)) return exitCodes.tryAgain;
  return results.length > 0 && results.every((result) => result.kind === 'done') ? exitCodes.done : exitCodes.failed;
}

function show(lines: readonly Line[], json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify(lines, null, 1)}\n`);
  else if (lines.length === 0) process.stdout.write('no delivery fits\n');
  else for (const line of lines) process.stdout.write(`<${line.forwardPath}>  ${line.why ?? line.state}\n`);
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
