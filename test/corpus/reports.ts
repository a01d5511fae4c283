// The part of `npm run test:corpus -- DIR` for reports: what core/feedback/report.ts reads in each message of the
// folder beside what independent parsers read (DIR/DSN-BASELINE.tsv, where there is one), what it reads in the same
// messages wrapped, damaged and merged (test/kit/report-variants.ts), then every message once through a token's
// address: each must end accounted for.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RemoteReport, readRemoteReport } from '#core/feedback/report.ts';
import { type Instance, traced } from '../e2e/instance.ts';
import { type Caught, sendMail } from '../e2e/smtp.ts';
import { factsOf } from '../kit/report-facts.ts';
import { combinationsOf, mergedOf, statusAlone, type Variant, variantsOf } from '../kit/report-variants.ts';

type Reading = {
  readonly reader: string;
  readonly recipient: string;
  readonly status: string;
  readonly action: string;
};
/**
 * Of strict reading, of the fields alone: what it reads, all must. The others guess, each in its way; two that agree
 * are believed.
 */
const STRICT = 'rfc3464';

/** Compares, prints the figures and each difference; the number of messages that differ. */
export function compareReadings(folder: string, files: readonly string[], say: (line: string) => void): number {
  const baseline = baselineOf(folder);
  const figures = new Map<string, [same: number, of: number]>();
  const count = (what: string, same: boolean) => {
    const [before, of] = figures.get(what) ?? [0, 0];
    figures.set(what, [before + (same ? 1 : 0), of + 1]);
    return same;
  };
  let different = 0;
  for (const file of files) {
    const ours = readRemoteReport(readFileSync(join(folder, file)), { nullPath: true });
    const found = differences(ours, baseline.get(file) ?? [], count);
    for (const difference of found) say(`differs    ${file}  ${difference}`);
    if (found.length > 0) different += 1;
  }
  for (const [what, [same, of]] of figures) say(`${what.padEnd(34)} ${same} of ${of}`);
  return different;
}

function differences(
  ours: RemoteReport,
  readings: readonly Reading[],
  count: (what: string, same: boolean) => boolean,
): string[] {
  const found: string[] = [];
  const mine = new Map(
    ours.kind !== 'report'
      ? []
      : ours.recipients.flatMap((it) =>
          [it.originalRecipient, it.finalRecipient].map((name) => [(name ?? '').toLowerCase(), it] as const),
        ),
  );
  const named = readings.filter(({ recipient, action }) => recipient.includes('@') && action !== 'autoreply');
  if (ours.kind !== 'report') {
    const agreed = believed(named);
    if (agreed.length > 0 && ours.kind === 'none' && !count('agreed reports recognised', false))
      found.push(`others read a report on ${agreed.join(', ')}`);
    return found;
  }
  if (!count('recognised reports others know too', readings.length > 0)) found.push('nobody else reads a report');
  for (const address of believed(named)) {
    count('agreed reports recognised', true);
    if (!count('recipients agreed on', mine.has(address))) found.push(`${address} is missing`);
  }
  for (const { reader, recipient, status, action } of named.filter(({ reader: name }) => name === STRICT)) {
    const it = mine.get(recipient.toLowerCase());
    if (status !== '' && !count("statuses as the strict reader's", isAsExact(it?.status ?? '', status)))
      found.push(`${recipient}: status ${it?.status}, ${reader} reads ${status}`);
    if (action !== '' && !count("actions as the strict reader's", it?.action === action))
      found.push(`${recipient}: action ${it?.action}, ${reader} reads ${action}`);
  }
  for (const { reader, recipient, status } of named.filter(
    ({ reader: name }) => name !== STRICT && name === 'sisimai',
  )) {
    const it = mine.get(recipient.toLowerCase());
    if (/^[245]\.\d\.[1-9]\d?$/.test(status)) count(`statuses as ${reader}'s`, it?.status === status);
  }
  return found;
}

/** The same, or the exact one where the report's own is general (x.y.0) and its words say more. */
function isAsExact(ours: string, theirs: string): boolean {
  if (ours === theirs) return true;
  return /^[45]\.\d{1,3}\.0$/.test(theirs) && ours.startsWith(theirs.charAt(0)) && !ours.endsWith('.0.0');
}

/** Named by the strict reader, or by two others alike. */
function believed(named: readonly Reading[]): string[] {
  const readers = Map.groupBy(named, ({ recipient }) => recipient.toLowerCase());
  return [...readers]
    .filter(([, by]) => by.some(({ reader }) => reader === STRICT) || new Set(by.map(({ reader }) => reader)).size >= 2)
    .map(([address]) => address);
}

