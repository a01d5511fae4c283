// Whose client an address is, where submitters are known by their networks (`submitters.NAME.from`). The gateway asks
// at each connection: which TLS it may speak, and for whom it may submit without a login. A login is not its matter.

import type { SubmitterSettings } from '#config/settings.ts';
import { holds, readSourceNetwork, type SourceNetwork, sourceAddress } from './source-network.ts';

export type SubmitterAtAddress = {
  readonly submitter: string;
  /** TLS 1.0 and 1.1 may be spoken from there. */
  readonly oldTls: boolean;
  /** Mail may come from there without TLS. */
  readonly withoutTls: boolean;
};

/** Of checked settings, where no two submitters' networks overlap. Null: nobody is known by that address. */
export function submittersByAddress(
  submitters: Readonly<Record<string, Pick<SubmitterSettings, 'from' | 'oldTls' | 'withoutTls'>>>,
): (address: string) => SubmitterAtAddress | null {
  const known = Object.entries(submitters).flatMap(([submitter, { from = [], oldTls = false, withoutTls = false }]) =>
    from.flatMap(networkOf).map((network) => ({ network, found: { submitter, oldTls, withoutTls } })),
  );
  return (address) => {
    const client = known.length === 0 ? null : sourceAddress(address);
    return client === null ? null : (known.find(({ network }) => holds(network, client))?.found ?? null);
  };
}

function networkOf(text: string): SourceNetwork[] {
  const read = readSourceNetwork(text);
  return read.kind === 'network' ? [read.network] : [];
}
