// What relay may send as, in the template: every identity that SES may have for an address of ours, no foreign one, and
// policies that IAM takes however many domains and secrets there are. IAM's own evaluation is asked, by the emulator's
// reader of policies.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { createIam } from '#aws-local/iam/iam.ts';
import type { Settings } from '#config/settings.ts';
import { inlinePoliciesCharsMax, managedPoliciesMax, managedPolicyCharsMax } from '#core/limits.ts';
import { everpostStack } from '#infra/stack.ts';
import { addChecks, newApp } from '#infra/synthesise.ts';
import {
  bySes,
  emptyFunctions,
  ofType,
  only,
  type Resource,
  type Synthesised,
  settingsOf,
  synthesised,
} from './template.ts';

vi.setConfig({ testTimeout: 240_000 });
const account = '111122223333';
/** The longest pair that AWS has: what fits here fits in every region of every partition. */
const [partition, region] = ['aws-iso-f', 'us-isof-south-1'];
const tokens: Readonly<Record<string, string>> = {
  'AWS::Partition': partition,
  'AWS::Region': region,
  'AWS::AccountId': account,
};
const folder = mkdtempSync(join(tmpdir(), 'everpost-sending-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sends by SES as so many domains, and logs in at so many next hops. */
function sendingAs(domains: number, secrets = 0, more: object = {}): Settings {
  const names = Array.from({ length: domains }, (_, i) => `customer-number-${i}.example`);
  const hop = { kind: 'smtp', host: 'mx.example.org', port: 587, tls: 'required' };
  const logins = Array.from({ length: secrets }, (_, i) => [
    `hop-${i}`,
    { ...hop, auth: { secret: `everpost/hop-${i}` } },
  ]);
  return settingsOf({
    ...bySes,
    domains: ['example.com', ...names],
    nextHops: { ...bySes.nextHops, ...Object.fromEntries(logins) },
    routes: [
      ...bySes.routes,
      ...names.map((name) => ({ match: `*@${name}`, to: [{ via: 'ses', address: 'all@far.example' }] })),
    ],
    notices: { from: 'post+notices@sub.example.com', postmaster: 'postmaster@example.com' },
    ...more,
  });
}

/**
 * The template's policies of relay, as IAM gets them: tokens resolved, each as long as it can be where it is not known.
 */
function policiesOf(template: Synthesised, role: Resource) {
  const resolved = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolved);
    if (typeof value !== 'object' || value === null) return value;
    if ('Fn::Join' in value) {
      const [separator, parts] = value['Fn::Join'] as [string, unknown[]];
      return parts.map(resolved).join(separator);
    }
    if ('Ref' in value) return tokens[String(value.Ref)] ?? 'x'.repeat(64);
    if ('Fn::GetAtt' in value) return `arn:${partition}:${String(value['Fn::GetAtt'])}:${'x'.repeat(120)}`;
    return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, resolved(of)]));
  };
  const inline = (role.Properties.Policies as { PolicyDocument: unknown }[]).map((it) => resolved(it.PolicyDocument));
  const attached = ((role.Properties.ManagedPolicyArns ?? []) as { Ref: string }[]).map(({ Ref }) =>
    resolved(template.resources[Ref]?.Properties.PolicyDocument),
  );
  return { inline, attached };
}

function relayOf(settings: Settings) {
  const template = synthesised(settings);
  const policies = policiesOf(template, only(template, 'AWS::IAM::Role', 'Relay')[1]);
  const iam = createIam(account);
  const arn = `arn:${partition}:iam::${account}:role/relay`;
  iam.setRole(arn, [...policies.inline, ...policies.attached]);
  const may = (action: string, resource: string) =>
    iam.authorize({ kind: 'role', arn, functionName: null }, { action, resource, context: {} }).kind === 'allowed';
  return {
    ...policies,
    sends: (identity: string) =>
      ['ses:SendEmail', 'ses:SendRawEmail'].every((action) =>
        may(action, `arn:${partition}:ses:${region}:${account}:identity/${identity}`),
      ),
    bounces: (identity: string) =>
      may('ses:SendBounce', `arn:${partition}:ses:${region}:${account}:identity/${identity}`),
    reads: (secret: string) =>
      may('secretsmanager:GetSecretValue', `arn:${partition}:secretsmanager:${region}:${account}:secret:${secret}`),
  };
}