/** Complaints and absence notices, which some readers count among reports, are named in the note. */
function baselineOf(folder: string): ReadonlyMap<string, readonly Reading[]> {
  const path = join(folder, 'DSN-BASELINE.tsv');
  if (!existsSync(path)) return new Map();
  const rows = readFileSync(path, 'utf8').trim().split('\n').slice(1);
  const readings = rows.flatMap((line) => {
    const [file = '', reader = '', recipient = '', status = '', action = '', , note = ''] = line.split('\t');
    return /not recognised|feedback|vacation|Error/.test(note)
      ? []
      : [[file, { reader, recipient, status, action }] as const];
  });
  const grouped = Map.groupBy(readings, ([file]) => file);
  return new Map([...grouped].map(([file, entries]) => [file, entries.map(([, reading]) => reading)]));
}

const SEED = 1;
const COMBINATIONS = 20;

/**
 * Every message wrapped and damaged, and merged with the next report: it says the same, or goes to the postmaster.
 * Prints the figures and what says something else; the number of those.
 */
export function compareVariants(folder: string, files: readonly string[], say: (line: string) => void): number {
  const figures = new Map<string, [same: number, postmaster: number, other: number]>();
  let different = 0;
  const compare = (file: string, variant: Variant, before: readonly string[]) =>
    compareAs(variant.name, file, variant, before);
  const compareAs = (kind: string, file: string, { name, bytes }: Variant, before: readonly string[]) => {
    const after = factsOf(bytes);
    const which = `${after}` === `${before}` ? 0 : after.length === 0 ? 1 : 2;
    const figure = figures.get(kind) ?? [0, 0, 0];
    figure[which] += 1;
    figures.set(kind, figure);
    if (which < 2) return;
    different += 1;
    say(`differs    ${file}  ${name}: ${after.join(', ')} instead of ${before.join(', ') || 'nothing'}`);
  };
  const contents = files.map((file) => ({ file, bytes: readFileSync(join(folder, file)) }));
  for (const { file, bytes } of contents)
    for (const variant of variantsOf(bytes)) compare(file, variant, factsOf(bytes));
  for (const { file, bytes } of contents)
    for (const variant of combinationsOf(bytes, SEED, COMBINATIONS))
      compareAs('several of them', file, variant, factsOf(bytes));
  // Words in the text, which merging loses, make no difference to these.
  const whole = contents.filter(({ bytes }) => {
    const alone = statusAlone(bytes);
    return alone !== null && factsOf(alone).length > 0 && `${factsOf(alone)}` === `${factsOf(bytes)}`;
  });
  for (const [at, one] of whole.entries()) {
    const other = whole[(at + 1) % whole.length] ?? one;
    const both = [...new Set([...factsOf(one.bytes), ...factsOf(other.bytes)])].sort();
    for (const variant of mergedOf(one.bytes, other.bytes)) compare(`${one.file} and ${other.file}`, variant, both);
  }
  say(`${'variant'.padEnd(42)} same, to the postmaster, other`);
  for (const [name, counts] of figures) say(`${name.padEnd(42)} ${counts.join(', ')}`);
  return different;
}

export type Returned = { readonly file: string; readonly ended: string; readonly sound: boolean };

/** Sends the message to the return path of a delivery of its own, with the null reverse-path, and waits for its end. */
export async function throughToken(
  instance: Instance,
  of: { readonly file: string; readonly content: Buffer; readonly index: number },
  forwarded: (sender: string) => Promise<Caught | null>,
): Promise<Returned> {
  const { file, content, index } = of;
  const sender = `t${index}@src.example`;
  const first = Buffer.from(`From: <${sender}>\r\nSubject: x\r\nMessage-ID: <${sender}>\r\n\r\nHello\r\n`);
  await sendMail(instance.mx, sender, ['token@example.com'], first);
  const sent = await forwarded(sender);
  if (sent === null) return { file, ended: 'never forwarded', sound: false };
  const answer = await sendMail(instance.mx, '', [sent.reversePath], content).catch((error: Error) => ({
    code: 0,
    text: error.message,
  }));
  if (answer.code !== 250) return { file, ended: 'refused by the front door', sound: true };
  const [message] = await traced(instance, ['--forward-path', sent.reversePath], ([found]) =>
    /^(discarded|relayed|quarantined|held)$/.test(found?.deliveries[0]?.state ?? ''),
  );
  const state = message?.deliveries[0]?.state ?? 'lost';
  const reason = message?.events.at(-1)?.reason?.split(':')[0] ?? '';
  if (state === 'relayed') return { file, ended: 'sent on to the postmaster', sound: true };
  if (reason !== 'report-joined') return { file, ended: `${state}, ${reason}`, sound: state !== 'lost' };
  const [delivery] = await traced(instance, ['--message-id', `<${sender}>`], ([found]) =>
    /^(returned|relayed|confirmed)$/.test(found?.deliveries[0]?.state ?? ''),
  );
  const became = delivery?.deliveries[0]?.state ?? 'lost';
  return { file, ended: `joined, the delivery ${became}`, sound: became !== 'lost' };
}
