// A submitter as the stack makes one: an S3 client to whom the managed policy of the outputs is attached, and no other
// permission; and a submission by it, two objects in their order (docs/interfaces.md). It speaks S3 and nothing of
// Everpost's.

import { createHash } from 'node:crypto';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Runtime } from '#local/runtime.ts';

/** `role` is a name for whom a denial will name. */
export function submitter({ emulators, deployed }: Runtime, output: string, role: string): S3Client {
  const { iam, keys, front, world } = emulators;
  const arn = `arn:aws:iam::${world.account}:role/${role}`;
  iam.setRole(arn, [iam.managedPolicy(deployed.outputs[output] ?? '')]);
  const credentials = keys.issue({ kind: 'role', arn, functionName: null });
  const { endpoint } = front;
  return new S3Client({ region: world.region, endpoint, credentials, forcePathStyle: true, maxAttempts: 1 });
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
