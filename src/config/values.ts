// Parsers for the values of the configuration: durations, domains, addresses, hosts, names. The check and the command
// line call them. Each returns the value or null. Pure: it resolves no host and opens no secret.

import { domainKeyOf } from '#core/message/domain-key.ts';
import { isPrivateV4 } from '#core/routing/port-25.ts';
import { parseMatch } from '#core/routing/routes.ts';

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION_MAX_MS = 3650 * UNIT_MS.d; // ten years: a longer one is a typing error

/** '1s' '15m' '4h' '2d' in milliseconds; from one second to ten years. */
export function parseDuration(text: string): number | null {
  const found = /^([1-9]\d{0,8})([smhd])$/.exec(text);
  if (found === null) return null;
  const ms = Number(found[1]) * UNIT_MS[found[2] as keyof typeof UNIT_MS];
  return ms <= DURATION_MAX_MS ? ms : null;
}

/** `local@domain` with the domain as A-labels; the local part as written. */
export function parseAddress(text: string): { readonly address: string; readonly domainKey: string } | null {
  const match = parseMatch(text);
  if (match === null || match.kind !== 'address') return null;
  return { address: `${text.slice(0, text.lastIndexOf('@'))}@${match.domainKey}`, domainKey: match.domainKey };
}

/** A match as Settings keeps it: domains as A-labels, the local part as written. */
export function normalMatch(text: string): string | null {
  const match = parseMatch(text);
  switch (match?.kind) {
    case undefined:
      return null;
    case 'all':
      return '*';
    case 'domain':
      return `*@${match.domainKey}`;
    case 'sub-domains':
      return `*@.${match.domainKey}`;
    case 'address':
      return `${text.slice(0, text.lastIndexOf('@'))}@${match.domainKey}`;
  }
}

const V4_PART = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = new RegExp(`^${V4_PART}(?:\\.${V4_PART}){3}$`);

function ipVersion(text: string): 4 | 6 | null {
  if (V4.test(text)) return 4;
  // The URL parser knows RFC 4291 §2.2; a zone such as %eth0 means something on one machine alone.
  return /^[\da-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]/`) ? 6 : null;
}

/**
 * A host as a socket takes it: an IP address without brackets, or a name; single labels such as localhost are names.
 */
export function parseHost(text: string): string | null {
  const bare = /^\[(.+)\]$/.exec(text)?.[1] ?? text;
  if (ipVersion(bare) !== null) return bare;
  return (
    domainKeyOf(text) ??
    (/^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/.test(text) && !/^\d+$/.test(text) ? text.toLowerCase() : null)
  );
}

/**
 * A client's name in EHLO (RFC 5321 §4.1.1.1): a domain name, or an address literal (§4.1.3) such as `[192.0.2.1]` or
 * `[IPv6:2001:db8::1]`.
 */
export function parseHelo(text: string): string | null {
  const literal = /^\[(IPv6:)?([^\]]+)\]$/i.exec(text);
  if (literal === null) return ipVersion(text) === null ? domainKeyOf(text) : null;
  const [, tag, address = ''] = literal;
  if (ipVersion(address) !== (tag === undefined ? 4 : 6)) return null;
  return tag === undefined ? `[${address}]` : `[IPv6:${address.toLowerCase()}]`;
}

const PRIVATE_V6 = /^(?:::1?$|f[cd]|fe[89ab])/i; // RFC 4291, 4193
const PRIVATE_NAME = /^[^.]+$|\.(?:local|localhost|internal|intranet|lan|home\.arpa|test)$/; // RFC 6762, 6761, 8375

/** Whether it is an IPv4 address that is not private. Names are not looked up. */
export function isPublicV4(host: string): boolean {
  const v4 = mappedV4(host) ?? host;
  return ipVersion(v4) === 4 && !isPrivateV4(v4);
}

/** Whether it is an address that IPv6 alone reaches. */
export function isV6(host: string): boolean {
  return ipVersion(host) === 6 && mappedV4(host) === null;
}

/** RFC 4291 §2.5.5.2. */
function mappedV4(host: string): string | null {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1] ?? null;
}

/** Whether it is this machine itself, or its own link: never another host of a network. */
export function isLoopback(host: string): boolean {
  return /^(?:0|127|169\.254)\.|^(?:::1?$|fe[89ab])|^localhost$|\.localhost$/i.test(host);
}

/** Whether a host cannot be reached from the Internet, as far as its name or address shows. */
export function isPrivateHost(host: string): boolean {
  switch (ipVersion(host)) {
    case 4:
      return isPrivateV4(host);
    case 6: {
      const mapped = mappedV4(host);
      return mapped === null ? PRIVATE_V6.test(host) : isPrivateV4(mapped);
    }
    default:
      return PRIVATE_NAME.test(host);
  }
}

/** Whether it is a name, and none that only a network of one's own has. */
export function isPublicName(host: string): boolean {
  return ipVersion(host) === null && !isPrivateHost(host);
}

/** The name of a next hop: it also names queue message groups and metric lines. */
export function parseName(text: string): string | null {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text) ? text : null;
}

/**
 * SES takes 64 letters for a rule set, IAM 64 for a role, SQS 80 for a queue: our suffixes must fit (aws-service
 * limits).
 */
export function parseStackName(text: string): string | null {
  return /^[A-Za-z][A-Za-z0-9-]{0,29}$/.test(text) && !text.endsWith('-') ? text : null;
}

/** An id of EC2: the prefix and 8 or 17 hexadecimal digits (EC2 user guide, resource ids). */
export function parseResourceId(prefix: string, text: string): string | null {
  const digits = text.startsWith(`${prefix}-`) ? text.slice(prefix.length + 1) : '';
  return /^(?:[0-9a-f]{8}|[0-9a-f]{17})$/.test(digits) ? text : null;
}

/** The name of a secret in Secrets Manager, not its ARN: the function's permission is written from it. */
export function parseSecretName(text: string): string | null {
  return /^[A-Za-z0-9/_+=.@-]{1,512}$/.test(text) ? text : null;
}

export function parsePem(text: string): string | null {
  const begin = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.exec(text);
  if (begin === null) return null;
  const rest = text.slice(begin.index + begin[0].length);
  return /-----END (?:TRUSTED |X509 )?CERTIFICATE-----/.test(rest.slice(1)) ? text : null;
}

/** A DKIM selector (RFC 6376 §3.1): labels joined by dots. */
export function parseSelector(text: string): string | null {
  return /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/.test(text)
    ? text
    : null;
}
