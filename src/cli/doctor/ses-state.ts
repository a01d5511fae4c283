// Checks of SES: the active receipt rule set, the identities, and the account's sending. Called by doctor.ts and by the
// deploy. They only read. docs/aws-contracts.md §1.1, §1.8 and §2.2 have what they rest on.

import type { ListedIdentity } from '#adapters/aws/ses-list-identities.ts';
import type { Settings } from '#config/settings.ts';
import { sesQuotaNearly } from '#core/limits.ts';
import { identityDomains, identityNames, sendsBySes } from '#core/message/ses-use.ts';
import { quotaShare, type SesAccount } from '#pipeline/ses-account.ts';
import { stands } from './aws-account.ts';
import { asking, type Check, type Finding, ok, wrong } from './finding.ts';
import type { Place } from './place.ts';

/** `deploying`: before a deploy, which may take over from another application's rule set (`replaces`). */
export function sesChecks(place: Place, deploying: Deploying | null = null): readonly Check[] {
  const check = (name: string, run: Check['run']): Check => ({ name, area: 'ses', beforeDeploy: true, run });
  return [
    check('rule-set', (signal) => ruleSet(place, deploying, signal)),
    check('identities', (signal) => identities(place, signal)),
    check('sending', (signal) => sending(place, deploying, signal)),
  ];
}

type Deploying = { readonly replaces: boolean };

async function ruleSet(place: Place, deploying: Deploying | null, signal: AbortSignal): Promise<readonly Finding[]> {
  const { reader, stackName } = place;
  const right = 'ses:DescribeActiveReceiptRuleSet';
  const [active, deployed] = await Promise.all([asking(right, () => reader.activeRuleSet(signal)), stands(place)]);
  if (active === stackName) return [ok(`${stackName} is the active one`)];
  const activate = `aws ses set-active-receipt-rule-set --rule-set-name ${stackName}`;
  if (active === null)
    return deployed && deploying === null
      ? [wrong('none is active: SES accepts no mail', activate)]
      : [ok('none is active; the deploy activates ours')];
  if (deploying?.replaces) return [ok(`${active} is active; the deploy replaces it, as -c replaceRuleSet=yes says`)];
  return [
    deployed
      ? wrong(
          `${active} is active, and not ${stackName}: SES accepts no mail for Everpost`,
          `${activate}; its mail stops`,
        )
      : wrong(
          `${active} of another application is active, and the activation of ${stackName} would stop its mail`,
          'deactivate it (aws ses set-active-receipt-rule-set), or deploy with npm run deploy -- -c replaceRuleSet=yes',
        ),
  ];
}

async function identities({ reader, settings }: Place, signal: AbortSignal): Promise<readonly Finding[]> {
  const all = await asking('ses:ListEmailIdentities', () => reader.identities(signal));
  const findings = ownNames(identityDomains(settings), all).map((domain) => identityFinding(domain, all));
  const bad = findings.filter(({ state }) => state !== 'ok');
  return bad.length > 0 ? bad : [ok(`verified: ${findings.length} of ${findings.length}`)];
}

/** A name below another of the list is covered by that one's identity, unless it has an identity of its own. */
function ownNames(domains: readonly string[], all: readonly ListedIdentity[]): readonly string[] {
  const own = new Set(all.map(({ name }) => name.toLowerCase()));
  return domains.filter((domain) => own.has(domain) || !domains.some((other) => domain.endsWith(`.${other}`)));
}

/** The most specific identity counts: the domain's own, else the nearest above it. */
export function identityFinding(domain: string, all: readonly ListedIdentity[]): Finding {
  const found = identityNames(domain).flatMap(
    (name) => all.find((identity) => identity.name.toLowerCase() === name) ?? [],
  )[0];
  const create = `aws sesv2 create-email-identity --email-identity ${domain}, then the records of everpost dns`;
  if (found?.verified === true) return ok(`${domain} is verified (${found.name})`);
  if (found !== undefined)
    return wrong(
      `${found.name} is not verified, so SES takes and sends no mail of ${domain}`,
      `set its DKIM records (everpost dns --domain ${found.name}); SES looks again for 72 hours`,
    );
  const narrower = all.filter(({ name }) => name.toLowerCase().endsWith(`@${domain}`) || name.endsWith(`.${domain}`));
  if (narrower.length === 0) return wrong(`SES has no identity for ${domain}`, create);
  const some = narrower.slice(0, 3).map(({ name }) => name);
  return wrong(`SES has identities for ${some.join(', ')} alone, which is narrower than ${domain}`, create);
}

async function sending(place: Place, deploying: Deploying | null, signal: AbortSignal): Promise<readonly Finding[]> {
  const { reader, settings } = place;
  if (!sendsBySes(settings)) return [ok('nothing is sent by SES')];
  const account = await asking('ses:GetAccount', () => reader.sesAccount(signal));
  // The quota changes by the hour, and a deploy may be what spares it.
  return [...sendingFindings(account, settings), ...(deploying === null ? [quotaFinding(account)] : [])];
}

const PRODUCTION = 'ask for production access (SES console, Account dashboard)';

export function sendingFindings(account: SesAccount, { nextHops }: Pick<Settings, 'nextHops'>): readonly Finding[] {
  const { sendingEnabled, productionAccess, enforcement, ratePerSecond } = account;
  const bad: Finding[] = [];
  if (!productionAccess)
    bad.push(wrong('the account is in the SES sandbox: SES sends to verified addresses alone', PRODUCTION));
  if (!sendingEnabled)
    bad.push(
      wrong('sending is switched off', 'aws sesv2 put-account-sending-attributes --sending-enabled, once you know why'),
    );
  if (enforcement !== 'HEALTHY' && enforcement !== '')
    bad.push(
      wrong(`SES has put the account under ${enforcement}`, 'see the SES console, Reputation metrics, and answer AWS'),
    );
  for (const [name, hop] of Object.entries(nextHops))
    if (hop.kind === 'ses' && ratePerSecond !== null && (hop.messagesPerSecond ?? 0) > ratePerSecond)
      bad.push(
        wrong(
          `SES takes ${ratePerSecond} recipients a second; ${name} has messagesPerSecond: ${hop.messagesPerSecond}`,
          `ask for a higher sending rate (Service Quotas, Amazon SES), or lower messagesPerSecond of ${name}`,
        ),
      );
  return bad.length > 0 ? bad : [ok(`SES sends, ${ratePerSecond ?? 'any number of'} recipients a second`)];
}

function quotaFinding(account: SesAccount): Finding {
  const { max24Hours, sentLast24Hours } = account;
  if (max24Hours === null) return ok('SES sets no limit of 24 hours');
  const used = `${sentLast24Hours} of ${max24Hours} recipients in 24 hours`;
  const share = quotaShare(account);
  const more = 'ask for a higher sending quota (Service Quotas, Amazon SES)';
  if (share >= 1) return wrong(`the quota is used up: ${used}`, `${more}; what waits goes out as the day passes`);
  if (share >= sesQuotaNearly) return wrong(`the quota is nearly used up: ${used}`, `${more}, or send less today`);
  return ok(used);
}
