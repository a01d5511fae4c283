// Whatever waits for a person raises one of the four alarms of the set `essential`: derived from the table of reasons,
// the causes of held mail, the states of a delivery and the template's dead-letter queues. What is added to one of them
// and reaches no level fails here. And each alarm of the full set stands on a metric that something publishes.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { hold } from '#core/delivery/become.ts';
import type { DeliveryRow, DeliveryState, HeldBecause } from '#core/delivery/delivery.ts';
import { sesBounce, sesReport } from '#core/delivery/destination.ts';
import { neverPaused } from '#core/delivery/pause.ts';
import { claimsMax, digestOverdueMs, ingestStandsMs, orphanSweepOverdueMs } from '#core/limits.ts';
import { REASONS, type TableReason } from '#core/reply/reasons.ts';
import { digestKeptUp, ingestFinished, orphansKeptUp } from '#pipeline/kept-up.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import type { SesAccount } from '#pipeline/ses-account.ts';
import type { SesFaults } from '#pipeline/ses-set-up.ts';
import type { WatchedQueues } from '#pipeline/sweep/entered.ts';
import { Lasting } from '#pipeline/sweep/lasting.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import { facts, queued, T0 } from '../contract/rows.ts';
import { pipelineSettings } from '../kit/pipeline.ts';
import { noSesFaults } from '../kit/right-ses.ts';
import { bySesAndSrs, ofType, only, settingsOf, submitting, synthesised } from './template.ts';

const HOUR = 3_600_000;
const routes = [...bySesAndSrs.routes, ...submitting.routes.slice(-1)];
const changes = { ...bySesAndSrs, ...submitting, routes, stackName: 'Post', network: { create: { zones: 1 } } };
const essential = synthesised(settingsOf({ ...changes, alarms: { set: 'essential' } }));
const alarmsOf = (of: typeof essential) =>
  ofType(of, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => ({
    ...Properties,
    name: Properties.AlarmName.replace('Post/Watch/', ''),
  }));
const standing = alarmsOf(essential).filter(({ ComparisonOperator }) => ComparisonOperator.startsWith('Greater'));

type World = {
  rows: DeliveryRow[];
  queues: WatchedQueues;
  ledger: MemoryLedger;
  board: MemoryBoard;
  account: Partial<SesAccount> | null;
  faults: Partial<SesFaults> | null;
};
const sending: SesAccount = {
  ...{ sendingEnabled: true, productionAccess: true, enforcement: 'HEALTHY' },
  ...{ ratePerSecond: 14, max24Hours: 50_000, sentLast24Hours: 44_999 },
};
const holding = (visible: number) => ({ depth: async () => ({ visible, inFlight: 0 }) });
const empty: WatchedQueues = { ingest: holding(0), entry: [holding(0)], work: [holding(0)] };

/** The alarms of the set that the sweep's levels raise, run after run at these instants. */
async function raised(world: Partial<World>, at: readonly number[] = [T0], published: string[] = []) {
  const { rows = [], queues = empty, ledger = new MemoryLedger(), board = new MemoryBoard() } = world;
  const account = world.account === null ? null : { ...sending, ...world.account };
  const faults = world.faults === null ? null : { ...noSesFaults, ...world.faults };
  for (const row of rows) await ledger.create([row], null);
  const watch = new MemoryWatch();
  const nextHops = { ...pipelineSettings.nextHops, ses: { kind: 'ses' as const } };
  for (const now of at) {
    watch.counted.length = 0;
    const clock = new MemoryClock(now);
    const common = {
      settings: { ...pipelineSettings, nextHops },
      ledger,
      clock,
      watch,
      hourMs: HOUR,
      queues,
      sweepAgainMs: HOUR / 4,
      sesAccount: { account: async () => account },
      sesSetUp: { faults: async () => faults },
      lasting: new Lasting(ledger, clock, HOUR),
    };
    const ports = { ...common, waiting: new WaitingRows(ledger), board: new BoardView({ board, clock, watch }, 0) };
    await publishLevels(ports, new AbortController().signal);
  }
  published.push(...watch.counted.map(({ metric }) => metric));
  return standing
    .filter(({ MetricName, Threshold }) =>
      watch.counted.some(({ metric, value }) => metric === MetricName && value >= Threshold),
    )
    .map(({ name }) => name)
    .sort();
}

