// `everpost dns cutover`: the MX record that moves a domain's mail to SES, once the doctor finds nothing else wrong;
// with --back the one that stood there before. dns.ts calls it. What stood there is kept in a file. It prints the
// record, and sets it only in a hosted zone of Route 53 that is named, by the aws command.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Settings } from '#config/settings.ts';
import { printableJson, printableLines } from '#core/message/printable.ts';
import type { AskDns } from './dns-answers.ts';
import { neededRecords } from './dns-records.ts';
import { reportLines } from './doctor/finding-lines.ts';
import type { Place } from './doctor/place.ts';
import { mxCheck } from './doctor/record-state.ts';
import { runChecks, stateOf } from './doctor/run-checks.ts';
import { allChecks } from './doctor.ts';
import { exitCodes, NotReachable, short, Usage } from './exit.ts';

export type CutoverWords = {
  readonly domain: string | null;
  /** The file that keeps what stood there. */
  readonly kept: string;
  /** The hosted zone of Route 53 in which it is set; null: it is printed. */
  readonly zone: string | null;
  readonly route53: boolean;
  readonly json: boolean;
  /** Although something could not be found out. */
  readonly yes: boolean;
};
/** By domain: the MX values that stood there, as `10 mail.example.org`; empty: none. */
type Kept = Readonly<
  Record<string, { readonly before: readonly string[]; readonly ours: readonly string[]; readonly at: string }>
>;
type Change = { readonly domain: string; readonly before: readonly string[]; readonly now: readonly string[] };

/** Short, so that the way back is short. */
const TTL_SECONDS = 300;
const CHECK_MS = 20_000;
export const keptDefault = 'everpost-mx.json';

export async function cutOver(place: Place, words: CutoverWords): Promise<number> {
  const changes: Change[] = [];
  for (const domain of domainsOf(place.settings, words.domain)) {
    const before = await standing(place.ask, domain);
    const now = neededRecords(place.settings, { region: place.region, identities: new Map(), addresses: [] })
      .filter(({ name, purpose }) => name === domain && purpose === 'receive')
      .map(({ value }) => value);
    changes.push({ domain, before, now });
  }
  const refused = await notGreen(place, words.yes);
  if (refused !== null) return refused;
  keep(words.kept, changes);
  return give(changes, words);
}

/** Asks nobody but the file: the way back must be open when all else is wrong. */
export async function goBack(settings: Settings, words: CutoverWords): Promise<number> {
  const kept = readKept(words.kept);
  const changes = domainsOf(settings, words.domain).map((domain) => {
    const found = kept[domain];
    if (found === undefined)
      throw new Usage(`${short(words.kept)} does not say what stood at ${domain}: name the file with --kept FILE`);
    return { domain, before: found.ours, now: found.before };
  });
  return give(changes, words);
}

function domainsOf({ domains }: Settings, named: string | null): readonly string[] {
  if (named === null) return domains;
  const domain = named.toLowerCase().replace(/\.$/, '');
  if (!domains.includes(domain)) throw new Usage(`the configuration does not receive for "${short(named)}"`);
  return [domain];
}

async function standing(ask: AskDns, domain: string): Promise<readonly string[]> {
  const answer = await ask(domain, 'MX');
  if (answer.kind === 'no-answer')
    throw new NotReachable(
      `the resolver does not say what stands at ${domain} (${answer.code}): name another with --resolver`,
    );
  return answer.kind === 'values' ? answer.values : [];
}

/** The exit code where the doctor is not green but for the MX records; null: it is. */
async function notGreen(place: Place, despiteUnknown: boolean): Promise<number | null> {
  const examined = await runChecks(
    allChecks(place).filter(({ name }) => name !== mxCheck),
    CHECK_MS,
  );
  const bad = examined.map((each) => ({ ...each, findings: each.findings.filter(({ state }) => state !== 'ok') }));
  const state = stateOf(bad);
  process.stderr.write(
    printableLines(
      reportLines(bad)
        .map((line) => `${line}\n`)
        .join(''),
    ),
  );
  if (state === 'ok' || (state === 'unknown' && despiteUnknown)) return null;
  const how = state === 'unknown' ? ', or add --yes where you know it' : '';
  process.stderr.write(`everpost: no record is given: the mail would go to what is not ready; mend this first${how}\n`);
  return state === 'wrong' ? exitCodes.failed : exitCodes.notReachable;
}

/** What is kept already stays, where our own record stands there by now. */
function keep(file: string, changes: readonly Change[]): void {
  const kept = existsSync(file) ? readKept(file) : {};
  const at = new Date().toISOString();
  const fresh = changes
    .filter(({ domain, before, now }) => !(domain in kept) || !before.some((value) => now.includes(value)))
    .map(({ domain, before, now }) => [domain, { before, ours: now, at }] as const);
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...kept, ...Object.fromEntries(fresh) }, null, 1)}\n`);
  renameSync(`${file}.new`, file);
}

function readKept(file: string): Kept {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Usage(`${short(file)} cannot be read (${why}): name the file that the cutover wrote with --kept FILE`);
  }
}

async function give(changes: readonly Change[], words: CutoverWords): Promise<number> {
  if (words.zone !== null) return setIn(words.zone, changeBatchOf(changes));
  process.stdout.write(printed(changes, words));
  return exitCodes.done;
}

function printed(changes: readonly Change[], { json, route53, kept }: CutoverWords): string {
  if (json) return `${printableJson(JSON.stringify({ domains: changes, kept }, null, 1))}\n`;
  if (route53) return `${JSON.stringify(changeBatchOf(changes), null, 1)}\n`;
  const line = (domain: string) => (value: string) => `${domain}. ${TTL_SECONDS} IN MX ${value.replace(/\.?$/, '.')}`;
  const blocks = changes.map(({ domain, before, now }) => [
    ...before.map((value) => `; in place of: ${line(domain)(value)}`),
    ...(now.length === 0 ? [`; ${domain} had no MX record: remove that one`] : now.map(line(domain))),
  ]);
  return printableLines(`${blocks.flat().join('\n')}\n`);
}

/** An UPSERT replaces what stands there: that is what a cutover is. Where nothing stood, ours goes again. */
function changeBatchOf(changes: readonly Change[]): object {
  const Changes = changes.map(({ domain, before, now }) => ({
    Action: now.length === 0 ? 'DELETE' : 'UPSERT',
    ResourceRecordSet: {
      Name: `${domain}.`,
      Type: 'MX',
      TTL: TTL_SECONDS,
      ResourceRecords: (now.length === 0 ? before : now).map((value) => ({ Value: value.replace(/\.?$/, '.') })),
    },
  }));
  return { Comment: 'Everpost', Changes };
}

function setIn(zone: string, batch: object): Promise<number> {
  const given = ['--hosted-zone-id', zone, '--change-batch', JSON.stringify(batch)];
  return new Promise((resolve, reject) => {
    const child = spawn('aws', ['route53', 'change-resource-record-sets', ...given], { stdio: 'inherit' });
    child.once('error', (error) =>
      reject(new NotReachable(`the aws command does not run (${error.message}): install it`)),
    );
    child.once('exit', (code) => resolve(code === 0 ? exitCodes.done : exitCodes.failed));
  });
}
