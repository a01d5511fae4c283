// `npm run deploy` against an emulated account: what it asks before CloudFormation starts, its exit codes, and what it
// hands to the cdk command, which here is a stand-in.

import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { resolverOf } from '#cli/dns-answers.ts';
import { deploy } from '#infra/deploy-steps.ts';
import { ledgerTable } from '#test/contract/emulated-aws.ts';
import { type DoctorAccount, openDoctorAccount, STACK } from './doctor-account.ts';

let account: DoctorAccount;
/** Not asked here: a name that could be reached from AWS. */
const SERVER = { host: 'mail.example.org', ca: undefined };
let lines: string[] = [];
let called: (readonly string[])[] = [];
beforeAll(async () => {
  account = await openDoctorAccount();
});
beforeEach(async () => {
  await account.mend();
  account.configure(SERVER);
  [lines, called] = [[], []];
});
afterAll(() => account.close());

const run = (...args: string[]) =>
  deploy(['--config', account.config, ...args], {
    cdk: async (words) => {
      called.push(words);
      return 0;
    },
    say: (line) => lines.push(line),
    ask: resolverOf(account.dns.address),
  });
/** Before the first deploy: neither stack nor active rule set. */
const first = () => {
  account.aws.stacks.put(STACK, null);
  account.aws.ses.rules.setActive(null);
};

it('deploys where all holds, with what is for cdk as it was written', async () => {
  first();
  expect(await run('--require-approval', 'never', '--', '-c', 'x=y')).toBe(0);
  expect(called).toEqual([['deploy', '-c', `config=${account.config}`, '--require-approval', 'never', '-c', 'x=y']]);
  expect(lines[0]).toMatch(/^\d+ checks of Everpost in eu-west-1: ok$/);
});
it('says afterwards that nobody has confirmed to hear of alarms', async () => {
  account.subscribe('ann@example.org', false);
  expect(await run()).toBe(0);
  expect(lines.at(-1)).toMatch(/^wrong {4}subscribers .*ann@example.org has not confirmed.*remedy: /);
});
it.each<[string, number, RegExp, () => unknown]>([
  [
    'another active rule set',
    78,
    /other-app of another application is active/,
    () => account.aws.ses.rules.setActive('other-app'),
  ],
  [
    'a region without receiving',
    78,
    /does not receive mail/,
    () => account.login(account.aws.credentials, 'xx-north-9'),
  ],
  ['an identity', 78, /no identity for example.org/, () => Object.assign(account.names, { verified: [] })],
  ['the sandbox', 78, /sandbox/, () => account.aws.sesAccount.set({ productionAccess: false })],
  ['the rate', 78, /SES takes 1 recipients/, () => account.aws.sesAccount.set({ maxSendRate: 1 })],
  ['the quota of Lambda', 78, /asks for 9/, () => account.aws.lambdaAccount.set({ concurrent: 8, unreserved: 8 })],
  ['a secret', 78, /everpost\/app .* is missing/, () => delete account.secrets['everpost/app']],
  ['credentials', 69, /credentials/, () => account.login({ ...account.aws.credentials, sessionToken: 'stale' })],
  [
    'a missing right',
    69,
    /AWS refuses lambda:GetAccountSettings/,
    () =>
      account.login(
        account.aws.role('deployer', [
          { Effect: 'Allow', Action: '*', Resource: '*' },
          { Effect: 'Deny', Action: 'lambda:*', Resource: '*' },
        ]),
      ),
  ],
])('deploys nothing for %s: exit %i', async (_, code, says, spoil) => {
  first();
  await spoil();
  expect(await run()).toBe(code);
  expect(called).toEqual([]);
  expect(lines.join('\n')).toMatch(says);
  expect(lines.slice(0, -1).every((line) => line.includes('remedy: '))).toBe(true);
  expect(lines.join('\n')).not.toContain('hunter2');
});
it('replaces another active rule set where cdk is told to', async () => {
  first();
  account.aws.ses.rules.setActive('other-app');
  expect(await run('-c', 'replaceRuleSet=yes')).toBe(0);
  expect(called[0]).toEqual(['deploy', '-c', `config=${account.config}`, '-c', 'replaceRuleSet=yes']);
});
it('waits while CloudFormation works', async () => {
  const found = account.aws.stacks.find(STACK);
  if (found !== null) account.aws.stacks.put(STACK, { ...found, status: 'UPDATE_IN_PROGRESS' });
  expect(await run()).toBe(69);
  expect(lines[0]).toMatch(/UPDATE_IN_PROGRESS.*remedy: wait/);
});
it('does not change more than one index at once', async () => {
  account.configure(SERVER, { trace: { search: false } });
  expect(await run()).toBe(78);
  expect(lines[0]).toMatch(/3 indexes of .* \(byMessageIdField, byReversePath, byForwardPath\)/);
  const one = (ledgerTable.GlobalSecondaryIndexes ?? []).slice(0, 2);
  const table = account.aws.stacks.find(STACK)?.outputs.Table ?? '';
  await account.aws.tables.create({ ...ledgerTable, TableName: table, GlobalSecondaryIndexes: one });
  expect(await run()).toBe(0);
});
it('stops at a configuration that is wrong, and at a wrong word', async () => {
  account.configure(SERVER, { domains: [] });
  expect(await run()).toBe(78);
  await expect(run('--profile')).rejects.toThrow('--profile needs a value');
  expect(called).toEqual([]);
});
