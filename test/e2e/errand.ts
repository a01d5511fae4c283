// A standard errand for the whole stack, in parts: each makes functions and services do what no other part makes them do. A part ends
// well when what it waits for has happened; where a permission is refused on the way it ends at once, saying which.

import { setTimeout as sleep } from 'node:timers/promises';
import { type _Object, DeleteObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SqsIngestQueue } from '#adapters/sqs-ingest-queue.ts';
import type { Runtime } from '#local/runtime.ts';
import { lacks } from './grants.ts';
import { type Answer, type Catcher, catcher, sendMail } from './smtp.ts';
import { submitOne } from './submitting.ts';

export type Errand = { readonly runtime: Runtime; readonly nextHop: NextHop; readonly patienceMs: number };
/** Keeps what it takes, and remembers for whom it took nothing. */
export type NextHop = Catcher & { readonly turnedAway: Set<string> };
export type Part = { readonly name: string; readonly run: (errand: Errand) => Promise<void> };

export class Denied extends Error {}

/** `caught` and `turnedAway` are of one instance: empty them between two errands. */
export async function errandNextHop(): Promise<NextHop> {
  const turnedAway = new Set<string>();
  const server = await catcher({
    rcpt(forwardPath): Answer {
      const again = turnedAway.has(forwardPath);
      if (!/^(gone|later|never)/.test(forwardPath) || (again && forwardPath.startsWith('later'))) return undefined;
      turnedAway.add(forwardPath);
      return forwardPath.startsWith('gone') ? '550 5.1.1 no such user' : '450 4.2.0 not now';
    },
  });
  return { ...server, turnedAway };
}

