// Warnings about settings that work and are probably a mistake. They stop nothing here. check.ts calls it once the
// configuration is valid. infra/app.ts deploys nothing while there is a warning about next hops.

import { newAccountConcurrency, unreservedConcurrencyMin } from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import { isVerified, sendingDomains } from '#core/message/ses-use.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { isPrivateNetwork, readSourceNetwork } from '#core/submission/source-network.ts';
import type { Mistakes } from './given.ts';
import type { Network, ServerSettings, Settings } from './settings.ts';
import { isLoopback, isPrivateHost, isPublicName, isPublicV4, isV6 } from './values.ts';
import { join } from './words.ts';

export type BuiltIn = { readonly hosts: readonly string[]; readonly port: number };

/** Settings that cannot work in AWS, or would show a password. */
export function warnAboutNextHops({ nextHops, network }: Settings, builtIn: BuiltIn | null, warn: Mistakes): void {
  for (const [name, hop] of Object.entries(nextHops)) {
    if ((hop.kind !== 'smtp' && hop.kind !== 'lmtp') || isBuiltIn(hop, builtIn)) continue;
    const at = join('nextHops', name);
    if (network === null) warnAboutReach(hop, at, warn);
    else warnAboutVpc(hop, network, at, warn);
    if (hop.auth !== null && hop.tls === 'off')
      warn(`${at}.tls`, 'the password would cross the network in the clear', "'required' or 'implicit'");
  }
}

function warnAboutReach(hop: ServerSettings, at: string, warn: Mistakes): void {
  if (hop.port === 25)
    warn(
      `${at}.port`,
      'a function outside a VPC reaches no port 25',
      'network: { create: { zones: 1 } }, or 587, 465 or another port of that host',
    );
  for (const host of hop.hosts.filter(isPrivateHost))
    warn(`${at}.host`, `${host} cannot be reached from AWS without network`, "network, or the host's public name");
}

/** EC2 lets port 25 out of a VPC to private IPv4 addresses, and to others where AWS has lifted the block. */
function warnAboutVpc(hop: ServerSettings, { port25 }: Network, at: string, warn: Mistakes): void {
  for (const host of hop.hosts) {
    if (isLoopback(host)) warn(`${at}.host`, `${host} is the function itself`, "the host's own name or address");
    else if (isV6(host))
      warn(`${at}.host`, `relay has no IPv6 in its VPC, and ${host} is IPv6`, "the host's name or IPv4 address");
    else if (hop.port === 25 && port25 === 'private' && isPublicV4(host))
      warn(
        `${at}.host`,
        `AWS blocks port 25 to ${host}, which is no private address, until it lifts the block on request`,
        "network.port25: 'unblocked' once it has (docs/network.md), or another port of that host",
      );
  }
}

function isBuiltIn({ hosts, port }: Pick<ServerSettings, 'hosts' | 'port'>, builtIn: BuiltIn | null): boolean {
  return builtIn !== null && port === builtIn.port && hosts.every((host) => builtIn.hosts.includes(host));
}

/** A name may still resolve to a private address, so that this stops nothing; relay looks at each attempt. */
export function warnAboutBlockedNames({ nextHops, network }: Settings, warn: Mistakes): void {
  if (network?.port25 !== 'private') return;
  for (const [name, hop] of Object.entries(nextHops)) {
    if (hop.kind !== 'smtp' || hop.port !== 25) continue;
    for (const host of hop.hosts.filter(isPublicName))
      warn(
        `${join('nextHops', name)}.port`,
        `${host} looks public, and AWS blocks port 25 to public addresses until it lifts the block on request`,
        "network.port25: 'unblocked' once it has (docs/network.md)",
      );
  }
}

/** Mail that devices submit in the clear, over networks that are not the operator's alone. */
export function warnAboutSubmitters({ submitters }: Settings, warn: Mistakes): void {
  for (const [name, { from = [], withoutTls }] of Object.entries(submitters)) {
    const open = withoutTls ? from.find((text) => !isPrivate(text)) : undefined;
    if (open !== undefined)
      warn(
        `${join('submitters', name)}.withoutTls`,
        `${open} is no private range, so that strangers on the way can read and change this mail`,
        'no withoutTls, or private addresses (a VPN)',
      );
  }
}

function isPrivate(text: string): boolean {
  const read = readSourceNetwork(text);
  return read.kind === 'network' && isPrivateNetwork(read.network);
}

/** Mail sent in another domain's name, and mail sent out that is for our own domains. */
export function warnAboutSenders(settings: Settings, warn: Mistakes): void {
  const { domains, notices, routes, nextHops } = settings;
  const from = parseMailbox(notices.from);
  if (from !== null && !isVerified(from.domainKey, sendingDomains(settings)))
    warn(
      'notices.from',
      `${from.domainKey} is none of domains, so that receivers may take notices for forgeries (SPF, DMARC)`,
      `an address such as postmaster@${domains[0]}`,
    );
  const table = compileRoutes(routes);
  const leaving = new Map<number, string[]>();
  for (const domain of domains) {
    const address = `postmaster@${domain}`;
    const taken = table.resolve({ address, localPart: 'postmaster', domain, domainKey: domain }, 'outbound');
    const route = taken === null ? undefined : routes[taken.route];
    const via = route?.to[0]?.via ?? '';
    if (taken === null || !route?.match.includes('*') || nextHops[via]?.kind !== 'ses') continue;
    const known = leaving.get(taken.route);
    if (known === undefined) leaving.set(taken.route, [domain]);
    else known.push(domain);
  }
  for (const [index, [first = '', ...others]] of leaving) {
    const more = others.length === 0 ? '' : ` and ${others.length} more of domains`;
    warn(
      `routes[${index}].match`,
      `'*' by SES also takes submitted mail for ${first}${more}, which then leaves and comes back to SES`,
      `a route before it such as { match: '*@${first}', direction: 'outbound', to: [{ via: '${inboundHop(settings, first)}' }] }`,
    );
  }
}

function inboundHop({ routes }: Settings, domain: string): string {
  const address = `postmaster@${domain}`;
  const taken = compileRoutes(routes).resolve(
    { address, localPart: 'postmaster', domain, domainKey: domain },
    'inbound',
  );
  return taken?.actions[0]?.via ?? 'exchange';
}

/** Reserved concurrency, which a new account does not have. */
export function warnAboutReserve({ concurrency }: Settings, warn: Mistakes): void {
  if (!concurrency.reserve) return;
  warn(
    'concurrency.reserve',
    `AWS reserves only while ${unreservedConcurrencyMin} executions stay unreserved, and a new account has ` +
      `${newAccountConcurrency} in all, so that the deploy fails there`,
    'true once Service Quotas shows a higher quota for concurrent executions, else no reserve',
  );
}

/** Alarms that take the way of the mail that they are about. */
export function warnAboutAlarms({ alarms, domains }: Settings, warn: Mistakes): void {
  for (const address of alarms.email) {
    const domain = parseMailbox(address)?.domainKey ?? '';
    if (domains.includes(domain))
      warn(
        'alarms.email',
        `${address} is in a domain of domains, so that where mail stands still, the mail about it stands still too`,
        'an address elsewhere, such as you@example.net, also beside this one',
      );
  }
}
