// The second opinion itself: it agrees where the emulated IAM is right, and names a decision that is wrong, permitted
// or refused.

import { expect, test } from 'vitest';
import { createIam, type Judged } from '#aws-local/iam/iam.ts';
import { disagreements, hearing } from './second-opinion.ts';

const bucket = 'arn:aws:s3:::mail';
const role = { kind: 'role', arn: 'arn:aws:iam::000000000000:role/reader', functionName: 'reader' } as const;

function heard(): readonly Judged[] {
  const iam = createIam('000000000000');
  const allow = { Effect: 'Allow', Action: 's3:GetObject', Resource: `${bucket}/in/*` };
  iam.setRole(role.arn, [{ Version: '2012-10-17', Statement: [allow] }]);
  const ses = { Effect: 'Allow', Principal: { Service: 'ses.amazonaws.com' }, Action: 's3:PutObject' };
  const condition = { StringEquals: { 'aws:SourceAccount': '000000000000' } };
  const policy = { Statement: [{ ...ses, Resource: `${bucket}/in/*`, Condition: condition }] };
  iam.addResourcePolicies((arn) => (arn.startsWith(bucket) ? policy : null));
  const { listen, judged } = hearing();
  listen(iam);
  const service = { kind: 'service', name: 'ses.amazonaws.com' } as const;
  const context = { 'aws:sourceaccount': '000000000000' };
  iam.authorize(role, { action: 's3:GetObject', resource: `${bucket}/in/a` });
  iam.authorize(role, { action: 's3:GetObject', resource: `${bucket}/out/a` });
  iam.authorize(role, { action: 's3:DeleteObject', resource: `${bucket}/in/a` });
  iam.authorize(service, { action: 's3:PutObject', resource: `${bucket}/in/a`, context });
  iam.authorize(service, { action: 's3:PutObject', resource: `${bucket}/in/a` });
  return judged();
}

test('agrees with what is right, permitted and refused', async () => {
  const all = heard();
  expect(all.map(({ allowed }) => allowed)).toEqual([true, false, false, true, false]);
  expect(await disagreements(all)).toEqual([]);
});

test('names each decision that is wrong', async () => {
  const wrong = heard().map((judged) => ({ ...judged, allowed: !judged.allowed }));
  const said = await disagreements(wrong);
  expect(said).toHaveLength(5);
  expect(said[0]).toMatch(/^denied .*reader.* s3:GetObject on arn:aws:s3:::mail\/in\/a: Allowed$/);
});
