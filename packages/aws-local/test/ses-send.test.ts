// The emulated SES's sending: the conformance suite, and what only the emulator can show: what it sends, keeps after a
// crash, and skips.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventTypes, openConfigurationSets, TRIAL } from '../src/ses/configuration-sets.ts';
import { openOutgoing, type SesOut } from '../src/ses/outgoing.ts';
import type { Announce } from '../src/ses/receipt-actions.ts';
import type { ReceivedMail } from '../src/ses/send-bounce.ts';
import { openEvents } from '../src/ses/sending-events.ts';
import { createSes } from '../src/ses/ses.ts';
import type { StartedEmulators } from '../src/start-emulators.ts';
import { bareWorld } from './bare-world.ts';
import { sesSendConformance } from './conformance/ses-send.ts';
import { mayPublish, topicArn, withQueue } from './ses-events-queue.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-ses-'));
const out = join(folder, 'out');
let aws: StartedEmulators;
let roles = 0;
const rules = {} as Parameters<typeof createSes>[1]; // receipt rules are none of what is tested here

/** Events of every kind go to the queue `told`; the set `quick` gives up after five minutes. */
async function serve({ world, store, topics }: StartedEmulators, to: SesOut = { folder: out }) {
  const announce: Announce = (by, topicArn, _subject, message) => topics.announce(by, topicArn, { message });
  const sets = openConfigurationSets(world, store, announce);
  for (const [name, maxDeliverySeconds] of [['everpost', null] as const, ['quick', 300] as const]) {
    sets.create({ name, maxDeliverySeconds, suppresses: name === 'everpost' });
    await sets.addDestination(name, { name: 'told', enabled: true, types: eventTypes, topicArn });
  }
  const events = openEvents(world, store, sets, announce);
  const suppressed = (address: string) => address.startsWith('suppressed@');
  const outgoing = openOutgoing(world, to, { sets, events }, suppressed);
  const mail: ReceivedMail = {
    reversePath: 'ann@src.example',
    forwardPaths: ['bob@example.com'],
    acceptedAt: Date.now(),
  };
  const received = (id: string) => (id === 'received-1' ? mail : null);
  const identities = () => ['example.com', 'sub.example.com', 'Own@example.com'];
  const sending = { outgoing, identities, received, configurationSets: sets };
  return { outgoing, events, service: createSes(world, rules, sending) };
}

beforeAll(async () => {
  aws = await withQueue();
  aws.front.add((await serve(aws)).service);
});
afterAll(async () => {
  await aws.close();
  rmSync(folder, { recursive: true, force: true });
});
const config = () => ({ endpoint: aws.endpoint, region: 'eu-west-1', credentials: aws.credentials });

describe('SES sending conforms', () => {
  sesSendConformance(() => ({
    config: config(),
    from: 'postmaster@example.com',
    to: 'to@far.example',
    received: { sesMessageId: 'received-1', forwardPath: 'bob@example.com' },
    feedback: { configurationSet: 'everpost', queueUrl: aws.queueUrl('told') },
    identities: {
      prefix: 'arn:aws:ses:eu-west-1:000000000000:identity/',
      domain: 'example.com',
      subDomain: 'sub.example.com',
      address: 'Own@example.com',
    },
    async role(statements) {
      roles += 1;
      return aws.role(`sends-${roles}`, statements);
    },
  }));
});

