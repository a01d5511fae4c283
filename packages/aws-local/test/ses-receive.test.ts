// The emulated SES inbound on the emulated S3, SNS and SQS: the conformance suite, receipt rules, verdicts, policies
// that refuse, retries on the virtual clock, and what a crash leaves behind.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloneReceiptRuleSetCommand,
  DescribeActiveReceiptRuleSetCommand,
  SESClient,
  SetActiveReceiptRuleSetCommand,
} from '@aws-sdk/client-ses';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Emulators, openEmulators } from '../src/emulators.ts';
import { type FrontDoor, openFrontDoor } from '../src/ses/inbound-smtp.ts';
import { createSesReceive, type ReceiptRuleProperties, type SesReceive } from '../src/ses/receiving.ts';
import { createSes } from '../src/ses/ses.ts';
import { openStore } from '../src/store.ts';
import { nextNotification, sendMail, sesReceiveConformance } from './conformance/ses-receive.ts';

const domain = 'example.com';
const ses = { Service: 'ses.amazonaws.com' };
type Lab = {
  readonly aws: Emulators;
  readonly inbound: SesReceive;
  readonly door: FrontDoor;
  readonly smtp: { readonly host: string; readonly port: number };
  readonly metrics: Map<string, number>;
  readonly queueUrl: string;
  readonly config: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } };
  readonly topicArn: string;
  rule(name: string, rule: Partial<ReceiptRuleProperties['Rule']>, after?: string): Promise<void>;
  send(to: readonly string[], content?: string, from?: string): Promise<readonly string[]>;
  close(): Promise<void>;
};

async function openLab(folder: string): Promise<Lab> {
  const aws = await openEmulators({ dataFolder: folder });
  const topicArn = aws.topics.create('receipts', policy(['sns:Publish'], '*'));
  const queueArn = aws.queues.create({
    name: 'ingest',
    policy: policy(['sqs:SendMessage'], '*', { Service: 'sns.amazonaws.com' }),
  } as never);
  aws.topics.subscribe({ topicArn, endpoint: queueArn, raw: true, deadLetterTargetArn: null });
  aws.s3.buckets.create('spool', { policy: policy(['s3:PutObject'], 'arn:aws:s3:::spool/in/*') });
  const metrics = new Map<string, number>();
  const inbound = createSesReceive({
    world: aws.world,
    store: aws.store,
    deposit: aws.s3.deposit,
    announce: (by, arn, subject, message) => aws.topics.announce(by, arn, { subject, message }),
    verifiedDomains: () => [domain],
    measure: ({ name, dimensions }) => {
      if (dimensions.RuleName) metrics.set(name, (metrics.get(name) ?? 0) + 1);
    },
  });
  aws.front.add(createSes(aws.world, inbound.rules));
  const door = await openFrontDoor({ port: 0, host: 'mx.example.com', door: inbound.door, log: () => undefined });
  const smtp = { host: '127.0.0.1', port: door.port };
  inbound.rules.createRuleSet({ RuleSetName: 'set' });
  return {
    aws,
    inbound,
    door,
    smtp,
    metrics,
    topicArn,
    queueUrl: `${aws.front.endpoint}/000000000000/ingest`,
    config: { endpoint: aws.front.endpoint, region: 'eu-west-1', credentials: aws.keys.issue({ kind: 'root' }) },
    rule: (name, rule, after) =>
      inbound.rules.createRule({
        RuleSetName: 'set',
        ...(after ? { After: after } : {}),
        Rule: {
          Name: name,
          Enabled: true,
          ScanEnabled: true,
          Actions: [{ S3Action: { BucketName: 'spool', ObjectKeyPrefix: 'in/', TopicArn: topicArn } }],
          ...rule,
        },
      }),
    send: (to, content = 'Subject: x\r\n\r\n', from = 'a@src.example') =>
      sendMail(smtp, { from, to, content: Buffer.from(content) }),
    close: async () => {
      inbound.stop();
      await door.close();
      await aws.close();
    },
  };
}
function policy(Action: string[], Resource: string, Principal: object = ses): object {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal,
        Action,
        Resource,
        Condition: { StringEquals: { 'aws:SourceAccount': '000000000000' } },
      },
    ],
  };
}

