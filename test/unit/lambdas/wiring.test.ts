// What each deployed function is wired with: its environment read by the real lambdas/, its stage caught before it does
// anything. Figures are literals: a function that has another stage's lease, or another queue's address, must not agree
// with a constant that moved along with it.

import type { Context, SQSEvent } from 'aws-lambda';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Settings } from '#config/settings.ts';
import { settingsOf } from '../../infra/template.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const environment = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'id',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
  EVERPOST_TABLE: 'the-table',
  EVERPOST_BUCKET: 'the-bucket',
  EVERPOST_RELAY_QUEUE_URL: 'http://127.0.0.1:9/relay',
  EVERPOST_SLOW_RELAY_QUEUE_URL: 'http://127.0.0.1:9/slowRelay',
  EVERPOST_FEEDBACK_QUEUE_URL: 'http://127.0.0.1:9/feedback',
  EVERPOST_INGEST_QUEUE_URL: 'http://127.0.0.1:9/ingest',
  ...{ EVERPOST_ENTRY_DEAD_LETTERS: 'http://127.0.0.1:9/e', EVERPOST_WORK_DEAD_LETTERS: 'http://127.0.0.1:9/w' },
  EVERPOST_SRS_SECRET: 'the-srs-secret',
  EVERPOST_MARK_SECRET: 'the-mark-secret',
  EVERPOST_STACK_ID: 'the-stack-id',
  POWERTOOLS_LOG_LEVEL: 'SILENT',
  ...{ POWERTOOLS_SERVICE_NAME: 'Everpost', POWERTOOLS_METRICS_NAMESPACE: 'Everpost' },
};
const settings: Settings = settingsOf();
/** What a test deploys otherwise. */
let deployed: Partial<Settings> = {};

/** What Secrets Manager holds, by name: the newest value, then the one before. */
const secretValues = new Map<string, readonly string[]>();
vi.mock('#adapters/aws/login-secrets.ts', () => ({
  AwsSecrets: class {
    rotating(name: string) {
      return async () => secretValues.get(name) ?? Promise.reject(new Error('AccessDeniedException'));
    }
  },
}));

/** What a stage was called with; what it answers may be set for a test. */
type Call = { readonly stage: string; readonly given: readonly unknown[] };
const calls: Call[] = [];
const answers = new Map<string, () => Promise<unknown>>();
const caught =
  (stage: string) =>
  async (...given: unknown[]): Promise<unknown> => {
    calls.push({ stage, given });
    return answers.get(stage)?.() ?? { became: 'caught', more: false };
  };
vi.mock('#pipeline/ingest/ingest-job.ts', () => ({ takeIn: caught('takeIn') }));
vi.mock('#pipeline/relay/relay.ts', () => ({ relay: caught('relay') }));
vi.mock('#pipeline/bounce/bounce.ts', () => ({ bounce: caught('bounce') }));
vi.mock('#pipeline/feedback/feedback.ts', () => ({ feedback: caught('feedback') }));
vi.mock('#pipeline/feedback/returned.ts', () => ({ returned: caught('returned') }));
vi.mock('#pipeline/sweep/sweep.ts', () => ({ sweep: caught('sweep') }));
vi.mock('#pipeline/sweep/levels.ts', () => ({ publishLevels: async () => {} }));
vi.mock('#pipeline/sweep/outcomes-level.ts', () => ({ publishFailureShare: async () => {} }));
vi.mock('#pipeline/sweep/no-mail.ts', () => ({ AcceptedView: class {}, publishNoMail: async () => {} }));
vi.mock('#pipeline/orphans/orphans.ts', () => ({ orphans: caught('orphans') }));
vi.mock('#pipeline/purge/purge.ts', () => ({ purge: caught('purge') }));
vi.mock('#pipeline/purge/digest-notice.ts', () => ({ giveDigest: caught('digest') }));

