// Logins come from Secrets Manager once in five minutes, whoever asks, and never show in an error.
// Run on the emulator, whose file changes under it.

import { describe, expect, it } from 'vitest';
import { secretsClient } from '#adapters/aws/clients.ts';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import type { StartedEmulators } from '#aws-local/start-emulators.ts';
import { openSecrets, settingsOf } from './emulated-aws.ts';

async function withSecrets(
  secrets: Record<string, string | Record<string, unknown>>,
  use: (made: { secrets: AwsSecrets; clock: MemoryClock; aws: StartedEmulators }) => Promise<void>,
): Promise<void> {
  const aws = await openSecrets(secrets);
  const client = secretsClient(settingsOf(aws));
  const clock = new MemoryClock(0);
  await use({ secrets: new AwsSecrets(client, clock), clock, aws });
  client.destroy();
  await aws.close();
}

describe('AwsSecrets', () => {
  it('keeps a login for five minutes, and asks once for all who wait', async () => {
    const login: Record<string, unknown> = { username: 'u', password: 'p1' };
    await withSecrets({ 'everpost/exchange': login }, async ({ secrets, clock }) => {
      const all = await Promise.all(Array.from({ length: 5 }, () => secrets.credentials('everpost/exchange')));
      expect(new Set(all).size).toBe(1); // one object: one call
      expect(all[0]).toEqual({ username: 'u', password: 'p1' });
      login.password = 'p2';
      clock.advance(5 * 60_000 - 1);
      expect(await secrets.credentials('everpost/exchange')).toBe(all[0]);
      clock.advance(1);
      expect(await secrets.credentials('everpost/exchange')).toEqual({ username: 'u', password: 'p2' });
    });
  });
  it('asks again after a failure, and after a login was refused', async () => {
    const login: Record<string, unknown> = { username: 'u', password: 'p1' };
    await withSecrets({ name: login }, async ({ secrets, aws }) => {
      aws.faults.add({ service: 'secretsmanager', effect: 'deny', times: 1 });
      await expect(secrets.credentials('name')).rejects.toThrow(/denied/i);
      expect(await secrets.credentials('name')).toEqual({ username: 'u', password: 'p1' });
      login.password = 'p2';
      secrets.forget('name');
      expect(await secrets.credentials('name')).toEqual({ username: 'u', password: 'p2' });
    });
  });
  it.each([
    ['hunter2', 'is not JSON'],
    ['{"username":"u","password":hunter2}', 'is not JSON'],
    ['{"username":"hunter2"}', 'has no password'],
    ['["hunter2"]', 'is JSON, but no object'],
    ['{"username":"u","password":["hunter2"]}', 'has a password that is no text'],
    ['{"username":"hunter2","password":""}', 'has an empty password'],
  ])('refuses %s without quoting it, and says what is wrong', async (value, what) => {
    await withSecrets({ name: value }, async ({ secrets }) => {
      const error = await secrets.credentials('name').catch((caught: unknown) => caught);
      expect(String((error as Error).stack)).toContain(`the secret name ${what}`);
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hunter2');
    });
  });
  it('throws for a secret that is not there', async () => {
    await withSecrets({}, async ({ secrets }) => {
      await expect(secrets.credentials('none')).rejects.toThrow();
    });
  });
});
