// What the sweep asks SES of its set-up, on the emulated SES: the active rule set, the verified identities, their DKIM,
// and the three permissions for it.

import { SESClient, SetActiveReceiptRuleSetCommand } from '@aws-sdk/client-ses';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sesAccountClient, sesSetUpClient } from '#adapters/aws/clients.ts';
import { SesGetSetUp } from '#adapters/aws/ses-get-set-up.ts';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';

const NEVER = new AbortController().signal;
const many = Array.from({ length: 150 }, (_, at) => `d${at}.example`);
const RIGHTS = ['ses:DescribeActiveReceiptRuleSet', 'ses:ListEmailIdentities', 'ses:GetIdentityDkimAttributes'];
let aws: AwsLocal;
beforeAll(async () => {
  const unsigned = () => ['d149.example'];
  aws = await startAws({ mail: { domains: many, unverified: () => ['late.example'], unsigned } });
});
afterAll(() => aws.close());

function readerOf(rights: readonly string[]) {
  const credentials = aws.role(`sweep-${rights.length}`, [{ Effect: 'Allow', Action: [...rights], Resource: '*' }]);
  const settings = { endpoint: aws.endpoint, region: aws.region, credentials };
  return new SesGetSetUp(sesSetUpClient(settings), sesAccountClient(settings));
}

it('tells which rule set is active, and which of the names are verified and signed, more than a hundred too', async () => {
  const asked = [...many, 'late.example', 'missing.example'];
  const { activeRuleSet, identities } = await readerOf(RIGHTS).read(asked, NEVER);
  expect(activeRuleSet).toBeNull();
  expect(identities.size).toBe(151);
  expect(identities.get('d0.example')).toEqual({ isVerified: true, isUnsigned: false });
  expect(identities.get('d149.example')).toEqual({ isVerified: true, isUnsigned: true });
  expect(identities.get('late.example')).toMatchObject({ isVerified: false });
  expect(identities.has('missing.example')).toBe(false);
});

it('tells the name of the active one', async () => {
  aws.ses.rules.createRuleSet({ RuleSetName: 'Post' });
  await new SESClient(aws.clientConfig).send(new SetActiveReceiptRuleSetCommand({ RuleSetName: 'Post' }));
  expect((await readerOf(RIGHTS).read([], NEVER)).activeRuleSet).toBe('Post');
});

it.each(RIGHTS)('needs %s', async (right) => {
  const reader = readerOf(RIGHTS.filter((each) => each !== right));
  await expect(reader.read(['d0.example'], NEVER)).rejects.toThrow(right);
});
