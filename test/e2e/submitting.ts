// A submitter as the stack makes one: an S3 client to whom the managed policy of the outputs is attached, and no other
// permission; a submission by it, two objects in their order (docs/interfaces.md); and a gateway's question for pauses.
// Submissions speak S3 and nothing of Everpost's.

import { createHash } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import type { Runtime } from '#local/runtime.ts';

/** `role` is a name for whom a denial will name. */
export function submitter(runtime: Runtime, output: string, role: string): S3Client {
  return new S3Client({ ...bySubmitter(runtime, output, role), forcePathStyle: true, maxAttempts: 1 });
}

function bySubmitter({ emulators, deployed }: Runtime, output: string, role: string) {
  const { iam, keys, front, world } = emulators;
  const arn = `arn:aws:iam::${world.account}:role/${role}`;
  iam.setRole(arn, [iam.managedPolicy(deployed.outputs[output] ?? '')]);
  const credentials = keys.issue({ kind: 'role', arn, functionName: null });
  return { region: world.region, endpoint: front.endpoint, credentials };
}

/** What a gateway asks the ledger in the name of `app`. */
export async function askForPauses(runtime: Runtime, role: string): Promise<void> {
  const client = new DynamoDBClient({ ...bySubmitter(runtime, 'SubmitterAppPolicyArn', role), maxAttempts: 1 });
  try {
    await new DynamoBoard(client, runtime.deployed.outputs.Table ?? '').readPauses();
  } finally {
    client.destroy();
  }
}

/** The envelope's text. */
export function envelopeOf(to: readonly (string | object)[], content: Uint8Array, more: object = {}): string {
  return JSON.stringify({
    version: 1,
    reversePath: 'ann@app.example',
    forwardPaths: to.map((each) => (typeof each === 'string' ? { address: each } : each)),
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    ...more,
  });
}

/** A message in the name of `app`, Ann's if nobody else is named, under an id that follows from its content. */
export async function submitOne(
  runtime: Runtime,
  role: string,
  to: readonly string[],
  author = 'ann@app.example',
): Promise<void> {
  const client = submitter(runtime, 'SubmitterAppPolicyArn', role);
  const content = Buffer.from(`From: ${author}\r\nTo: ${to.join(', ')}\r\nSubject: errand\r\n\r\nHello\r\n`);
  const digits = createHash('sha256').update(content).digest('hex').toUpperCase();
  const stem = `out/app/0${digits.slice(0, 25)}`;
  const put = (Key: string, Body: Uint8Array | string) =>
    client.send(new PutObjectCommand({ Bucket: runtime.deployed.outputs.Bucket, Key, Body, IfNoneMatch: '*' }));
  try {
    await put(`${stem}.eml`, content);
    await put(`${stem}.envelope.json`, envelopeOf(to, content));
  } finally {
    client.destroy();
  }
}
