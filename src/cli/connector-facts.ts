// The facts that another mail system needs before it takes our mail: names, addresses and certificate. `everpost
// connector` collects them from the configuration, the stack and the command line; connector-texts.ts prints them.
// Pure: it calls no instance, and guesses no address.

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { NextHopSettings, Settings, SmtpSettings } from '#config/settings.ts';
import { BadConfiguration, short, Usage } from './exit.ts';

export const connectorKinds = ['m365', 'workspace', 'exchange'] as const;
export type ConnectorKind = (typeof connectorKinds)[number];

export type ConnectorFacts = {
  readonly domains: readonly string[];
  /** The next hop that leads there; null: the configuration has none, and the text proposes one. */
  readonly nextHop: { readonly name: string; readonly hop: SmtpSettings } | null;
  /** The name in EHLO. */
  readonly helo: string;
  /** Whether `helo` is one of `domains`: then it is a default that has no A record for us. */
  readonly heloIsDomain: boolean;
  /** From which mail comes, as the other side sees them: addresses, or networks. In order. */
  readonly addresses: readonly string[];
  /** Whether the stack made them (`network.create`), so that their PTR records are ours to set. */
  readonly made: boolean;
  readonly certificate: Certificate | null;
  /** Null: no return path of ours leaves by this next hop. */
  readonly returnPathDomain: string | null;
};
export type Certificate = {
  /** The name by which a connector knows it: the first DNS name, else the common name. */
  readonly name: string;
  /** Its last day, in milliseconds since the epoch. */
  readonly until: number;
  /** False: its authority did not sign it for clients (no usage clientAuth). */
  readonly forClients: boolean;
};

/** Hosts by which a next hop is known to lead there. */
const HOSTS: Readonly<Record<ConnectorKind, RegExp | null>> = {
  m365: /(?:\.protection\.outlook\.com|\.mx\.microsoft|\.office365\.com)$/i,
  workspace: /(?:\.google\.com|\.googlemail\.com)$/i,
  exchange: null,
};

/** Throws Usage where the command line names a next hop that is none, or must name one. */
export function nextHopFor(
  kind: ConnectorKind,
  { nextHops }: Settings,
  named: string | null,
): ConnectorFacts['nextHop'] {
  const all = Object.entries(nextHops).filter((entry): entry is [string, SmtpSettings] => isSmtp(entry[1]));
  if (named !== null) {
    const found = all.find(([name]) => name === named);
    if (found !== undefined) return { name: found[0], hop: found[1] };
    const names = all.map(([name]) => name).join(', ') || 'none';
    throw new Usage(`the configuration has no SMTP next hop "${short(named)}"; those that it has: ${names}`);
  }
  const fitting = all.filter(([, { hosts }]) => leadsTo(kind, hosts));
  const [first, second] = fitting;
  if (second !== undefined && kind === 'exchange') {
    const names = fitting.map(([name]) => name).join(', ');
    throw new Usage(`several next hops may lead to Exchange (${names}); name one with --hop NAME`);
  }
  return first === undefined ? null : { name: first[0], hop: first[1] };
}

function isSmtp(hop: NextHopSettings): hop is SmtpSettings {
  return hop.kind === 'smtp';
}

function leadsTo(kind: ConnectorKind, hosts: readonly string[]): boolean {
  const known = HOSTS[kind];
  if (known !== null) return hosts.some((host) => known.test(host));
  return !Object.values(HOSTS).some((other) => other !== null && hosts.some((host) => other.test(host)));
}

/** `given` on the command line win over the stack's outputs `NatAddress1`, …. Throws Usage. */
export function addressesFrom(
  given: readonly string[],
  outputs: Readonly<Record<string, string | undefined>> | null,
): Pick<ConnectorFacts, 'addresses' | 'made'> {
  const wrong = given.find((text) => !isAddressOrNetwork(text));
  if (wrong !== undefined)
    throw new Usage(
      `--address ${short(wrong)} is neither an address such as 203.0.113.7 nor a network such as 10.0.1.0/24`,
    );
  if (given.length > 0) return { addresses: [...new Set(given)], made: false };
  const made = [1, 2, 3].map((zone) => outputs?.[`NatAddress${zone}`]).filter((each) => each !== undefined);
  return { addresses: made, made: made.length > 0 };
}

function isAddressOrNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** A client certificate in PEM, the first of a chain. `source` names it in errors. Throws BadConfiguration. */
export function certificateFrom(pem: string, source: string): Certificate {
  try {
    const certificate = new X509Certificate(pem);
    const names = /DNS:([^,\s]+)/.exec(certificate.subjectAltName ?? '');
    const name = names?.[1] ?? /^CN=(.+)$/m.exec(certificate.subject)?.[1];
    if (name === undefined) throw new Error('it has neither a DNS name nor a common name');
    const usages = certificate.keyUsage as readonly string[] | undefined; // the extended key usages, as Node calls them
    const forClients = usages === undefined || usages.includes(CLIENT_AUTH) || usages.includes(ANY_USAGE);
    return { name, until: Date.parse(certificate.validTo), forClients };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BadConfiguration(`the certificate of ${source} cannot be read (${why}): give a certificate in PEM`);
  }
}
/** RFC 5280 §4.2.1.12: id-kp-clientAuth, anyExtendedKeyUsage. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';

export type Given = Pick<ConnectorFacts, 'addresses' | 'made' | 'certificate' | 'nextHop'>;

export function connectorFacts({ domains, host, routes, returnPathDomain }: Settings, given: Given): ConnectorFacts {
  const helo = given.nextHop?.hop.helo ?? host;
  const ours = routes.some(({ to }) =>
    to.some(({ via, returnPath }) => via === given.nextHop?.name && returnPath !== 'keep'),
  );
  return {
    ...given,
    domains,
    helo,
    heloIsDomain: domains.includes(helo),
    returnPathDomain: ours ? returnPathDomain : null,
  };
}
