// How the functions are wired for the figures that alarms stand on: the sweep publishes them, ingest notes slots of
// five minutes, relay and feedback tell of their outcomes when an invocation ends. The stages themselves are caught.

import type { Context } from 'aws-lambda';
import { beforeEach, expect, it, vi } from 'vitest';
import { DynamoAccepted } from '#adapters/aws/dynamo-accepted.ts';
import type { IngestPorts } from '#pipeline/ingest/ingest-ports.ts';
import { OutcomeTally } from '#pipeline/outcome-tally.ts';
import { settingsOf } from '../../infra/template.ts';

const MINUTE = 60_000;
const SLOT = 5_990_000;
const environment = {
  ...{ AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' },
  ...{ AWS_ENDPOINT_URL: 'http://127.0.0.1:9', EVERPOST_TABLE: 't', EVERPOST_BUCKET: 'b', EVERPOST_MARK_SECRET: 'm' },
  ...{ EVERPOST_RELAY_QUEUE_URL: 'q', EVERPOST_SLOW_RELAY_QUEUE_URL: 'q', EVERPOST_FEEDBACK_QUEUE_URL: 'q' },
  ...{ EVERPOST_INGEST_QUEUE_URL: 'q', EVERPOST_ENTRY_DEAD_LETTERS: 'q', EVERPOST_WORK_DEAD_LETTERS: 'q' },
  ...{ EVERPOST_STACK_ID: 's', POWERTOOLS_LOG_LEVEL: 'SILENT', POWERTOOLS_SERVICE_NAME: 'Everpost' },
};
const settings = settingsOf();
const ran: string[] = [];
let ingesting: IngestPorts | null = null;
vi.mock('#pipeline/sweep/sweep.ts', () => ({ sweep: async () => ({ more: false }) }));
vi.mock('#pipeline/sweep/levels.ts', () => ({ publishLevels: async () => ran.push('levels') }));
vi.mock('#pipeline/sweep/outcomes-level.ts', () => ({ publishFailureShare: async () => ran.push('failure-share') }));
vi.mock('#pipeline/sweep/no-mail.ts', async (original) => ({
  ...(await original<typeof import('#pipeline/sweep/no-mail.ts')>()),
  publishNoMail: async () => ran.push('no-mail'),
}));
vi.mock('#pipeline/relay/relay.ts', () => ({ relay: async () => ({ became: ran.push('relay') }) }));
vi.mock('#pipeline/feedback/feedback.ts', () => ({ feedback: async () => ({ became: ran.push('feedback') }) }));
vi.mock('#pipeline/ingest/ingest-job.ts', () => ({
  takeIn: async (ports: IngestPorts) => {
    ingesting = ports;
    return { became: 'caught' };
  },
}));
vi.mock('#adapters/aws/mark-secret.ts', () => ({
  MarkSecret: class {
    readonly key = 'key';
    async refresh(): Promise<void> {}
  },
}));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const readFileSync: unknown = (path: string, ...more: [BufferEncoding]) =>
    String(path).endsWith('lambdas/config.json') ? JSON.stringify(settings) : fs.readFileSync(path, ...more);
  return { ...fs, readFileSync };
});

type Handler = (event: unknown, context: Context) => Promise<unknown>;
const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 60_000 } as unknown as Context;
const record = (body: string) => ({ Records: [{ messageId: 'm', body, attributes: {}, eventSourceARN: 'a:q' }] });
const job = JSON.stringify({ version: 1, spoolId: 's', deliveryKey: 'k' });
async function started(name: string, scale = '1'): Promise<Handler> {
  for (const [key, value] of Object.entries({ ...environment, EVERPOST_TIME_SCALE: scale })) vi.stubEnv(key, value);
  return ((await import(`../../../lambdas/${name}.ts`)) as { handler: Handler }).handler;
}
beforeEach(() => {
  vi.spyOn(console, 'log').mockImplementation(() => {});
  ran.length = 0;
});

it('the sweep publishes them in each run, after its own levels', async () => {
  await (await started('sweep'))({}, context);
  expect(ran).toEqual(['levels', 'failure-share', 'no-mail']);
});

it.each([
  ['relay', job],
  ['feedback', 'an event'],
])('%s tells of its outcomes when its work is done', async (name, body) => {
  const handler = await started(name);
  const ended = vi.spyOn(OutcomeTally.prototype, 'ended').mockImplementation(async () => void ran.push('ended'));
  await handler(record(body), context);
  expect(ran).toEqual([name, 'ended']);
  ended.mockRestore();
});

it.each(['1', '60'])('ingest notes slots of five minutes, divided in the local runtime by %s', async (scale) => {
  vi.resetModules();
  const note = vi.fn(async () => {});
  const { DynamoAccepted: its } = await import('#adapters/aws/dynamo-accepted.ts');
  expect(its.prototype.note).not.toBe(DynamoAccepted.prototype.note); // of this module's life
  its.prototype.note = note;
  await (await started('ingest', scale))(record('x'), context);
  await ingesting?.accepted.accepted('inbound', (SLOT * 5 * MINUTE) / Number(scale));
  expect(note).toHaveBeenCalledWith('inbound', SLOT, ((SLOT + 90 * 24 * 12) * 5 * MINUTE) / Number(scale));
});