/** What next hops by SMTP were made of. */
const made: (readonly [unknown, Record<string, unknown>])[] = [];
vi.mock('#adapters/smtp/next-hop.ts', async (original) => {
  const { SmtpNextHop } = await original<typeof import('#adapters/smtp/next-hop.ts')>();
  return {
    SmtpNextHop: class extends SmtpNextHop {
      constructor(...given: ConstructorParameters<typeof SmtpNextHop>) {
        super(...given);
        made.push(given);
      }
    },
  };
});

// In a bundle it lies beside the code.
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const readFileSync: unknown = (path: string, ...more: [BufferEncoding]) =>
    String(path).endsWith('lambdas/config.json')
      ? JSON.stringify({ ...settings, ...deployed })
      : fs.readFileSync(path, ...more);
  return { ...fs, readFileSync };
});
const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 60_000 } as Context;

type Handler = (event: unknown, context: Context) => Promise<unknown>;
/** The function as it starts in an environment of its own. */
async function started(name: string, more: Readonly<Record<string, string | undefined>> = {}): Promise<Handler> {
  vi.resetModules();
  vi.unstubAllEnvs();
  for (const [key, value] of Object.entries({ ...environment, ...more })) vi.stubEnv(key, value);
  const { handler } = (await import(`../../../lambdas/${name}.ts`)) as { handler: Handler };
  return handler;
}
const sqsEvent = (...bodies: string[]) =>
  ({
    Records: bodies.map((body, index) => ({
      messageId: `m${index}`,
      body,
      attributes: {},
      eventSourceARN: 'arn:aws:sqs:eu-west-1:1:queue',
    })),
  }) as unknown as SQSEvent;
const job = { version: 1, spoolId: 's', deliveryKey: 'k' };

// biome-ignore lint/suspicious/noExplicitAny: the private fields of adapters alone tell where they lead
type Ports = Record<string, any>;
async function portsOf(name: string, event: unknown, more = {}): Promise<Ports> {
  const handler = await started(name, more);
  await handler(event, context);
  return calls.at(-1)?.given[0] as Ports;
}

beforeEach(() => {
  calls.length = 0;
  made.length = 0;
  deployed = {};
  answers.clear();
  secretValues.clear();
  vi.spyOn(console, 'log').mockImplementation(() => {});
});
afterAll(() => {
  vi.unstubAllEnvs();
});

const functions: readonly {
  readonly name: string;
  readonly event: unknown;
  /** Milliseconds, at scale 1. */
  readonly times: Readonly<Record<string, number>>;
  readonly queues: readonly string[];
}[] = [
  {
    name: 'ingest',
    event: sqsEvent('x'),
    times: { sweepAgainMs: 15 * MINUTE, orphanAfterMs: HOUR },
    queues: ['relayQueue', 'bounceQueue', 'feedbackQueue'],
  },
  {
    name: 'relay',
    event: sqsEvent(JSON.stringify(job)),
    times: { leaseMs: 870 * SECOND, sweepAgainMs: 15 * MINUTE },
    queues: ['slowRelayQueue', 'bounceQueue'],
  },
  {
    name: 'feedback',
    event: sqsEvent(JSON.stringify({ ...job, work: 'returned' })),
    times: { leaseMs: 120 * SECOND, sweepAgainMs: 15 * MINUTE },
    queues: ['relayQueue', 'bounceQueue'],
  },
  {
    name: 'sweep',
    event: {},
    times: { sweepAgainMs: 15 * MINUTE, lostAnywayMs: HOUR, hourMs: HOUR },
    queues: ['relayQueue', 'slowRelayQueue', 'bounceQueue', 'feedbackQueue', 'canaryQueue'],
  },
  { name: 'orphans', event: {}, times: { orphanAfterMs: HOUR }, queues: ['ingestQueue'] },
  { name: 'purge', event: {}, times: { sweepAgainMs: 15 * MINUTE }, queues: ['relayQueue'] },
];

