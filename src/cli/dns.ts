// `everpost dns`: prints the DNS records that the configuration needs, for a zone file or for Route 53, and checks by
// query which of them are there. SES says the DKIM keys and the MAIL FROM domains. `everpost dns cutover` is in
// cutover.ts. It changes nothing, neither in the DNS nor at SES.

import { getDomain } from 'tldts';
import { identitiesOfDomains, sesReadClient } from '#adapters/aws/ses-identities.ts';
import { loadConfig } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';
import { printableJson, printableLines } from '#core/message/printable.ts';
import { identityDomains } from '#core/message/ses-use.ts';
import { cutOver, goBack, keptDefault } from './cutover.ts';
import { type AskedRecord, askFor, resolverOf } from './dns-answers.ts';
import { type DnsFacts, type NeededRecord, neededRecords } from './dns-records.ts';
import { changeBatch, checkLines, isWrong, zoneFile } from './dns-text.ts';
import { placeNamed } from './doctor.ts';
import { BadConfiguration, exitCodes, NotReachable, short, Usage } from './exit.ts';
import { findInstance, type Instance } from './find-instance.ts';
import { flag, instanceOptions, text, type ValuesOf, verb } from './verb.ts';

const options = {
  check: flag('ask the DNS which of the records are there; exit code 1 where one is not'),
  resolver: text('ADDRESS', "the resolver that --check asks: ADDRESS or ADDRESS:PORT (default: this machine's own)"),
  route53: flag('a change batch for Route 53, of one domain (--domain) where the records are of several'),
  domain: text('NAME', 'the records of this domain and of the names below it alone'),
  config: text('FILE', 'the configuration (default everpost.config.ts)'),
  json: flag('one JSON object'),
};
const cutting = {
  back: flag('cutover: the records that stood there before'),
  kept: text('FILE', `cutover: the file that keeps what stood there (default ${keptDefault})`),
  zone: text('ID', 'cutover: sets the record in this hosted zone of Route 53, by the aws command'),
  yes: flag('cutover: although something could not be found out'),
};
const place = {
  ...instanceOptions,
  region: text('REGION', 'before the first deploy: the AWS region whose SES will receive'),
};

export const dns = verb({
  usage: 'dns [cutover] [options]',
  about: 'the DNS records that the configuration needs',
  operand: 'WHAT',
  sections: [
    options,
    cutting,
    place,
    `The MX records of your own domains are printed as comments, and are in no change batch: they move the mail. Set them
last, by "dns cutover": it gives them once "everpost doctor" is green, and with --back what stood there before.
Example: everpost dns --stack Everpost --check --resolver 1.1.1.1`,
  ],
  async run(values, operands) {
    if (operands.length > 0) return cutoverOf(values, operands);
    for (const name of ['back', 'kept', 'zone', 'yes'] as const)
      if (values[name] !== undefined) throw new Usage(`--${name} means nothing without cutover`);
    if (values.resolver !== undefined && values.check !== true)
      throw new Usage('--resolver means nothing without --check');
    if (values.route53 === true && (values.check === true || values.json === true))
      throw new Usage('--route53 prints a change batch alone: leave out --check and --json');
    const ask = values.check === true ? resolverOf(values.resolver ?? null) : null;
    const settings = await settingsOf(values.config);
    const facts = await factsOf(settings, values);
    const records = onlyOf(neededRecords(settings, facts), values.domain ?? null);
    const lacking = lackingIdentities(settings, facts, values.domain ?? null);
    if (values.route53 === true) mustBeOneZone(records);
    const asked = ask === null ? null : await askFor(records, ask);
    process.stderr.write(printableLines(lacking.map((line) => `everpost: ${line}\n`).join('')));
    process.stdout.write(printed(values, records, asked, lacking));
    if (asked?.every(({ state }) => state === 'unknown') && asked.length > 0)
      throw new NotReachable(
        `the resolver answered no question (${asked[0]?.says}): name another with --resolver ADDRESS`,
      );
    return lacking.length > 0 || asked?.some(isWrong) ? exitCodes.failed : exitCodes.done;
  },
});

