// What SES is set up for: which receipt rule set is active, and which of our domains' identities it has verified. The
// sweep looks each hour (sweep/levels.ts), because both may change without a deploy: somebody activates another rule
// set, or a DNS record of an identity is removed. It changes nothing, and decides about no message.

import type { Settings } from '#config/settings.ts';
import { identityNames, receivingDomains, sendingDomains, sendsBySes } from '#core/message/ses-use.ts';
import type { Clock, Watch } from './ports.ts';

export type SesIdentity = {
  readonly isVerified: boolean;
  /** SES is to sign with a DKIM key of the identity, and does not. */
  readonly isUnsigned: boolean;
};
export type SesSetUp = {
  /** Null: none. */
  readonly activeRuleSet: string | null;
  /** Those of the names that SES has. */
  readonly identities: ReadonlyMap<string, SesIdentity>;
};
export interface SesSetUpReader {
  /** Three calls; one more for each further hundred names, or thousand identities. Throws where SES does. */
  read(names: readonly string[], signal: AbortSignal): Promise<SesSetUp>;
}

/** What is wrong with it: names are of identities, or of domains that have none. */
export type SesFaults = {
  readonly otherRuleSet: boolean;
  readonly unverifiedReceiving: readonly string[];
  readonly unverifiedSending: readonly string[];
  readonly unsigned: readonly string[];
};

export function sesFaults(settings: Settings, { activeRuleSet, identities }: SesSetUp): SesFaults {
  const coveringOf = (domain: string) => identityNames(domain).find((name) => identities.has(name)) ?? domain;
  const covering = (domains: readonly string[]) => [...new Set(domains.map(coveringOf))].sort();
  const unverified = (domains: readonly string[]) =>
    covering(domains).filter((name) => identities.get(name)?.isVerified !== true);
  const sending = sendsBySes(settings) ? sendingDomains(settings) : [];
  return {
    otherRuleSet: activeRuleSet !== settings.stackName,
    unverifiedReceiving: unverified(receivingDomains(settings)),
    unverifiedSending: unverified(sending),
    unsigned: covering(sending).filter((name) => identities.get(name)?.isUnsigned === true),
  };
}

export type SesSetUpPorts = {
  readonly settings: Settings;
  readonly reader: SesSetUpReader;
  readonly clock: Clock;
  readonly watch: Watch;
};

/** One for each function instance. */
export class SesSetUpView {
  readonly #ports: SesSetUpPorts;
  readonly #every: { readonly rightMs: number; readonly wrongMs: number };
  readonly #names: readonly string[];
  #known: { readonly faults: SesFaults | null; readonly until: number } | null = null;

  /** `wrongMs`: where something is wrong, or SES did not answer, so that a correction is seen soon. */
  constructor(ports: SesSetUpPorts, every: { readonly rightMs: number; readonly wrongMs: number }) {
    this.#ports = ports;
    this.#every = every;
    const { settings } = ports;
    const domains = [...receivingDomains(settings), ...(sendsBySes(settings) ? sendingDomains(settings) : [])];
    this.#names = [...new Set(domains.flatMap(identityNames))];
  }

  /** Null where SES does not tell it. Never rejects. */
  async faults(signal: AbortSignal): Promise<SesFaults | null> {
    const { settings, reader, clock, watch } = this.#ports;
    const now = clock.now();
    if (this.#known !== null && now < this.#known.until) return this.#known.faults;
    let faults: SesFaults | null = null;
    try {
      const setUp = await reader.read(this.#names, signal);
      faults = sesFaults(settings, setUp);
      if (isFaulty(faults)) watch.warn('sweep.ses-set-up', { ...faults, activeRuleSet: setUp.activeRuleSet });
    } catch (error) {
      watch.error('sweep.ses-set-up-not-read', { error: String(error) });
    }
    const { rightMs, wrongMs } = this.#every;
    this.#known = { faults, until: now + (faults === null || isFaulty(faults) ? wrongMs : rightMs) };
    return faults;
  }
}

function isFaulty({ otherRuleSet, unverifiedReceiving, unverifiedSending, unsigned }: SesFaults): boolean {
  return otherRuleSet || unverifiedReceiving.length + unverifiedSending.length + unsigned.length > 0;
}
