// `everpost doctor` against an emulated account in which one thing at a time is wrong: it names that thing with its
// remedy, and nothing else; and nothing where nothing is wrong.

import { readFileSync } from 'node:fs';
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { doctor } from '#cli/doctor.ts';
import { heldByOperator } from '#core/delivery/hold-release.ts';
import { unknownHealth } from '#core/delivery/next-hop-health.ts';
import { neverPaused } from '#core/delivery/pause.ts';
import { ledgerTable } from '#test/contract/emulated-aws.ts';
import { facts, queued, T0 } from '#test/contract/rows.ts';
import { said } from '#test/integration/cli/instance.ts';
import { ASKS, type DoctorAccount, GREETS, OPENS, openDoctorAccount, SECURES, STACK, TAKES } from './doctor-account.ts';

let account: DoctorAccount;
beforeAll(async () => {
  account = await openDoctorAccount();
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(() => account.close());

type Line = { readonly name: string; readonly state: string; readonly what: string; readonly remedy: string | null };
async function examine(stack = STACK) {
  const options = ['--config', account.config, '--resolver', account.dns.address, '--json'];
  const { code, out } = await said(() => doctor.run(['--stack', stack, ...options]));
  const { checks } = JSON.parse(out) as { checks: readonly Line[] };
  return { code, bad: checks.filter(({ state }) => state !== 'ok'), all: checks };
}

/** One line of that check is wrong, and no other. `spoil` may return what mends again what `mend` does not. */
type Fault = {
  readonly fault: string;
  readonly check: string;
  readonly what: RegExp;
  readonly remedy: RegExp;
  readonly spoil: () => unknown;
  /** The stack that is asked for, where it is another one. */
  readonly stack?: string;
};
const at = (
  fault: string,
  check: string,
  what: RegExp,
  remedy: RegExp,
  spoil: () => unknown,
  stack = STACK,
): Fault => ({ fault, check, what, remedy, spoil, stack });
const fixture = (name: string) => readFileSync(new URL(`../fixtures/tls/clients/${name}`, import.meta.url), 'utf8');
const root = { principal: { kind: 'root' } } as const;

const ACCOUNT: readonly Fault[] = [
  at('SES does not receive in the region', 'region', /does not receive mail in xx-north-9/, /eu-west-1/, () => {
    account.login(account.aws.credentials, 'xx-north-9');
    account.records.set('example.org MX', ['10 inbound-smtp.xx-north-9.amazonaws.com']);
    account.records.set('bounces.example.org MX', ['10 inbound-smtp.xx-north-9.amazonaws.com']);
  }),
  at('the last deploy was undone', 'stack', /UPDATE_ROLLBACK_COMPLETE/, /npm run deploy/, () => {
    const found = account.aws.stacks.find(STACK);
    if (found !== null) account.aws.stacks.put(STACK, { ...found, status: 'UPDATE_ROLLBACK_COMPLETE' });
  }),
  at('a deletion has failed', 'stack', /is DELETE_FAILED/, /delete-stack --stack-name Everpost,/, () => {
    const found = account.aws.stacks.find(STACK);
    if (found !== null) account.aws.stacks.put(STACK, { ...found, status: 'DELETE_FAILED' });
  }),
  at('Lambda runs too few functions', 'lambda-quota', /8 of them unreserved; .* asks for 9/, /higher quota/, () =>
    account.aws.lambdaAccount.set({ concurrent: 10, unreserved: 8 }),
  ),
  at(
    'Lambda cannot reserve',
    'lambda-quota',
    /reserve` takes 9, and AWS keeps 100/,
    /leave `concurrency.reserve`/,
    () => account.serve(OPENS + TAKES, {}, { concurrency: { reserve: true } }),
  ),
  at(
    'nobody has confirmed to hear of alarms',
    'subscribers',
    /ann@example.org has not confirmed/,
    /open the link/,
    () => account.subscribe('ann@example.org', false),
  ),
  at(
    'one of those who are configured has not confirmed',
    'subscribers',
    /^bob@example.org of alarms.email hears of no alarm yet$/,
    /open the link in the mail of AWS to bob@example.org/,
    () => account.serve(OPENS + TAKES, {}, { alarms: { email: ['ann@example.org', 'bob@example.org'] } }),
  ),
  at('a secret is missing', 'secrets', /everpost\/app of the submitter app is missing/, /create-secret/, () => {
    delete account.secrets['everpost/app'];
  }),
  at('a secret lacks a member', 'secrets', /everpost\/app of .* has no password/, /put-secret-value/, () => {
    account.secrets['everpost/app'] = { username: 'hunter2' };
  }),
  at('a secret is no JSON', 'secrets', /everpost\/app of .* is not JSON/, /put-secret-value/, () => {
    account.secrets['everpost/app'] = 'hunter2';
  }),
  at(
    'a client certificate has ended',
    'secrets',
    /everpost\/cert of .* certificate that ended at/,
    /put-secret/,
    () => {
      account.secrets['everpost/cert'] = { certificate: fixture('ended.pem'), key: fixture('ended.key') };
      return account.serve(OPENS + TAKES, { clientCertificate: { secret: 'everpost/cert' } });
    },
  ),
];
const SES: readonly Fault[] = [
  at('another rule set is active', 'rule-set', /other-app is active, and not Everpost/, /set-active-receipt-rule/, () =>
    account.aws.ses.rules.setActive('other-app'),
  ),
  at('no rule set is active', 'rule-set', /none is active/, /--rule-set-name Everpost/, () =>
    account.aws.ses.rules.setActive(null),
  ),
  at('an identity is missing', 'identities', /no identity for example.org/, /create-email-identity/, () => {
    account.names.verified = [];
  }),
  at('an identity is not verified', 'identities', /example.org is not verified/, /DKIM records/, () => {
    Object.assign(account.names, { verified: [], unverified: ['example.org'] });
  }),
  at('identities are too narrow', 'identities', /postmaster@example.org alone, .* narrower/, /create-email-id/, () => {
    account.names.verified = ['postmaster@example.org'];
  }),
  at('the sandbox of SES', 'sending', /sandbox/, /production access/, () =>
    account.aws.sesAccount.set({ productionAccess: false }),
  ),
  at('sending is off', 'sending', /switched off/, /--sending-enabled/, () =>
    account.aws.sesAccount.set({ sendingEnabled: false }),
  ),
  at('SES has shut the account down', 'sending', /SHUTDOWN/, /answer AWS/, () =>
    account.aws.sesAccount.set({ enforcement: 'SHUTDOWN' }),
  ),
  at('the quota of SES is used up', 'sending', /used up: 2 of 2 recipients/, /higher sending quota/, () => {
    account.aws.sesAccount.spend(2);
    account.aws.sesAccount.set({ max24HourSend: 2 });
  }),
  at('the quota of SES is nearly used up', 'sending', /nearly used up: 9\d of 100 recip/, /send less today/, () => {
    account.aws.sesAccount.set({ maxSendRate: 200 });
    account.aws.sesAccount.spend(93);
    account.aws.sesAccount.set({ max24HourSend: 100 });
  }),
  at(
    'the rate of SES is too low',
    'sending',
    /SES takes 1 recipients a second; ses has/,
    /lower messagesPerSecond/,
    () => account.aws.sesAccount.set({ maxSendRate: 1 }),
  ),
];
const missing = (name: string) => () => {
  account.records.delete(name);
};
const DNS: readonly Fault[] = [
  at('a DKIM record is missing', 'dns', /^DKIM \w+\._domainkey.example.org CNAME is missing/, /^set /, () => {
    const [name = ''] = [...account.records.keys()].filter((key) => key.includes('_domainkey'));
    account.records.delete(name);
  }),
  at(
    'the MAIL FROM domain has no SPF record',
    'dns',
    /^MAIL FROM ses.example.org TXT is missing/,
    /amazonses.com/,
    () => {
      account.names.mailFrom = 'ses.example.org';
      account.records.set('ses.example.org MX', [`10 feedback-smtp.${account.aws.region}.amazonses.com`]);
    },
  ),
  at(
    'DMARC is missing',
    'dns',
    /^DMARC _dmarc.example.org TXT is missing/,
    /v=DMARC1/,
    missing('_dmarc.example.org TXT'),
  ),
  at('two SPF records', 'dns', /^SPF bounces.example.org TXT differs: there are 2/, /ip4:127.0.0.1/, () =>
    account.records.set('bounces.example.org TXT', ['v=spf1 ip4:127.0.0.1 ~all', 'v=spf1 -all']),
  ),
  at(
    'return paths lead nowhere',
    'dns',
    /^return path bounces.example.org MX is missing/,
    /^set /,
    missing('bounces.example.org MX'),
  ),
  at('the MX leads elsewhere', 'mx', /goes to 10 old.example, and not to SES/, /dns cutover --domain example.org/, () =>
    account.records.set('example.org MX', ['10 old.example']),
  ),
  at('a second server takes mail', 'mx', /another server is named too/, /record of SES alone/, () =>
    account.records.set('example.org MX', [...(account.records.get('example.org MX') ?? []), '20 old.example']),
  ),
];
const HOPS: readonly Fault[] = [
  at('a next hop does not listen', 'next-hop', /^corp .* refused the connection/, /port \d+ is open/, () =>
    account.serve(null),
  ),
  at('a next hop offers no TLS', 'next-hop', /does not offer STARTTLS/, /offer STARTTLS/, () =>
    account.serve(`${GREETS}S: 250 SIZE\nC: QUIT\nS: 221 bye`),
  ),
  at('a certificate cannot be verified', 'next-hop', /could not be spoken to by TLS/, /`ca`/, () =>
    account.serve(OPENS + TAKES, { ca: undefined }),
  ),
  at('a certificate ends soon', 'next-hop', /its certificate ends in 6 days/, /renew/, () =>
    vi.setSystemTime(Date.parse('2076-11-15T19:00:00Z')),
  ),
  at('a login is refused', 'next-hop', /AUTH\): 535/, /right login/, () =>
    account.serve(`${GREETS}${SECURES}${ASKS}S: 535 5.7.8 no hunter2\nC: QUIT\nS: 221 bye`),
  ),
  at('a foreign sender is refused', 'next-hop', /5.7.60/, /foreign senders/, () =>
    account.serve(
      `${OPENS}C: MAIL FROM:<success@simulator.amazonses.com>\nS: 550 5.7.60 Client does not have permissions to send as this sender\nC: QUIT\nS: 221 bye`,
    ),
  ),
];
const sqs = () => new SQSClient(account.aws.clientConfig);
const MAIL: readonly Fault[] = [
  at('dead letters', 'dead-letters', /^RelayDeadLetters has 1$/, /alarm RelayDeadLetters/, async () => {
    const QueueUrl = account.aws.queueUrl('RelayDeadLetters');
    await sqs().send(new SendMessageCommand({ QueueUrl, MessageBody: '{}' }));
    return async () => {
      const { Messages = [] } = await sqs().send(new ReceiveMessageCommand({ QueueUrl }));
      await sqs().send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0]?.ReceiptHandle }));
    };
  }),
  at('a pause', 'pauses', /^corp is paused \(hold\) since .* by ann/, /everpost resume corp/, async () => {
    await account.board.writePause({ ...neverPaused('corp'), mode: 'hold', since: T0, by: 'ann' });
    return () => account.board.writePause({ ...neverPaused('corp'), version: 1, since: T0 + 1, by: 'ann' });
  }),
  at('a sick next hop', 'health', /^corp takes nothing since/, /next-hop-down/, async () => {
    await account.board.writeHealth({ ...unknownHealth('corp'), state: 'open', since: T0 });
    return () => account.board.writeHealth({ ...unknownHealth('corp'), version: 1 });
  }),
  at('held mail', 'held', /^1 delivery is held/, /release --state held/, async () => {
    const { row } = heldByOperator(queued('held'), T0);
    await account.ledger.create([row], facts('held'));
    return () => account.ledger.write({ ...row, state: 'removed', dueAt: null }, []);
  }),
];
const SET_UP = 'in/AMAZON_SES_SETUP_NOTIFICATION';
const leftBucket = (stack: string, key: string) => async () => {
  account.standAs(stack);
  const name = `${stack.toLowerCase()}-spoolbucket-left`;
  account.aws.s3.buckets.create(name, { versioned: true });
  await account.aws.s3.deposit(root, name, key, Buffer.from('x'));
};
const LEFT: readonly Fault[] = [
  at(
    'a bucket with SES’s object alone',
    'leftovers',
    /one-spoolbucket-left .*set-up object alone/,
    /delete-object .* && .*delete-bucket/,
    leftBucket('One', SET_UP),
    'One',
  ),
  at(
    'a bucket with mail',
    'leftovers',
    /two-spoolbucket-left .*1 or more objects/,
    /runbook/,
    leftBucket('Two', 'in/mail'),
    'Two',
  ),
  at(
    'a table without a stack',
    'leftovers',
    /Three-LedgerTable-LEFT .* is empty/,
    /delete-table/,
    async () => {
      account.standAs('Three');
      await account.aws.tables.create({ ...ledgerTable, TableName: 'Three-LedgerTable-LEFT' });
    },
    'Three',
  ),
];
const FAULTS = [...ACCOUNT, ...SES, ...DNS, ...HOPS, ...MAIL, ...LEFT];

it('finds nothing wrong where nothing is', async () => {
  await account.mend();
  const { code, bad, all } = await examine();
  expect({ code, bad }).toEqual({ code: 0, bad: [] });
  expect(all.length).toBeGreaterThan(6);
});

it.each(FAULTS)('names it: $fault', async ({ spoil, check, what, remedy, stack }) => {
  await account.mend();
  const undo = await spoil();
  const { code, bad } = await examine(stack);
  const wrong = bad.filter(({ state }) => state === 'wrong');
  expect(wrong).toEqual([
    {
      ...{ area: expect.any(String), name: check, state: 'wrong' },
      ...{ what: expect.stringMatching(what), remedy: expect.stringMatching(remedy) },
    },
  ]);
  expect(bad.filter((line) => line.state !== 'wrong' && !line.remedy?.startsWith('see the line of the check'))).toEqual(
    [],
  );
  expect(code).toBe(1);
  expect(JSON.stringify(bad)).not.toContain('hunter2');
  if (typeof undo === 'function') await undo();
});

it('has thirty faults and more', () => {
  expect(FAULTS.length).toBeGreaterThanOrEqual(30);
});

it('does not know whether Exchange takes foreign senders from a login before DATA', async () => {
  await account.mend();
  await account.serve(OPENS.replace('ESMTP', 'Microsoft ESMTP MAIL Service ready') + TAKES);
  const { code, bad } = await examine();
  expect(bad).toMatchObject([
    { name: 'next-hop', state: 'unknown', what: expect.stringContaining('after DATA alone') },
  ]);
  expect(code).toBe(69);
});

it('says that a resolver gave no answer, and not that a record is missing', async () => {
  await account.mend();
  account.dns.failing.add('_dmarc.example.org');
  const { code, bad } = await examine();
  expect(bad).toMatchObject([{ name: 'dns', state: 'unknown', what: expect.stringContaining('did not answer') }]);
  expect(code).toBe(69);
});

it.each([
  ...['cloudformation:DescribeStacks', 'ses:DescribeActiveReceiptRuleSet', 'ses:ListEmailIdentities', 'ses:GetAccount'],
  ...['ses:GetEmailIdentity', 'lambda:GetAccountSettings', 'secretsmanager:GetSecretValue'],
  ...['sns:ListSubscriptionsByTopic', 'sqs:GetQueueAttributes', 'dynamodb:Query', 's3:ListAllMyBuckets'],
  'dynamodb:ListTables',
])('says that it does not know, and which right is missing: %s', async (right) => {
  await account.mend();
  const policy = [
    { Effect: 'Allow', Action: '*', Resource: '*' },
    { Effect: 'Deny', Action: right, Resource: '*' },
  ];
  account.login(account.aws.role('reader', policy));
  const { code, bad } = await examine();
  expect(bad.filter(({ state }) => state !== 'unknown')).toEqual([]);
  expect(bad.map(({ what }) => what)).toContainEqual(expect.stringContaining(`AWS refuses ${right}`));
  expect(code).toBe(69);
});

it('says that the credentials are not taken, once', async () => {
  await account.mend();
  account.login({ ...account.aws.credentials, sessionToken: 'stale' });
  const { code, bad } = await examine();
  expect(bad.filter(({ state }) => state === 'wrong').map(({ name }) => name)).toEqual(['credentials']);
  expect(code).toBe(1);
});
