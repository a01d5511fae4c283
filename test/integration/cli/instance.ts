// An instance as the operator's verbs find it: a folder whose instance.json leads to a console, and that to the
// emulators. No function runs in it, so that what a verb itself did can be seen.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { vi } from 'vitest';
import { dynamoClient, s3ListClient, sqsClient } from '#adapters/aws/clients.ts';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { createDynamoDb } from '#aws-local/dynamodb/dynamodb.ts';
import { startEmulators } from '#aws-local/start-emulators.ts';
import type { DeliveryRef } from '#core/delivery/delivery.ts';
import { ledgerTable, settingsOf } from '#test/contract/emulated-aws.ts';

const QUEUES = ['ingest', 'relay', 'feedback'] as const;
export type Instance = Awaited<ReturnType<typeof openInstance>>;

/** `aheadMs`: how far its clock is ahead of this machine's; `beside`: tables beside the ledger's. */
export async function openInstance(aheadMs = 0, beside: readonly (typeof ledgerTable)[] = []) {
  const aws = await startEmulators({ queues: QUEUES, buckets: [{ name: 'spool', versioned: true }] });
  const dynamo = await createDynamoDb(aws.world);
  aws.front.add(dynamo.service);
  for (const table of [ledgerTable, ...beside]) await dynamo.tables.create(table);
  const clients = {
    dynamo: dynamoClient(settingsOf(aws)),
    sqs: sqsClient(settingsOf(aws)),
    s3: s3ListClient(settingsOf(aws)),
  };
  const outputs = Object.fromEntries(
    QUEUES.map((name) => [`${name.charAt(0).toUpperCase()}${name.slice(1)}QueueUrl`, aws.queueUrl(name)]),
  );
  const submitter = { SubmitterCronPolicyArn: 'arn:x', SubmitterCronSenderDomains: 'example.com cron.example' };
  const ours = {
    NextHops: 'exchange ses',
    Domains: 'example.com inbound.example',
    SubmitterWebSenderDomains: 'web.example',
  };
  const said = {
    '/endpoint': () => ({
      ...{ region: aws.region, endpoint: aws.endpoint, credentials: aws.credentials },
      ...{ tableName: ledgerTable.TableName, bucketName: 'spool', outputs: { ...outputs, ...submitter, ...ours } },
    }),
    '/health': () => ({ now: new Date(Date.now() + aheadMs).toISOString() }),
  };
  const console = createServer((request, response) => {
    const answer = said[request.url as keyof typeof said];
    response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify(answer?.() ?? {}));
  });
  await new Promise<void>((resolve) => console.listen(0, '127.0.0.1', () => resolve()));
  const data = mkdtempSync(join(tmpdir(), 'everpost-cli-'));
  const { port } = console.address() as AddressInfo;
  writeFileSync(join(data, 'instance.json'), JSON.stringify({ console: `http://127.0.0.1:${port}` }));
  return {
    aws,
    data,
    s3: clients.s3,
    board: new DynamoBoard(clients.dynamo, ledgerTable.TableName),
    ledger: new DynamoLedger(clients.dynamo, ledgerTable.TableName, { search: true, ledgerRetentionMs: 1e10 }),
    /** As it stands in a table. */
    async itemOf(table: string, { spoolId, deliveryKey }: DeliveryRef) {
      const Key = { pk: { S: spoolId }, sk: { S: `d#${deliveryKey}` } };
      return (await clients.dynamo.send(new GetItemCommand({ TableName: table, Key }))).Item ?? {};
    },
    /** What lies in a queue. */
    async sent(name: (typeof QUEUES)[number]): Promise<unknown[]> {
      const found: unknown[] = [];
      for (;;) {
        const command = new ReceiveMessageCommand({ QueueUrl: aws.queueUrl(name), MaxNumberOfMessages: 10 });
        const { Messages = [] } = await clients.sqs.send(command);
        if (Messages.length === 0) return found;
        found.push(...Messages.map(({ Body = '' }) => JSON.parse(Body)));
      }
    },
    async close() {
      for (const client of Object.values(clients)) client.destroy();
      console.closeAllConnections();
      await new Promise((resolve) => console.close(resolve));
      await dynamo.close();
      await aws.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** What a verb said on standard output, and its exit code. */
export async function said(run: () => Promise<number>): Promise<{ readonly code: number; readonly out: string }> {
  let out = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  try {
    return { code: await run(), out };
  } finally {
    spy.mockRestore();
  }
}

/** A configuration with one submitter, as a file of JSON. */
export const submitting = JSON.stringify({
  domains: ['example.com'],
  nextHops: { exchange: { kind: 'smtp', host: 'exchange.example.com', port: 25, tls: 'required' } },
  routes: [
    { match: '*@example.com', to: [{ via: 'exchange' }] },
    { match: '*', direction: 'outbound', to: [{ via: 'exchange' }] },
  ],
  notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
  submitters: { cron: { secret: 'cron', senderDomains: ['example.com'] } },
});