describe.each(functions)('$name', ({ name, event, times, queues }) => {
  it('has its own leases and thresholds, in milliseconds', async () => {
    expect(pick(await portsOf(name, event), Object.keys(times))).toEqual(times);
  });
  it('has all of them divided in the local runtime, alike', async () => {
    const ports = await portsOf(name, event, { EVERPOST_TIME_SCALE: '60' });
    const divided = Object.entries(times).map(([key, ms]) => [key, ms / 60]);
    expect(pick(ports, Object.keys(times))).toEqual(Object.fromEntries(divided));
  });
  it.each(['', '0', '0.5', 'fast'])('takes a scale of %j for none', async (scale) => {
    expect(pick(await portsOf(name, event, { EVERPOST_TIME_SCALE: scale }), Object.keys(times))).toEqual(times);
  });
  it('has each queue at the address of its name, and no other', async () => {
    const ports = await portsOf(name, event);
    const addresses = Object.entries(ports)
      .filter(([key, queue]) => key.endsWith('Queue') && queue !== null)
      .map(([key, queue]) => [key, [queue.queueUrl, queue.work?.work]]);
    const works = { bounceQueue: 'bounce', feedbackQueue: 'returned', canaryQueue: 'canary' };
    const shared = Object.fromEntries(
      Object.entries(works).map(([key, work]) => [key, ['http://127.0.0.1:9/feedback', work]]),
    );
    const wanted = queues.map((key) => [
      key,
      shared[key] ?? [`http://127.0.0.1:9/${key.replace('Queue', '')}`, undefined],
    ]);
    expect(Object.fromEntries(addresses)).toEqual(Object.fromEntries(wanted));
  });
  it('has the ledger of its stack, on its terms, and the settings that were bundled with it', async () => {
    const { ledger, settings: had } = await portsOf(name, event);
    expect([ledger.table, ledger.options]).toEqual([
      'the-table',
      { ledgerRetentionMs: settings.retentionMs.ledger, search: settings.trace.search },
    ]);
    expect(had).toEqual(JSON.parse(JSON.stringify(settings)));
  });
  it('says as which stage it logs, and by which clock it lives', async () => {
    const { watch, clock } = await portsOf(name, event);
    expect(watch.stage).toBe(name);
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(5_000);
  });
  it.each(['EVERPOST_TABLE', 'EVERPOST_RELAY_QUEUE_URL', 'EVERPOST_BUCKET'])('says that %s is missing', async (key) => {
    const needs: Readonly<Record<string, boolean>> = {
      EVERPOST_TABLE: true,
      EVERPOST_RELAY_QUEUE_URL: queues.includes('relayQueue') || name === 'relay', // its own
      EVERPOST_BUCKET: name !== 'sweep',
    };
    const start = started(name, { [key]: '' });
    if (needs[key] === true) await expect(start).rejects.toThrow(`lacks ${key}`);
    else await expect(start).resolves.toBeTypeOf('function');
  });
});

describe('what reads content', () => {
  it.each(['ingest', 'relay', 'feedback'])('%s finds it by its version under a delete marker', async (name) => {
    const { spool } = await portsOf(name, functions.find((each) => each.name === name)?.event);
    expect(spool.bucket).toBe('the-bucket');
    expect(spool.lister).not.toBeNull();
  });
  it('orphans looks for what has no row, and leaves alone what a delete marker hides', async () => {
    const { spool, inventory, everyMs } = await portsOf('orphans', {});
    expect([spool.bucket, inventory.bucket, spool.lister, everyMs]).toEqual(['the-bucket', 'the-bucket', null, HOUR]);
  });
  it('purge removes from the bucket that it lists', async () => {
    expect((await portsOf('purge', {})).inventory.bucket).toBe('the-bucket');
  });
});

