// Checks how the sections of the configuration fit together. check.ts calls it with the valid sections, and gets the
// settings where all of them are valid. It uses no network.

import { domainsMax, queueRetentionMs, rowsOutliveObjectMs } from '#core/limits.ts';
import { needsSmtputf8, parseMailbox } from '#core/message/address.ts';
import { isVerified, sendingDomains, sendsBySes } from '#core/message/ses-use.ts';
import { compileRoutes, parseMatch } from '#core/routing/routes.ts';
import { canaryHasAWay } from './canary-rules.ts';
import type { Mistakes } from './given.ts';
import type { RouteRead, Sections } from './sections.ts';
import type { ActionSettings, NextHopSettings, RouteSettings, Settings } from './settings.ts';
import { join } from './words.ts';

type Unversioned = Omit<Settings, 'version'>;

/** The settings; null where a section is missing. Conflicts are noted in either case. */
export function checkSections(sections: Sections, mistake: Mistakes): Unversioned | null {
  const { domains, nextHops, notices, submitters, retry, retention } = sections;
  const routes = sections.routes?.map((route) => withReturnPaths(route, nextHops ?? {}));
  if (domains) eachDomainOnce(domains, mistake);
  if (nextHops) portsFitTls(nextHops, mistake);
  if (nextHops) whatNeedsTlsHasIt(nextHops, mistake);
  if (domains && routes) everyDomainHasAPostmaster(domains, routes, mistake);
  if (nextHops && notices) noticesCanLeave(notices, nextHops, mistake);
  if (domains && nextHops && notices && submitters)
    noticesComeFromUs(domains, { nextHops, notices, submitters }, mistake);
  if (submitters && routes) whatIsSubmittedHasAWay(submitters, routes, mistake);
  if (retry && retry.lifetimeMs >= queueRetentionMs)
    mistake('retry.lifetime', 'SQS deletes a job after 14 days, unheard', 'less than 14d');
  if (retry && retention) contentOutlivesItsDeliveries(retry.lifetimeMs, retention, mistake);
  const returnPathDomain = sections.returnPathDomain ?? `bounces.${domains?.[0]}`;
  if (domains && routes) returnPathsAreOursAlone(returnPathDomain, domains, routes, mistake);
  if (sections.alarms) alarmsCanBeMailed(sections.alarms, mistake);
  if (sections.canary && domains && nextHops && routes)
    canaryHasAWay({ to: sections.canary.to, domains, nextHops, routes }, mistake);
  return complete(sections, routes, returnPathDomain);
}

/** SNS sends mail to ASCII addresses alone. */
function alarmsCanBeMailed({ email }: Settings['alarms'], mistake: Mistakes): void {
  const text = email.find((address) => needsSmtputf8(parseMailbox(address)));
  if (text !== undefined) mistake('alarms.email', `${text} is no ASCII address`, 'an address such as you@example.net');
}

function complete(
  sections: Sections,
  routes: readonly RouteSettings[] | undefined,
  returnPathDomain: string,
): Unversioned | null {
  const {
    stackName,
    domains,
    nextHops,
    retry,
    policy,
    notices,
    retention,
    transfer,
    alarms,
    feedback,
    trace,
    submitters,
    network,
    concurrency,
    canary,
  } = sections;
  if (!stackName || !domains || !nextHops || !routes || !retry || !policy || !notices) return null;
  if (!retention || !transfer || !alarms || !feedback || !trace || !submitters) return null;
  if (network === undefined || canary === undefined || !concurrency) return null;
  const rest = { retry, policy, notices, retentionMs: retention, transfer };
  const outbound = { submitters, returnPathDomain, feedback };
  const runs = { alarms, trace, network, concurrency, canary };
  return { stackName, domains, host: domains[0] ?? '', nextHops, routes, ...rest, ...outbound, ...runs };
}

/**
 * DESIGN decision 11: mail that is forwarded to another address may fail there. Its sender must then get the reason
 * from us, and SPF must not fail because of us. SES has its own return paths; routes that refuse or discard need none.
 */
