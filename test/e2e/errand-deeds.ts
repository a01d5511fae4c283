// What the parts of the errand do and wait for, each by the way that a person or a service has: mail, an operator's
// call, the clock. Each ends at once where a permission is refused on the way, saying which. No part is named here.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type _Object, DeleteObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SqsIngestQueue } from '#adapters/aws/sqs-ingest-queue.ts';
import type { Runtime } from '#local/runtime.ts';
import { lacks } from './grants.ts';
import { type Catcher, sendMail } from './smtp.ts';
import { askForPauses, submitOne } from './submitting.ts';

export type Errand = { readonly runtime: Runtime; readonly nextHop: NextHop; readonly patienceMs: number };
/** Keeps what it takes, and remembers for whom it took nothing. */
export type NextHop = Catcher & { readonly turnedAway: Set<string>; readonly sluggishPort: number };

export class Denied extends Error {}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** Another way to the server: silent at first, then not available, as `turnedAway` remembers; open ever after. */
export async function sluggishDoor(port: number, turnedAway: Set<string>) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    if (!turnedAway.has('silent')) turnedAway.add('silent');
    else if (!turnedAway.has('unavailable')) {
      turnedAway.add('unavailable');
      socket.end('421 4.3.2 not now\r\n');
    } else {
      const inner = connect(port, '127.0.0.1').on('error', () => socket.destroy());
      socket.pipe(inner).pipe(socket);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function send(
  errand: Errand,
  to: readonly string[],
  fields = '',
  from = 'ann@src.example',
): Promise<void> {
  const content = `${fields}From: ${from}\r\nTo: ${to.join(', ')}\r\nSubject: errand\r\n\r\nHello\r\n`;
  const reply = await sendMail(errand.runtime.ports.mx, from, to, Buffer.from(content));
  if (reply.code !== 250) throw new Error(`the front door said ${reply.code} ${reply.text}`);
}

/** What the recipient's server says later of the message that it took. */
export async function report(errand: Errand, address: string): Promise<void> {
  await comes(errand, address);
  const sent = errand.nextHop.caught.find((each) => each.forwardPaths.includes(address));
  const header = sent?.content.toString('latin1').split('\r\n\r\n')[0] ?? '';
  const status = `Final-Recipient: rfc822; ${address}\r\nAction: failed\r\nStatus: 5.1.1\r\n`;
  const parts = `--b\r\nContent-Type: message/delivery-status\r\n\r\n${status}--b\r\nContent-Type: text/rfc822-headers\r\n\r\n${header}\r\n--b--\r\n`;
  const content = `Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n${parts}`;
  const reply = await sendMail(errand.runtime.ports.mx, '', [sent?.reversePath ?? ''], Buffer.from(content, 'latin1'));
  if (reply.code !== 250) throw new Error(`the front door said ${reply.code} ${reply.text}`);
}

const SUBMITTER = 'Everpost-SubmissionSubmitterAppRole00000000';

/** With the submitter's own policy and nothing more. */
export function submit({ runtime }: Errand, to: readonly string[], author?: string): Promise<void> {
  return submitOne(runtime, SUBMITTER, to, author);
}

/** The same. */
export function gatewayAsksForPauses({ runtime }: Errand): Promise<void> {
  return askForPauses(runtime, SUBMITTER);
}

export async function comes(errand: Errand, address: string): Promise<void> {
  const arrived = () => errand.nextHop.caught.some((each) => each.forwardPaths.includes(address));
  await happens(errand, `mail for ${address}`, arrived);
}

/**
 * Whatever is going on ends first, then everything that falls due on the way is done. Throws Denied within the hour of
 * the clock in which a permission was refused.
 */
export async function advance(errand: Errand, ms: number): Promise<void> {
  for (let left = ms; ; left -= HOUR) {
    await errand.runtime.emulators.clock.advance(Math.min(left, HOUR));
    refuse(errand);
    if (left <= HOUR) return;
  }
}

/** Throws Denied as soon as a permission was refused, and an Error when it takes too long. */
export async function happens(errand: Errand, what: string, look: () => boolean): Promise<void> {
  for (const end = Date.now() + errand.patienceMs; Date.now() < end; await sleep(20)) {
    refuse(errand);
    if (look()) return;
  }
  throw new Error(`it never came to ${what}`);
}

export function refuse({ runtime }: Errand): void {
  const missing = lacks(runtime.emulators.iam.denials());
  if (missing.length > 0) throw new Denied(missing.join('\n'));
}

/** What somebody does who deletes the message last taken in: a delete marker, and the version below it. */
export async function hideNewest(errand: Errand, prefix = 'in/', suffix = ''): Promise<void> {
  const { Key } = await newest(errand, prefix, suffix);
  await asOwner(errand, (client, Bucket) => client.send(new DeleteObjectCommand({ Bucket, Key })));
}

export async function newest(errand: Errand, prefix = 'in/', suffix = ''): Promise<_Object> {
  const at = ({ LastModified }: _Object) => LastModified?.getTime() ?? 0;
  const [first] = (await inSpool(errand, prefix))
    .filter(({ Key = '' }) => Key.endsWith(suffix))
    .sort((a, b) => at(b) - at(a));
  if (first === undefined) throw new Error('the spool is empty');
  return first;
}

export async function inSpool(errand: Errand, Prefix = 'in/'): Promise<_Object[]> {
  return asOwner(errand, async (client, Bucket) => {
    return (await client.send(new ListObjectsV2Command({ Bucket, Prefix }))).Contents ?? [];
  });
}

async function asOwner<T>({ runtime }: Errand, run: (client: S3Client, bucket?: string) => Promise<T>): Promise<T> {
  const client = new S3Client({ ...byRoot(runtime), forcePathStyle: true });
  try {
    return await run(client, runtime.deployed.outputs.Bucket);
  } finally {
    client.destroy();
  }
}

function byRoot({ emulators }: Runtime) {
  const { front, keys, world } = emulators;
  return { region: world.region, endpoint: front.endpoint, credentials: keys.issue({ kind: 'root' }) };
}

/** What `everpost release --to` sends, of the message last taken in. */
export async function name(errand: Errand, recipients: readonly string[]): Promise<void> {
  const { runtime } = errand;
  const sqs = new SQSClient(byRoot(runtime));
  const { Key = '' } = await newest(errand);
  await new SqsIngestQueue(sqs, runtime.deployed.outputs.IngestQueueUrl ?? '').name({
    spoolId: Key.slice('in/'.length),
    recipients,
    lifetimeMs: HOUR,
  });
  sqs.destroy();
}

/** How many lie in the queue of the template whose name begins so. */
export function waiting({ runtime }: Errand, name: string): number {
  const { queues } = runtime.emulators;
  const found = queues.all().find(({ spec }) => spec.name.includes(`-${name}`));
  if (found === undefined) throw new Error(`no queue is called ${name}`);
  return queues.counts(found.arn).visible;
}
