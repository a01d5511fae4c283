// A process that is meant to be killed: it opens the emulators in the folder that it is given, and prints one JSON line
// for each thing that it was promised, right after the promise. survival.test.ts kills it and looks whether the
// promises hold.

import { startEmulators } from '../src/start-emulators.ts';

const [dataFolder = ''] = process.argv.slice(2);
const aws = await startEmulators({ dataFolder, buckets: [{ name: 'spool', versioned: true }], queues: ['in', 'work'] });
const by = { principal: { kind: 'root' } } as const;
const tell = (promise: object) => process.stdout.write(`${JSON.stringify(promise)}\n`);
const { S3Client, PutObjectCommand } = await import('@aws-sdk/client-s3');
const s3 = new S3Client(aws.clientConfig);

await aws.clock.advance(3_600_000);
tell({ kind: 'clock', offsetMs: aws.clock.now() - Date.now() });
for (let i = 0; ; i += 1) {
  const body = `body ${i} `.repeat(i % 3 === 0 ? 20_000 : 10);
  const put = s3
    .send(new PutObjectCommand({ Bucket: 'spool', Key: `in/${i}`, Body: body }))
    .then(({ ETag, VersionId }) => {
      tell({ kind: 'object', key: `in/${i}`, etag: ETag, version: VersionId, bytes: body.length });
    });
  const { sqsMessageId } = await aws.queues.send(by, aws.queues.arnOf('in'), { body: `job ${i}` });
  tell({ kind: 'sent', id: sqsMessageId });
  await aws.queues.send(by, aws.queues.arnOf('work'), { body: `work ${i}` });
  const [got] = await aws.queues.receive(by, aws.queues.arnOf('work'), { visibilitySeconds: 600 });
  if (got !== undefined && i % 2 === 0) tell({ kind: 'in-flight', id: got.sqsMessageId, handle: got.receiptHandle });
  if (got !== undefined && i % 2 === 1) {
    await aws.queues.delete(by, aws.queues.arnOf('work'), got.receiptHandle);
    tell({ kind: 'deleted', id: got.sqsMessageId });
  }
  await put;
}
