// The sweep's function, given events that Lambda kept and a fresh one: which of them begin a run. The ledger's bookmark
// is in memory; the run itself is caught.

import type { Context } from 'aws-lambda';
import { expect, it, vi } from 'vitest';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { settingsOf } from '../../infra/template.ts';

const MINUTE = 60_000;
const environment = {
  ...{ AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', EVERPOST_TABLE: 't' },
  ...{ EVERPOST_RELAY_QUEUE_URL: 'q', EVERPOST_SLOW_RELAY_QUEUE_URL: 'q', EVERPOST_FEEDBACK_QUEUE_URL: 'q' },
  ...{ EVERPOST_INGEST_QUEUE_URL: 'q', EVERPOST_ENTRY_DEAD_LETTERS: 'q', EVERPOST_WORK_DEAD_LETTERS: 'q' },
  ...{ POWERTOOLS_LOG_LEVEL: 'SILENT', POWERTOOLS_SERVICE_NAME: 'Everpost', POWERTOOLS_METRICS_NAMESPACE: 'E' },
};
const settings = settingsOf();
vi.mock('#pipeline/sweep/sweep.ts', () => ({ sweep: async () => ({ more: false }) }));
vi.mock('#pipeline/sweep/levels.ts', () => ({ publishLevels: async () => {} }));
vi.mock('#pipeline/sweep/outcomes-level.ts', () => ({ publishFailureShare: async () => {} }));
vi.mock('#pipeline/sweep/no-mail.ts', async (original) => ({
  ...(await original<typeof import('#pipeline/sweep/no-mail.ts')>()),
  publishNoMail: async () => {},
}));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const readFileSync: unknown = (path: string, ...more: [BufferEncoding]) =>
    String(path).endsWith('lambdas/config.json') ? JSON.stringify(settings) : fs.readFileSync(path, ...more);
  return { ...fs, readFileSync };
});

it('a fresh event begins a run, and of the kept ones one within a minute', async () => {
  for (const [key, value] of Object.entries(environment)) vi.stubEnv(key, value);
  vi.spyOn(console, 'log').mockImplementation(() => {});
  const places = new Map<string, string>();
  vi.spyOn(DynamoLedger.prototype, 'bookmark').mockImplementation(async (name) => places.get(name) ?? null);
  const write = vi.spyOn(DynamoLedger.prototype, 'setBookmark').mockImplementation(async (name, place) => {
    places.set(name, place);
  });
  const { handler } = await import('#lambdas/sweep.ts');
  const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 60_000 } as unknown as Context;
  const run = (agoMs: number) => handler({ time: new Date(Date.now() - agoMs).toISOString() }, context);
  expect(await run(1_000)).toEqual({ more: false });
  expect(write).not.toHaveBeenCalled();
  expect(await run(10 * MINUTE)).toEqual({ more: false });
  expect(await run(9 * MINUTE)).toBe('superseded');
  expect(await run(1_000)).toEqual({ more: false });
  expect(await handler({}, context)).toEqual({ more: false });
  expect(write).toHaveBeenCalledTimes(1);
  vi.unstubAllEnvs();
});
