// `everpost doctor` against an emulated account in which one thing at a time is wrong: it names that thing with its
// remedy, and nothing else; and nothing where nothing is wrong.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { doctor } from '#cli/doctor.ts';
import { type DoctorAccount, openDoctorAccount, STACK } from './doctor-account.ts';
import { said } from './instance.ts';

let account: DoctorAccount;
beforeAll(async () => {
  account = await openDoctorAccount();
});
afterAll(() => account.close());

type Line = { readonly name: string; readonly state: string; readonly what: string; readonly remedy: string | null };
async function examine(): Promise<{
  readonly code: number;
  readonly bad: readonly Line[];
  readonly all: readonly Line[];
}> {
  const { code, out } = await said(() =>
    doctor.run(['--stack', STACK, '--config', account.config, '--resolver', account.dns.address, '--json']),
  );
  const { checks } = JSON.parse(out) as { checks: readonly Line[] };
  return { code, bad: checks.filter(({ state }) => state !== 'ok'), all: checks };
}

/** Where nothing else is said: exit code 1, and one line of that check is wrong. */
type Fault = {
  readonly fault: string;
  readonly spoil: () => unknown;
  readonly check: string;
  readonly what: RegExp;
  readonly remedy: RegExp;
};
const at = (fault: string, check: string, what: RegExp, remedy: RegExp, spoil: () => unknown): Fault => ({
  ...{ fault, check, what, remedy, spoil },
});
const FAULTS: readonly Fault[] = [
  at('SES does not receive in the region', 'region', /does not receive mail in xx-north-9/, /eu-west-1/, () =>
    account.login(account.aws.credentials, 'xx-north-9'),
  ),
  at('the last deploy was undone', 'stack', /UPDATE_ROLLBACK_COMPLETE/, /npm run deploy/, () => {
    const found = account.aws.stacks.find(STACK);
    if (found !== null) account.aws.stacks.put(STACK, { ...found, status: 'UPDATE_ROLLBACK_COMPLETE' });
  }),
  at('Lambda runs too few functions', 'lambda-quota', /8 of them unreserved; .* asks for 9/, /higher quota/, () =>
    account.aws.lambdaAccount.set({ concurrent: 10, unreserved: 8 }),
  ),
  at(
    'Lambda cannot reserve',
    'lambda-quota',
    /reserve` takes 9, and AWS keeps 100/,
    /leave `concurrency.reserve`/,
    () => account.configure({ concurrency: { reserve: true } }),
  ),
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
  at(
    'identities are too narrow',
    'identities',
    /postmaster@example.org alone, .* narrower/,
    /create-email-identity/,
    () => {
      account.names.verified = ['postmaster@example.org'];
    },
  ),
  at('the sandbox of SES', 'sending', /sandbox/, /production access/, () =>
    account.aws.sesAccount.set({ productionAccess: false }),
  ),
  at('sending is off', 'sending', /switched off/, /--sending-enabled/, () =>
    account.aws.sesAccount.set({ sendingEnabled: false }),
  ),
  at('SES has shut the account down', 'sending', /SHUTDOWN/, /answer AWS/, () =>
    account.aws.sesAccount.set({ enforcement: 'SHUTDOWN' }),
  ),
  at(
    'the rate of SES is too low',
    'sending',
    /SES takes 1 recipients a second; ses has/,
    /lower messagesPerSecond/,
    () => account.aws.sesAccount.set({ maxSendRate: 1 }),
  ),
  at(
    'nobody has confirmed to hear of alarms',
    'subscribers',
    /ann@example.org has not confirmed/,
    /open the link/,
    () => account.subscribe('ann@example.org', false),
  ),
  at('a secret is missing', 'secrets', /everpost\/corp of .* is missing/, /create-secret/, () => {
    delete account.secrets['everpost/corp'];
  }),
  at('a secret lacks a member', 'secrets', /everpost\/corp of .* has no password/, /put-secret-value/, () => {
    account.secrets['everpost/corp'] = { username: 'hunter2' };
  }),
];

it('finds nothing wrong where nothing is', async () => {
  account.mend();
  const { code, bad, all } = await examine();
  expect({ code, bad }).toEqual({ code: 0, bad: [] });
  expect(all.length).toBeGreaterThan(6);
});

it.each(FAULTS)('names it: $fault', async ({ spoil, check, what, remedy }) => {
  account.mend();
  await spoil();
  const { code, bad } = await examine();
  expect(bad).toEqual([
    {
      ...{ area: expect.any(String), name: check, state: 'wrong' },
      ...{ what: expect.stringMatching(what), remedy: expect.stringMatching(remedy) },
    },
  ]);
  expect(code).toBe(1);
  expect(JSON.stringify(bad)).not.toContain('hunter2');
});

it('says of a missing right which one it is, and that it does not know', async () => {
  account.mend();
  const allow = (actions: readonly string[]) => [{ Effect: 'Allow', Action: actions, Resource: '*' }];
  account.login(
    account.aws.role('reader', allow(['cloudformation:*', 'secretsmanager:*', 'lambda:*', 'ses:GetAccount', 'sns:*'])),
  );
  const { code, bad } = await examine();
  expect(bad.map(({ name, state, what }) => [name, state, what])).toEqual([
    ['rule-set', 'unknown', 'AWS refuses ses:DescribeActiveReceiptRuleSet'],
    ['identities', 'unknown', 'AWS refuses ses:ListEmailIdentities'],
  ]);
  expect(code).toBe(69);
});

it('says that the credentials are not taken, once', async () => {
  account.mend();
  account.login({ ...account.aws.credentials, sessionToken: 'stale' });
  const { code, bad } = await examine();
  expect(bad.filter(({ state }) => state === 'wrong').map(({ name }) => name)).toEqual(['credentials']);
  expect(code).toBe(1);
});
