// What sending by SES promises and refuses (docs/aws-contracts.md §2), through the real SDK clients: emulator or AWS.
// `from` must be verified; `to` a recipient that takes mail.

import { SESClient, type SESClientConfig, SendBounceCommand } from '@aws-sdk/client-ses';
import {
  SESv2Client,
  type SESv2ClientConfig,
  SendEmailCommand,
  type SendEmailCommandInput,
} from '@aws-sdk/client-sesv2';
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, describe, expect, test } from 'vitest';

export type SesTarget = {
  readonly config: SESClientConfig & { readonly region: string };
  readonly from: string;
  readonly to: string;
  /** A message received less than a day ago: its id, and one of its recipients. */
  readonly received: { readonly sesMessageId: string; readonly forwardPath: string };
  /**
   * A configuration set whose destination, for all kinds of events, is a topic that the queue is subscribed to, raw.
   */
  readonly feedback: { readonly configurationSet: string; readonly queueUrl: string };
  /** Three that are verified, each by itself: `subDomain` and `address` are of `domain`. */
  readonly identities: {
    readonly prefix: string;
    readonly domain: string;
    readonly subDomain: string;
    readonly address: string;
  };
  /** Credentials of a new role with these statements as its only identity policy. */
  role(statements: readonly object[]): Promise<NonNullable<SESv2ClientConfig['credentials']>>;
};

type SesEvent = Record<string, Record<string, unknown> | undefined> & { readonly eventType: string };