describe('what signs and recognises our own marks', () => {
  const marking = ['ingest', 'relay', 'feedback', 'orphans'];
  it.each(marking)('%s has the secret of marks, its value before, and the stack', async (name) => {
    secretValues.set('the-mark-secret', ['new', 'old']);
    const ports = await portsOf(name, functions.find((each) => each.name === name)?.event);
    expect(ports.markKey).toEqual({ current: 'new', previous: 'old', stackId: 'the-stack-id' });
  });
  it.each(marking)("%s works by the stack's id where the secret cannot be read", async (name) => {
    const ports = await portsOf(name, functions.find((each) => each.name === name)?.event);
    expect(ports.markKey).toBe('the-stack-id');
  });
  it.each(['relay', 'feedback'])('%s has the secret of SRS where one is named, and only there', async (name) => {
    const event = functions.find((each) => each.name === name)?.event;
    expect((await portsOf(name, event)).srsSecrets).toBeTypeOf('function');
    expect((await portsOf(name, event, { EVERPOST_SRS_SECRET: undefined })).srsSecrets).toBeUndefined();
  });
});

describe('relay', () => {
  it('holds content up to 64 MiB at once, in one budget for all of its attempts', async () => {
    const handler = await started('relay');
    await handler(sqsEvent(JSON.stringify(job), JSON.stringify({ ...job, spoolId: 't' })), context);
    const [first, second] = calls.map(({ given }) => given[0] as Ports);
    expect(first?.budget).toBe(second?.budget);
    const soon = AbortSignal.timeout(50);
    const giveBack = await first?.budget.take(64 * 1024 * 1024, soon);
    await expect(first?.budget.take(1, soon)).rejects.toThrow();
    giveBack();
    await first?.budget.take(1, AbortSignal.timeout(50));
  });
  it('has one client for each next hop, which keeps its connections, and none for a name that is not configured', async () => {
    const { nextHop } = await portsOf('relay', sqsEvent(JSON.stringify(job)));
    const [name = ''] = Object.keys(settings.nextHops);
    expect(nextHop(name)).not.toBeNull();
    expect(nextHop(name)).toBe(nextHop(name));
    expect(nextHop('nobody')).toBeNull();
    expect(nextHop('ses-report')).not.toBeNull();
  });

  const VPC = { vpc: null, create: { zones: 1 } } as const;
  it.each([
    ['on AWS, outside of a VPC', null, undefined, 'closed'],
    ['in the local runtime', null, environment.AWS_ENDPOINT_URL, undefined],
    ['in a VPC', { ...VPC, port25: 'private' } as const, undefined, 'private'],
    ['in a VPC without the block', { ...VPC, port25: 'unblocked' } as const, undefined, 'unblocked'],
    [
      'in the local runtime with a network',
      { ...VPC, port25: 'private' } as const,
      environment.AWS_ENDPOINT_URL,
      'private',
    ],
  ])('tells its client what port 25 reaches: %s', async (_name, network, AWS_ENDPOINT_URL, port25) => {
    deployed = { network };
    const { nextHop } = await portsOf('relay', sqsEvent(JSON.stringify(job)), { AWS_ENDPOINT_URL });
    nextHop(Object.keys(settings.nextHops)[0]);
    expect(made[0]?.[1]).toMatchObject({ port25, openingMs: 100 * SECOND });
  });

  it.each([
    [null, 'example.com'],
    ['mail.example.net', 'mail.example.net'],
  ])('says %s in EHLO: %s', async (helo, ehloName) => {
    const [name = '', hop] = Object.entries(settings.nextHops)[0] ?? [];
    if (hop?.kind !== 'smtp') throw new Error('the first next hop is no server');
    deployed = { nextHops: { [name]: { ...hop, helo } } };
    const { nextHop } = await portsOf('relay', sqsEvent(JSON.stringify(job)), { EVERPOST_TIME_SCALE: '100' });
    nextHop(name);
    expect(made[0]?.[1]).toMatchObject({ ehloName, openingMs: SECOND });
  });
});

