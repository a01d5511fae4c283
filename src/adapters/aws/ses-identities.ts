// Reads what SES knows of our domains: GetEmailIdentity of the v2 API. The command line calls it. A sub-domain without
// an identity of its own is covered by the nearest domain above it that has one (docs/aws-contracts.md §2.2). It
// changes nothing.

import { GetEmailIdentityCommand, NotFoundException, SESv2Client } from '@aws-sdk/client-sesv2';
import { getDomain } from 'tldts';
import type { AwsSettings } from './client-settings.ts';

export type FoundIdentity = {
  /** The domain itself, or the one above it whose identity covers it. */
  readonly name: string;
  readonly verified: boolean;
  /** Three with Easy DKIM; none where the key is one's own (BYODKIM), whose record SES does not know. */
  readonly tokens: readonly string[];
  /** Where SES publishes the keys: `dkim.amazonses.com`, and a zone of its own in newer regions. */
  readonly signingZone: string;
  /** The custom MAIL FROM domain. Null: SES's own, which needs no record. */
  readonly mailFrom: string | null;
};

/** Before SES had other zones, all keys lay here, and the answer named none. */
const FIRST_ZONE = 'dkim.amazonses.com';
/** Such calls are allowed once a second (Developer Guide, "Service quotas"): a long list waits for its turn. */
const TRIES_MAX = 10;

/** With the local runtime's credentials, or one's own (`aws` null), which the SDK finds. */
export function sesReadClient(aws: AwsSettings | null, region: string): SESv2Client {
  const { endpoint, credentials } = aws ?? {};
  const local = aws === null ? {} : { ...(endpoint === undefined ? {} : { endpoint }), credentials };
  return new SESv2Client({ region, ...local, maxAttempts: TRIES_MAX, retryMode: 'adaptive' });
}

/** The identity that covers each domain; null where SES has none. Errors of the calls are the SDK's. */
export async function identitiesOfDomains(
  client: SESv2Client,
  domains: readonly string[],
): Promise<ReadonlyMap<string, FoundIdentity | null>> {
  const asked = new Map<string, FoundIdentity | null>();
  const covering = new Map<string, FoundIdentity | null>();
  for (const domain of domains) {
    let found: FoundIdentity | null = null;
    for (const name of upToRegistered(domain)) {
      if (!asked.has(name)) asked.set(name, await identityOf(client, name));
      found = asked.get(name) ?? null;
      if (found !== null) break;
    }
    covering.set(domain, found);
  }
  return covering;
}

/** a.b.example.org: itself, b.example.org, example.org. Nobody has an identity for a public suffix. */
function upToRegistered(domain: string): readonly string[] {
  const top = getDomain(domain) ?? domain;
  const names = [domain];
  for (let name = domain; name !== top && name.includes('.'); ) {
    name = name.slice(name.indexOf('.') + 1);
    names.push(name);
  }
  return names;
}

async function identityOf(client: SESv2Client, name: string): Promise<FoundIdentity | null> {
  try {
    const answer = await client.send(new GetEmailIdentityCommand({ EmailIdentity: name }));
    const { Tokens = [], SigningHostedZone = FIRST_ZONE, SigningAttributesOrigin } = answer.DkimAttributes ?? {};
    return {
      name,
      verified: answer.VerifiedForSendingStatus === true,
      // With a key of one's own, the one token is its selector, whose record holds the key itself.
      tokens: SigningAttributesOrigin === 'EXTERNAL' ? [] : Tokens,
      signingZone: SigningHostedZone,
      mailFrom: answer.MailFromAttributes?.MailFromDomain || null,
    };
  } catch (error) {
    if (error instanceof NotFoundException) return null;
    throw error;
  }
}
