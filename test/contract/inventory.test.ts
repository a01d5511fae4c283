// The inventory's contract, run by MemorySpool and by S3Inventory on the emulator.
// With AWS_CONTRACT=1 also on a real, empty bucket (AWS_CONTRACT_BUCKET; region and keys from the environment).

import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import type { AwsSettings } from '#adapters/aws/client-settings.ts';
import { awsSettings, s3Client, s3ListClient } from '#adapters/aws/clients.ts';
import { S3Inventory } from '#adapters/aws/s3-inventory.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { startEmulators } from '#aws-local/start-emulators.ts';
import { settingsOf } from './emulated-aws.ts';
import { type InventoryUnderTest, inventoryContract } from './inventory.contract.ts';

inventoryContract('MemorySpool', async () => {
  const spool = new MemorySpool();
  const now = () => 1_700_000_000_000;
  return {
    inventory: spool,
    put: async (key, content) => spool.put(key, content, now()),
    now,
    close: async () => {},
  };
});

inventoryContract('S3Inventory on the emulator', async () => {
  const aws = await startEmulators({ buckets: [{ name: 'spool', versioned: true }] });
  return onS3(settingsOf(aws), 'spool', () => aws.close());
});

// skipped: without AWS_CONTRACT=1 there are no credentials to use
describe.skipIf(process.env.AWS_CONTRACT !== '1')('on AWS', () => {
  inventoryContract('S3Inventory', async () =>
    onS3(awsSettings(null), process.env.AWS_CONTRACT_BUCKET ?? '', async () => {}),
  );
});

describe('S3Inventory', () => {
  it('removes by a delete marker: the bytes stay', async () => {
    const aws = await startEmulators({ buckets: [{ name: 'spool', versioned: true }] });
    const settings = settingsOf(aws);
    const under = onS3(settings, 'spool', () => aws.close());
    const { signal } = new AbortController();
    await under.put('in/a', Buffer.from('kept'));
    await under.inventory.remove('in/a', signal);
    const spool = new S3Spool(s3Client(settings), 'spool', { lister: s3ListClient(settings) });
    expect(await spool.open('in/a', signal)).toMatchObject({ kind: 'opened', bytes: 4, undeleted: true });
    await under.close();
  });
});

function onS3(settings: AwsSettings, Bucket: string, close: () => Promise<void>): InventoryUnderTest {
  const client = s3ListClient(settings);
  const writer = new S3Client({ ...settings, forcePathStyle: settings.endpoint !== undefined });
  return {
    inventory: new S3Inventory(client, Bucket),
    put: async (Key, Body) => void (await writer.send(new PutObjectCommand({ Bucket, Key, Body }))),
    now: () => Date.now(),
    close: async () => {
      client.destroy();
      writer.destroy();
      await close();
    },
  };
}