/** Runs a part to the end of all that it set going. Throws Denied, or an Error that names the part. */
export async function runPart(part: Part, errand: Errand): Promise<void> {
  try {
    await part.run(errand);
    await advance(errand, 0);
  } catch (error) {
    if (error instanceof Denied) throw error;
    throw new Error(`${part.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `secured` demands a login, whose secret the relay function must read. */
export function errandConfig(port: number): object {
  const hop = { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' };
  return {
    domains: ['example.com', 'secured.example'],
    nextHops: { ses: { kind: 'ses' }, plain: hop, secured: { ...hop, auth: { secret: 'everpost/secured' } } },
    retry: { schedule: ['1m'], lifetime: '10m', delayNotice: false },
    retention: { spool: '1h' },
    routes: [
      { match: 'away@example.com', to: [{ via: 'ses', address: 'away@far.example' }] },
      { match: 'away@secured.example', to: [{ via: 'ses', address: 'away@farther.example' }] },
      { match: '*@example.com', to: [{ via: 'plain' }] },
      { match: '*@secured.example', to: [{ via: 'secured' }] },
      { match: '*@ses.example', direction: 'outbound', to: [{ via: 'ses' }] },
      { match: '*@out.example', direction: 'outbound', to: [{ via: 'plain' }] },
    ],
    submitters: { app: { secret: 'everpost/app', senderDomains: ['app.example'] } },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
  };
}
export const errandSecrets = { 'everpost/secured': { username: 'everpost', password: 'secret' } };

/** The test string that every spam filter knows. */
export const GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X';

export const parts: readonly Part[] = [
  {
    name: 'the sweep runs by the clock',
    run: (errand) => advance(errand, 2 * MINUTE),
  },
  {
    name: 'a message is relayed',
    run: async (errand) => {
      await send(errand, ['bob@example.com']);
      await comes(errand, 'bob@example.com');
    },
  },
  {
    name: 'a message with more header than a notification holds is relayed',
    run: async (errand) => {
      await send(errand, ['long@example.com'], `X-Long: ${'x'.repeat(900)}\r\n`.repeat(20));
      await comes(errand, 'long@example.com');
    },
  },
  {
    name: 'a next hop wants a login',
    run: async (errand) => {
      await send(errand, ['bob@secured.example']);
      await comes(errand, 'bob@secured.example');
    },
  },
  {
    name: 'of two recipients one is refused, and a notice goes back',
    run: async (errand) => {
      await send(errand, ['two@example.com', 'gone@example.com'], '', 'asks-gone@src.example');
      await comes(errand, 'two@example.com');
      await comes(errand, 'asks-gone@src.example');
    },
  },
  {
    name: 'messages are relayed by SES in the name of either domain',
    run: async (errand) => {
      await send(errand, ['away@example.com']);
      await send(errand, ['away@secured.example'], '', 'eve@secured.example');
      await comes(errand, 'away@far.example');
      await comes(errand, 'away@farther.example');
    },
  },
  {
    name: 'a notice counts against a domain that nothing vouches for',
    run: async (errand) => {
      const verdicts = { reversePath: 'asks-unknown@src.example', spf: 'GRAY', dmarc: 'GRAY' };
      const console = `http://127.0.0.1:${errand.runtime.ports.console}`;
      await fetch(`${console}/verdicts`, { method: 'POST', body: JSON.stringify(verdicts) });
      await send(errand, ['gone-unknown@example.com'], '', 'asks-unknown@src.example');
      await comes(errand, 'asks-unknown@src.example');
    },
  },
  {
    name: 'a notice is refused too',
    run: async (errand) => {
      await send(errand, ['gone-too@example.com'], '', 'gone-sender@src.example');
      await happens(errand, 'the attempt to return it', () => errand.nextHop.turnedAway.has('gone-sender@src.example'));
    },
  },
  {
    name: 'a message that loops is refused by ingest itself',
    run: async (errand) => {
      await send(errand, ['loop@example.com'], 'Received: by elsewhere\r\n'.repeat(60), 'asks-loop@src.example');
      await comes(errand, 'asks-loop@src.example');
    },
  },
  {
    name: 'a message is relayed from under a delete marker',
    run: async (errand) => {
      await send(errand, ['later-hidden@example.com']);
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('later-hidden@example.com'));
      await hideNewest(errand);
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'later-hidden@example.com');
    },
  },
  {
    name: 'a message is submitted, and relayed by a server and by SES',
    run: async (errand) => {
      await submit(errand, ['bob@out.example', 'bob@ses.example']);
      await comes(errand, 'bob@out.example');
      await comes(errand, 'bob@ses.example');
    },
  },
  {
    name: 'a submitted message is relayed from under a delete marker',
    run: async (errand) => {
      await submit(errand, ['later-submitted@out.example']);
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('later-submitted@out.example'));
      await hideNewest(errand, 'out/', '.eml');
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'later-submitted@out.example');
    },
  },
  {
    name: 'a submission is taken in from under a delete marker',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Ingest', effect: 'throttle' });
      await submit(errand, ['hidden-submitted@out.example']);
      await hideNewest(errand, 'out/', '.eml');
      faults.clear();
      await advance(errand, 7 * MINUTE); // whatever was taken from the queue meanwhile comes back after six
      await comes(errand, 'hidden-submitted@out.example');
    },
  },
  {
    name: "a submission of which S3's event is lost is found again",
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'sqs', operation: 'SendMessage', match: '-ingest-', effect: 'deny', times: 1 });
      await submit(errand, ['untold@out.example']);
      await advance(errand, 3 * HOUR);
      await comes(errand, 'untold@out.example');
    },
  },
  {
    name: 'a long header section is read from under a delete marker',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Ingest', effect: 'throttle' });
      await send(errand, ['long-hidden@example.com'], `X-Long: ${'x'.repeat(900)}\r\n`.repeat(20));
      await hideNewest(errand);
      faults.clear();
      await advance(errand, 7 * MINUTE); // whatever was taken from the queue meanwhile comes back after six
      await comes(errand, 'long-hidden@example.com');
    },
  },
  {
    name: 'a message that is put off is tried again',
    run: async (errand) => {
      await send(errand, ['later@example.com']);
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('later@example.com'));
      await advance(errand, 2 * MINUTE);
      await comes(errand, 'later@example.com');
    },
  },
  {
    name: 'a message that is put off too long comes back',
    run: async (errand) => {
      await send(errand, ['never@example.com'], '', 'asks-never@src.example');
      await happens(errand, 'the first attempt', () => errand.nextHop.turnedAway.has('never@example.com'));
      await advance(errand, 15 * MINUTE);
      await comes(errand, 'asks-never@src.example');
    },
  },
  {
    name: 'what has had its retention leaves the spool',
    run: async (errand) => {
      await send(errand, ['old@example.com']);
      await comes(errand, 'old@example.com');
      const key = (await newest(errand)).Key;
      await advance(errand, 7 * HOUR); // the purge runs every six hours
      if ((await inSpool(errand)).some(({ Key }) => Key === key)) throw new Error(`${key} is still there`);
    },
  },
  {
    name: 'a run of the purge that can not begin is kept',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Purge', effect: 'throttle' });
      await advance(errand, 7 * HOUR);
      await happens(errand, 'a run among the dead letters', () => waiting(errand, 'PurgeDeadLetters') > 0);
      faults.clear();
    },
  },
  {
    name: 'the postmaster is told of the quarantine',
    run: async (errand) => {
      await send(errand, ['spam@example.com'], `X-Gtube: ${GTUBE}\r\n`);
      const now = errand.runtime.emulators.clock.now();
      const midnight = Math.ceil(now / (24 * HOUR)) * 24 * HOUR;
      await advance(errand, midnight - now + 7 * HOUR);
      await comes(errand, 'postmaster@example.com');
    },
  },
  {
    name: 'a receipt that its queue refuses is kept',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'sqs', operation: 'SendMessage', match: '-ingest-', effect: 'deny', times: 1 });
      await send(errand, ['lost@example.com']);
      await happens(
        errand,
        'a receipt among the dead letters',
        () => waiting(errand, 'FrontDoorReceiptDeadLetters') > 0,
      );
    },
  },
  {
    name: 'a message whose receipt is lost is found, and goes to whom an operator names',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'sqs', operation: 'SendMessage', match: '-ingest-', effect: 'deny', times: 1 });
      await send(errand, ['orphan@example.com'], '', 'asks-orphan@src.example');
      await advance(errand, 3 * HOUR);
      await name(errand, ['orphan@example.com']);
      await comes(errand, 'orphan@example.com');
    },
  },
  {
    name: 'a search for orphans that can not begin is kept',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Orphans', effect: 'throttle' });
      await advance(errand, 3 * HOUR);
      await happens(errand, 'a search among the dead letters', () => waiting(errand, 'OrphansDeadLetters') > 0);
      faults.clear();
    },
  },
  {
    name: 'a run of the sweep that can not begin is kept',
    run: async (errand) => {
      const { faults } = errand.runtime.emulators;
      faults.add({ service: 'lambda', operation: 'Invoke', match: 'Sweep', effect: 'throttle' });
      await advance(errand, 2 * MINUTE);
      await happens(errand, 'a run among the dead letters', () => waiting(errand, 'SweepDeadLetters') > 0);
      faults.clear();
    },
  },
];

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

