// Carries out `everpost release`, `hold` and `remove` on the deliveries of one message or of many. Each verb has its
// own file and calls this one. It writes the ledger and sends jobs as the stages do, with a trace event for each
// change. It never touches content, and never changes many deliveries without showing them first.

import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import type { DeliveryRow, DeliveryState } from '#core/delivery/delivery.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { printable, printableJson } from '#core/message/printable.ts';
import type { Operated, OperatePorts } from '#pipeline/operate/operate.ts';
import { callerOf } from './caller.ts';
import { exitCodes, NotReachable } from './exit.ts';
import { dynamoFor, findInstance, type Instance, sqsFor } from './find-instance.ts';
import type { Line } from './name-recipients.ts';
import { manyMessages, oneMessage, select, selectionOf } from './select.ts';
import { standingOf, stateInWords } from './standing.ts';
import { flag, instanceOptions, type ValuesOf } from './verb.ts';

export const instanceAndJson = { ...instanceOptions, json: flag('one JSON array: what became of each delivery') };
/** The common options of `release`, `hold` and `remove`, as the help shows them. */
export const operateSections = [oneMessage, manyMessages, instanceAndJson] as const;
export type OperateValues = ValuesOf<typeof oneMessage & typeof manyMessages & typeof instanceAndJson>;

export const KEPT: readonly DeliveryState[] = ['held', 'quarantined'];
export const GOING: readonly DeliveryState[] = ['queued', 'deferred'];
const DAY_MS = 86_400_000;
type Deed = (ports: OperatePorts, row: DeliveryRow) => Promise<Operated>;

/**
 * Does it to every delivery that was named and can be meant (in one of `states`, and `isMeant`); to one of a message
 * that cannot, it is tried, and why not is said.
 */
export async function toEach(
  values: OperateValues,
  states: readonly DeliveryState[],
  deed: Deed,
  isMeant: (row: DeliveryRow) => boolean = () => true,
): Promise<number> {
  const selection = selectionOf(values, states);
  const instance = await findInstance(values);
  const ports = await portsOf(instance);
  const named = await select(ports.ledger, selection, ports.clock.now()).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotReachable(`the ledger ${instance.table} cannot be read: ${why}`);
  });
  const fits = (row: DeliveryRow) => states.includes(row.state) && isMeant(row);
  const many = selection.spoolId === null;
  const meant = many || named.some(fits) ? named.filter(fits) : named;
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

/** It changes many deliveries only after the operator has seen them. */
function show(values: OperateValues, meant: readonly DeliveryRow[]): number {
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
        `${printable([line.spoolId, `<${line.forwardPath}>`, ...(line.relayedAt ? [line.relayedAt] : []), ...wordsOf(line)].join('  '))}\n`,
      );
}

/** Why a delivery was not changed; before it, the delivery's state, where an operator must look. */
function wordsOf(line: Line): readonly string[] {
  if (line.why === null) return [stateInWords(line)];
  return line.state === 'held' || line.state === 'quarantined' ? [stateInWords(line), line.why] : [line.why];
}

export function describe(before: DeliveryRow | undefined, result: Operated) {
  const row = result.row ?? before;
  return {
    spoolId: row?.spoolId ?? '',
    forwardPath: row?.forwardPath ?? '',
    action: row?.action ?? 0,
    nextHop: row?.nextHop ?? '',
    ...standingOf(row ?? null),
    done: result.kind === 'done',
    why: result.kind === 'done' ? null : result.why,
  };
}

export async function portsOf(instance: Instance): Promise<OperatePorts & { readonly by: string }> {
  const sqs = sqsFor(instance);
  return {
    ledger: new DynamoLedger(dynamoFor(instance), instance.table, {
      // The stack's own terms are not known here: a row may live longer than they say, and be found by more, never the
      // opposite.
      ledgerRetentionMs: 3650 * DAY_MS,
      search: true,
    }),
    relayQueue: new SqsJobQueue(sqs, instance.relayQueueUrl),
    bounceQueue: new SqsJobQueue(sqs, instance.bounceQueueUrl, 'bounce'),
    feedbackQueue: new SqsJobQueue(sqs, instance.feedbackQueueUrl, 'returned'),
    clock: { now: () => Date.now() + instance.aheadMs },
    sweepAgainMs: lostJobAfterMs,
    by: await callerOf(instance),
  };
}
