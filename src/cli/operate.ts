// `everpost release`, `hold` and `remove`: what an operator does with the deliveries of one message, or of many.
// They write the ledger and send a job, as the stages do, and each is traced; they never touch content, and never many unseen.

import { parseArgs } from 'node:util';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { SqsIngestQueue } from '#adapters/aws/sqs-ingest-queue.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { parseDuration } from '#config/values.ts';
import type { DeliveryRow, DeliveryState } from '#core/delivery/delivery.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { printable, printableJson } from '#core/message/printable.ts';
import { hold, type Operated, type OperatePorts, release, remove } from '#pipeline/operate/operate.ts';
import { exitCodes, NotReachable, Usage } from './exit.ts';
import { dynamoFor, findInstance, type Instance, sqsFor } from './instance.ts';
import { checkNaming, type Line, nameRecipients } from './name-recipients.ts';
import { select, selectionOf, selectOptions } from './select.ts';

const WHERE = `  --spool-id ID          one message (its id is in every notice, and in everpost trace)
  --forward-path ADDR    of its deliveries those to this recipient alone
  --action N             and of those the one by this action of the route (0 is the first)

  --state STATE          instead of one message: all deliveries in this state; without --yes they are only shown
  --reason REASON        of those, the ones for this reason, as everpost trace shows it
  --next-hop NAME        of those, the ones at this next hop
  --since DURATION       of those, the ones accepted within this time: 30s, 15m, 4h, 2d
  --limit N              at most N, newest first (default 100)
  --yes                  do it

  --data DIR             the local instance of this folder (default .everpost)
  --stack NAME           the deployed stack of this name, by your AWS credentials
  --json                 one JSON array: what became of each delivery
`;
export const releaseHelp = `everpost release --spool-id ID | --state held|quarantined [options]: lets deliveries go on

${WHERE}  --lifetime DURATION    how long it is tried from now (default 48h)
  --to ADDR              of a message without a receipt: deliver it to this recipient; may be given again.
                         Routes are asked, policy is not. Without a route for each of them, nothing is sent
`;
export const holdHelp = `everpost hold --spool-id ID | --state queued|deferred [options]: stops deliveries until they are released

${WHERE}`;
export const removeHelp = `everpost remove --spool-id ID | --state held|… [options]: ends deliveries; senders are told

${WHERE}  --without-notice       nobody is told
`;

const OPTIONS = {
  ...selectOptions,
  yes: { type: 'boolean' },
  lifetime: { type: 'string' },
  to: { type: 'string', multiple: true },
  'without-notice': { type: 'boolean' },
  data: { type: 'string' },
  stack: { type: 'string' },
  json: { type: 'boolean' },
} as const;
const KEPT: readonly DeliveryState[] = ['held', 'quarantined'];
const GOING: readonly DeliveryState[] = ['queued', 'deferred'];
const DAY_MS = 86_400_000;
type Values = ReturnType<typeof parsed>;
type Deed = (ports: OperatePorts, row: DeliveryRow) => Promise<Operated>;

export function releaseVerb(args: readonly string[]): Promise<number> {
  const values = parsed(args, ['without-notice']);
  const lifetimeMs = parseDuration(values.lifetime ?? '48h');
  if (lifetimeMs === null) throw new Usage(`--lifetime takes a duration such as 48h, not "${values.lifetime}"`);
  if (values.to !== undefined) return releaseTo(values, values.to, lifetimeMs);
  return toEach(values, KEPT, (ports, row) => release(ports, row, lifetimeMs));
}

export function holdVerb(args: readonly string[]): Promise<number> {
  return toEach(parsed(args, ['without-notice', 'lifetime', 'to']), GOING, hold);
}

export function removeVerb(args: readonly string[]): Promise<number> {
  const values = parsed(args, ['lifetime', 'to']);
  const notice = values['without-notice'] !== true;
  return toEach(values, [...KEPT, ...GOING], (ports, row) => remove(ports, row, notice));
}

/** A message without a receipt, to recipients whom the operator names. */
async function releaseTo(values: Values, recipients: readonly string[], lifetimeMs: number): Promise<number> {
  if (values['forward-path'] !== undefined || values.action !== undefined)
    throw new Usage('--to names new deliveries; --forward-path and --action choose among those that stand');
  if (values['spool-id'] === undefined) throw new Usage('--spool-id is missing: it says which message');
  checkNaming({ recipients, lifetimeMs });
  const instance = await findInstance({ data: values.data ?? '.everpost', stack: values.stack ?? null });
  const { ledger } = portsOf(instance);
  const ingestQueue = new SqsIngestQueue(sqsFor(instance), instance.ingestQueueUrl);
  const spoolId = values['spool-id'];
  const { lines, code } = await nameRecipients({ ledger, ingestQueue, spoolId, recipients, lifetimeMs });
  print(lines, values.json === true);
  return code;
}

/** Does it to every delivery that was named and can be meant; to one that was named and can not, it is tried, and why not is said. */
async function toEach(values: Values, states: readonly DeliveryState[], deed: Deed): Promise<number> {
  const selection = selectionOf(values, states);
  const instance = await findInstance({ data: values.data ?? '.everpost', stack: values.stack ?? null });
  const ports = portsOf(instance);
  const named = await select(ports.ledger, selection, ports.clock.now()).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotReachable(`the ledger ${instance.table} can not be read: ${why}`);
  });
  const fits = ({ state }: DeliveryRow) => states.includes(state);
  const meant = named.some(fits) ? named.filter(fits) : named;
  if (selection.spoolId === null && values.yes !== true) return show(values, meant);
  const results: Operated[] = [];
  for (const row of meant) results.push(await deed(ports, row));
  print(
    results.map((result, index) => describe(meant[index], result)),
    values.json === true,
  );
  return codeOf(results);
}

export function codeOf(results: readonly Operated[]): number {
  if (results.some((result) => result.kind === 'refused' && result.tryAgain === true)) return exitCodes.tryAgain;
  return results.length > 0 && results.every((result) => result.kind === 'done') ? exitCodes.done : exitCodes.failed;
}

export const onlyShown = 'only shown: add --yes to do it';

/** Nothing is done to many that somebody has not seen. */
function show(values: Values, meant: readonly DeliveryRow[]): number {
  print(
    meant.map((row) => describe(row, { kind: 'refused', row, why: onlyShown })),
    values.json === true,
  );
  return meant.length > 0 ? exitCodes.done : exitCodes.failed;
}

export function print(lines: readonly Line[], json: boolean): void {
  if (json) process.stdout.write(`${printableJson(JSON.stringify(lines, null, 1))}\n`);
  else if (lines.length === 0) process.stdout.write('no delivery fits\n');
  else
    for (const line of lines)
      process.stdout.write(
        `${printable(`${line.spoolId}  <${line.forwardPath}>${line.relayedAt ? `  ${line.relayedAt}` : ''}  ${line.why ?? line.state}`)}\n`,
      );
}

export function describe(before: DeliveryRow | undefined, result: Operated) {
  const row = result.row ?? before;
  return {
    spoolId: row?.spoolId ?? '',
    forwardPath: row?.forwardPath ?? '',
    action: row?.action ?? 0,
    nextHop: row?.nextHop ?? '',
    state: row?.state ?? null,
    done: result.kind === 'done',
    why: result.kind === 'done' ? null : result.why,
  };
}

export function portsOf(instance: Instance): OperatePorts {
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
  return values;
}

function read(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
}
