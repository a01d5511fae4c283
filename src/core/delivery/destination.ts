// The kind of a row's destination: what its `nextHop` stands for. The ledger and the sweep's index keep one word for
// it: the name of a configured next hop, or one of the words below, which no next hop may have as its name. No other
// file compares a row's `nextHop` with such a word. Pure.

import type { Settings } from '#config/settings.ts';

export type Destination =
  | 'next-hop' // of the configuration, or one that it no longer names
  | 'returns' // mail to a return path of ours: feedback reads it (pipeline/feedback/returned.ts)
  | 'ses-bounce' // a notice by SES's SendBounce
  | 'ses-report' // a notice as a report of our own by SES
  | 'nowhere'; // no route takes it, or its recipients are not known

/** The stored words. */
export const returnsHop = 'returns';
export const sesBounce = 'ses-bounce';
export const sesReport = 'ses-report';
const KINDS: ReadonlyMap<string, Destination> = new Map<string, Destination>([
  [returnsHop, 'returns'],
  [sesBounce, 'ses-bounce'],
  [sesReport, 'ses-report'],
  ['', 'nowhere'],
]);

export function destinationOf({ nextHop }: { readonly nextHop: string }): Destination {
  return KINDS.get(nextHop) ?? 'next-hop';
}

/** Whether mail for it counts for the account's quotas at SES. */
export function leavesBySes(nextHop: string, { nextHops }: Pick<Settings, 'nextHops'>): boolean {
  const destination = destinationOf({ nextHop });
  if (destination === 'ses-bounce' || destination === 'ses-report') return true;
  return Object.hasOwn(nextHops, nextHop) && nextHops[nextHop]?.kind === 'ses';
}
