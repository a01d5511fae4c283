// The secrets that a next hop names, and what each must hold. The template grants relay these and no others, and the
// local runtime looks for them at its start. It opens none.

import type { NextHopSettings, Settings } from './settings.ts';

/** `password`: a user name and a password; `token`: the terms for requesting a token; `certificate`: with its key. */
export type HopSecret = { readonly name: string; readonly holds: 'password' | 'token' | 'certificate' };

/** Empty for a next hop that needs none. */
export function secretsOfHop(hop: NextHopSettings): readonly HopSecret[] {
  if (hop.kind !== 'smtp' && hop.kind !== 'lmtp') return [];
  const { auth, clientCertificate } = hop;
  const secrets: HopSecret[] = [];
  if (auth !== null && 'secret' in auth) secrets.push({ name: auth.secret, holds: 'password' });
  if (auth !== null && 'xoauth2' in auth) secrets.push({ name: auth.xoauth2, holds: 'token' });
  if (clientCertificate) secrets.push({ name: clientCertificate.secret, holds: 'certificate' });
  return secrets;
}

/** Relay is called each hour: to keep its network interfaces, and to read how long client certificates are valid. */
export function isCalledHourly({ network, nextHops }: Pick<Settings, 'network' | 'nextHops'>): boolean {
  const certificates = Object.values(nextHops)
    .flatMap(secretsOfHop)
    .filter(({ holds }) => holds === 'certificate');
  return network !== null || certificates.length > 0;
}