const delivery = (change: Partial<DeliveryRow> = {}) => queued('m1', { message: facts('m1'), ...change });
const deferredFor = (lastReason: string, change: Partial<DeliveryRow> = {}) =>
  delivery({ state: 'deferred', attempts: 1, lastReason, dueAt: T0 + HOUR, ...change });

describe('what waits for a person raises one of the four', () => {
  test('nothing does where nothing waits', async () => {
    expect(await raised({ rows: [delivery()] })).toEqual([]);
  });

  // Exhaustive: another cause does not compile before it stands here.
  const causes: Record<HeldBecause, true> = {
    ...{ operator: true, 'copy-failed': true, 'notice-not-delivered': true, 'notices-held': true },
    ...{ 'expiry-limit': true, 'failure-limit': true, 'receipt-missing': true, 'envelope-missing': true },
    ...{ 'submission-malformed': true, 'foreign-sender': true, 'foreign-author': true },
    ...{ 'resubmitted-confirmed': true, policy: true, 'no-way-to-the-postmaster': true },
  };
  test.each(Object.keys(causes) as HeldBecause[])('mail that is held: %s', async (because) => {
    const row = hold(delivery(), 'held', because, { reason: because, now: T0 });
    expect(await raised({ rows: [row] })).toEqual(['WaitsForPerson']);
  });

  /** Our own faults that the next attempt does not meet again: nobody can do anything but wait. */
  const TRIED_AGAIN: readonly TableReason[] = ['aborted', 'never-attempted', 'deadline', 'no-room'];
  const waits = ([reason, { fault, permanent }]: [string, (typeof REASONS)[TableReason]]) =>
    permanent !== true && (fault === 'operator' || fault === 'ours') && !TRIED_AGAIN.includes(reason as TableReason);
  const reasons = Object.entries(REASONS);
  test.each(reasons.filter(waits).map(([reason]) => reason))('mail that waits: %s', async (reason) => {
    expect(await raised({ rows: [deferredFor(reason)] })).toEqual(['WaitsForPerson']);
  });
  test.each(reasons.filter((each) => !waits(each)).map(([reason]) => reason))(
    'and not mail that waits for nobody, or for others: %s',
    async (reason) => {
      expect(await raised({ rows: [deferredFor(reason)] })).toEqual([]);
    },
  );
  test('there are reasons on both sides', () => {
    expect(reasons.filter(waits).length).toBeGreaterThan(30);
    expect(reasons.filter((each) => !waits(each)).length).toBeGreaterThan(30);
  });

  test.each(['ses', sesBounce, sesReport])('what SES does not send, by %s', async (nextHop) => {
    const rows = [deferredFor('ses-sending-paused', { nextHop })];
    expect(await raised({ rows })).toEqual(['SesSending', 'WaitsForPerson']);
    expect(await raised({ rows: [deferredFor('ses-throttled', { nextHop })] })).toEqual([]);
    expect(await raised({ rows: [deferredFor('content-unreadable', { nextHop })] })).toEqual(['WaitsForPerson']);
  });

  test('an account that may not send, before anything is refused', async () => {
    const used = [{ sentLast24Hours: 45_000 }, { sentLast24Hours: 50_000 }];
    for (const account of [{ sendingEnabled: false }, { enforcement: 'SHUTDOWN' }, ...used])
      expect(await raised({ account })).toEqual(['SesSending']);
    // Nobody is told of an account that sends, or has no limit.
    const ordinary = [{ enforcement: 'PROBATION' }, { productionAccess: false }];
    for (const account of [...ordinary, { max24Hours: null, sentLast24Hours: 1e9 }, {}])
      expect(await raised({ account })).toEqual([]);
  });
  test('an identity that SES has not verified, or does not sign with', async () => {
    for (const faults of [{ unverifiedSending: ['example.com'] }, { unsigned: ['example.com'] }])
      expect(await raised({ faults })).toEqual(['SesSending']);
  });

  test('poison, before its job is a dead letter', async () => {
    expect(await raised({ rows: [delivery({ claims: claimsMax - 1 })] })).toEqual([]);
    expect(await raised({ rows: [delivery({ claims: claimsMax })] })).toEqual(['WaitsForPerson']);
  });

  // Who moves a row that is in the state: exhaustive, as above.
  const movedBy: Record<DeliveryState, 'a job' | 'bounce' | 'a person' | 'its end' | 'nobody: it is final'> = {
    ...{ queued: 'a job', deferred: 'a job', failed: 'bounce', expired: 'bounce', held: 'a person' },
    quarantined: 'its end', // it is discarded in time, and the digest tells of it; without one, FrontDoor does
    ...{ relayed: 'nobody: it is final', confirmed: 'nobody: it is final', returned: 'nobody: it is final' },
    ...{ unreturnable: 'nobody: it is final', discarded: 'nobody: it is final', removed: 'nobody: it is final' },
  };
  test.each(Object.entries(movedBy))('a row that is %s, moved by %s', async (state, by) => {
    const row = delivery({ state: state as DeliveryState, dueAt: by.startsWith('nobody') ? null : T0 + HOUR });
    expect(await raised({ rows: [row] })).toEqual(by === 'a person' ? ['WaitsForPerson'] : []);
  });

  test('a pause that is a day old', async () => {
    const board = new MemoryBoard();
    await board.writePause({ ...neverPaused('inbound'), mode: 'hold', since: T0, by: 'ann' });
    expect(await raised({ board }, [T0 + 23 * HOUR])).toEqual([]);
    expect(await raised({ board }, [T0 + 24 * HOUR])).toEqual(['WaitsForPerson']);
    // What it keeps waits for nothing else until then.
    expect(await raised({ board, rows: [deferredFor('login-refused')] }, [T0 + HOUR])).toEqual([]);
  });
});

