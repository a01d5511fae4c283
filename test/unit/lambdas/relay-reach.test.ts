// Relay wired in a VPC that leads nowhere: each of its calls to AWS ends with the service's name and what leads to it.
// The real lambdas/relay.ts and its real clients; the endpoint takes no connection.

import type { Context } from 'aws-lambda';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { RelayPorts } from '#pipeline/relay/relay-ports.ts';
import { deafServer } from '#test/kit/deaf-server.ts';
import { bySes, settingsOf } from '../../infra/template.ts';

const vpc = { id: `vpc-${'0'.repeat(17)}`, subnets: [`subnet-${'1'.repeat(17)}`] };
const settings = settingsOf({ ...bySes, network: { vpc } });
let ports: RelayPorts | undefined;
vi.mock('#pipeline/relay/relay.ts', () => ({
  relay: async (given: RelayPorts) => {
    ports = given;
    return { became: 'caught' };
  },
}));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const readFileSync: unknown = (path: string, ...more: [BufferEncoding]) =>
    String(path).endsWith('lambdas/config.json') ? JSON.stringify(settings) : fs.readFileSync(path, ...more);
  return { ...fs, readFileSync };
});

let close = (): void => {};
beforeAll(async () => {
  const server = await deafServer();
  close = server.close;
  const endpoint = `http://127.0.0.1:${server.port}`;
  const environment = {
    ...{ AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' },
    ...{ AWS_ENDPOINT_URL: endpoint, EVERPOST_TABLE: 't', EVERPOST_BUCKET: 'b', EVERPOST_STACK_ID: 's' },
    ...{
      EVERPOST_RELAY_QUEUE_URL: `${endpoint}/1/relay`,
      EVERPOST_FEEDBACK_QUEUE_URL: `${endpoint}/1/feedback`,
      EVERPOST_SLOW_RELAY_QUEUE_URL: `${endpoint}/1/slow`,
    },
    ...{ EVERPOST_MARK_SECRET: 'm', EVERPOST_SRS_SECRET: 'srs' },
    ...{ POWERTOOLS_LOG_LEVEL: 'SILENT', POWERTOOLS_SERVICE_NAME: 'Everpost', POWERTOOLS_METRICS_NAMESPACE: 'E' },
  };
  for (const [key, value] of Object.entries(environment)) vi.stubEnv(key, value);
  vi.spyOn(console, 'log').mockImplementation(() => {});
  const { handler } = await import('#lambdas/relay.ts');
  const body = JSON.stringify({ version: 1, spoolId: 's', deliveryKey: 'k' });
  const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 60_000 } as unknown as Context;
  const eventSourceARN = 'arn:aws:sqs:eu-central-1:1:relay';
  await handler({ Records: [{ messageId: 'm', body, attributes: {}, eventSourceARN }] }, context);
}, 60_000);
afterAll(() => {
  close();
  vi.unstubAllEnvs();
});

const never = new AbortController().signal;
const job = { version: 1, spoolId: 's', deliveryKey: 'k' } as const;
const content = (async function* () {
  yield Buffer.from('From: postmaster@example.com\r\nSubject: x\r\n\r\nx\r\n');
})();
const mailbox = { address: 'b@far.example', localPart: 'b', domain: 'far.example', domainKey: 'far.example' };
const transaction = { reversePath: null, forwardPaths: [mailbox], content, bytes: 50 };

it('in every call', async () => {
  if (ports === undefined) throw new Error('relay was not called');
  const { ledger, spool, bounceQueue, nextHop, srsSecrets } = ports;
  const failure = (call: Promise<unknown> | undefined): Promise<string> =>
    Promise.resolve(call).then(
      (value) => JSON.stringify(value),
      (error: Error) => error.message,
    );
  const said = await Promise.all([
    failure(ledger.message('s')),
    failure(spool.open('in/s', never)),
    failure(bounceQueue.send([{ job, group: 'g' }])),
    failure(srsSecrets?.()),
    failure(nextHop('ses')?.attempt(transaction, never)),
  ]);
  const [name, subnet] = [vpc.id, vpc.subnets[0]];
  const leads = (service: string, kind: string, endpoint: string): string =>
    `${service} cannot be reached from ${name}: its subnets ${subnet} need a NAT gateway, or the ${kind} endpoint com.amazonaws.eu-central-1.${endpoint}`;
  expect(said).toEqual([
    expect.stringContaining(leads('DynamoDB', 'gateway', 'dynamodb')),
    expect.stringContaining(leads('S3', 'gateway', 's3')),
    expect.stringContaining(leads('SQS', 'interface', 'sqs')),
    expect.stringContaining(leads('Secrets Manager', 'interface', 'secretsmanager')),
    expect.stringContaining(leads('SES', 'interface', 'email')),
  ]);
  expect(said[1]).toContain('"unavailable"');
  expect(said[4]).toContain('"phase":"connect"');
}, 60_000);
