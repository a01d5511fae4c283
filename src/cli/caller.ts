// Who calls a verb, for the trace and for pauses: the identity by which AWS knows the caller, which nobody can choose.
// Called by the verbs that change something. GetCallerIdentity needs no permission (STS API reference). It decides
// nothing, and no verb fails by it: mail that waits for a command is worth more than the caller's name.

import { hostname, userInfo } from 'node:os';
import { callerCharsMax } from '#core/limits.ts';
import type { Instance } from './find-instance.ts';

/** An ARN; on the local runtime, or where AWS does not answer, the user of this machine. */
export async function callerOf({ aws, region }: Pick<Instance, 'aws' | 'region'>): Promise<string> {
  const arn = aws === null ? await arnIn(region) : null;
  return (arn ?? onThisMachine()).slice(0, callerCharsMax);
}

async function arnIn(region: string): Promise<string | null> {
  const { GetCallerIdentityCommand, STSClient } = await import('@aws-sdk/client-sts');
  const client = new STSClient({ region });
  try {
    return (await client.send(new GetCallerIdentityCommand())).Arn ?? null;
  } catch {
    return null; // from a network without a way to STS
  } finally {
    client.destroy();
  }
}

function onThisMachine(): string {
  const { username } = userInfo();
  const profile = process.env.AWS_PROFILE;
  return `${username}@${hostname()}${profile ? ` (AWS profile ${profile})` : ''}`;
}
