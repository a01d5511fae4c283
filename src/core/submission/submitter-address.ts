// Finds the submitter that a client's address belongs to, where networks identify submitters (`submitters.NAME.from`).
// The gateway calls it at each connection. It says which TLS the client may speak, and for whom it may submit without a
// login. It checks no login.

import type { SubmitterSettings } from '#config/settings.ts';
import { holds, readSourceNetwork, type SourceNetwork, sourceAddress } from './source-network.ts';

export type SubmitterAtAddress = {
  readonly submitter: string;
  /** The client may speak TLS 1.0 and 1.1. */
  readonly oldTls: boolean;
  /** Mail may come from there without TLS. */
  readonly withoutTls: boolean;
};

/** Of checked settings, where no two submitters' networks overlap. Null: the address belongs to no submitter. */
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
