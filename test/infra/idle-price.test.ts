// What both sets of alarms cost in a month without mail, as docs/alarm-sets.md has it: counted in the templates, and in
// a run of the sweep that finds nothing to do, times list prices. Where a figure changes, the document's table does.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { QueryCommandInput, ScanCommandInput } from '@aws-sdk/client-dynamodb';
import { expect, test } from 'vitest';
import { DynamoAccepted } from '#adapters/aws/dynamo-accepted.ts';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { DynamoOutcomes } from '#adapters/aws/dynamo-outcomes.ts';
import { DynamoWaiting } from '#adapters/aws/dynamo-waiting.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Settings } from '#config/settings.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import { expiryHourMs, lostAnywayAfterMs, lostJobAfterMs, maxReceiveCount, relayVisibilityMs } from '#core/limits.ts';
import { orphanShards } from '#core/spool/orphan.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import { Lasting } from '#pipeline/sweep/lasting.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import { AcceptedView, publishNoMail } from '#pipeline/sweep/no-mail.ts';
import { publishFailureShare } from '#pipeline/sweep/outcomes-level.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { ledgerTable, openDynamoDb } from '../contract/emulated-aws.ts';
import { rightSes } from '../kit/right-ses.ts';
import { type AtRest, idleLines, idlePrices } from './list-prices.ts';
import { ofType, only, settingsOf, synthesised } from './template.ts';

const NEVER = new AbortController().signal;
const T0 = 1_760_000_000_000;
/** One next hop by SMTP, notices by SES, no submitters, no `network`. */
const plain = { notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' } };
/** Sent by the search for orphans each hour, and by the purge four times a day. */
const OF_OTHERS = { hourly: ['OrphanSweepRun'], daily: ['Purged', 'PurgeRun'] };

/** What a Scan is taken for: half a unit in each of the four partitions that a table on demand may begin with. */
const SCAN_HALVES = 4;

/** The metrics, half read units and calls of a run with nothing to do. None asks which set the stack has. */
async function idleRun(settings: Settings) {
  const { client, close } = await openDynamoDb();
  const clock = new MemoryClock(T0);
  const name = ledgerTable.TableName;
  const records = new DynamoBoard(client, name);
  const queue = new MemoryJobQueue({ clock, visibilityMs: relayVisibilityMs, maxReceiveCount });
  const accepted = new AcceptedView(new DynamoAccepted(client, name));
  const lasting = new Lasting(
    new DynamoLedger(client, name, { ledgerRetentionMs: 1, search: true }),
    clock,
    expiryHourMs,
  );
  let halves = 0;
  const calls: string[] = [];
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      (given) => {
        const { ConsistentRead = false } = given.input as QueryCommandInput;
        expect(commandName).toMatch(/^(?:Query|GetItem|PutItem|Scan)Command$/);
        if (!commandName.startsWith('PutItem'))
          halves += (ConsistentRead ? 2 : 1) * (commandName === 'ScanCommand' ? SCAN_HALVES : 1);
        calls.push(`${commandName} ${(given.input as ScanCommandInput).IndexName ?? 'table'}`);
        return next(given);
      },
    { name: 'counted', override: true },
  );
  async function run(): Promise<string[]> {
    halves = 0;
    calls.splice(0);
    const watch = new MemoryWatch();
    const ports = {
      ...{ settings, clock, watch, accepted, outcomes: new DynamoOutcomes(client, name) },
      ledger: new DynamoLedger(client, name, { ledgerRetentionMs: 1, search: true }),
      ...{ waiting: new DynamoWaiting(client, name), board: new BoardView({ board: records, clock, watch }, 10_000) },
      ...{ relayQueue: queue, slowRelayQueue: queue, bounceQueue: queue, feedbackQueue: queue },
      ...{ sweepAgainMs: lostJobAfterMs, lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs },
      ...{ hopTimes: hopTimes(1), queues: { ingest: queue, entry: [queue], work: [queue] } },
      ...{ sesAccount: null, sesSetUp: rightSes.sesSetUp, lasting },
    };
    await sweep(ports, NEVER);
    await publishLevels(ports, NEVER);
    await publishFailureShare(ports);
    await publishNoMail(ports);
    return watch.counted.map(({ metric }) => metric);
  }
  for (let minute = 0; minute < 5; minute++) await run(); // bookmarks are written, and the walk ends
  const metrics = new Set(await run());
  await close();
  return { metrics, halves, calls };
}

function atRest(set: 'all' | 'essential', { metrics, halves }: Awaited<ReturnType<typeof idleRun>>): AtRest {
  const template = synthesised(settingsOf({ ...plain, alarms: { set } }));
  const { Variables } = only(template, 'AWS::Lambda::Function', 'Sweep')[1].Properties.Environment;
  const rest = JSON.stringify([Variables.EVERPOST_ENTRY_DEAD_LETTERS, Variables.EVERPOST_WORK_DEAD_LETTERS]);
  return {
    alarms: ofType(template, 'AWS::CloudWatch::Alarm').length,
    hourlyMetrics: new Set([...metrics, ...OF_OTHERS.hourly]).size,
    dailyMetrics: OF_OTHERS.daily.length,
    mappings: ofType(template, 'AWS::Lambda::EventSourceMapping').length,
    depthsPerSweep: 1 + (rest.match(/"Ref"/g)?.length ?? 0), // and the ingest queue's
    halfUnitsPerSweep: halves,
    secrets: ofType(template, 'AWS::SecretsManager::Secret').length,
    dashboards: ofType(template, 'AWS::CloudWatch::Dashboard').length,
    listsPerHour: orphanShards.length,
  };
}

test('the document has the price of both sets, by these counts', async () => {
  const run = await idleRun(settingsOf(plain));
  expect(run.halves).toBeGreaterThan(0);
  const [all, essential] = [idleLines(atRest('all', run)), idleLines(atRest('essential', run))];
  const dollars = (amount: number) => amount.toFixed(2);
  const rows = all.map(([what, howMany, amount], index) => {
    const [, few = '', less = 0] = essential[index] ?? [];
    return `| ${what} | ${howMany} | ${dollars(amount)} | ${few} | ${dollars(less)} |`;
  });
  const sum = (lines: typeof all) => dollars(lines.reduce((total, [, , amount]) => total + amount, 0));
  const table = [
    '| in a month | all | USD | essential | USD |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows,
    `| **sum** | | **${sum(all)}** | | **${sum(essential)}** |`,
  ].join('\n');
  const page = pageText();
  expect(page).toContain(table);
  expect(page).toContain(`${idlePrices.region}, ${idlePrices.asOf}`);
});

test('a run with nothing to do reads the index of what is due twice, and makes as many calls as the document says', async () => {
  const { calls } = await idleRun(settingsOf(plain));
  expect(calls.filter((call) => call.endsWith(' due'))).toEqual(['ScanCommand due', 'ScanCommand due']);
  expect(pageText()).toContain(`makes ${calls.length} calls of DynamoDB`);
  expect(calls.length).toBeLessThanOrEqual(20);
});

function pageText(): string {
  return readFileSync(join(import.meta.dirname, '../../docs/alarm-sets.md'), 'utf8');
}
