// The text that `everpost connector` prints: the next hop, the DNS records, and the commands or steps for Exchange
// Online, Google Workspace and Exchange Server. Called by connector.ts. Pure. docs/recipes.md gives the reason for each
// line, with its sources.

import type { ConnectorFacts, ConnectorKind } from './connector-facts.ts';

export type DnsRecord = { readonly name: string; readonly type: string; readonly value: string; readonly why: string };
export type ConnectorText = {
  readonly title: string;
  /** Lines of everpost.config.ts that it takes, where they are not there. */
  readonly configuration: readonly string[];
  readonly records: readonly DnsRecord[];
  /** Commands of the operator's shell: `aws`. */
  readonly shell: readonly string[];
  /** The steps at the other side: commands, or settings of a page. Lines that begin with # explain. */
  readonly there: { readonly where: string; readonly lines: readonly string[] };
  readonly notes: readonly string[];
};

export function connectorText(kind: ConnectorKind, facts: ConnectorFacts): ConnectorText {
  const common = { records: addressRecords(facts), shell: shell(facts) };
  if (kind === 'm365') return { ...common, ...exchangeOnline(facts) };
  if (kind === 'workspace') return { ...common, ...workspace(facts) };
  return { ...common, ...exchangeServer(facts), ...(facts.made ? {} : { records: [], shell: [] }) };
}

/** The names of our addresses, their PTR records, and the SPF records that name them. */
export function addressRecords(facts: ConnectorFacts): readonly DnsRecord[] {
  const { addresses, returnPathDomain } = facts;
  const single = addresses.filter((address) => !address.includes('/'));
  if (single.length === 0) return [];
  const spf = addresses.map((address) => `${address.includes(':') ? 'ip6' : 'ip4'}:${address}`).join(' ');
  const named = single.flatMap((address, index) => namesOf(facts, address, index));
  const all = [...named, { name: heloName(facts), type: 'TXT', value: `v=spf1 ${spf} -all`, why: SPF_OF_HELO }];
  if (returnPathDomain === null) return all;
  const why = 'the domain of the return paths of Everpost; add the addresses where it has an SPF record';
  return [...all, { name: returnPathDomain, type: 'TXT', value: `v=spf1 include:amazonses.com ${spf} -all`, why }];
}
const SPF_OF_HELO = 'SPF of the name in EHLO, for mail with a null reverse-path such as NDRs';

/** Each address has a name that leads back to it: receivers look (RFC 1912 §2.1). The first one's is said in EHLO. */
function namesOf(facts: ConnectorFacts, address: string, index: number): readonly DnsRecord[] {
  const [label = '', ...rest] = heloName(facts).split('.');
  const name = index === 0 ? heloName(facts) : [`${label}${index + 1}`, ...rest].join('.');
  const why = index === 0 ? 'the name that Everpost says in EHLO' : `the address of zone ${index + 1}`;
  const type = address.includes(':') ? 'AAAA' : 'A';
  const pointer = {
    name: address,
    type: 'PTR',
    value: name,
    why: 'set by the aws command below, once the A record is there',
  };
  return [{ name, type, value: address, why }, ...(facts.made ? [pointer] : [])];
}

/** A name of one's own for the address: a domain itself mostly has the A record of a web site. */
function heloName({ helo, heloIsDomain }: ConnectorFacts): string {
  return heloIsDomain ? `mail.${helo}` : helo;
}

function shell(facts: ConnectorFacts): readonly string[] {
  if (!facts.made) return [];
  return facts.addresses.flatMap((address, index) => [
    `ID=$(aws ec2 describe-addresses --public-ips ${address} --query 'Addresses[0].AllocationId' --output text)`,
    `aws ec2 modify-address-attribute --allocation-id "$ID" --domain-name ${namesOf(facts, address, index)[0]?.name}`,
  ]);
}

/** The line of a next hop, where the configuration lacks it or its `helo`. */
function configured(facts: ConnectorFacts, name: string, proposal: string, network: string): readonly string[] {
  const { nextHop, heloIsDomain } = facts;
  const helo = heloName(facts);
  if (nextHop === null) return [network, `nextHops: { ${name}: { ${proposal}, helo: '${helo}' } }`];
  return heloIsDomain ? [`nextHops: { ${nextHop.name}: { …, helo: '${helo}' } }`] : [];
}

const UNBLOCKED =
  "network: { create: { zones: 1 }, port25: 'unblocked' },   // docs/network.md: AWS lifts the block on request";

function exchangeOnline(facts: ConnectorFacts) {
  const { addresses, certificate, domains } = facts;
  const first = domains[0] ?? 'example.com';
  const tenant = first.replaceAll('.', '-');
  const list = quoted(addresses);
  const known =
    certificate === null
      ? `-RequireTls $false -SenderIPAddresses ${list}`
      : `-RequireTls $true -TlsSenderCertificateName '${certificate.name}'`;
  const skip = addresses.length > 0 ? `-EFSkipLastIP $false -EFSkipIPs ${list}` : '-EFSkipLastIP $true';
  const restricted = certificate === null ? 'RestrictDomainsToIPAddresses' : 'RestrictDomainsToCertificate';
  const host = `host: '${tenant}.mail.protection.outlook.com'`;
  return {
    title: 'Exchange Online (Microsoft 365) takes the mail of your domains from Everpost',
    configuration: configured(facts, 'm365', `kind: 'smtp', ${host}, port: 25, tls: 'required'`, UNBLOCKED),
    there: {
      where: 'Exchange Online PowerShell, as an Exchange administrator',
      lines: [
        'Connect-ExchangeOnline',
        `# Knows Everpost by its ${certificate === null ? 'addresses' : 'certificate'}, and judges the sender behind it (enhanced filtering).`,
        `New-InboundConnector -Name 'Everpost' -ConnectorType Partner -SenderDomains '*' ${known} -${restricted} $false`,
        `Set-InboundConnector 'Everpost' ${skip}`,
        "Get-InboundConnector 'Everpost' | Format-List Enabled,SenderIPAddresses,TlsSenderCertificateName,EFSkipIPs,EFSkipLastIP",
        '# Once mail arrives: refuse what comes neither by Everpost nor by a connector of its own, such as that of a scanner.',
        `Set-InboundConnector 'Everpost' -RequireTls $true -${restricted} $true`,
      ],
    },
    notes: [
      `The MX records of ${domains.join(', ')} lead to Amazon SES, not to Exchange Online.`,
      'The true host of the next hop is in the Microsoft 365 admin center: Settings > Domains > the domain > DNS records, MX.',
      ...(certificate === null ? [] : certificateNotes(certificate, addresses)),
    ],
  };
}

