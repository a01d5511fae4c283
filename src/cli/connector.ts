// `everpost connector KIND`: prints what another mail system needs before it takes our mail: the DNS records, and the
// commands or settings for this stack's addresses and certificate. It changes nothing, neither here nor there.

import { readFileSync } from 'node:fs';
import { certificateIn } from '#adapters/smtp/client-certificate.ts';
import { loadConfig } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';
import { printableLines } from '#core/message/printable.ts';
import {
  addressesFrom,
  type Certificate,
  type ConnectorFacts,
  type ConnectorKind,
  certificateFrom,
  connectorFacts,
  connectorKinds,
  nextHopFor,
} from './connector-facts.ts';
import { type ConnectorText, connectorText } from './connector-texts.ts';
import { BadConfiguration, exitCodes, NotReachable, short, Usage } from './exit.ts';
import { findInstance, type Instance, secretsFor } from './find-instance.ts';
import { flag, instanceOptions, text, texts, verb } from './verb.ts';

const options = {
  hop: text('NAME', 'the next hop that leads there (default: the one whose host says so)'),
  address: texts('ADDRESS', "an address or a network that mail comes from (default: the stack's own, NatAddress1 …)"),
  certificate: text('FILE', "the client certificate in PEM (default: the next hop's own, by --stack)"),
  config: text('FILE', 'the configuration (default everpost.config.ts)'),
  json: flag('one JSON object'),
};

export const connector = verb({
  usage: 'connector m365|workspace|exchange [options]',
  about: 'what another mail system needs before it takes our mail',
  operand: 'KIND',
  sections: [
    options,
    { stack: instanceOptions.stack },
    `m365 is Exchange Online, workspace is Google Workspace, exchange is Exchange Server on premises. It prints, and
changes nothing. Example: everpost connector m365 --stack Everpost`,
  ],
  async run(values, operands) {
    const kind = kindOf(operands);
    const settings = await settingsOf(values.config);
    const given = values.address ?? [];
    const instance = values.stack === undefined ? null : await findInstance({ stack: values.stack });
    const nextHop = nextHopFor(kind, settings, values.hop ?? null);
    const secret = nextHop?.hop.clientCertificate?.secret ?? null;
    const facts = connectorFacts(settings, {
      ...addressesFrom(given, instance?.outputs ?? null),
      certificate: await certificateOf(values.certificate ?? null, secret, instance),
      nextHop,
    });
    refuseUnknown(kind, facts, values.stack ?? null);
    const found = connectorText(kind, facts);
    process.stdout.write(
      values.json === true ? `${JSON.stringify(asJson(kind, facts, found))}\n` : printableLines(forPeople(found)),
    );
    return exitCodes.done;
  },
});

function kindOf(operands: readonly string[]): ConnectorKind {
  const kind = connectorKinds.find((each) => each === operands[0]?.toLowerCase());
  if (kind !== undefined && operands.length === 1) return kind;
  const what = operands[0] === undefined ? 'connector takes a kind' : `there is no kind "${short(operands.join(' '))}"`;
  throw new Usage(`${what}; write one of: ${connectorKinds.join(', ')} (everpost connector --help)`);
}

async function settingsOf(file: string | undefined): Promise<Settings> {
  const config = await loadConfig(file);
  if (config.kind === 'wrong') throw new BadConfiguration(config.problems.join('\n'));
  return config.settings;
}

/** The file's, else the next hop's own out of Secrets Manager. Null where neither is named, or no stack. */
async function certificateOf(
  file: string | null,
  secret: string | null,
  instance: Instance | null,
): Promise<Certificate | null> {
  if (file !== null) return fromFile(file);
  if (secret === null || instance === null) return null;
  try {
    const { certificate } = await secretsFor(instance).read(secret, certificateIn);
    return certificateFrom(certificate, `the secret ${secret}`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NotReachable(
      `the certificate in the secret ${secret} cannot be read (${why}): check your rights, or give --certificate FILE`,
    );
  }
}

function fromFile(file: string): Certificate {
  try {
    return certificateFrom(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof BadConfiguration) throw error;
    throw new Usage(`--certificate ${short(file)} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** Without an address, only a certificate says who we are, and only Exchange Online asks for one. */
function refuseUnknown(kind: ConnectorKind, facts: ConnectorFacts, stack: string | null): void {
  if (facts.addresses.length > 0 || (facts.certificate !== null && kind === 'm365')) return;
  const where =
    stack === null
      ? 'name the stack with --stack NAME, whose network.create has addresses of its own'
      : `the stack ${stack} has no addresses of its own (network: { create: … })`;
  throw new Usage(
    `it is not known from which addresses your mail comes: ${where}, or name them with --address ADDRESS${kind === 'm365' ? ', or give --certificate FILE' : ''}`,
  );
}

function asJson(kind: ConnectorKind, facts: ConnectorFacts, found: ConnectorText) {
  const { addresses, helo, domains, certificate } = facts;
  const known = certificate === null ? null : { ...certificate, until: new Date(certificate.until).toISOString() };
  return { kind, domains, helo, addresses, certificate: known, nextHop: facts.nextHop?.name ?? null, ...found };
}

function forPeople({ title, configuration, records, shell, there, notes }: ConnectorText): string {
  const parts = [
    title,
    ...section('In everpost.config.ts, then deploy', configuration),
    ...section(
      'DNS records',
      records.map(
        ({ name, type, value, why }) => `${name}  ${type}  ${type === 'TXT' ? `"${value}"` : value}   ; ${why}`,
      ),
    ),
    ...section('In your shell, once the A records are there', shell),
    ...section(there.where, there.lines),
    ...section('To know', notes),
  ];
  return `${parts.join('\n')}\n`;
}

function section(heading: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', `${heading}:`, ...lines.map((line) => `  ${line}`)];
}