function withReturnPaths(route: RouteRead, nextHops: Readonly<Record<string, NextHopSettings>>): RouteSettings {
  const kindOf = (via: string) => (Object.hasOwn(nextHops, via) ? nextHops[via]?.kind : undefined);
  const to = route.to.map((action): ActionSettings => {
    const kind = kindOf(action.via);
    if (kind !== 'smtp' && kind !== 'lmtp') return { ...action, returnPath: 'keep' };
    return { ...action, returnPath: action.returnPath ?? (action.address === null ? 'keep' : 'token') };
  });
  return { ...route, to };
}

function eachDomainOnce(domains: readonly string[], mistake: Mistakes): void {
  const first = new Map<string, number>();
  domains.forEach((domain, index) => {
    const earlier = first.get(domain);
    if (earlier === undefined) first.set(domain, index);
    else mistake(`domains[${index}]`, `${domain} is named already at domains[${earlier}]`, 'each domain once');
  });
  if (domains.length > domainsMax)
    mistake(
      'domains',
      `${domains.length} domains are more than the ${domainsMax} identities that SES allows`,
      `at most ${domainsMax}`,
    );
}

/** RFC 8314 §3.3: 465 speaks TLS from the start; 587 starts without (RFC 6409). */
function portsFitTls(nextHops: Readonly<Record<string, NextHopSettings>>, mistake: Mistakes): void {
  for (const [name, hop] of Object.entries(nextHops)) {
    if (hop.kind !== 'smtp' && hop.kind !== 'lmtp') continue;
    const at = `${join('nextHops', name)}.tls`;
    if (hop.port === 465 && (hop.tls === 'required' || hop.tls === 'opportunistic'))
      mistake(at, `port 465 speaks TLS from the start, and '${hop.tls}' is STARTTLS`, "'implicit', or port 587");
    if (hop.port === 587 && hop.tls === 'implicit')
      mistake(
        at,
        "port 587 starts without TLS, and 'implicit' is TLS from the start",
        "'required', which is STARTTLS, or port 465",
      );
  }
}

/** RFC 6750 §5.2 and RFC 8446: a password in the clear is a warning (advice.ts), because on this machine it works. */
function whatNeedsTlsHasIt(nextHops: Readonly<Record<string, NextHopSettings>>, mistake: Mistakes): void {
  for (const [name, hop] of Object.entries(nextHops)) {
    if (hop.kind !== 'smtp' || hop.tls !== 'off') continue;
    const at = `${join('nextHops', name)}.tls`;
    if (hop.clientCertificate !== null)
      mistake(at, "a client certificate is shown within TLS, and 'off' is none", "'required' or 'implicit'");
    else if (hop.auth !== null && 'xoauth2' in hop.auth)
      mistake(at, 'a token never crosses the network in the clear', "'required' or 'implicit'");
  }
}

/** A notice needs the null reverse-path. */
function noticesCanLeave(
  { via }: Settings['notices'],
  nextHops: Readonly<Record<string, NextHopSettings>>,
  mistake: Mistakes,
): void {
  if (via === null || !Object.hasOwn(nextHops, via)) return;
  const kind = nextHops[via]?.kind;
  if (kind === 'smtp' || kind === 'lmtp') return;
  mistake(
    'notices.via',
    'a notice needs a null reverse-path, which smtp and lmtp alone carry',
    "the name of a next hop of kind 'smtp' or 'lmtp', or no via: then notices go by SES",
  );
}
/**
 * Returned mail is for no recipient: a route of its own would never match it, and a domain that has one could not be
 * told apart.
 */
function returnPathsAreOursAlone(
  returnPathDomain: string,
  domains: readonly string[],
  routes: readonly RouteSettings[],
  mistake: Mistakes,
): void {
  const write = `a domain of its own, such as bounces.${domains[0]}`;
  if (domains.includes(returnPathDomain)) {
    mistake('returnPathDomain', `${returnPathDomain} is one of domains, and has mail of its own`, write);
    return;
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
  if (index !== -1) mistake('returnPathDomain', `routes[${index}] takes mail at ${returnPathDomain}`, write);
}

/**
 * Content is needed until the last attempt, and by the notice that quotes it; the trace for longer than either is
 * there.
 */
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

/**
 * This is the sender of the mail that SES sends for us, and of authors in whose place SES sends: it must be verified,
 * and ASCII.
 */
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
    `a route such as { match: '*', direction: 'outbound', to: [{ via: '${routes[0]?.to[0]?.via ?? 'exchange'}' }] }`,
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
