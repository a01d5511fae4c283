// The secret of SRS: its newest value signs, the one before it is still good, and both are asked for again after some
// minutes.

import {
  type GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { expect, it } from 'vitest';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';

function secretsOf(values: { current: string; previous: string | null }) {
  const clock = new MemoryClock(0);
  let calls = 0;
  const send = async (command: GetSecretValueCommand) => {
    calls += 1;
    const previous = command.input.VersionStage === 'AWSPREVIOUS';
    const SecretString = previous ? values.previous : values.current;
    if (SecretString === null) throw new ResourceNotFoundException({ message: 'none', $metadata: {} });
    return { SecretString };
  };
  const rotating = new AwsSecrets({ send } as unknown as SecretsManagerClient, clock).rotating('srs');
  return { rotating, clock, calls: () => calls };
}

it('the newest first, then the one before it', async () => {
  expect(await secretsOf({ current: 'new', previous: 'old' }).rotating()).toEqual(['new', 'old']);
});
it('the only one, where it was never rotated', async () => {
  expect(await secretsOf({ current: 'only', previous: null }).rotating()).toEqual(['only']);
});
it('asked for once in five minutes, so that a rotation shows', async () => {
  const values = { current: 'a', previous: null as string | null };
  const { rotating, clock, calls } = secretsOf(values);
  await Promise.all([rotating(), rotating(), rotating()]);
  expect(calls()).toBe(2);
  Object.assign(values, { current: 'b', previous: 'a' });
  clock.advance(5 * 60_000 - 1);
  expect(await rotating()).toEqual(['a']);
  clock.advance(1);
  expect(await rotating()).toEqual(['b', 'a']);
});
it('a failure is not kept', async () => {
  const values = { current: '', previous: null };
  const { rotating } = secretsOf(values);
  await expect(rotating()).rejects.toThrow('is empty');
  values.current = 'mended';
  expect(await rotating()).toEqual(['mended']);
});