describe('a dead letter raises one of the four', () => {
  const entry = [holding(0), holding(1)];
  test('of what enters, and of all further work', async () => {
    expect(await raised({ queues: { ...empty, entry } })).toEqual(['FrontDoor']);
    expect(await raised({ queues: { ...empty, work: entry } })).toEqual(['WaitsForPerson']);
  });
  test('in every queue of the template that nobody consumes, but for runs that a schedule could not start', () => {
    const rest = ofType(essential, 'AWS::SQS::Queue').filter(([, { Properties }]) => !Properties.RedrivePolicy);
    const { Variables } = only(essential, 'AWS::Lambda::Function', 'Sweep')[1].Properties.Environment;
    const counted = JSON.stringify([Variables.EVERPOST_ENTRY_DEAD_LETTERS, Variables.EVERPOST_WORK_DEAD_LETTERS]);
    const rules = JSON.stringify(ofType(essential, 'AWS::Events::Rule'));
    expect(rest).toHaveLength(10);
    for (const [id] of rest)
      expect([id, counted.includes(id), rules.includes(id)]).toEqual([id, !rules.includes(id), rules.includes(id)]);
  });
});

describe('what enters and is not processed raises FrontDoor', () => {
  const minutes = (...at: number[]) => at.map((minute) => T0 + minute * 60_000);
  test('when ingest stands still, after ten minutes, until it does not', async () => {
    const world = { queues: { ...empty, ingest: holding(3) }, ledger: new MemoryLedger() };
    await world.ledger.setBookmark(ingestFinished, String(T0 - 20 * 60_000));
    expect(await raised(world, minutes(0, 9))).toEqual([]);
    expect(await raised(world, minutes(ingestStandsMs / 60_000))).toEqual(['FrontDoor']);
    expect(await raised(world, minutes(60))).toEqual(['FrontDoor']);
    await world.ledger.setBookmark(ingestFinished, String(T0 + 60 * 60_000));
    expect(await raised(world, minutes(61))).toEqual([]);
  });
  test('never where messages wait and ingest goes on, nor where none waits', async () => {
    const world = { queues: { ...empty, ingest: holding(3) }, ledger: new MemoryLedger() };
    for (let minute = 0; minute < 60; minute += 5) {
      await world.ledger.setBookmark(ingestFinished, String(T0 + minute * 60_000));
      expect(await raised(world, minutes(minute, minute + 4))).toEqual([]);
    }
    expect(await raised({ ledger: new MemoryLedger() }, minutes(0, 60, 120))).toEqual([]);
  });
  test('when mail comes seldom, not at the first one', async () => {
    const ledger = new MemoryLedger();
    expect(await raised({ ledger, queues: { ...empty, ingest: holding(1) } }, minutes(0))).toEqual([]);
    expect(await raised({ ledger }, minutes(1))).toEqual([]);
    expect(await raised({ ledger, queues: { ...empty, ingest: holding(1) } }, minutes(60))).toEqual([]);
  });
  test('when the search for orphans has not kept up for three hours', async () => {
    const ledger = new MemoryLedger();
    const after = T0 + orphanSweepOverdueMs;
    expect(await raised({ ledger }, [T0, after - 1])).toEqual([]);
    expect(await raised({ ledger }, [after])).toEqual(['FrontDoor']);
    await ledger.setBookmark(orphansKeptUp, String(after));
    expect(await raised({ ledger }, [after + 1])).toEqual([]);
  });
  test('when quarantined mail would end with nobody told: there was no digest for two days', async () => {
    const ledger = new MemoryLedger();
    const after = T0 + digestOverdueMs;
    expect(await raised({ ledger }, [T0])).toEqual([]);
    await ledger.setBookmark(orphansKeptUp, String(after));
    expect(await raised({ ledger }, [after - 1])).toEqual([]);
    expect(await raised({ ledger }, [after])).toEqual(['FrontDoor']);
    await ledger.setBookmark(digestKeptUp, String(after));
    expect(await raised({ ledger }, [after + 1])).toEqual([]);
  });
});

