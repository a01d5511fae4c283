// Reads which receipt rule set is active, which identities SES has verified, and whether it signs as them. The sweep
// calls it. The list of identities is the one that everpost doctor reads; SES's older API alone knows the rule set, and
// tells the DKIM of a hundred identities in one call. It changes nothing (docs/aws-contracts.md §1.1, §2.2).

import {
  DescribeActiveReceiptRuleSetCommand,
  GetIdentityDkimAttributesCommand,
  type IdentityDkimAttributes,
  type SESClient,
} from '@aws-sdk/client-ses';
import type { SESv2Client } from '@aws-sdk/client-sesv2';
import { sesIdentitiesPerCall } from '#core/limits.ts';
import type { SesSetUp, SesSetUpReader } from '#pipeline/ses-set-up.ts';
import { listedIdentities } from './ses-list-identities.ts';

export class SesGetSetUp implements SesSetUpReader {
  readonly #older: SESClient;
  readonly #client: SESv2Client;

  constructor(older: SESClient, client: SESv2Client) {
    this.#older = older;
    this.#client = client;
  }

  async read(names: readonly string[], signal: AbortSignal): Promise<SesSetUp> {
    const [{ Metadata }, listed] = await Promise.all([
      this.#older.send(new DescribeActiveReceiptRuleSetCommand({}), { abortSignal: signal }),
      listedIdentities(this.#client, signal),
    ]);
    const asked = new Set(names);
    const found = listed.filter(({ name }) => asked.has(name.toLowerCase()));
    const dkim = await this.#dkim(
      found.map(({ name }) => name),
      signal,
    );
    const identities = found.map(({ name, verified }) => {
      const { DkimEnabled: signs, DkimVerificationStatus: status } = dkim[name] ?? {};
      // Not started: somebody else signs the mail of this domain, or nobody is to.
      const isUnsigned = signs === true && status !== 'Success' && status !== 'NotStarted';
      return [name.toLowerCase(), { isVerified: verified, isUnsigned }] as const;
    });
    return { activeRuleSet: Metadata?.Name ?? null, identities: new Map(identities) };
  }

  async #dkim(names: readonly string[], signal: AbortSignal): Promise<Record<string, IdentityDkimAttributes>> {
    const all: Record<string, IdentityDkimAttributes> = {};
    for (let at = 0; at < names.length; at += sesIdentitiesPerCall) {
      const command = new GetIdentityDkimAttributesCommand({ Identities: names.slice(at, at + sesIdentitiesPerCall) });
      Object.assign(all, (await this.#older.send(command, { abortSignal: signal })).DkimAttributes);
    }
    return all;
  }
}
