// The whole schema of the configuration: unknown input in, Settings or one line per mistake out.
// Each line says where in the file, what is wrong and what to write. It reads no file and asks no network,
// and what a later version brings is refused by its name, never taken and ignored.

import { createHash } from 'node:crypto';
import { queueRetentionMs, rowsOutliveObjectMs } from '#core/limits.ts';
import { needsSmtputf8, parseMailbox } from '#core/message/address.ts';
import { isVerified, sendingDomains, sendsBySes } from '#core/message/ses-use.ts';
import { compileRoutes, parseMatch } from '#core/routing/routes.ts';
import {
  type Field,
  join,
  list,
  type Mistakes,
  notBuilt,
  optional,
  readField,
  record,
  required,
  unknownKeys,
} from './fields.ts';
import { readNextHops } from './next-hops.ts';
import { readRoute } from './routes-section.ts';
import {
  DOMAIN,
  feedbackField,
  policyField,
  readDomains,
  readNotices,
  retentionField,
  retryField,
  stackNameField,
  submittersField,
  traceField,
  transferField,
} from './sections.ts';
import type { RouteSettings, Settings } from './settings.ts';
import { isPrivateHost } from './values.ts';

export type Checked =
  /** `warnings` are lines of the same form: deploying must fail on them, running here need not. */
  | {
      readonly kind: 'ok';
      readonly settings: Settings;
      readonly warnings: readonly string[];
      /** What the file asks for and this version reads without acting on it yet; said wherever it starts. */
      readonly notYet: readonly string[];
    }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

/** Checks a configuration as imported from the file. `sourceName` opens each line: everpost.config.ts. */
export function checkConfig(input: unknown, sourceName: string): Checked {
  const problems: string[] = [];
  const mistake = lineTo(problems, sourceName);
  const unversioned = readConfig(input, mistake);
  if (unversioned === undefined || problems.length > 0) return { kind: 'wrong', problems };
  const version = createHash('sha256').update(JSON.stringify(unversioned)).digest('hex').slice(0, 12);
  const settings = { version, ...unversioned };
  const warnings: string[] = [];
  warnAboutNextHops(settings, lineTo(warnings, sourceName));
  return { kind: 'ok', settings, warnings, notYet: notYetActedOn(record(input, '', mistake) ?? {}, sourceName) };
}

/**
 * What is accepted and has no effect yet, so that a configuration need not change when it is built. Nothing but the check reads these
 * (test/unit/documents.test.ts), and docs/interfaces.md names them.
 */
export const withoutEffectYet = { nextHop: ['concurrency', 'messagesPerSecond'], notices: ['dkim'] } as const;

function notYetActedOn(given: Record<string, unknown>, sourceName: string): string[] {
  const members = (of: unknown) => (typeof of === 'object' && of !== null ? Object.entries(of) : []);
  const asked = (of: unknown, at: string, keys: readonly string[]) =>
    members(of).flatMap(([key, value]) =>
      keys.includes(key) && value !== false && value !== undefined ? [join(at, key)] : [],
    );
  const places = [
    ...members(given.nextHops).flatMap(([name, hop]) => asked(hop, `nextHops.${name}`, withoutEffectYet.nextHop)),
    ...asked(given.notices, 'notices', withoutEffectYet.notices),
  ];
  return places.map((at) => `${sourceName}: ${at} is read, but not acted on yet in this version`);
}

function lineTo(lines: string[], sourceName: string): Mistakes {
  return (at, wrong, write) => {
    lines.push(`${sourceName}: ${at === '' ? '' : `${at}: `}${wrong}; write ${write}`);
  };
}

const KEYS = [
  ...['stackName', 'domains', 'nextHops', 'routes', 'submitters', 'retry', 'policy', 'notices', 'returnPathDomain'],
  ...['retention', 'transfer', 'feedback', 'trace', 'network', 'dns'],
];

