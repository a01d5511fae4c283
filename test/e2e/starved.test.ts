// Two hours in which the account has no function to spare: every invocation is throttled, as where another application
// has all of its concurrency. Mail is accepted all the while. Afterwards each message has its outcome, no dead-letter
// queue has anything, and the sweeps that waited did not run all at once. And poison, which still ends among the dead
// letters. On the runtime's own clock, with the synthesised template.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { checkConfig } from '#config/check.ts';
import type { Settings } from '#config/settings.ts';
import { synthesise } from '#infra/synthesise.ts';
import { boot, type Runtime } from '#local/runtime.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const folder = mkdtempSync(join(tmpdir(), 'everpost-starved-'));
const assemblyFolder = join(folder, 'cdk.out');
let server: Catcher;
let settings: Settings;
let runtime: Runtime;
let boots = 0;
/** What a person reads on the terminal, alarms among it. */
const shown: string[] = [];

beforeAll(async () => {
  server = await catcher({});
  const checked = checkConfig(
    {
      domains: ['example.com'],
      nextHops: {
        exchange: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' },
        nobody: { kind: 'refuse', text: 'there is no such user' },
      },
      routes: [
        { match: 'gone@example.com', to: [{ via: 'nobody' }] },
        { match: '*@example.com', to: [{ via: 'exchange' }] },
      ],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    },
    'starved',
  );
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  settings = checked.settings;
  await synthesise({ settings, outdir: assemblyFolder, validate: false });
});
afterEach(async () => {
  await runtime.stop();
  server.caught.splice(0);
  shown.splice(0);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function booted(): Promise<void> {
  runtime = await boot({
    ...{ settings, assemblyFolder, dataFolder: join(folder, `data-${++boots}`) },
    ...{ mxPort: 0, submissionPort: 0, consolePort: 0, secretsFile: null, sweepEveryMs: null, timeScale: 1 },
    ...{ demo: false, show: (line) => shown.push(line) },
  });
}

const text = (to: string) =>
  Buffer.from(`From: ann@src.example\r\nTo: ${to}\r\nSubject: s\r\nMessage-ID: <${to}>\r\n\r\nHello\r\n`);
async function send(to: string): Promise<void> {
  expect((await sendMail(runtime.ports.mx, 'ann@src.example', [to], text(to))).code).toBe(250);
}
/** In steps, as time passes. */
async function live(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 10 * MINUTE) await runtime.emulators.clock.advance(Math.min(left, 10 * MINUTE));
}
const arrivals = (to: string) => server.caught.filter((each) => each.forwardPaths.includes(to));
/** Kept events of the sweep that were left to another run, by the functions' log. */
const superseded = () =>
  readFileSync(join(folder, `data-${boots}`, 'everpost.log'), 'utf8').split('sweep.superseded').length - 1;

async function bySqs<T>(use: (client: SQSClient) => Promise<T>): Promise<T> {
  const { front, keys, world } = runtime.emulators;
  const credentials = keys.issue({ kind: 'root' });
  const client = new SQSClient({ region: world.region, endpoint: front.endpoint, credentials });
  return use(client).finally(() => client.destroy());
}
/** By output, of every queue of the stack that has anything. */
async function leftIn(suffix: string): Promise<Readonly<Record<string, number>>> {
  const outputs = Object.entries(runtime.deployed.outputs).filter(([name]) => name.endsWith(suffix));
  const counts = await bySqs((client) =>
    Promise.all(
      outputs.map(async ([name, QueueUrl]) => {
        const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
        const { Attributes } = await client.send(asked);
        const visible = Number(Attributes?.ApproximateNumberOfMessages);
        return [name, visible + Number(Attributes?.ApproximateNumberOfMessagesNotVisible)] as const;
      }),
    ),
  );
  expect(counts.length).toBeGreaterThan(3);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
const alarmed = (name: string) => shown.some((line) => line.endsWith(`/Watch/${name}: ALARM`));

it('all that was accepted has its outcome, nothing is dead-lettered, and the sweeps that waited run one by one', async () => {
  await booted();
  const { faults } = runtime.emulators;
  faults.add({ service: 'lambda', operation: 'Invoke', match: 'FeedbackFunction', effect: 'throttle' });
  await send('gone@example.com');
  await live(MINUTE);
  faults.add({ service: 'lambda', operation: 'Invoke', effect: 'throttle' });
  const all = Array.from({ length: 25 }, (_, index) => `u${index}@example.com`);
  for (const to of all.slice(0, 20)) await send(to);
  await live(HOUR);
  for (const to of all.slice(20)) await send(to);
  await live(HOUR);
  expect(server.caught).toEqual([]);
  expect(await leftIn('DeadLettersUrl')).toEqual({});
  expect(alarmed('SweepOverdue')).toBe(true);

  faults.clear();
  await live(30 * MINUTE);
  expect(superseded()).toBeGreaterThan(45); // of the 60 that Lambda kept: one a minute ran
  for (const to of all) expect(arrivals(to), to).toHaveLength(1);
  expect(
    arrivals('ann@src.example').map(({ content }) => /^Action: (\w+)/m.exec(content.toString('latin1'))?.[1]),
  ).toEqual(['failed']);
  expect(await leftIn('DeadLettersUrl')).toEqual({});
  expect(await leftIn('QueueUrl')).toEqual({});
});

it('poison calls a person within half an hour, and ends among the dead letters', async () => {
  await booted();
  const QueueUrl = runtime.deployed.outputs.IngestQueueUrl;
  await bySqs((client) => client.send(new SendMessageCommand({ QueueUrl, MessageBody: '{"no":"receipt"}' })));
  await send('u1@example.com');
  await live(30 * MINUTE);
  expect(arrivals('u1@example.com')).toHaveLength(1);
  expect(alarmed('JobFailing')).toBe(true);
  expect(await leftIn('DeadLettersUrl')).toEqual({});
  await live(130 * MINUTE);
  expect(await leftIn('DeadLettersUrl')).toEqual({ IngestDeadLettersUrl: 1 });
  expect(alarmed('IngestDeadLetters')).toBe(true);
});