async function sent(to: string): Promise<string> {
  for (let i = 0; i < 100; i += 1) {
    try {
      const [name] = readdirSync(join(out, to, 'new'));
      if (name !== undefined) return readFileSync(join(out, to, 'new', name), 'latin1');
    } catch {
      // not there yet
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing came for ${to}`);
}

describe('what it sends', () => {
  it('has a Message-ID, a Date and fields of its own, and the body as it was', async () => {
    const raw = 'From: a@example.com\r\nMessage-ID: <mine@x>\r\nDate: never\r\nSubject: s\r\n\r\nbody\xff\r\n';
    const client = new SESv2Client(config());
    const { MessageId } = await client.send(
      new SendEmailCommand({
        FromEmailAddress: 'a@example.com',
        Destination: { ToAddresses: ['own@far.example'] },
        Content: { Raw: { Data: Buffer.from(raw, 'latin1') } },
      }),
    );
    client.destroy();
    const text = await sent('own@far.example');
    expect(text).toContain(`Message-ID: <${MessageId}@eu-west-1.amazonses.com>`);
    expect(text).not.toMatch(/<mine@x>|Date: never/);
    expect(text.endsWith('Subject: s\r\n\r\nbody\xff\r\n')).toBe(true);
    expect(text).toMatch(/^Return-Path: <0102\S+@eu-west-1\.amazonses\.com>\r\n/);
  });

  it('goes to nobody who is suppressed, although it was taken', async () => {
    const client = new SESv2Client(config());
    const { MessageId } = await client.send(
      new SendEmailCommand({
        FromEmailAddress: 'a@example.com',
        Destination: { ToAddresses: ['suppressed@far.example'] },
        Content: { Raw: { Data: Buffer.from('From: a@example.com\r\n\r\nbody\r\n') } },
        ConfigurationSetName: 'everpost',
      }),
    );
    client.destroy();
    expect(MessageId).toBeDefined();
    await aws.clock.advance(0);
    expect(() => readdirSync(join(out, 'suppressed@far.example'))).toThrow();
  });
});

describe('what it tells of what a server said', () => {
  type Event = { eventType: string; mail: { tags: Record<string, string[]> } } & Record<
    string,
    Record<string, unknown>
  >;
  /** Everything in the queue, and what was told beside events. */
  async function said(started: StartedEmulators): Promise<{ events: Event[]; words: string[] }> {
    const sqs = new SQSClient(started.clientConfig);
    const bodies: string[] = [];
    for (;;) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: started.queueUrl('told'),
          MaxNumberOfMessages: 10,
          VisibilityTimeout: 600,
        }),
      );
      if (Messages.length === 0) break;
      bodies.push(...Messages.map(({ Body = '' }) => Body));
    }
    sqs.destroy();
    const isEvent = (body: string) => body.startsWith('{');
    return { events: bodies.filter(isEvent).map((it) => JSON.parse(it)), words: bodies.filter((it) => !isEvent(it)) };
  }
  async function sendBy(started: StartedEmulators, to: string, set: string): Promise<void> {
    const client = new SESv2Client(started.clientConfig);
    const raw = 'From: a@example.com\r\nSubject: s\r\n\r\nbody\r\n';
    await client.send(
      new SendEmailCommand({
        FromEmailAddress: 'a@example.com',
        Destination: { ToAddresses: [to] },
        Content: { Raw: { Data: Buffer.from(raw) } },
        ConfigurationSetName: set,
        EmailTags: [{ Name: 'everpost', Value: 'm1-key' }],
      }),
    );
    client.destroy();
    await started.clock.advance(0);
  }

  it('refused, put off until the set gives up, taken; once each, and a word of trial at the first start alone', async () => {
    const data = mkdtempSync(join(tmpdir(), 'everpost-ses-'));
    const server = await smtpServer((to) =>
      to.startsWith('no') ? [552, '5.2.2 full'] : to.startsWith('later') ? [450, '4.2.1 busy'] : null,
    );
    const first = await withQueue(undefined, data);
    const { service, events, outgoing } = await serve(first, { host: '127.0.0.1', port: server.port });
    first.front.add(service);
    await sendBy(first, 'no@far.example', 'everpost');
    await sendBy(first, 'yes@far.example', 'everpost');
    await sendBy(first, 'suppressed@far.example', 'everpost');
    await sendBy(first, 'later@far.example', 'quick');
    await first.clock.advance(299_000);
    expect(outgoing.waiting()).toBe(1);
    await first.clock.advance(2_000);
    expect(outgoing.waiting()).toBe(0);
    const told = await said(first);
    const inBrief = told.events
      .filter(({ eventType }) => eventType !== 'Send')
      .map(({ eventType, bounce, delivery, deliveryDelay }) => {
        const recipient = (
          (bounce?.bouncedRecipients ?? deliveryDelay?.delayedRecipients) as Record<string, string>[]
        )?.[0];
        return [
          eventType,
          bounce?.bounceType,
          bounce?.bounceSubType,
          recipient?.status,
          recipient?.diagnosticCode ?? delivery?.smtpResponse,
        ];
      });
    expect(inBrief.sort()).toEqual([
      ['Bounce', 'Permanent', 'General', '5.2.2', 'smtp; 552 5.2.2 full'],
      ['Bounce', 'Permanent', 'OnAccountSuppressionList', '5.1.1', expect.stringContaining('suppression list')],
      [
        'Bounce',
        'Transient',
        'General',
        '4.4.7',
        'smtp; 550 4.4.7 Message expired: unable to deliver in 5 minutes.<450 4.2.1 busy>',
      ],
      ['Delivery', undefined, undefined, undefined, expect.stringMatching(/^250 /)],
      ['DeliveryDelay', undefined, undefined, '4.2.1', 'smtp; 450 4.2.1 busy'],
    ]);
    expect(told.events.filter(({ eventType }) => eventType === 'Send')).toHaveLength(4);
    for (const { mail } of told.events) expect(mail.tags.everpost).toEqual(['m1-key']);
    expect(told.words).toEqual([TRIAL, TRIAL]); // two sets
    events.stop();
    outgoing.stop();
    await first.close();

    const second = await withQueue(undefined, data);
    await serve(second);
    expect(await said(second)).toEqual({ events: [], words: [] });
    await second.close();
    await server.close();
    rmSync(data, { recursive: true, force: true });
  });

  it('waits where the topic does not take it, also for the next start', async () => {
    const data = mkdtempSync(join(tmpdir(), 'everpost-ses-'));
    const first = await withQueue(undefined, data);
    const before = await serve(first);
    first.front.add(before.service);
    first.faults.add({ service: 'sns', operation: 'Publish', effect: 'throttle' });
    await sendBy(first, 'yes@far.example', 'everpost');
    before.events.stop();
    await first.close();
    const second = await withQueue(undefined, data);
    const after = await serve(second);
    after.events.resume();
    await second.clock.advance(0);
    expect((await said(second)).events.map(({ eventType }) => eventType).sort()).toEqual(['Delivery', 'Send']);
    await second.close();
    rmSync(data, { recursive: true, force: true });
  });

  it('is nothing where SES may not publish: the destination is not made', async () => {
    const denied = await withQueue([mayPublish('another')]);
    await expect(serve(denied)).rejects.toMatchObject({
      statusCode: 403,
      message: expect.stringContaining('sns:Publish'),
    });
    await denied.close();
  });
});

/** Takes all mail, but for recipients to whom `refuse` has a code and a text to say. */
async function smtpServer(refuse: (forwardPath: string) => readonly [number, string] | null) {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onRcptTo({ address }, _session, done) {
      const [responseCode, text] = refuse(address) ?? [0, ''];
      done(responseCode === 0 ? null : Object.assign(new Error(text), { responseCode }));
    },
    onData(stream, _session, done) {
      stream.resume().once('end', () => done());
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.server.address() as AddressInfo;
  return { port, close: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

describe('what was refused for want of room', () => {
  it('is not sent at the next start, and leaves nothing behind', async () => {
    const dataFolder = join(folder, 'refused');
    const own = join(dataFolder, 'ses', 'outgoing');
    const world = bareWorld({ dataFolder });
    const events = { publish: () => Promise.reject(new Error('ENOSPC')), resume: () => {}, stop: () => {} };
    const told = { sets: { find: () => null } as never, events: events as never };
    const mail = {
      sesMessageId: 'refused-1',
      reversePath: 'ann@src.example',
      source: 'ann@src.example',
      forwardPaths: ['bob@example.com'],
      tags: {},
      configurationSet: null,
      acceptedAt: Date.now(),
    };
    const refusing = openOutgoing(world, { folder: join(dataFolder, 'out') }, told);
    await expect(refusing.accept(mail, Buffer.from('Subject: x\r\n\r\nx\r\n'))).rejects.toThrow('ENOSPC');
    refusing.stop();
    for (const name of ['half.eml', 'half.json.tmp']) writeFileSync(join(own, name), 'what a kill left');
    const next = openOutgoing(world, { folder: join(dataFolder, 'out') });
    next.resume();
    expect(next.waiting()).toBe(0);
    expect(readdirSync(own)).toEqual([]);
    expect(existsSync(join(dataFolder, 'out'))).toBe(false);
    next.stop();
    world.clock.close();
  });
});