/** Reads every section, also after a mistake in another one, so that one run shows all that is wrong. */
function readConfig(input: unknown, mistake: Mistakes): Omit<Settings, 'version'> | undefined {
  const given = record(input, '', mistake);
  if (given === undefined) return undefined;
  unknownKeys(given, KEYS, '', mistake);
  refuseLaterSections(given, mistake);

  const section = <T>(key: string, field: Field<T>) => readField(field, given[key], key, mistake)?.value;
  const stackName = section('stackName', stackNameField);
  const domains = section('domains', required(readDomains));
  const nextHops = section('nextHops', required(readNextHops));
  const names = rawKeys(given.nextHops);
  const routes = section('routes', required(list(readRoute({ names, nextHops, domains }), 'route')));
  const retry = section('retry', retryField);
  const policy = section('policy', policyField);
  const notices = section('notices', required(readNotices(names, nextHops)));
  const retentionMs = section('retention', retentionField);
  const transfer = section('transfer', transferField);
  const returnPathDomain = section('returnPathDomain', optional<string | null>(DOMAIN, null));
  const feedback = section('feedback', feedbackField);
  const trace = section('trace', traceField);
  const submitters = section('submitters', submittersField);

  if (domains && routes) everyDomainHasAPostmaster(domains, routes, mistake);
  if (domains && nextHops && notices && submitters)
    noticesComeFromUs(domains, { nextHops, notices, submitters }, mistake);
  if (submitters && routes) whatIsSubmittedHasAWay(submitters, routes, mistake);
  if (retry && retry.lifetimeMs >= queueRetentionMs) {
    mistake('retry.lifetime', 'SQS deletes a job after 14 days, unheard', 'less than 14d');
  }
  if (retry && retentionMs) contentOutlivesItsDeliveries(retry.lifetimeMs, retentionMs, mistake);
  if (!stackName || !domains || !nextHops || !routes || !retry || !policy || !notices) return undefined;
  if (!retentionMs || !transfer || !feedback || !trace || !submitters) return undefined;
  const host = domains[0] ?? '';
  const returnPaths = returnPathDomain ?? `bounces.${host}`;
  if (!returnPathsAreOursAlone(returnPaths, domains, routes, mistake)) return undefined;
  const outbound = { submitters, returnPathDomain: returnPaths, feedback };
  const rest = { retry, policy, notices, retentionMs, transfer, ...outbound, trace, network: null };
  return { stackName, domains, host, nextHops, routes, ...rest };
}