async function send(errand: Errand, to: readonly string[], fields = '', from = 'ann@src.example'): Promise<void> {
  const content = `${fields}From: ${from}\r\nTo: ${to.join(', ')}\r\nSubject: errand\r\n\r\nHello\r\n`;
  const reply = await sendMail(errand.runtime.ports.mx, from, to, Buffer.from(content));
  if (reply.code !== 250) throw new Error(`the front door said ${reply.code} ${reply.text}`);
}

/** With the submitter's own policy and nothing more. */
function submit({ runtime }: Errand, to: readonly string[]): Promise<void> {
  return submitOne(runtime, 'Everpost-SubmissionSubmitterAppRole00000000', to);
}

async function comes(errand: Errand, address: string): Promise<void> {
  const arrived = () => errand.nextHop.caught.some((each) => each.forwardPaths.includes(address));
  await happens(errand, `mail for ${address}`, arrived);
}

/** Whatever is going on ends first, then everything that falls due on the way is done. */
async function advance(errand: Errand, ms: number): Promise<void> {
  await errand.runtime.emulators.clock.advance(ms);
  refuse(errand);
}

/** Throws Denied as soon as a permission was refused, and an Error when it takes too long. */
async function happens(errand: Errand, what: string, look: () => boolean): Promise<void> {
  for (const end = Date.now() + errand.patienceMs; Date.now() < end; await sleep(20)) {
    refuse(errand);
    if (look()) return;
  }
  throw new Error(`it never came to ${what}`);
}

function refuse({ runtime }: Errand): void {
  const missing = lacks(runtime.emulators.iam.denials());
  if (missing.length > 0) throw new Denied(missing.join('\n'));
}

/** What somebody does who deletes the message last taken in: a delete marker, and the version below it. */
async function hideNewest(errand: Errand, prefix = 'in/', suffix = ''): Promise<void> {
  const { Key } = await newest(errand, prefix, suffix);
  await asOwner(errand, (client, Bucket) => client.send(new DeleteObjectCommand({ Bucket, Key })));
}

async function newest(errand: Errand, prefix = 'in/', suffix = ''): Promise<_Object> {
  const at = ({ LastModified }: _Object) => LastModified?.getTime() ?? 0;
  const [first] = (await inSpool(errand, prefix))
    .filter(({ Key = '' }) => Key.endsWith(suffix))
    .sort((a, b) => at(b) - at(a));
  if (first === undefined) throw new Error('the spool is empty');
  return first;
}

async function inSpool(errand: Errand, Prefix = 'in/'): Promise<_Object[]> {
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
async function name(errand: Errand, recipients: readonly string[]): Promise<void> {
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
function waiting({ runtime }: Errand, name: string): number {
  const { queues } = runtime.emulators;
  const found = queues.all().find(({ spec }) => spec.name.includes(`-${name}`));
  if (found === undefined) throw new Error(`no queue is called ${name}`);
  return queues.counts(found.arn).visible;
}
