// Checks of the first account that send mail: through the door of SES and out to its mailbox simulator. Each message is
// one, to an address of the trial's own domain, and its trace is what decides.

import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { type AccountCheck, fail, notTried, pass, passIf } from './account-check.ts';
import { type AccountPlace, awaitDelivery, everpost, NOTICED, output, SUBMITTER, sendByDoor } from './account-place.ts';

const MB = 1_000_000;
const CLOSED = 'port 25 is closed to this machine: run it from a network where it is open';

function written(place: AccountPlace, to: string, body = 'one of a trial\r\n'): Buffer {
  const { domain } = place;
  const head = `From: ${NOTICED}@${domain}\r\nTo: ${to}\r\nSubject: trial\r\nMessage-ID: <${Date.now()}@${domain}>\r\n`;
  return Buffer.from(`${head}MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n${body}`);
}

/** Lines of 72 characters, so that nobody folds them. */
const filled = (bytes: number) => `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(bytes / 72));

/** Through the door by SMTP, or, where port 25 is closed, by SES itself. */
async function send(place: AccountPlace, local: string, body?: string): Promise<string> {
  const to = `${local}@${place.domain}`;
  const from = `${NOTICED}@${place.domain}`;
  if (place.door !== null) return sendByDoor(place, { from, to: [to] }, written(place, to, body));
  const { MessageId } = await new SESv2Client(place.client).send(
    new SendEmailCommand({
      FromEmailAddress: from,
      Destination: { ToAddresses: [to] },
      Content: { Raw: { Data: written(place, to, body) } },
    }),
  );
  return `250 by SES, ${MessageId}`;
}

/** A message to `local`, and the state that its delivery comes to. */
async function comesTo(place: AccountPlace, local: string, states: readonly string[]) {
  const since = Date.now();
  const reply = await send(place, local);
  if (!reply.startsWith('250')) return fail(`SES answered ${reply}`);
  const address = `${local}@${place.domain}`;
  const found = await awaitDelivery(place, address, since, ({ state }) => states.includes(state ?? ''));
  if (found === null) return fail(`no delivery to ${address} was ${states.join(' or ')} in time: see everpost trace`);
  const told = found.message.events.map(({ event, reason }) => (reason == null ? event : `${event} ${reason}`));
  return pass(`${found.delivery.state}; ${told.join(', ')}`);
}

export const mailFacts: readonly AccountCheck[] = [
  {
    name: 'receipt-by-sns-and-sqs',
    contract: 'SES stores a message, SNS tells the ingest queue of it, and the functions may do all that follows',
    source: 'aws-contracts §1.4 to §1.6; SES developer guide, "Receiving email with Amazon SES"',
    run: (place) => comesTo(place, 'taken', ['relayed', 'confirmed']),
  },
  {
    name: 'stored-fields',
    contract: 'the object begins with Return-Path and Received, which SES writes above the message',
    source: 'aws-contracts §1.7',
    async run(place) {
      const found = await awaitDelivery(place, `taken@${place.domain}`, 0, () => true);
      if (found === null) return notTried('no message came in: see receipt-by-sns-and-sqs');
      const client = new S3Client({ ...place.client, forcePathStyle: place.local });
      const Key = `in/${found.message.spoolId}`;
      const { Body } = await client.send(new GetObjectCommand({ Bucket: output(place, 'Bucket'), Key }));
      const text = Buffer.from((await Body?.transformToByteArray()) ?? []).toString('latin1');
      const names = [...text.matchAll(/^([\w-]+):/gm)].map(([, name]) => name).slice(0, 9);
      return passIf(names[0] === 'Return-Path' && names[1] === 'Received', names.join(', '));
    },
  },
  {
    name: 'unknown-recipient',
    contract: 'SES refuses a recipient of no rule while the sender is connected',
    source: 'aws-contracts §1.4; SES developer guide, "How email receiving works"',
    async run(place) {
      if (place.door === null) return notTried(CLOSED);
      const to = [`nobody@${place.domain}`];
      const reply = await sendByDoor(place, { from: 'someone@trial.example', to }, written(place, String(to)));
      return passIf(/^55\d /.test(reply), reply);
    },
  },
  {
    name: 'null-reverse-path',
    contract: 'a message under the null reverse-path is read as one: what mail.source then says is documented nowhere',
    source: 'aws-contracts §1.6',
    async run(place) {
      if (place.door === null) return notTried(CLOSED);
      const since = Date.now();
      const to = `taken@${place.domain}`;
      const reply = await sendByDoor(place, { from: '', to: [to] }, written(place, to));
      if (!reply.startsWith('250')) return fail(reply);
      const found = await awaitDelivery(place, to, since, (_, { reversePath }) => reversePath === '');
      return found === null ? fail('no row with a null reverse-path came') : pass('its row has a null reverse-path');
    },
  },
  {
    name: 'message-of-36-mb',
    contract: 'SES receives 40 MB; what its own sending cannot carry is returned to the author with both sizes',
    source: 'aws-contracts §2.1; SES developer guide, "Service quotas in Amazon SES"',
    async run(place) {
      if (place.door === null) return notTried(CLOSED);
      const since = Date.now();
      const reply = await send(place, 'large', filled(36 * MB));
      if (!reply.startsWith('250')) return fail(`SES answered ${reply}`);
      const ended = ({ state }: { readonly state: string | null }) =>
        ['failed', 'returned', 'held'].includes(state ?? '');
      const found = await awaitDelivery(place, `large@${place.domain}`, since, ended);
      if (found === null) return fail('its delivery did not end in time');
      const client = new S3Client({ ...place.client, forcePathStyle: place.local });
      const Key = `in/${found.message.spoolId}`;
      const { ContentLength = 0 } = await client.send(new HeadObjectCommand({ Bucket: output(place, 'Bucket'), Key }));
      return passIf(
        ContentLength > 36 * MB && ['failed', 'returned'].includes(found.delivery.state ?? ''),
        `${ContentLength} bytes stored; ${found.delivery.state}`,
      );
    },
  },
  {
    name: 'send-28-mb',
    contract: 'v2 SendEmail takes 28 MB, which are below 40 MB after base64',
    source: 'aws-contracts §2.1; SES developer guide, "Service quotas in Amazon SES"',
    async run(place) {
      const to = 'success@simulator.amazonses.com';
      const { MessageId } = await new SESv2Client(place.client).send(
        new SendEmailCommand({
          FromEmailAddress: `${NOTICED}@${place.domain}`,
          Destination: { ToAddresses: [to] },
          Content: { Raw: { Data: written(place, to, filled(28 * MB)) } },
        }),
      );
      return pass(`taken as ${MessageId}`);
    },
  },
  {
    name: 'bounce-after-200',
    contract: "SES's event of a bounce reaches the feedback queue, and the author gets an NDR",
    source: 'aws-contracts §3; SES developer guide, "Using the mailbox simulator"',
    // The emulated simulator bounces at once, before our own word: then the notice may wait for a later sweep.
    run: (place) => comesTo(place, 'bounced', place.local ? ['failed', 'returned'] : ['returned']),
  },
  {
    name: 'suppressed-after-200',
    contract: 'an address on a suppression list is a failure, whether its event says Suppressed or General',
    source: 'aws-contracts §3.3; SES developer guide, "Using the mailbox simulator"',
    run: (place) => comesTo(place, 'suppressed', ['failed', 'returned']),
  },
  {
    name: 'submission-by-s3',
    contract: "S3's event of an envelope reaches the ingest queue, and relay may send as the domain",
    source: 'aws-contracts §5 and §2.2',
    run: (place) => submits(place, place.domain),
  },
  {
    name: 'most-specific-identity',
    contract: 'sending as an address below a sub-domain is authorised for the sub-domain, which is an identity itself',
    source: 'aws-contracts §2.2; aws-samples/aws-serverless-batch-architecture#1',
    async run(place) {
      if (place.subDomain === null) return notTried('give --sub-domain NAME: one below the domain, verified at SES');
      return submits(place, place.subDomain);
    },
  },
];

async function submits(place: AccountPlace, domain: string) {
  const since = Date.now();
  const to = 'success@simulator.amazonses.com';
  const from = `${NOTICED}@${domain}`;
  const text = `From: ${from}\nTo: ${to}\nSubject: trial\n\none of a trial\n`;
  await everpost(place, ['sendmail', '--submitter', SUBMITTER, '-f', from, to], text);
  const found = await awaitDelivery(place, to, since, ({ state }) => ['relayed', 'confirmed'].includes(state ?? ''));
  return found === null
    ? fail('it was not relayed in time: see everpost trace')
    : pass(`${found.delivery.state}, as ${found.message.reversePath}`);
}