function rawKeys(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

// Sections of later versions. An empty or switched-off one says nothing and is let through.
function refuseLaterSections(given: Record<string, unknown>, mistake: Mistakes): void {
  const { network, dns } = given;
  if (network !== undefined) {
    notBuilt('network', 'reaching private hosts through a VPC', 'no network, and next hops with public names', mistake);
  }
  if (dns !== undefined && rawKeys(dns).length > 0) {
    notBuilt('dns', 'writing DNS records', "no dns, and set the records that the stack's outputs name", mistake);
  } else if (dns !== undefined) record(dns, 'dns', mistake);
}

/** What comes back is no mail for anybody: a route of its own would never see it, and a domain that has one could not be told apart. */
function returnPathsAreOursAlone(
  returnPathDomain: string,
  domains: readonly string[],
  routes: readonly RouteSettings[],
  mistake: Mistakes,
): boolean {
  const write = `a domain of its own, such as bounces.${domains[0]}`;
  if (domains.includes(returnPathDomain)) {
    mistake('returnPathDomain', `${returnPathDomain} is one of domains, and has mail of its own`, write);
    return false;
  }
  const index = routes.findIndex(({ match }) =>
    match.some((each) => {
      const parsed = parseMatch(each);
      return (
        parsed !== null &&
        'domainKey' in parsed &&
        parsed.kind !== 'sub-domains' &&
        parsed.domainKey === returnPathDomain
      );
    }),
  );
  if (index === -1) return true;
  mistake('returnPathDomain', `routes[${index}] takes mail at ${returnPathDomain}`, write);
  return false;
}

/** Content is needed until the last attempt, and by the notice that quotes it; the trace for longer than either is there. */
function contentOutlivesItsDeliveries(
  lifetimeMs: number,
  retentionMs: Settings['retentionMs'],
  mistake: Mistakes,
): void {
  if (retentionMs.spool <= lifetimeMs) {
    mistake(
      'retention.spool',
      'content would go before its deliveries have had their lifetime',
      'more than retry.lifetime',
    );
  }
  if (retentionMs.ledger <= lifetimeMs) {
    mistake(
      'retention.ledger',
      'the trace would go before a delivery has had its lifetime',
      'more than retry.lifetime',
    );
  } else if (retentionMs.ledger < retentionMs.spool + rowsOutliveObjectMs) {
    mistake(
      'retention.ledger',
      'the trace might go before the content, and then nothing says that the content may go',
      'retention.spool and at least 7d more',
    );
  } else if (retentionMs.quarantine > retentionMs.ledger) {
    mistake('retention.quarantine', 'the trace would go before the quarantine is over', 'at most retention.ledger');
  }
}

/** What SES sends of our own, and authors that it sends in our name, have this address: it must be verified, and ASCII. */
function noticesComeFromUs(
  domains: readonly string[],
  uses: Pick<Settings, 'nextHops' | 'notices' | 'submitters'>,
  mistake: Mistakes,
): void {
  if (!sendsBySes(uses)) return;
  const from = parseMailbox(uses.notices.from);
  if (from !== null && !needsSmtputf8(from) && isVerified(from.domainKey, sendingDomains({ domains, ...uses }))) return;
  mistake(
    'notices.from',
    'SES sends as domains of ours alone, in ASCII',
    `an address such as postmaster@${domains[0]}`,
  );
}

/** Each forward-path needs one; without any, all that is submitted would come back. */
function whatIsSubmittedHasAWay(
  submitters: Settings['submitters'],
  routes: readonly RouteSettings[],
  mistake: Mistakes,
): void {
  if (Object.keys(submitters).length === 0 || routes.some(({ direction }) => direction === 'outbound')) return;
  mistake(
    'submitters',
    'no outbound route takes what they submit',
    "a route such as { match: '*', direction: 'outbound', to: [{ via: … }] }",
  );
}

/** RFC 5321 §4.5.1: mail for postmaster at every domain that we receive for must be taken. */
function everyDomainHasAPostmaster(
  domains: readonly string[],
  routes: readonly RouteSettings[],
  mistake: Mistakes,
): void {
  const table = compileRoutes(routes);
  domains.forEach((domain, index) => {
    const address = `postmaster@${domain}`;
    const taken = table.resolve({ address, localPart: 'postmaster', domain, domainKey: domain }, 'inbound');
    if (taken === null) {
      mistake(
        `domains[${index}]`,
        `no route takes ${address} (RFC 5321 §4.5.1)`,
        `a route with match '${address}' or '*@${domain}'`,
      );
    }
  });
}

function warnAboutNextHops(settings: Settings, warn: Mistakes): void {
  for (const [name, hop] of Object.entries(settings.nextHops)) {
    if (hop.kind !== 'smtp' && hop.kind !== 'lmtp') continue;
    const at = join('nextHops', name);
    if (hop.port === 25)
      warn(`${at}.port`, 'AWS Lambda can not reach port 25', '587, 465 or another port of that host');
    for (const host of hop.hosts.filter(isPrivateHost)) {
      warn(`${at}.host`, `${host} can not be reached from AWS without network`, "the host's public name");
    }
    if (hop.auth !== null && hop.tls === 'off') {
      warn(`${at}.tls`, 'the password would cross the network in the clear', "'required' or 'implicit'");
    }
  }
}
