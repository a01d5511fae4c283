// All identities that SES has in the region, each verified or not, by ListEmailIdentities: one call for a thousand,
// where a look at each is allowed once a second. Called by the sweep, the doctor and the deploy. It changes nothing.

import { ListEmailIdentitiesCommand, type SESv2Client } from '@aws-sdk/client-sesv2';

export type ListedIdentity = { readonly name: string; readonly verified: boolean };
const PAGE = 1_000;

export async function listedIdentities(client: SESv2Client, signal: AbortSignal): Promise<readonly ListedIdentity[]> {
  const found: ListedIdentity[] = [];
  let after: string | undefined;
  do {
    const asked = new ListEmailIdentitiesCommand({ PageSize: PAGE, NextToken: after });
    const page = await client.send(asked, { abortSignal: signal });
    for (const { IdentityName: name = '', VerificationStatus } of page.EmailIdentities ?? [])
      found.push({ name, verified: VerificationStatus === 'SUCCESS' });
    after = page.NextToken;
  } while (after !== undefined && after !== '');
  return found;
}
