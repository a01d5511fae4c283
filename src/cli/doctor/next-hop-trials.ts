// Checks of the next hops: each host is reached, its TLS and certificate hold, it takes our login, and mail of a
// foreign sender (MAIL, RCPT, RSET). Called by doctor.ts, from the machine on which it runs. It sends no mail. What the
// functions themselves saw of a next hop is a check of mail-state.ts.

import type { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import type { Tokens } from '#adapters/oauth/tokens.ts';
import { identityTerms } from '#adapters/smtp/identity-terms.ts';
import { type Tried, tryServer } from '#adapters/smtp/trial.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import type { LmtpSettings, NextHopSettings, Settings, SmtpSettings } from '#config/settings.ts';
import { certificateDaysLeftAlarm } from '#core/limits.ts';
import { type Mailbox, parseMailbox } from '#core/message/address.ts';
import { classify } from '#core/reply/classify.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import { parseMatch } from '#core/routing/routes.ts';
import type { Watch } from '#pipeline/ports.ts';
import { secretsFor } from '../find-instance.ts';
import { type Check, type Finding, ok, unknown, wrong } from './finding.ts';
import type { Place } from './place.ts';

/** Six phases of a server that answers slowly have room in the time of a check. */
const PHASE_MS = 5_000;

type ServerSettings = SmtpSettings | LmtpSettings;

export function nextHopChecks(place: Place): readonly Check[] {
  const secrets = secretsFor(place);
  const tokens = new Map<string, Tokens>();
  return Object.entries(place.settings.nextHops)
    .filter((entry): entry is [string, ServerSettings] => isServer(entry[1]))
    .map(([name, hop]) => ({
      name: 'next-hop',
      area: 'next-hops',
      beforeDeploy: false,
      run: (signal) => tryHop(place, { name, hop, secrets, tokens }, signal),
    }));
}

function isServer(hop: NextHopSettings): hop is ServerSettings {
  return hop.kind === 'smtp' || hop.kind === 'lmtp';
}

type Hop = {
  readonly name: string;
  readonly hop: ServerSettings;
  readonly secrets: AwsSecrets;
  readonly tokens: Map<string, Tokens>;
};

async function tryHop(place: Place, { name, hop, ...ports }: Hop, signal: AbortSignal): Promise<readonly Finding[]> {
  const { settings } = place;
  const terms = {
    ehloName: hop.helo ?? settings.host,
    phaseMs: PHASE_MS,
    ...identityTerms(name, hop, { ...ports, clock: new SystemClock(), watch: silent }),
  };
  const paths = pathsFor(name, settings);
  const tried = await tryServer(hop, terms, paths, signal);
  const now = place.now();
  return tried.map((each) => trialFinding(each, { name, hop, paths, inVpc: settings.network !== null, now }));
}

/** Doctor's own lines say all; a log of relay's would go to nobody. */
const silent: Watch = { info() {}, warn() {}, error() {}, count() {}, raise() {}, level() {} };

export type TrialContext = {
  readonly name: string;
  readonly hop: ServerSettings;
  readonly paths: Paths;
  /** Relay reaches it by another way than this machine. */
  readonly inVpc: boolean;
  readonly now: number;
};
type Paths = { readonly reversePath: Mailbox; readonly forwardPath: Mailbox; readonly foreign: boolean };

/** AWS's mailbox simulator: a domain that exists, takes mail, and is nobody's. */
const STRANGER = 'success@simulator.amazonses.com';

/** A recipient whom the next hop should know, and for mail from outside a sender who is not ours. */
function pathsFor(name: string, { routes, domains, notices }: Settings): Paths {
  const leading = routes.filter(({ to, fallback }) => fallback === name || to.some(({ via }) => via === name));
  const inbound = leading.find(({ direction }) => direction === 'inbound');
  const route = inbound ?? leading[0];
  const given = route?.to.find(({ via }) => via === name)?.address ?? null;
  const foreign = inbound !== undefined;
  const matched = (route?.match ?? []).flatMap((text) => parseMatch(text) ?? []);
  const named = matched.find((match) => match.kind === 'address');
  const domain = matched.find((match) => match.kind === 'domain')?.domainKey ?? (foreign ? domains[0] : undefined);
  const known = named === undefined ? domain && `postmaster@${domain}` : `${named.localKey}@${named.domainKey}`;
  return {
    reversePath: mailbox(foreign ? STRANGER : notices.from),
    forwardPath: mailbox(given ?? known ?? notices.postmaster),
    foreign,
  };
}

function mailbox(text: string): Mailbox {
  const found = parseMailbox(text);
  if (found === null) throw new Error(`not an address: ${text}`);
  return found;
}

export function trialFinding({ host, failed, seen }: Tried, context: TrialContext): Finding {
  const { name, hop, paths, now } = context;
  const where = `${name} (${host}:${hop.port})`;
  if (failed !== null) return failure(where, failed, context);
  const tls = tlsWords(seen?.tls === true, hop);
  const days = certificateDays(seen?.certificate ?? null, now);
  if (days?.soon === true)
    return wrong(`${where}: its certificate ends in ${days.left} days`, 'have whoever runs the server renew it');
  const valid = days === null ? '' : `, its certificate is valid for ${days.left} days`;
  if (seen?.isExchange === true && hop.auth !== null && paths.foreign)
    return unknown(
      `${where}: it is Exchange, and we log in: whether it takes mail of foreign senders is said after DATA alone`,
      'a login of Exchange is for submission: let its receive connector accept any sender (docs/recipes.md), or send it a message from outside and see the trace',
    );
  const login = hop.auth === null ? '' : ', takes our login';
  return ok(`${where}: answers${tls}${valid}${login}, takes <${paths.reversePath.address}>`);
}

function tlsWords(tls: boolean, { tls: mode }: ServerSettings): string {
  if (tls) return ' by TLS';
  return mode === 'opportunistic' ? ' without TLS, which it does not offer' : ' without TLS';
}

/** Those that are short-lived by intention are renewed late: a sixth of the lifetime is soon enough. */
function certificateDays(certificate: Certificate | null, now: number) {
  if (certificate === null) return null;
  const DAY_MS = 86_400_000;
  const left = Math.floor((certificate.endsAt - now) / DAY_MS);
  const lifetimeDays = (certificate.endsAt - certificate.beginsAt) / DAY_MS;
  return { left, soon: left <= Math.min(certificateDaysLeftAlarm, lifetimeDays / 6) };
}
type Certificate = NonNullable<NonNullable<Tried['seen']>['certificate']>;

/** Refusals that depend on the address from which we come: relay comes from another one. */
const BY_ADDRESS = new Set<string>([
  ...['our-address-listed', 'spf-refused', 'helo-refused', 'no-reverse-name', 'connector-unknown', 'relaying-denied'],
  ...['greeting-refused', 'refused-to-us', 'sender-unauthenticated'],
]);

function failure(where: string, result: NonNullable<Tried['failed']>, context: TrialContext): Finding {
  const outcome = classify(result);
  if (outcome.kind === 'relayed') return ok(where);
  const { reason, detail } = outcome;
  const what = `${where}: ${detail}`;
  if (context.inVpc && result.kind === 'network' && result.phase === 'connect')
    return unknown(
      what,
      'this machine does not reach it; relay does so from its VPC: see the line of the check "health"',
    );
  if (BY_ADDRESS.has(reason))
    return unknown(
      `${what} (it was asked from this machine, and judges by the address)`,
      'see the line of the check "health", which tells what relay hears; everpost connector says what the server needs',
    );
  if (reason === 'credentials-unavailable' || reason === 'certificate-unusable')
    return unknown(what, 'see the line of the check "secrets"');
  const row = reasonRow(reason);
  const rcpt = 'phase' in result && result.phase === 'rcpt';
  if (row?.fault === 'recipient')
    return unknown(`${what}; it takes the sender`, 'it does not know the address that was asked; try one of a person');
  if (rcpt && row?.fault === 'next-hop')
    return unknown(what, 'the server asks us to come again: ask later, and see the line of the check "health"');
  return wrong(what, REMEDIES[reason] ?? remedyOf(result, context));
}

const REMEDIES: Readonly<Record<string, string | undefined>> = {
  'next-hop-not-found': 'correct `host` of the next hop in the configuration, or its A record',
  'login-refused': 'put the right login into its secret (aws secretsmanager put-secret-value)',
  'starttls-not-offered': "have the server offer STARTTLS, or set the next hop's `tls` to what it has",
  'auth-not-offered': 'have the server offer AUTH PLAIN, LOGIN or XOAUTH2 over TLS, or leave `auth` out',
  'tls-failed': 'have the server renew or correct its certificate, or name its authority in `ca`',
  'send-as-refused': 'let this login send for foreign senders (docs/recipes.md)',
  'sender-refused': 'let the server take foreign senders from us: a submission service does not (docs/recipes.md)',
};

function remedyOf(result: NonNullable<Tried['failed']>, { hop }: TrialContext): string {
  if (result.kind === 'network') return `see that the server runs, and that port ${hop.port} is open to us`;
  return 'see what the words of the server ask for (everpost classify explains them)';
}