let lab: Lab;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'everpost-ses-'));
  lab = await openLab(folder);
  await lab.rule('main', { Recipients: [`user@${domain}`, `other@${domain}`] });
  lab.inbound.rules.setActive('set');
});
afterAll(async () => {
  await lab.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('conformance', () => {
  sesReceiveConformance(() => ({ ...lab, bucket: 'spool', prefix: 'in/', domain }));
});

describe('recipient conditions', () => {
  const matches = async (Recipients: string[] | undefined, address: string): Promise<boolean> => {
    const made = createSesReceive({
      world: { ...lab.aws.world, dataFolder: mkdtempSync(join(folder, 'match-')) },
      store: openStore(null),
      deposit: async () => undefined,
      announce: async () => undefined,
      verifiedDomains: () => ['example.com', 'bücher.example'],
    });
    made.rules.createRuleSet({ RuleSetName: 's' });
    await made.rules.createRule({
      RuleSetName: 's',
      Rule: { Name: 'r', Enabled: true, ...(Recipients ? { Recipients } : {}) },
    });
    made.rules.setActive('s');
    return made.door.rcpt(address, { address: '127.0.0.1', helo: 'x', secure: false }) === null;
  };
  test.each<[string[] | undefined, string, boolean]>([
    [['user@example.com'], 'user@example.com', true],
    [['user@example.com'], 'User@EXAMPLE.com', true],
    [['user@example.com'], 'user+label@example.com', true],
    [['user@example.com'], 'users@example.com', false],
    [['user+label@example.com'], 'user+label@example.com', true],
    [['user+label@example.com'], 'user@example.com', false],
    [['user+label@example.com'], 'user+other@example.com', false],
    [['example.com'], 'anyone@example.com', true],
    [['example.com'], 'a@sub.example.com', false],
    [['sub.example.com'], 'a@sub.example.com', true],
    [['sub.example.com'], 'a@example.com', false],
    [['sub.example.com'], 'a@deep.sub.example.com', false],
    [['.example.com'], 'a@sub.example.com', true],
    [['.example.com'], 'a@deep.sub.example.com', true],
    [['.example.com'], 'a@example.com', false],
    [['.example.com'], 'a@notexample.com', false],
    [['example.com', '.example.com'], 'a@example.com', true],
    [undefined, 'a@example.com', true],
    [undefined, 'a@xn--bcher-kva.example', true],
    [undefined, 'a@far.example', false],
    [['xn--bcher-kva.example'], 'a@bücher.example', true],
    [['example.com'], '"a b@c"@example.com', true],
    [['example.com'], 'postmaster', false],
  ])('%j and %s: %s', async (recipients, address, expected) => {
    expect(await matches(recipients, address)).toBe(expected);
  });
});

describe('rules', () => {
  test('two rules that match one message both act, each with its own recipients; a disabled one does not', async () => {
    await lab.rule('two-a', { Recipients: [`a@two.${domain}`] });
    await lab.rule('two-b', { Recipients: [`two.${domain}`], ScanEnabled: false }, 'two-a');
    await lab.rule('two-off', { Recipients: [`off.${domain}`], Enabled: false });
    expect((await lab.send([`x@off.${domain}`]))[3]).toMatch(/^550 5\.1\.1/);
    await lab.send([`a@two.${domain}`, `b@two.${domain}`]);
    const both = [await nextNotification(lab), await nextNotification(lab)];
    expect(new Set(both.map(({ mail }) => mail.messageId)).size).toBe(1);
    const byCount = both.map(({ receipt }) => receipt).sort((a, b) => a.recipients.length - b.recipients.length);
    expect(byCount.map(({ recipients }) => recipients)).toEqual([
      [`a@two.${domain}`],
      [`a@two.${domain}`, `b@two.${domain}`],
    ]);
    expect(byCount.map(({ spamVerdict }) => spamVerdict)).toEqual([{ status: 'PASS' }, { status: 'DISABLED' }]);
  });

  test('TLS that a rule requires is asked for', async () => {
    await lab.rule('tls', { Recipients: [`tls.${domain}`], TlsPolicy: 'Require' });
    expect((await lab.send([`a@tls.${domain}`]))[3]).toMatch(/^530 5\.7\.0/);
  });

  test('bucket and topic are tried out before a rule is taken, and only when it is new or changed', async () => {
    const puts = async () =>
      (await lab.aws.s3.list({ principal: { kind: 'root' } }, 'spool', 'in/AMAZON')).map(
        ({ modifiedAt }: { modifiedAt: unknown }) => modifiedAt,
      );
    await lab.rule('tried', { Recipients: [`tried.${domain}`] });
    const first = await puts();
    expect(first).toHaveLength(1);
    await lab.rule('tried', { Recipients: [`tried.${domain}`] });
    expect(await puts()).toEqual(first);
    const s3 = (S3Action: object) =>
      lab.rule('refused', { Actions: [{ S3Action: { BucketName: 'spool', ObjectKeyPrefix: 'in/', ...S3Action } }] });
    await expect(s3({ ObjectKeyPrefix: 'elsewhere/' })).rejects.toMatchObject({
      code: 'InvalidS3ConfigurationException',
      message: expect.stringContaining('Could not write'),
    });
    await expect(s3({ BucketName: 'none' })).rejects.toMatchObject({
      code: 'InvalidS3ConfigurationException',
      message: expect.stringContaining('none'),
    });
    const silent = lab.aws.topics.create('silent', policy(['sns:Subscribe'], '*'));
    await expect(s3({ TopicArn: silent })).rejects.toMatchObject({ code: 'InvalidSnsTopicException' });
    await expect(lab.rule('other', { Actions: [{ LambdaAction: {} } as never] })).rejects.toThrow('LambdaAction');
    await expect(
      lab.rule('many', { Recipients: Array.from({ length: 501 }, (_, n) => `u${n}@${domain}`) }),
    ).rejects.toThrow('Too many recipients');
  });

  test('the SES client activates, describes and deactivates the rule set; the rest is refused by name', async () => {
    const client = new SESClient({ ...lab.config, maxAttempts: 1 });
    const { Metadata, Rules } = await client.send(new DescribeActiveReceiptRuleSetCommand({}));
    expect(Metadata?.Name).toBe('set');
    expect(Rules?.find(({ Name }) => Name === 'main')).toMatchObject({
      Enabled: true,
      ScanEnabled: true,
      Recipients: [`user@${domain}`, `other@${domain}`],
      Actions: [{ S3Action: { BucketName: 'spool', ObjectKeyPrefix: 'in/', TopicArn: lab.topicArn } }],
    });
    await client.send(new SetActiveReceiptRuleSetCommand({}));
    expect((await client.send(new DescribeActiveReceiptRuleSetCommand({}))).Metadata).toBeUndefined();
    expect((await lab.send([`user@${domain}`]))[3]).toMatch(/^550/);
    await expect(client.send(new SetActiveReceiptRuleSetCommand({ RuleSetName: 'none' }))).rejects.toMatchObject({
      name: 'RuleSetDoesNotExistException',
    });
    await client.send(new SetActiveReceiptRuleSetCommand({ RuleSetName: 'set' }));
    await expect(
      client.send(new CloneReceiptRuleSetCommand({ RuleSetName: 'x', OriginalRuleSetName: 'set' })),
    ).rejects.toMatchObject({
      name: 'NotImplemented',
      message: expect.stringContaining('CloneReceiptRuleSet'),
    });
    const nobody = lab.aws.keys.issue({
      kind: 'role',
      arn: 'arn:aws:iam::000000000000:role/nobody',
      functionName: null,
    });
    const denied = new SESClient({ ...lab.config, credentials: nobody, maxAttempts: 1 });
    await expect(denied.send(new SetActiveReceiptRuleSetCommand({}))).rejects.toMatchObject({
      message: expect.stringContaining('ses:SetActiveReceiptRuleSet'),
    });
    client.destroy();
    denied.destroy();
  });
});

describe('verdicts', () => {
  const gtube = `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL'}*C.34X`;
  const eicar = `X5O!P%@AP[4\\PZX54(P^)7CC)7}${'$EICAR-STANDARD-'}ANTIVIRUS-TEST-FILE!$H+H*`;
  test.each([
    ['in a small message', gtube, 'FAIL', 'PASS'],
    ['EICAR', eicar, 'PASS', 'FAIL'],
    ['EICAR in base64', Buffer.from(eicar).toString('base64'), 'PASS', 'FAIL'],
    ['in a message that streams, wherever chunks end', `${'x'.repeat(70)}\r\n`.repeat(9_000) + gtube, 'FAIL', 'PASS'],
  ])('%s', async (_name, text, spam, virus) => {
    await lab.send([`user@${domain}`], `Subject: x\r\n\r\n${text}\r\n`);
    const { mail, receipt } = await nextNotification(lab);
    expect([receipt.spamVerdict, receipt.virusVerdict]).toEqual([{ status: spam }, { status: virus }]);
    const object = await lab.aws.s3.read({ principal: { kind: 'root' } }, 'spool', `in/${mail.messageId}`);
    const head = object.toString('latin1', 0, 1000);
    expect(head).toContain(`\r\nX-SES-Spam-Verdict: ${spam}\r\nX-SES-Virus-Verdict: ${virus}\r\nReceived-SPF:`);
    expect(object.toString('latin1').endsWith(`${text}\r\n`)).toBe(true);
  });

  test('what SES is told to find, for one sender or for all', async () => {
    lab.inbound.verdicts.set({ reversePath: 'forged@src.example', dmarc: 'FAIL', dmarcPolicy: 'reject', spf: 'GRAY' });
    await lab.send([`user@${domain}`], 'Subject: x\r\n\r\n', 'forged@src.example');
    expect((await nextNotification(lab)).receipt).toMatchObject({
      dmarcVerdict: { status: 'FAIL' },
      dmarcPolicy: 'reject',
      spfVerdict: { status: 'GRAY' },
    });
    await lab.send([`user@${domain}`]);
    const { receipt } = await nextNotification(lab);
    expect(receipt).toMatchObject({ dmarcVerdict: { status: 'PASS' } });
    expect(receipt).not.toHaveProperty('dmarcPolicy');
    expect(() => lab.inbound.verdicts.set({ spam: 'MAYBE' })).toThrow('spam');
  });
});

describe('actions that fail', () => {
  test('are tried again until they succeed, without a second object version when only the topic refused', async () => {
    lab.metrics.clear();
    lab.aws.faults.add({ service: 's3', operation: 'PutObject', effect: 'deny', times: 2 });
    lab.aws.faults.add({ service: 'sns', operation: 'Publish', effect: 'deny', times: 1 });
    expect((await lab.send([`user@${domain}`])).at(-1)).toMatch(/^250/);
    await lab.aws.clock.advance(3_600_000);
    expect(Object.fromEntries(lab.metrics)).toEqual({ Received: 1, PublishFailure: 3, PublishSuccess: 1 });
    expect((await nextNotification(lab)).receipt.recipients).toEqual([`user@${domain}`]);
    expect(lab.inbound.unfinished()).toBe(0);
    expect(readdirSync(join(folder, 'ses', 'accepted'))).toEqual([]);
  });

  test('are given up after 36 hours, counted', async () => {
    lab.metrics.clear();
    lab.aws.faults.add({ service: 's3', operation: 'PutObject', effect: 'deny' });
    await lab.send([`user@${domain}`]);
    await lab.aws.clock.advance(35 * 3_600_000);
    expect([lab.metrics.get('PublishExpired'), lab.inbound.unfinished()]).toEqual([undefined, 1]);
    await lab.aws.clock.advance(2 * 3_600_000);
    expect([lab.metrics.get('PublishExpired'), lab.inbound.unfinished()]).toEqual([1, 0]);
    lab.aws.faults.clear();
  });
});

test('what was accepted before a crash is carried out after it; what never got its 250 is gone', async () => {
  const other = mkdtempSync(join(tmpdir(), 'everpost-ses-crash-'));
  let crashed = await openLab(other);
  await crashed.rule('main', { Recipients: [domain] });
  crashed.inbound.rules.setActive('set');
  await nextSetup(crashed);
  crashed.aws.faults.add({ service: 's3', operation: 'PutObject', effect: 'deny' });
  await crashed.send([`user@${domain}`], 'Subject: survivor\r\n\r\n');
  crashed.inbound.stop(); // as a kill would: nothing is written any more
  await crashed.close();
  const accepted = join(other, 'ses', 'accepted');
  writeFileSync(join(accepted, 'half.eml'), 'Subject: never answered');
  writeFileSync(join(accepted, 'torn.json'), '{"version":1,"ses');

  crashed = await openLab(other);
  expect(crashed.inbound.rules.active()?.rules.map(({ Name }) => Name)).toEqual(['main']);
  crashed.inbound.resume();
  const { mail } = await nextNotification(crashed);
  expect(mail.commonHeaders.subject).toBe('survivor');
  await crashed.aws.clock.idle();
  expect(readdirSync(accepted)).toEqual([]);
  await crashed.close();
  rmSync(other, { recursive: true, force: true });
});

/** Lets SES's own test of the rule come and go, so that the fault meets the mail. */
async function nextSetup(of: Lab): Promise<void> {
  await of.aws.clock.idle();
}
