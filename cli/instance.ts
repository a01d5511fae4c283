// Finds the instance that a verb speaks to: the local runtime of a data folder, or a deployed stack by its outputs.
// It never guesses: what does not answer is said by name, with the remedy.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AwsSettings } from '#adapters/aws-clients.ts';
import { NotReachable } from './exit.ts';

export type Instance = { readonly aws: AwsSettings | null; readonly region: string; readonly table: string };

export async function findInstance(where: { readonly data: string; readonly stack: string | null }): Promise<Instance> {
  return where.stack === null ? local(where.data) : deployed(where.stack);
}

async function local(data: string): Promise<Instance> {
  const console = consoleOf(data);
  let answer: { region: string; endpoint: string; credentials: AwsSettings['credentials']; tableName: string };
  try {
    const response = await fetch(`${console}/endpoint`, { signal: AbortSignal.timeout(5_000) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    answer = (await response.json()) as typeof answer;
  } catch (error) {
    const why =
      error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
    throw new NotReachable(
      `the instance of ${data} does not answer at ${console} (${why}): start it with npm start -- --data ${data}`,
    );
  }
  return {
    aws: { region: answer.region, endpoint: answer.endpoint, credentials: answer.credentials },
    region: answer.region,
    table: answer.tableName,
  };
}

function consoleOf(data: string): string {
  try {
    const instance: unknown = JSON.parse(readFileSync(join(data, 'instance.json'), 'utf8'));
    if (
      typeof instance === 'object' &&
      instance !== null &&
      'console' in instance &&
      typeof instance.console === 'string'
    )
      return instance.console;
  } catch {
    // Said below: the folder has no instance, or never had one.
  }
  throw new NotReachable(
    `no instance has run in ${data}: start one with npm start -- --data ${data}, or name a deployed stack with --stack`,
  );
}

async function deployed(stack: string): Promise<Instance> {
  const { CloudFormationClient, DescribeStacksCommand } = await import('@aws-sdk/client-cloudformation');
  const client = new CloudFormationClient({});
  try {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: stack }));
    const outputs = new Map((Stacks?.[0]?.Outputs ?? []).map((output) => [output.OutputKey, output.OutputValue]));
    const table = outputs.get('Table');
    if (table === undefined) throw new Error('it has no output Table, so it is no Everpost stack');
    return { aws: null, region: await client.config.region(), table };
  } catch (error) {
    throw new NotReachable(
      `the stack ${stack} can not be read (${error instanceof Error ? error.message : String(error)}): check the name, AWS_REGION and your credentials`,
    );
  }
}