const counts = [[1], [18], [51], [220]] as const;
describe.each(counts)('%i domains more', (domains) => {
  const relay = relayOf(sendingAs(domains, 3));
  test('relay sends as each of them, under whatever identity SES has for the address', () => {
    for (const domain of ['example.com', `customer-number-${domains - 1}.example`])
      for (const identity of [domain, `sub.${domain}`, `a.b.${domain}`, `ann@${domain}`, `Ann.O+x@sub.${domain}`])
        expect([identity, relay.sends(identity)]).toEqual([identity, true]);
  });
  test('and as nobody else', () => {
    for (const identity of [
      'foreign.example',
      'notexample.com',
      'ann@notexample.com',
      'example.com.foreign.example',
      'ann@foreign.example',
    ])
      expect([identity, relay.sends(identity)]).toEqual([identity, false]);
  });
  test('SendBounce is for notices.from alone', () => {
    for (const identity of ['post+notices@sub.example.com', 'post@sub.example.com', 'sub.example.com', 'example.com'])
      expect([identity, relay.bounces(identity)]).toEqual([identity, true]);
    for (const identity of [
      'ann@sub.example.com',
      'customer-number-0.example',
      'post@example.com',
      'x.sub.example.com',
    ])
      expect([identity, relay.bounces(identity)]).toEqual([identity, false]);
  });
  test('logins are read by name', () => {
    expect([relay.reads('everpost/hop-2-AbCdEf'), relay.reads('everpost/hop-3-AbCdEf')]).toEqual([true, false]);
  });
});

test('more domains than policies can name are one pattern, and their names stay out of it', () => {
  const relay = relayOf(sendingAs(400, 3));
  expect(relay.attached).toEqual([]);
  expect([relay.sends('ann@customer-number-399.example'), relay.sends('foreign.example')]).toEqual([true, true]);
  expect([relay.bounces('example.com'), relay.bounces('foreign.example')]).toEqual([true, false]);
});

test('more secrets than policies can name stop the synthesis, by name', () => {
  expect(() => synthesised(sendingAs(1, 900))).toThrow(/900 secrets are more than/);
});

test('a domain below another one of ours adds nothing', () => {
  const one = relayOf(sendingAs(1)).inline;
  const settings = sendingAs(1);
  const both = relayOf({ ...settings, domains: [...settings.domains, 'sub.example.com'] }).inline;
  expect(both).toEqual(one);
});

test.each([
  [1, 0],
  [15, 10],
  [30, 0],
  [51, 60],
  [60, 0],
  [150, 100],
  [220, 0],
  [400, 400],
])('IAM takes every policy of every role: %i domains, %i secrets', (domains, secrets) => {
  const template = synthesised(sendingAs(domains, secrets));
  const charsOf = (document: unknown) => JSON.stringify(document).length;
  for (const [id, role] of ofType(template, 'AWS::IAM::Role')) {
    const { inline, attached } = policiesOf(template, role);
    expect([id, inline.reduce<number>((sum, it) => sum + charsOf(it), 0)]).toEqual([
      id,
      expect.toSatisfy((n: number) => n <= inlinePoliciesCharsMax),
    ]);
    for (const document of attached)
      expect([id, charsOf(document)]).toEqual([id, expect.toSatisfy((n: number) => n <= managedPolicyCharsMax)]);
    expect(attached.length).toBeLessThanOrEqual(managedPoliciesMax);
  }
});

test.each([[51], [400]])('%i domains that send by SES pass the checks', async (domains) => {
  const settings = sendingAs(domains, 3);
  const dist = join(folder, `dist-${domains}`);
  emptyFunctions(dist);
  const app = newApp({ outdir: join(folder, `out-${domains}`), validate: true });
  await addChecks(app, everpostStack(app, { settings, dist, replaceRuleSet: false }), settings);
  expect(() => app.synth()).not.toThrow();
});
