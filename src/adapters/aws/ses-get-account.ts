// SES's GetAccount, called by the sweep: whether the account sends, and its quotas. It is the only read of SES that a
// stage makes, and it sends nothing.

import { GetAccountCommand, type SESv2Client } from '@aws-sdk/client-sesv2';
import type { SesAccount, SesAccountReader } from '#pipeline/ses-account.ts';

export class SesGetAccount implements SesAccountReader {
  readonly #client: SESv2Client;

  constructor(client: SESv2Client) {
    this.#client = client;
  }

  async read(signal: AbortSignal): Promise<SesAccount> {
    const told = await this.#client.send(new GetAccountCommand({}), { abortSignal: signal });
    const { Max24HourSend, MaxSendRate, SentLast24Hours = 0 } = told.SendQuota ?? {};
    return {
      sendingEnabled: told.SendingEnabled !== false,
      productionAccess: told.ProductionAccessEnabled === true,
      enforcement: told.EnforcementStatus ?? '',
      ratePerSecond: limit(MaxSendRate),
      max24Hours: limit(Max24HourSend),
      sentLast24Hours: SentLast24Hours,
    };
  }
}

/** -1 is SES's word for none. */
function limit(told: number | undefined): number | null {
  return told === undefined || told <= 0 ? null : told;
}
