// What the stories of alarms do to the ledger by hand, because no mail of a few hours brings it about: rows that are
// lost or forgotten, an hour whose notices are used up, five weeks of mail. Called by the stories.

import { DeleteItemCommand, DynamoDBClient, QueryCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { DynamoAccepted } from '#adapters/aws/dynamo-accepted.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { noticeCountMs, noticesInAllMax, slotsPerHour } from '#core/limits.ts';
import { slotAt } from '#core/spool/silence.ts';
import { type AlarmWatch, DAY, HOUR } from './alarm-watch.ts';

async function byHand<T>(
  { runtime }: AlarmWatch,
  use: (client: DynamoDBClient, TableName: string) => Promise<T>,
): Promise<T> {
  const { front, keys, world } = runtime.emulators;
  const credentials = keys.issue({ kind: 'root' });
  const client = new DynamoDBClient({ region: world.region, endpoint: front.endpoint, credentials });
  return use(client, runtime.deployed.outputs.Table ?? '').finally(() => client.destroy());
}

async function keysOf(client: DynamoDBClient, TableName: string, spoolId: string) {
  const { Items = [] } = await client.send(
    new QueryCommand({
      TableName,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': { S: spoolId } },
    }),
  );
  if (Items.length === 0) throw new Error(`the ledger has no rows of ${spoolId}`);
  return Items.map(({ pk, sk }) => ({ pk, sk }) as never);
}

export function loseRows(watch: AlarmWatch, spoolId: string): Promise<void> {
  return byHand(watch, async (client, TableName) => {
    for (const Key of await keysOf(client, TableName, spoolId))
      await client.send(new DeleteItemCommand({ TableName, Key }));
  });
}

/** As a thousand senders that nothing vouches for would: this hour and the next. */
export function useUpNotices(watch: AlarmWatch): Promise<void> {
  const hour = Math.floor(watch.runtime.emulators.clock.now() / noticeCountMs) * noticeCountMs;
  return byHand(watch, async (client, TableName) => {
    for (const at of [hour, hour + noticeCountMs])
      await client.send(
        new UpdateItemCommand({
          TableName,
          Key: { pk: { S: `n#notices/all/${at}` }, sk: { S: 'n' } },
          UpdateExpression: 'SET c = :all',
          ExpressionAttributeValues: { ':all': { N: String(noticesInAllMax) } },
        }),
      );
  });
}

/** As a defect would: a delivery that is under way, long past its lifetime, and due to nobody. */
export function forgetRows(watch: AlarmWatch, spoolId: string): Promise<void> {
  return byHand(watch, async (client, table) => {
    const ledger = new DynamoLedger(client, table, { ledgerRetentionMs: 90 * DAY, search: false });
    const [record] = await ledger.trace({ spoolId, limit: 1 });
    if (record === undefined || record.rows.length === 0) throw new Error(`the ledger has no rows of ${spoolId}`);
    for (const row of record.rows) await ledger.write({ ...row, expiresAt: row.expiresAt - 30 * DAY, dueAt: null }, []);
  });
}

/** As five weeks with a message every quarter of an hour would, until now. */
export function acceptedForWeeks(watch: AlarmWatch): Promise<void> {
  const now = watch.runtime.emulators.clock.now();
  return byHand(watch, async (client, table) => {
    const accepted = new DynamoAccepted(client, table);
    for (let at = now - 35 * DAY; at <= now; at += HOUR / 4)
      await accepted.note('inbound', slotAt(at, HOUR / slotsPerHour), now + 35 * DAY);
  });
}
