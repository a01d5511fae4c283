// Which addresses of a server may be connected to from where relay runs. Called by the SMTP client before it connects.
// AWS blocks port 25 to public addresses, and to IPv6, until it is asked to lift that (EC2 user guide, "Restriction on
// email sent using port 25"); outside of a VPC a function reaches port 25 nowhere. Other ports are never judged. It
// resolves no name.

import type { Port25 } from '#config/settings.ts';

/** `closed`: the function runs outside of a VPC. */
export type Port25Reach = Port25 | 'closed';

export type Reachable =
  | { readonly kind: 'some'; readonly addresses: readonly string[] }
  /** One sentence for the operator, with the remedy. */
  | { readonly kind: 'none'; readonly why: string };

/** `addresses` are what `host` resolved to, one at least, in the order in which they are tried. */
export function reachableAt25(host: string, addresses: readonly string[], reach: Port25Reach): Reachable {
  const open = addresses.filter((address) => isLoopback(address) || isOpen(address, reach));
  if (open.length > 0) return { kind: 'some', addresses: open };
  const which = addresses.every((address) => address === host) ? host : `${host} (${addresses.slice(0, 2).join(', ')})`;
  return { kind: 'none', why: `${which} cannot be reached on port 25: ${remedyFor(addresses, reach)}` };
}

function isOpen(address: string, reach: Port25Reach): boolean {
  const v4 = v4Of(address);
  if (v4 === null || reach === 'closed') return false;
  return reach === 'unblocked' || isPrivateV4(v4);
}

function remedyFor(addresses: readonly string[], reach: Port25Reach): string {
  if (reach === 'closed')
    return (
      'AWS Lambda reaches no port 25 from outside of a VPC. ' +
      'Set `network`, or give a port of that server that takes a login, such as 587'
    );
  if (addresses.every((address) => v4Of(address) === null))
    return 'AWS blocks port 25 to IPv6 addresses. Give a name or an address that is IPv4';
  return (
    'AWS blocks port 25 to public addresses. Give a private address of that server, ' +
    "or ask AWS to lift the block and set `network.port25: 'unblocked'`"
  );
}

/** RFC 1122, 1918, 3927, 6598: addresses that no host of the Internet has. */
export function isPrivateV4(address: string): boolean {
  return /^(?:0|10|127|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(
    address,
  );
}

function isLoopback(address: string): boolean {
  return address === '::1' || v4Of(address)?.startsWith('127.') === true;
}

/** An IPv4 address, or the one that an IPv6 address maps (RFC 4291 §2.5.5.2); null for every other one. */
function v4Of(address: string): string | null {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return v4.includes(':') ? null : v4;
}
