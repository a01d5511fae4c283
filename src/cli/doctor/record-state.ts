// Checks of the DNS: the records that `everpost dns` names, as a resolver has them. Called by doctor.ts. It changes
// none. An MX record of our own domains that leads elsewhere is a finding of its own check, because `dns cutover` sets
// it when all other checks are green.

import { identityDomains } from '#core/message/ses-use.ts';
import { type AskedRecord, askFor } from '../dns-answers.ts';
import { type NeededRecord, neededRecords } from '../dns-records.ts';
import { asking, type Check, type Finding, ok, unknown, wrong } from './finding.ts';
import type { Place } from './place.ts';

export function dnsChecks(place: Place): readonly Check[] {
  const check = (name: string, run: Check['run']): Check => ({ name, area: 'dns', beforeDeploy: false, run });
  return [check('dns', () => records(place)), check(mxCheck, () => mx(place))];
}
/** The one check that `dns cutover` turns green itself. */
export const mxCheck = 'mx';

async function records(place: Place): Promise<readonly Finding[]> {
  const { settings, region, reader } = place;
  const domains = identityDomains(settings);
  const identities = await asking('ses:GetEmailIdentity', () => reader.identitiesOf(domains));
  const stack = await place.stack().catch(() => null);
  const addresses = [1, 2, 3].map((zone) => stack?.outputs[`NatAddress${zone}`]).filter((each) => each !== undefined);
  const needed = neededRecords(settings, { region, identities, addresses });
  const asked = await askFor(
    needed.filter(({ purpose }) => purpose !== 'receive'),
    place.ask,
  );
  const bad = asked.filter(({ state }) => state !== 'set');
  return bad.length === 0 ? [ok(`${asked.length} records are there`)] : bad.map(recordFinding);
}

async function mx(place: Place): Promise<readonly Finding[]> {
  const facts = { region: place.region, identities: new Map(), addresses: [] };
  const needed = neededRecords(place.settings, facts).filter(({ purpose }) => purpose === 'receive');
  const asked = await askFor(needed, place.ask);
  const bad = asked.filter(({ state }) => state !== 'set');
  return bad.length === 0 ? [ok(`the mail of ${asked.length} domains goes to SES`)] : bad.map(mxFinding);
}

function recordFinding({ name, type, value, purpose, state, found, says }: AskedRecord): Finding {
  const record = `${PURPOSES[purpose]} ${name} ${type}`;
  if (state === 'unknown') return unknown(`${record}: ${says}`, ANOTHER);
  const set = `set ${name} ${type} ${type === 'TXT' ? `"${value}"` : value} (everpost dns prints it for your zone)`;
  if (state === 'missing') return wrong(`${record} is missing`, set);
  return wrong(`${record} differs: ${says ?? `${found.join(', ')} stands there`}`, set);
}
const ANOTHER = 'ask another resolver: everpost doctor --resolver ADDRESS';
const PURPOSES: Readonly<Record<NeededRecord['purpose'], string>> = {
  dkim: 'DKIM',
  'mail-from': 'MAIL FROM',
  'return-path': 'return path',
  spf: 'SPF',
  dmarc: 'DMARC',
  helo: 'EHLO name',
  receive: 'MX',
};

function mxFinding({ name, state, found, says }: AskedRecord): Finding {
  if (state === 'unknown') return unknown(`MX ${name}: ${says}`, ANOTHER);
  const remedy = `when all else is green: everpost dns cutover --domain ${name}`;
  if (state === 'missing') return wrong(`${name} has no MX record: its mail goes nowhere`, remedy);
  if (says !== null) return wrong(`MX ${name}: ${says} (${found.join(', ')})`, 'leave the record of SES alone there');
  return wrong(`the mail of ${name} goes to ${found.join(', ')}, and not to SES`, remedy);
}