describe('what SES is set up for raises FrontDoor, where it takes no mail for us', () => {
  const minutes = (...at: number[]) => at.map((minute) => T0 + minute * 60_000);
  test.each([
    ['another rule set', { otherRuleSet: true }],
    ['an identity', { unverifiedReceiving: ['example.com'] }],
  ])('%s, when it has lasted for five minutes, over all instances, until it is right', async (_, faults) => {
    const ledger = new MemoryLedger();
    expect(await raised({ ledger, faults }, minutes(0, 4))).toEqual([]);
    expect(await raised({ ledger, faults }, minutes(5))).toEqual(['FrontDoor']);
    expect(await raised({ ledger }, minutes(6))).toEqual([]);
    expect(await raised({ ledger, faults }, minutes(7))).toEqual([]);
  });
  test('silence of SES leaves both alarms as they are, and raises them after half an hour', async () => {
    const ledger = new MemoryLedger();
    await ledger.setBookmark(orphansKeptUp, String(T0 + 30 * 60_000));
    await ledger.setBookmark(digestKeptUp, String(T0 + 30 * 60_000));
    const published: string[] = [];
    const silent = { ledger, faults: null, account: null };
    expect(await raised(silent, minutes(0), published)).toEqual([]);
    expect(published.filter((metric) => /^(?:FrontDoor|Ses)/.test(metric))).toEqual([]);
    expect(await raised(silent, minutes(29))).toEqual([]);
    expect(await raised(silent, minutes(30))).toEqual(['FrontDoor', 'SesSending']);
    expect(await raised({ ledger }, minutes(31))).toEqual([]);
  });
});

describe('each alarm can be raised', () => {
  const all = synthesised(settingsOf(changes));
  const root = join(import.meta.dirname, '../..');
  const source = ['src', 'lambdas']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(root, folder, file)),
    )
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const published = new Set(
    [...source.matchAll(/\b(?:count|raise|level|publishSum)\((?:watch, )?'(\w+)'/g)].map(([, name]) => name),
  );
  /** Of AWS: the metric, the dimension, and the resource's type that it names. */
  const OF_AWS: Readonly<Record<string, readonly [metrics: readonly string[], dimension: string, type: string]>> = {
    'AWS/SQS': [
      ['ApproximateNumberOfMessagesVisible', 'ApproximateNumberOfMessagesNotVisible', 'ApproximateAgeOfOldestMessage'],
      'QueueName',
      'AWS::SQS::Queue',
    ],
    'AWS/Lambda': [['Errors'], 'FunctionName', 'AWS::Lambda::Function'],
    'AWS/SES': [['PublishFailure', 'PublishExpired'], 'RuleSetName', 'AWS::SES::ReceiptRuleSet'],
  };
  test.each(alarmsOf(all).map((alarm) => [alarm.name, alarm]))('%s', (_, { Namespace, MetricName, Dimensions }) => {
    if (Namespace === 'Everpost') return expect([...published]).toContain(MetricName);
    const [metrics = [], dimension, type = ''] = OF_AWS[Namespace] ?? [];
    expect(metrics).toContain(MetricName);
    expect(Dimensions).toHaveLength(1);
    expect(Dimensions[0].Name).toBe(dimension);
    const named = ofType(all, type).filter(([id, { Properties }]) =>
      typeof Dimensions[0].Value === 'string'
        ? Properties.RuleSetName === Dimensions[0].Value
        : JSON.stringify(Dimensions[0].Value).includes(`"${id}"`),
    );
    expect(named).toHaveLength(1);
  });
});