export function sesSendConformance(target: () => SesTarget): void {
  const clients: { destroy(): void }[] = [];
  const made = () => {
    const { config, ...rest } = target();
    const v2 = new SESv2Client({ ...config, maxAttempts: 1 } as SESv2ClientConfig);
    const v1 = new SESClient({ ...config, maxAttempts: 1 });
    clients.push(v1, v2);
    return { v1, v2, ...rest };
  };
  afterAll(() => {
    for (const client of clients) client.destroy();
  });
  const send = (fields: string, more: Partial<SendEmailCommandInput> = {}, body = 'Hello\r\n') => {
    const { v2, from, to } = made();
    return v2.send(
      new SendEmailCommand({
        FromEmailAddress: from,
        Destination: { ToAddresses: [to] },
        Content: { Raw: { Data: Buffer.from(`From: ${from}\r\n${fields}\r\n${body}`, 'latin1') } },
        EmailTags: [{ Name: 'everpost', Value: 'a-b_1' }],
        ...more,
      }),
    );
  };

  test('raw mail from a verified address is taken, and has an id', async () => {
    expect((await send('Subject: Hi\r\n')).MessageId).toMatch(/\S/);
  });

  test.each([
    'From: x@not-verified.example',
    'Sender: x@not-verified.example',
    'Return-Path: <x@not-verified.example>',
  ])('%s must be verified, or is refused', async (field) => {
    const { from } = made();
    const raw = Buffer.from(`${field.startsWith('From') ? '' : `From: ${from}\r\n`}${field}\r\n\r\nHello\r\n`);
    await expect(send('', { Content: { Raw: { Data: raw } } })).rejects.toMatchObject({
      name: 'MessageRejected',
      message: expect.stringContaining('not verified'),
    });
  });

  test.each([
    ['To: "Ann"', "Missing final '@domain'"],
    ['Cc: Doe, Ann <ann@far.example>', "Missing final '@domain'"],
    ['Cc: Ann <@far.example>', 'Missing local name'],
    ['Cc: <First Last <first@far.example, Second <second@far.example>', 'Local address contains control or whitespace'],
    ['Reply-To: Ann <ann@far.example> <ann@far.example>', 'Extra route-addr'],
    ['To: Ann <ann@far.example%!>', 'Domain contains illegal character'],
    ['X-Before: 1\r\n: nothing', 'Empty header names are illegal'],
    ['<!DOCTYPE html "http://x.example">: 1', 'Illegal header'],
  ])('%s is refused for the whole message', async (field, message) => {
    await expect(send(`${field}\r\nSubject: Hi\r\n`)).rejects.toMatchObject({
      name: 'BadRequestException',
      message: expect.stringContaining(message),
    });
  });

  test.each(['To: undisclosed-recipients:;', 'Cc: "Doe, Ann" <ann@far.example>, bob@far.example', 'To:'])(
    '%s is taken',
    async (field) => {
      expect((await send(`${field}\r\nSubject: Hi\r\n`)).MessageId).toMatch(/\S/);
    },
  );

  test.each(['Subject', 'DKIM-Signature', 'Reply-To', 'MIME-Version'])('a second %s is refused', async (name) => {
    await expect(send(`${name}: 1\r\n${name}: 2\r\n`)).rejects.toMatchObject({
      name: 'BadRequestException',
      message: expect.stringContaining('Duplicate header'),
    });
  });

  test('a configuration set that does not exist is NotFoundException, also when the message names it', async () => {
    await expect(send('', { ConfigurationSetName: 'no-such-set' })).rejects.toMatchObject({
      name: 'NotFoundException',
    });
    await expect(send('X-SES-CONFIGURATION-SET: no-such-set\r\n')).rejects.toMatchObject({ name: 'NotFoundException' });
  });

  test('addresses are ASCII, at most 50 of them, and lines have 1,000 octets', async () => {
    const { to } = made();
    await expect(send('', { Destination: { ToAddresses: ['bü@far.example'] } })).rejects.toMatchObject({
      name: 'BadRequestException',
    });
    await expect(send('', { Destination: { ToAddresses: Array(51).fill(to) } })).rejects.toMatchObject({
      name: 'BadRequestException',
    });
    await expect(send('', {}, `${'x'.repeat(1_001)}\r\n`)).rejects.toMatchObject({ name: 'BadRequestException' });
  });

  describe('the permission is asked for on the most specific identity', () => {
    const own = () => target().identities;
    const sendAs = async (from: string, resources: readonly string[]) => {
      const { to } = made();
      const Resource = resources.map((name) => `${own().prefix}${name}`);
      const statement = { Effect: 'Allow', Action: ['ses:SendEmail', 'ses:SendRawEmail'], Resource };
      const credentials = await target().role([statement]);
      const client = new SESv2Client({ ...(target().config as SESv2ClientConfig), credentials, maxAttempts: 1 });
      clients.push(client);
      const Data = Buffer.from(`From: ${from}\r\n\r\nHello\r\n`);
      return client.send(
        new SendEmailCommand({
          FromEmailAddress: from,
          Destination: { ToAddresses: [to] },
          Content: { Raw: { Data } },
        }),
      );
    };
    const refused = (identity: string) => ({
      name: expect.stringMatching(/^AccessDenied/),
      message: expect.stringContaining(`${own().prefix}${identity}`),
    });
    test('an address: its own, not the domain', async () => {
      const { address, domain } = own();
      await expect(sendAs(address, [domain])).rejects.toMatchObject(refused(address));
      expect((await sendAs(address, [address])).MessageId).toMatch(/\S/);
      expect((await sendAs(address, [`*@${domain}`])).MessageId).toMatch(/\S/);
    });
    test('a label of such an address likewise', async () => {
      const { address, domain } = own();
      const labelled = address.replace('@', '+label@');
      await expect(sendAs(labelled, [domain])).rejects.toMatchObject(refused(address));
    });
    test('a sub-domain: its own, also for what lies below it', async () => {
      const { subDomain, domain } = own();
      for (const from of [`ann@${subDomain}`, `ann@below.${subDomain}`]) {
        await expect(sendAs(from, [domain])).rejects.toMatchObject(refused(subDomain));
        expect((await sendAs(from, [subDomain])).MessageId).toMatch(/\S/);
        expect((await sendAs(from, [`*.${domain}`])).MessageId).toMatch(/\S/);
      }
    });
    test('every other address: that of its domain', async () => {
      const { subDomain, address, domain } = own();
      const others = [`*.${domain}`, `*@${domain}`, subDomain, address];
      for (const from of [`ann@${domain}`, `ann@other.${domain}`]) {
        await expect(sendAs(from, others)).rejects.toMatchObject(refused(domain));
        expect((await sendAs(from, [domain])).MessageId).toMatch(/\S/);
      }
    });
  });

  test('40 MB after base64 are the most', async () => {
    const line = `${'x'.repeat(76)}\r\n`;
    const body = line.repeat(Math.ceil((30.1 * 1024 * 1024) / line.length));
    await expect(send('', {}, body)).rejects.toMatchObject({ name: 'BadRequestException' });
  });

  describe('what it tells of mail that names a configuration set', () => {
    const arrived: SesEvent[] = [];
    let sqs: SQSClient | null = null;
    afterAll(() => sqs?.destroy());
    const take = async () => {
      const { config, feedback } = target();
      sqs ??= new SQSClient(config);
      const QueueUrl = feedback.queueUrl;
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
      );
      // SES's word of trial is no JSON.
      for (const { Body = '' } of Messages) if (Body.startsWith('{')) arrived.push(JSON.parse(Body));
      const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
      if (Entries.length > 0) await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    };
    /** The events about one message, without Send, once there are so many. */
    const told = async (sesMessageId: string | undefined, count: number): Promise<SesEvent[]> => {
      const about = () =>
        arrived.filter((event) => event.mail?.messageId === sesMessageId && event.eventType !== 'Send');
      for (const end = Date.now() + 60_000; Date.now() < end && about().length < count; ) await take();
      return about().sort((a, b) => (a.eventType < b.eventType ? 1 : -1)); // Delivery before what came of it
    };
    const sendTo = (name: string, more: Partial<SendEmailCommandInput> = {}) =>
      send('Subject: Hi\r\n', {
        Destination: { ToAddresses: [`${name}@simulator.amazonses.com`] },
        ConfigurationSetName: target().feedback.configurationSet,
        ...more,
      });

    test.each([
      ['success', ['Delivery']],
      ['bounce', ['Bounce']],
      ['bounce+label', ['Bounce']],
      ['ooto', ['Delivery', 'Bounce']],
      ['complaint', ['Delivery', 'Complaint']],
      ['suppressionlist', ['Bounce']],
    ])('the simulator: %s', async (name, kinds) => {
      const { MessageId } = await sendTo(name);
      const events = await told(MessageId, kinds.length);
      expect(events.map(({ eventType }) => eventType)).toEqual(kinds);
      const { configurationSet } = target().feedback;
      for (const { mail } of events)
        expect(mail?.tags).toMatchObject({ everpost: ['a-b_1'], 'ses:configuration-set': [configurationSet] });
      const last = events.at(-1);
      if (name.startsWith('bounce'))
        expect(last?.bounce).toMatchObject({
          bounceType: 'Permanent',
          bouncedRecipients: [
            { status: '5.1.1', action: 'failed', diagnosticCode: expect.stringMatching(/^smtp; 550/) },
          ],
        });
      if (name === 'suppressionlist')
        expect(last?.bounce).toMatchObject({ bounceType: 'Permanent', bounceSubType: 'Suppressed' });
      if (name === 'ooto') {
        expect(last?.bounce).toMatchObject({ bounceType: 'Transient', bounceSubType: 'General' });
        const [recipient = {}] = (last?.bounce?.bouncedRecipients ?? []) as object[];
        expect(Object.keys(recipient)).toEqual(['emailAddress']);
      }
    });

    test('mail that names none is not told of; the fields of a message steer SES, and the call wins over them', async () => {
      const { configurationSet } = target().feedback;
      const plain = await sendTo('success', { ConfigurationSetName: undefined });
      const fields = `X-SES-CONFIGURATION-SET: ${configurationSet}\r\nX-SES-MESSAGE-TAGS: everpost=theirs, other=x\r\n`;
      const { from } = made();
      const raw = { Raw: { Data: Buffer.from(`From: ${from}\r\n${fields}\r\nHello\r\n`) } };
      const steered = await sendTo('success', { ConfigurationSetName: undefined, EmailTags: undefined, Content: raw });
      const called = await sendTo('success', { Content: raw });
      const tagsOf = async (sesMessageId: string | undefined) => (await told(sesMessageId, 1))[0]?.mail?.tags;
      expect(await tagsOf(steered.MessageId)).toMatchObject({ everpost: ['theirs'], other: ['x'] });
      expect(await tagsOf(called.MessageId)).toMatchObject({ everpost: ['a-b_1'] });
      await take();
      expect(arrived.filter((event) => event.mail?.messageId === plain.MessageId)).toEqual([]);
    });
  });

  const bounce = (more: object = {}) => {
    const { from, received } = made();
    return {
      OriginalMessageId: received.sesMessageId,
      BounceSender: from,
      MessageDsn: { ReportingMta: 'dns; mx.example.com', ArrivalDate: new Date() },
      BouncedRecipientInfoList: [
        { Recipient: received.forwardPath, RecipientDsnFields: { Action: 'failed' as const, Status: '5.1.1' } },
      ],
      ...more,
    };
  };
  const apart = () => new Promise((resolve) => setTimeout(resolve, 1_100)); // one call a second

  test('SendBounce takes one call a second', async () => {
    const { v1 } = made();
    expect((await v1.send(new SendBounceCommand(bounce()))).MessageId).toMatch(/\S/);
    await expect(v1.send(new SendBounceCommand(bounce()))).rejects.toMatchObject({ name: 'Throttling' });
    await apart();
    expect((await v1.send(new SendBounceCommand(bounce()))).MessageId).toMatch(/\S/);
  });

  test.each([
    ['an unknown message', { OriginalMessageId: 'no-such-message' }, 'MessageRejected'],
    ['a sender that is not verified', { BounceSender: 'x@not-verified.example' }, 'MessageRejected'],
    [
      'a stranger to the message',
      { BouncedRecipientInfoList: [{ Recipient: 'stranger@far.example', BounceType: 'DoesNotExist' as const }] },
      'MessageRejected',
    ],
    [
      'neither type nor fields',
      { BouncedRecipientInfoList: [{ Recipient: 'bob@example.com' }] },
      'InvalidParameterValue',
    ],
  ])('SendBounce refuses %s', async (_, more, name) => {
    await apart();
    await expect(made().v1.send(new SendBounceCommand(bounce(more)))).rejects.toMatchObject({ name });
  });
}
