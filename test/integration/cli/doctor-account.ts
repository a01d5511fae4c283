// An emulated AWS account in which nothing is wrong, for the doctor: a stack with its outputs, queues, topic, bucket
// and ledger, SES with its identities, secrets, a name server and a next hop. A test spoils one thing, and mends it. No
// function runs in it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';
import { ledgerTable } from '#test/contract/emulated-aws.ts';
import { startNameServer } from '#test/kit/name-server.ts';

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
    secrets['everpost/corp'] = { username: 'relay', password: 'hunter2' };
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
  const account = {
    aws,
    names,
    secrets,
    records,
    dns,
    alarmTopic,
    config: join(folder, 'everpost.config.json'),
    /** As it was at the beginning: nothing is wrong. */
    mend(): void {
      Object.assign(names, { verified: ['example.org'], unverified: [], mailFrom: null });
      setSecrets();
      aws.stacks.put(STACK, standing(aws, alarmTopic));
      aws.ses.rules.setActive(STACK);
      aws.lambdaAccount.set({ concurrent: 10, unreserved: 10 });
      aws.sesAccount.set({
        ...{ sendingEnabled: true, productionAccess: true, enforcement: 'HEALTHY' },
        maxSendRate: 14,
      });
      account.subscribe('ann@example.org', true);
      aws.faults.clear();
      account.configure();
      account.login(aws.credentials);
    },
    subscribe(address: string, confirmed: boolean): void {
      aws.topics.subscribePerson({ topicArn: alarmTopic, address, confirmed });
    },
    configure(change: object = {}): void {
      writeFileSync(account.config, JSON.stringify({ ...CONFIG, ...change }));
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
      await dns.close();
      await aws.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  account.mend();
  return account;
}

const CONFIG = {
  domains: ['example.org'],
  nextHops: {
    corp: { kind: 'smtp', host: 'mail.example.org', port: 587, tls: 'required', auth: { secret: 'everpost/corp' } },
    ses: { kind: 'ses', messagesPerSecond: 10 },
  },
  routes: [
    { match: '*@example.org', to: [{ via: 'corp' }] },
    { match: '*', direction: 'outbound', to: [{ via: 'ses' }] },
  ],
  notices: { from: 'postmaster@example.org', postmaster: 'admin@corp.example', via: 'corp' },
  submitters: { app: { secret: 'everpost/corp', senderDomains: ['example.org'] } },
};

function standing(aws: AwsLocal, alarmTopic: string) {
  const { region, account } = aws.world;
  const deadLetters = Object.fromEntries(DEAD_LETTERS.map((name) => [`${name}Url`, aws.queueUrl(name)]));
  return {
    id: `arn:aws:cloudformation:${region}:${account}:stack/${STACK}/00000000-0000-0000-0000-000000000000`,
    status: 'CREATE_COMPLETE',
    outputs: { RuleSet: STACK, Table: TABLE, Bucket: BUCKET, AlarmTopic: alarmTopic, ...deadLetters },
  };
}
