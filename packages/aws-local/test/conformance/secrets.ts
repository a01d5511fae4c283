// What a next hop's credentials need of Secrets Manager, through the real SDK client: emulator or AWS.

import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, expect, test } from 'vitest';

/** `name` must be a secret with the JSON value `value`. */
export function secretsConformance(
  target: () => { config: SecretsManagerClientConfig; name: string; value: unknown },
): void {
  let client: SecretsManagerClient | undefined;
  const use = () => {
    const { config, name, value } = target();
    client ??= new SecretsManagerClient(config);
    return { client, name, value };
  };
  afterAll(() => client?.destroy());

  test('a secret is found by its name and by its ARN', async () => {
    const { client, name, value } = use();
    const byName = await client.send(new GetSecretValueCommand({ SecretId: name }));
    expect(JSON.parse(byName.SecretString ?? '')).toEqual(value);
    expect(byName.ARN).toMatch(new RegExp(`^arn:aws:secretsmanager:[^:]+:\\d{12}:secret:${name}-[A-Za-z0-9]{6}$`));
    expect(byName.VersionStages).toEqual(['AWSCURRENT']);
    const byArn = await client.send(new GetSecretValueCommand({ SecretId: byName.ARN }));
    expect(byArn.SecretString).toBe(byName.SecretString);
    const described = await client.send(new DescribeSecretCommand({ SecretId: name }));
    expect([described.Name, described.ARN]).toEqual([name, byName.ARN]);
  });

  test('an unknown secret is ResourceNotFoundException', async () => {
    const { client } = use();
    await expect(client.send(new GetSecretValueCommand({ SecretId: 'no/such/secret' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });
}