describe('jobs and signals', () => {
  it.each([
    ['ingest', 'x', ['x'], 2],
    ['relay', JSON.stringify(job), [job], 2],
    ['feedback', JSON.stringify({ ...job, work: 'bounce' }), [job], -1],
    ['feedback', JSON.stringify({ ...job, work: 'returned' }), [job], 2],
    ['feedback', '{"eventType":"Bounce"}', ['{"eventType":"Bounce"}'], -1],
  ])('%s hands on %s, and when time is over', async (name, body, [given], signalAt) => {
    const handler = await started(name);
    expect(await handler(sqsEvent(body), context)).toEqual({ batchItemFailures: [] });
    expect(calls[0]?.given[1]).toEqual(given);
    if (signalAt > 0) expect(calls[0]?.given[signalAt]).toBeInstanceOf(AbortSignal);
  });
  it.each([
    ['feedback', JSON.stringify({ ...job, work: 'returned' }), 'returned'],
    ['feedback', JSON.stringify({ ...job, work: 'bounce' }), 'bounce'],
    ['feedback', '{"eventType":"Bounce"}', 'feedback'],
    ['ingest', JSON.stringify(job), 'takeIn'],
  ])('%s gives %s to %s', async (name, body, stage) => {
    await (await started(name))(sqsEvent(body), context);
    expect(calls.map((call) => call.stage)).toEqual([stage]);
  });
  it.each(['sweep', 'orphans', 'purge'])('%s is told when time is over', async (name) => {
    await (await started(name))({}, context);
    expect(calls.at(-1)?.given[1]).toBeInstanceOf(AbortSignal);
  });
  it.each([
    ['relay', undefined],
    ['ingest', undefined],
    ['feedback', 'bounce'],
    ['feedback', 'returned'],
  ])('%s gives a job back that failed: %s', async (name, work) => {
    const handler = await started(name);
    for (const stage of ['relay', 'takeIn', 'bounce', 'returned'])
      answers.set(stage, () => Promise.reject(new Error('no table')));
    expect(await handler(sqsEvent(JSON.stringify({ ...job, work })), context)).toEqual({
      batchItemFailures: [{ itemIdentifier: 'm0' }],
    });
  });
});

describe('the purge and the digest', () => {
  const failing = () => Promise.reject(new Error('it failed'));
  it.each([
    ['purge', 'digest'],
    ['digest', 'purge'],
  ])('a failure of the %s is loud, and does not keep the %s from its end', async (bad, good) => {
    answers.set(bad, failing);
    let ended = false;
    answers.set(good, async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      ended = true;
      return {};
    });
    await expect((await started('purge'))({}, context)).rejects.toThrow('it failed');
    expect(ended).toBe(true);
  });
  it('both say what they did', async () => {
    answers.set('digest', async () => 'queued');
    answers.set('purge', async () => ({ removed: 7 }));
    expect(await (await started('purge'))({}, context)).toEqual({ removed: 7, digest: 'queued' });
  });
});

describe('the sweep', () => {
  it('looks again within the same run while something is left, and not after its time', async () => {
    let left = 2;
    answers.set('sweep', async () => ({ more: left-- > 0 }));
    const handler = await started('sweep', { EVERPOST_TIME_SCALE: '1000' });
    expect(await handler({}, context)).toEqual({ more: false });
    expect(calls).toHaveLength(3);

    // Where a probe is out, sooner at first: 0.1, 0.2, 0.4 … instead of 5 seconds.
    left = 3;
    answers.set('sweep', async () => ({ more: left-- > 0, soon: true }));
    calls.length = 0;
    const began = Date.now();
    await (await started('sweep', { EVERPOST_TIME_SCALE: '10' }))({}, context);
    expect(calls).toHaveLength(4);
    expect(Date.now() - began).toBeLessThan(1_400); // three pauses of 5 s would be 1,500 ms

    answers.set('sweep', async () => ({ more: true }));
    calls.length = 0;
    const short = { awsRequestId: 'r', getRemainingTimeInMillis: () => 40 } as Context;
    await handler({}, short);
    expect(calls.length).toBeGreaterThan(0);
    expect(calls.length).toBeLessThan(20); // a pause of 5 ms at this scale
  });
});

function pick(ports: Ports, keys: readonly string[]): Ports {
  return Object.fromEntries(keys.map((key) => [key, ports[key]]));
}
