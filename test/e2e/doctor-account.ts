// An emulated AWS account in which nothing is wrong, for the doctor: a stack with its outputs, queues, topic, bucket
// and ledger, SES with its identities, secrets, a name server and a next hop. A test spoils one thing, and `mend` makes
// it whole again. No function runs in it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { dynamoClient } from '#adapters/aws/clients.ts';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { identityAnswer } from '#aws-local/ses/identity-answer.ts';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';
import { ledgerTable, settingsOf } from '#test/contract/emulated-aws.ts';
import { startNameServer } from '#test/kit/name-server.ts';
import { type ScriptedServer, scriptedServer, testCa } from '#test/smtp-dialogue.ts';

export const STACK = 'Everpost';
const TABLE = `${STACK}-LedgerTable-ABCDEFGHIJKL`;
const BUCKET = 'everpost-spoolbucket-abcdefghijkl';
const DEAD_LETTERS = ['IngestDeadLetters', 'RelayDeadLetters'];

export type DoctorAccount = Awaited<ReturnType<typeof openDoctorAccount>>;

export async function openDoctorAccount() {
  const names = { verified: ['example.org'], unverified: [] as string[], mailFrom: null as string | null };
  const secrets: Record<string, string | Record<string, unknown>> = {};
  const setSecrets = () => {
    for (const name of Object.keys(secrets)) delete secrets[name];
    for (const name of ['everpost/corp', 'everpost/app']) secrets[name] = { username: 'relay', password: 'hunter2' };
  };
  setSecrets();
  const aws = await startAws({
    queues: DEAD_LETTERS,
    buckets: [{ name: BUCKET, versioned: true }],
    topics: ['alarms'],
    tables: [{ ...ledgerTable, TableName: TABLE }],
    secrets,
    mail: {
      domains: ['example.org'],
      identities: () => names.verified,
      unverified: () => names.unverified,
      mailFrom: () => names.mailFrom,
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'everpost-doctor-'));
  const alarmTopic = `arn:aws:sns:${aws.region}:${aws.world.account}:alarms`;
  for (const RuleSetName of [STACK, 'other-app']) aws.ses.rules.createRuleSet({ RuleSetName });
  const records = new Map<string, readonly string[]>();
  const dns = await startNameServer(records);
  const dynamo = dynamoClient(settingsOf(aws));
  let server: ScriptedServer | null = null;
  const account = {
    aws,
    names,
    secrets,
    records,
    dns,
    alarmTopic,
    ledger: new DynamoLedger(dynamo, TABLE, { search: true, ledgerRetentionMs: 1e10 }),
    board: new DynamoBoard(dynamo, TABLE),
    config: join(folder, 'everpost.config.json'),
    /** As it was at the beginning: nothing is wrong. */
    async mend(): Promise<void> {
      Object.assign(names, { verified: ['example.org'], unverified: [], unsigned: [], mailFrom: null });
      setSecrets();
      aws.stacks.put(STACK, standing(aws, alarmTopic));
      aws.ses.rules.setActive(STACK);
      aws.lambdaAccount.set({ concurrent: 10, unreserved: 10 });
      aws.sesAccount.set({
        ...{ sendingEnabled: true, productionAccess: true, enforcement: 'HEALTHY' },
        maxSendRate: 14,
        max24HourSend: 1_000_000,
      });
      account.subscribe('ann@example.org', true);
      aws.faults.clear();
      setRecords(records, aws.region);
      dns.failing.clear();
      await account.serve(OPENS + TAKES);
      account.login(aws.credentials);
    },
    /** A stack of another name in the same account: what it left behind is found by its name. */
    standAs(name: string): void {
      aws.stacks.put(name, standing(aws, alarmTopic, name));
      aws.ses.rules.createRuleSet({ RuleSetName: name });
      aws.ses.rules.setActive(name);
    },
    subscribe(address: string, confirmed: boolean): void {
      aws.topics.subscribePerson({ topicArn: alarmTopic, address, confirmed });
    },
    /** The next hop from now on; null: nothing listens at its port. */
    async serve(script: string | null, corp: object = {}, top: object = {}): Promise<void> {
      const port = server?.port ?? 0;
      await server?.close();
      server = script === null ? null : await scriptedServer(script);
      account.configure({ ...corp, port: server?.port ?? port }, top);
    },
    /** `corp` with these settings, and these at the top. */
    configure(corp: object, top: object = {}): void {
      const nextHops = { ...CONFIG.nextHops, corp: { ...CONFIG.nextHops.corp, ...corp } };
      writeFileSync(account.config, JSON.stringify({ ...CONFIG, nextHops, ...top }));
    },
    /** Own credentials, as the SDK finds them. */
    login({ accessKeyId, secretAccessKey, sessionToken }: AwsLocal['credentials'], region = aws.region): void {
      vi.stubEnv('AWS_ENDPOINT_URL', aws.endpoint);
      vi.stubEnv('AWS_REGION', region);
      vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
      vi.stubEnv('AWS_SESSION_TOKEN', sessionToken);
    },
    async close(): Promise<void> {
      vi.unstubAllEnvs();
      await server?.close();
      await dns.close();
      dynamo.destroy();
      await aws.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  writeFileSync(join(folder, 'ca.pem'), testCa);
  await account.mend();
  return account;
}

/** Up to the login. */
export const GREETS = 'S: 220 mail.example.org ESMTP\nC: EHLO *\nS: 250-mail.example.org\n';
export const SECURES = 'S: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\nC: EHLO *\nS: 250-mail.example.org\n';
export const ASKS = 'S: 250 AUTH PLAIN\nC: AUTH PLAIN *\n';
export const OPENS = `${GREETS}${SECURES}${ASKS}S: 235 in\n`;
export const TAKES = 'C: MAIL FROM:<*\nS: 250 ok\nC: RCPT TO:<*\nS: 250 ok\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\n';

const auth = { secret: 'everpost/corp' };
const CONFIG = {
  domains: ['example.org'],
  nextHops: {
    corp: { kind: 'smtp', host: '127.0.0.1', port: 587, tls: 'required', ca: 'ca.pem', auth } as Record<
      string,
      unknown
    >,
    ses: { kind: 'ses', messagesPerSecond: 10 },
  },
  routes: [
    { match: '*@example.org', to: [{ via: 'corp', returnPath: 'token' }] },
    { match: '*', direction: 'outbound', to: [{ via: 'ses' }] },
  ],
  notices: { from: 'postmaster@example.org', postmaster: 'admin@corp.example', via: 'corp' },
  submitters: { app: { secret: 'everpost/app', senderDomains: ['example.org'] } },
};

/** What `everpost dns` asks for, with the names of the emulator's DKIM keys. */
function setRecords(records: Map<string, readonly string[]>, region: string): void {
  records.clear();
  const { DkimAttributes } = identityAnswer('example.org', {
    ...{ verified: ['example.org'], unverified: [], unsigned: [] },
    ...{ mailFrom: () => null, forwardsFeedback: () => true },
  }) as { DkimAttributes: { Tokens: readonly string[] } };
  const at = `10 inbound-smtp.${region}.amazonaws.com`;
  for (const token of DkimAttributes.Tokens)
    records.set(`${token}._domainkey.example.org CNAME`, [`${token}.dkim.amazonses.com`]);
  records.set('_dmarc.example.org TXT', ['v=DMARC1; p=none']);
  records.set('bounces.example.org MX', [at]);
  records.set('bounces.example.org TXT', ['v=spf1 ip4:127.0.0.1 ~all']);
  records.set('example.org MX', [at]);
}

function standing(aws: AwsLocal, alarmTopic: string, name = STACK) {
  const { region, account } = aws.world;
  const deadLetters = Object.fromEntries(DEAD_LETTERS.map((name) => [`${name}Url`, aws.queueUrl(name)]));
  return {
    id: `arn:aws:cloudformation:${region}:${account}:stack/${name}/00000000-0000-0000-0000-000000000000`,
    status: 'CREATE_COMPLETE',
    outputs: { RuleSet: name, Table: TABLE, Bucket: BUCKET, AlarmTopic: alarmTopic, ...deadLetters },
  };
}