type Values = ValuesOf<typeof options & typeof cutting & typeof place>;

async function cutoverOf(values: Values, operands: readonly string[]): Promise<number> {
  if (operands.length !== 1 || operands[0] !== 'cutover')
    throw new Usage(`dns takes "cutover" or nothing, and not "${short(operands.join(' '))}" (everpost dns --help)`);
  if (values.check === true || values.region !== undefined)
    throw new Usage('--check and --region mean nothing with cutover');
  const settings = await settingsOf(values.config);
  const words = {
    ...{ domain: values.domain ?? null, kept: values.kept ?? keptDefault, zone: values.zone ?? null },
    ...{ route53: values.route53 === true, json: values.json === true, yes: values.yes === true },
  };
  return values.back === true ? goBack(settings, words) : cutOver(await placeNamed(settings, values), words);
}

async function settingsOf(file: string | undefined): Promise<Settings> {
  const config = await loadConfig(file);
  if (config.kind === 'wrong') throw new BadConfiguration(config.problems.join('\n'));
  return config.settings;
}

async function factsOf(settings: Settings, values: Values): Promise<DnsFacts> {
  const instance = values.region === undefined ? await findInstance(values) : null;
  if (values.region !== undefined && (values.stack !== undefined || values.data !== undefined))
    throw new Usage('--region is for the time before the first deploy: leave it out with --stack or --data');
  const region = instance?.region ?? values.region ?? '';
  const client = sesReadClient(instance?.aws ?? null, region);
  const identities = await identitiesOfDomains(client, identityDomains(settings)).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotReachable(
      `SES in ${region} does not say what it knows of your domains (${why}): check the region, your credentials and the right ses:GetEmailIdentity`,
    );
  });
  return { region, identities, addresses: addressesOf(instance) };
}

function addressesOf(instance: Instance | null): readonly string[] {
  return [1, 2, 3].map((zone) => instance?.outputs[`NatAddress${zone}`]).filter((each) => each !== undefined);
}

/** Without an identity the DKIM records are not known. SES makes them, and makes none twice. */
function lackingIdentities(settings: Settings, { identities }: DnsFacts, domain: string | null): readonly string[] {
  return identityDomains(settings)
    .filter((name) => identities.get(name) == null && isIn(name, domain))
    .map(
      (name) =>
        `SES has no identity for ${name}: aws sesv2 create-email-identity --email-identity ${name}, then run this again`,
    );
}

function onlyOf(records: readonly NeededRecord[], domain: string | null): readonly NeededRecord[] {
  const some = records.filter(({ name }) => isIn(name, domain));
  if (domain !== null && some.length === 0)
    throw new Usage(`no record is of the domain "${short(domain)}" or of a name below it`);
  return some;
}

function isIn(name: string, domain: string | null): boolean {
  const top = domain?.toLowerCase().replace(/\.$/, '') ?? null;
  return top === null || name === top || name.endsWith(`.${top}`);
}

/** Route 53 changes one hosted zone at a time. */
function mustBeOneZone(records: readonly NeededRecord[]): void {
  const tops = [...new Set(records.map(({ name }) => getDomain(name, { allowPrivateDomains: false }) ?? name))];
  if (tops.length > 1)
    throw new Usage(`the records are of ${tops.length} domains; name one with --domain: ${tops.map(short).join(', ')}`);
}

function printed(
  values: Values,
  records: readonly NeededRecord[],
  asked: readonly AskedRecord[] | null,
  lacking: readonly string[],
): string {
  if (values.json === true)
    return `${printableJson(JSON.stringify({ records: asked ?? records, withoutIdentity: lacking }, null, 1))}\n`;
  if (values.route53 === true) return changeBatch(records);
  return printableLines(asked === null ? zoneFile(records) : checkLines(asked));
}
