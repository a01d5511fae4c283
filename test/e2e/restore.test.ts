// The article on a restore of the ledger, walked by its own commands: the ledger loses every row, and gets back those
// of an earlier instant. What was relayed since arrives once more, marked; what was accepted since is found and held.

import {
  DeleteItemCommand,
  DynamoDBClient,
  RestoreTableToPointInTimeCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { articleIn, commandOf, runCommand } from './article-commands.ts';
import { discard, type Instance, start, tool, traced } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

type Endpoint = {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly outputs: Readonly<Record<string, string>>;
  readonly tableName: string;
};
const article = articleIn('restore.md');
let server: Catcher;
let instance: Instance;
let endpoint: Endpoint;
let dynamo: DynamoDBClient;
let busy = true;

beforeAll(async () => {
  server = await catcher({ rcpt: (to) => (busy && to.startsWith('later') ? '451 4.2.1 try later' : undefined) });
  instance = await start({
    config: {
      domains: ['example.com'],
      nextHops: { boxes: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' } },
      routes: [{ match: '*@example.com', to: [{ via: 'boxes' }] }],
      retry: { schedule: ['5m'], lifetime: '12h', delayNotice: false },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'boxes' },
    },
    args: ['--sweep-every', '1m'],
  });
  endpoint = await tool<Endpoint>(instance, 'GET', '/endpoint');
  dynamo = new DynamoDBClient(endpoint);
});
afterAll(async () => {
  dynamo?.destroy();
  await discard(instance);
  await server?.close();
});

const advance = (by: string) => tool(instance, 'POST', '/clock', { advance: by });
const address = (name: string) => `${name}@example.com`;
const copies = (name: string) => server.caught.filter(({ forwardPaths }) => forwardPaths.includes(address(name)));
const marks = (name: string) =>
  copies(name).map(({ content }) => /^X-Everpost-Possible-Duplicate:/m.test(content.toString('latin1')));
const send = async (name: string) => {
  const text = `From: a@src.example\r\nSubject: ${name}\r\n\r\nhello\r\n`;
  expect((await sendMail(instance.mx, 'a@src.example', [address(name)], Buffer.from(text))).code).toBe(250);
};
const reached = async (name: string, state: string): Promise<string> => {
  const [message] = await traced(instance, ['--forward-path', address(name)], ([found]) =>
    (found?.deliveries ?? []).some((delivery) => delivery.state === state),
  );
  return message?.spoolId ?? '';
};

/** A command of the article, as an operator gives it. */
function run(meant: RegExp, filled: Readonly<Record<string, string>> = {}): Promise<string> {
  const { region, credentials, outputs } = endpoint;
  const access = { client: { endpoint: endpoint.endpoint, region, credentials }, outputs, resources: [] };
  return runCommand({ runtime: null, dataFolder: instance.data, access }, commandOf(article, meant), filled);
}

async function loseAllRows(): Promise<number> {
  const TableName = endpoint.tableName;
  const { Items = [] } = await dynamo.send(new ScanCommand({ TableName, ConsistentRead: true }));
  const rows = Items.filter(({ pk }) => !/^#|^t#/.test(pk?.S ?? ''));
  for (const { pk, sk } of rows)
    if (pk !== undefined && sk !== undefined) await dynamo.send(new DeleteItemCommand({ TableName, Key: { pk, sk } }));
  return rows.length;
}

it('gets back what was known, sends it marked, and finds what was accepted since', async () => {
  await send('later');
  await send('done');
  await reached('later', 'deferred');
  await reached('done', 'relayed');
  const { now: INSTANT } = await tool<{ now: string }>(instance, 'GET', '/health');
  const tables = { SourceTableName: endpoint.tableName, TargetTableName: `${endpoint.tableName}-restored` };
  await dynamo.send(new RestoreTableToPointInTimeCommand({ ...tables, UseLatestRestorableTime: true }));
  busy = false;
  await advance('6m');
  await reached('later', 'relayed');
  await send('since');
  const since = await reached('since', 'relayed');
  expect(await loseAllRows()).toBeGreaterThanOrEqual(3);

  await run(/^npx everpost pause all/);
  await run(/^npx everpost restore --begin/);
  await run(/restore-table-to-point-in-time/, { INSTANT });
  expect(await run(/^npx everpost restore --from/, { INSTANT })).toContain('2 were missing and are put back');
  await run(/^npx everpost resume all/);

  await advance('2m');
  const later = await reached('later', 'relayed');
  expect(await reached('done', 'relayed')).not.toBe('');
  expect([marks('later'), marks('done'), marks('since')]).toEqual([[false, true], [false], [false]]);
  const [message] = await traced(instance, ['--spool-id', later], () => true);
  expect(message?.events).toContainEqual(
    expect.objectContaining({ event: 'POSSIBLE_DUPLICATE', reason: 'ledger-restored' }),
  );

  await advance('130m');
  expect(await run(/^npx everpost remove .*rows-may-be-missing/)).toContain(later);
  const [orphan] = await traced(instance, ['--spool-id', since], ([found]) => found?.deliveries[0]?.state === 'held');
  expect(orphan?.deliveries[0]).toMatchObject({ state: 'held', heldBecause: 'receipt-missing' });
  await run(/^npx everpost release/, { ID: since, ADDR: address('since') });
  await reached('since', 'relayed');
  expect(marks('since')).toEqual([false, true]);
  await run(/^aws dynamodb delete-table/);
}, 240_000);
