// What SES knows of our domains, as the command line reads it, against the emulated SES: the identity that covers a
// domain, none, and a permission that is missing.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { identitiesOfDomains, sesReadClient } from '#adapters/aws/ses-identities.ts';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';

let aws: AwsLocal;
beforeAll(async () => {
  aws = await startAws({ mail: { domains: ['example.org', 'own.example.org', 'example.co.uk'] } });
});
afterAll(() => aws.close());
const settings = () => ({ region: aws.region, endpoint: aws.endpoint, credentials: aws.credentials });

it('finds the nearest identity above, with its three tokens, and none beyond the registered domain', async () => {
  const client = sesReadClient(settings(), aws.region);
  const domains = ['example.org', 'bounces.example.org', 'a.own.example.org', 'b.a.example.co.uk', 'example.net'];
  const found = await identitiesOfDomains(client, domains);
  client.destroy();
  expect([...found].map(([domain, identity]) => [domain, identity?.name ?? null])).toEqual([
    ['example.org', 'example.org'],
    ['bounces.example.org', 'example.org'],
    ['a.own.example.org', 'own.example.org'],
    ['b.a.example.co.uk', 'example.co.uk'],
    ['example.net', null],
  ]);
  const one = found.get('example.org');
  expect(one).toMatchObject({ verified: true, signingZone: 'dkim.amazonses.com', mailFrom: null });
  expect(new Set(one?.tokens).size).toBe(3);
});

it('throws what SES refuses: no identity is read out of a missing permission', async () => {
  const nobody = aws.role('nobody', []);
  const client = sesReadClient({ ...settings(), credentials: nobody }, aws.region);
  await expect(identitiesOfDomains(client, ['example.org'])).rejects.toMatchObject({ name: 'AccessDeniedException' });
  client.destroy();
});
