// `everpost canary`: sends a canary now, and says how far it comes: received, tried, accepted by its next hop. It asks
// the feedback function to send it, as the sweep does, and reads the ledger. It sends no mail itself, and the level
// CanaryLate does not wait for it.

import { setTimeout as pause } from 'node:timers/promises';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { parseDuration } from '#config/values.ts';
import { hasArrived } from '#core/delivery/canary-watch.ts';
import { type DeliveryRow, isUnderWay } from '#core/delivery/delivery.ts';
import { replyLine } from '#core/delivery/trace.ts';
import { canaryLateAlarmMinutes } from '#core/limits.ts';
import { canaryId } from '#core/message/canary.ts';
import { printable, printableJson } from '#core/message/printable.ts';
import { askForCanary, canaryRow, readCanaries } from '#pipeline/canaries.ts';
import { exitCodes, NotReachable, Usage } from './exit.ts';
import { dynamoFor, findInstance, type Instance, sqsFor } from './find-instance.ts';
import { flag, instanceOptions, text, verb } from './verb.ts';

const common = { ...instanceOptions, json: flag('the result as JSON, at the end') };
const LOOK_EVERY_MS = 1_000;

export const canary = verb({
  usage: 'canary [options]',
  about: 'sends a canary now, and waits until its next hop has accepted it',
  sections: [
    { wait: text('DURATION', `how long (default ${canaryLateAlarmMinutes}m); the canary goes on after it`) },
    common,
  ],
  async run(values) {
    const waitMs = parseDuration(values.wait ?? `${canaryLateAlarmMinutes}m`);
    if (waitMs === null) throw new Usage(`--wait takes a duration such as 30s or 5m, not "${values.wait}"`);
    const instance = await findInstance(values);
    const ledger = new DynamoLedger(dynamoFor(instance), instance.table, { ledgerRetentionMs: 1, search: false });
    const record = await reached(instance, readCanaries(ledger));
    if (record === null) {
      process.stderr.write('everpost: the configuration has no canary; write canary: { every, to } and deploy it\n');
      return exitCodes.failed;
    }
    const now = () => Date.now() + instance.aheadMs;
    const sentAt = now();
    const id = canaryId(sentAt, Math.random());
    await reached(instance, askForCanary(new SqsJobQueue(sqsFor(instance), instance.feedbackQueueUrl, 'canary'), id));
    const say = values.json === true ? () => {} : (line: string) => process.stdout.write(`${printable(line)}\n`);
    say(`asked for a canary to ${record.to}, ${id}`);
    const row = await follow(() => reached(instance, canaryRow(ledger, id)), { until: sentAt + waitMs, now, say });
    const arrived = row !== null && hasArrived(row);
    const tookMs = arrived ? (row.lastAttemptAt ?? now()) - sentAt : null;
    if (values.json === true)
      process.stdout.write(`${printableJson(JSON.stringify(inJson(id, record.to, row, tookMs)))}\n`);
    else say(arrived ? `arrived after ${seconds(tookMs ?? 0)}` : notArrived(row));
    return arrived ? exitCodes.done : exitCodes.failed;
  },
});

async function reached<T>({ table }: Instance, call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotReachable(`the ledger ${table} or the feedback queue cannot be reached: ${why}`);
  });
}

type Terms = { readonly until: number; readonly now: () => number; readonly say: (line: string) => void };

/** The row as it was last seen; null: it was not received. */
async function follow(look: () => Promise<DeliveryRow | null>, terms: Terms): Promise<DeliveryRow | null> {
  let said = '';
  for (;;) {
    const row = await look();
    const line = row === null ? '' : stepOf(row);
    if (line !== said) terms.say(line);
    said = line;
    if ((row !== null && !isUnderWay(row.state)) || terms.now() >= terms.until) return row;
    await pause(LOOK_EVERY_MS);
  }
}

function stepOf({ spoolId, nextHop, state, attempts, lastReply, lastDetail }: DeliveryRow): string {
  if (attempts === 0) return `received, ${spoolId}; goes to ${nextHop}`;
  const said = lastReply === null ? (lastDetail ?? '') : replyLine(lastReply);
  return `${state} at ${nextHop}${said === '' ? '' : `: ${said}`}`;
}

function notArrived(row: DeliveryRow | null): string {
  if (row !== null) return `has not arrived: ${row.state} at ${row.nextHop} (everpost trace --spool-id ${row.spoolId})`;
  return 'was not received: look at feedback.canary-not-sent in the log, then at the MX record (everpost doctor)';
}

function inJson(id: string, to: string, row: DeliveryRow | null, tookMs: number | null) {
  const { spoolId = null, nextHop = null, state = null } = row ?? {};
  return { canary: id, to, arrived: tookMs !== null, tookMs, spoolId, nextHop, state };
}

function seconds(ms: number): string {
  return `${Math.max(0, ms / 1_000).toFixed(1)} s`;
}