function certificateNotes(
  { name, until, forClients }: NonNullable<ConnectorFacts['certificate']>,
  addresses: readonly string[],
): readonly string[] {
  const instead =
    addresses.length === 0
      ? 'If not, it knows an address.'
      : `If not, write -RequireTls $false -SenderIPAddresses ${quoted(addresses)} -RestrictDomainsToIPAddresses $false in place of the certificate's parameters.`;
  const usage = forClients
    ? []
    : [
        `The certificate is not made for clients (no usage clientAuth). Whether Exchange Online takes it is not known. ${instead}`,
      ];
  return [
    `The certificate ends on ${new Date(until).toISOString().slice(0, 10)}. Its name, ${name}, must be of an accepted domain of the tenant.`,
    ...usage,
  ];
}

function workspace(facts: ConnectorFacts) {
  const { addresses, domains } = facts;
  const list = addresses.join(', ') || '(none known: name them with --address, or the stack with --stack)';
  const proposal = "kind: 'smtp', host: 'smtp.google.com', port: 25, tls: 'required'";
  return {
    title: 'Google Workspace takes the mail of your domains from Everpost, and relays the mail of your senders',
    configuration: configured(facts, 'workspace', proposal, UNBLOCKED),
    there: {
      where: 'Google Admin console, as a super administrator',
      lines: [
        '# Mail to you: Apps > Google Workspace > Gmail > Spam, Phishing and Malware > Inbound gateway',
        `Gateway IPs: ${list}`,
        'Automatically detect external IP: on',
        'Require TLS for connections from the email gateways listed above: on',
        'Reject all mail not from gateway IPs: off at first; on once mail arrives',
        'Message tagging: off',
        '# Mail from you, where a next hop of Everpost is smtp-relay.gmail.com (port 587, tls required):',
        '# Apps > Google Workspace > Gmail > Routing > SMTP relay service',
        'Allowed senders: Only addresses in my domains',
        `Only accept mail from the specified IP addresses: ${list}`,
        'Require TLS encryption: on',
      ],
    },
    notes: [
      `The MX records of ${domains.join(', ')} lead to Amazon SES, not to Google.`,
      'Google takes no private addresses there, and makes no SPF and DMARC checks of its own for mail from a gateway.',
      'A change may take up to 24 hours.',
    ],
  };
}

function exchangeServer(facts: ConnectorFacts) {
  const { addresses, certificate } = facts;
  const list = quoted(addresses);
  const proposal = "kind: 'smtp', host: 'exchange.corp.example.com', port: 25, tls: 'required'";
  const network =
    "network: { vpc: { id: 'vpc-…', subnets: ['subnet-…'] } },   // docs/network.md: a VPN or Direct Connect";
  return {
    title: 'Exchange Server (on premises) takes the mail of your domains from Everpost',
    configuration: configured(facts, 'exchange', proposal, network),
    there: {
      where: 'Exchange Management Shell, on each Mailbox server that takes the mail (here EX1)',
      lines: [
        '# Anonymous, for these addresses alone. It takes any sender, and recipients of your accepted domains alone.',
        `New-ReceiveConnector -Name 'Everpost' -Server EX1 -TransportRole FrontendTransport -Custom -Bindings '0.0.0.0:25' -RemoteIPRanges ${list} -PermissionGroups AnonymousUsers -AuthMechanism Tls`,
        "Set-ReceiveConnector 'EX1\\Everpost' -MaxMessageSize 40MB -TarpitInterval 00:00:00 -MessageRateLimit Unlimited -MaxInboundConnectionPercentagePerSource 100 -MaxInboundConnectionPerSource Unlimited",
        "Get-ReceiveConnector 'EX1\\Everpost' | Format-List Enabled,Bindings,RemoteIPRanges,PermissionGroups,AuthMechanism",
        '# Never give it Ms-Exch-SMTP-Accept-Any-Recipient: it would be an open relay for these addresses.',
      ],
    },
    notes: [
      'Port 25, not 587: the client connector on 587 wants a login, and lets a login send in its own name alone (550 5.7.60).',
      "Exchange's own certificate is signed by itself: export it, and name it as the next hop's `ca`.",
      ...(certificate === null
        ? []
        : ['Exchange Server knows Everpost by its addresses here; the certificate is not used.']),
    ],
  };
}

/** PowerShell's list of strings. Nothing in an address or a host name needs escaping. */
function quoted(values: readonly string[]): string {
  return values.map((value) => `'${value}'`).join(',');
}
