// The part of `npm run test:corpus -- DIR` for signatures: each message of the folder, as it goes over the wire, with
// DKIM signatures of every usual kind, by keys made for this run; sent by each way that hands messages on as they are,
// and by SES; and what each next hop took, verified by mailauth (and dkimpy, where it is installed). A signature that
// the message came with has no key here: what it is computed over must be what it was. By SES signatures are taken out
// or may break: the table says which.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTheWire } from '../e2e/arrival.ts';
import { intactWays, openSignedWays, type SignedWays } from '../e2e/signed-ways.ts';
import { hasDkimpy, type Verified, verifyByDkimpy, verifySignatures } from '../judges/dkim.ts';
import { makeSigner, type Signer, usualKinds } from '../kit/signing.ts';

const PATIENCE_MS = 120_000;
const OWN = 'its own';

type Say = (line: string) => void;
type Row = { signed: number; verified: number; gone: number; broken: number; returned: number; lost: number };
type Taken = { readonly way: string; readonly of: Case; readonly content: Buffer };

/** Prints the table and each signature that broke on an intact way; the number of these, and of messages lost. */
export async function signedByAllWays(folder: string, files: readonly string[], say: Say): Promise<number> {
  const signer = makeSigner('signed.example');
  const ways = await openSignedWays();
  const table = new Map<string, Row>();
  const taken: Taken[] = [];
  let wrong = 0;
  let unsigned = 0;
  const accepted: Case[] = [];
  try {
    for (const [index, file] of files.entries()) {
      const wire = onTheWire(readFileSync(join(folder, file)));
      const content = await signer.signed(wire, usualKinds).catch(() => wire); // without a From, nothing signs it
      const before = await worthJudging(content, signer);
      if (before.length === 0) unsigned += 1;
      const reversePath = `s${index}@src.example`;
      const { code, text } = await ways.send(reversePath, [...intactWays, 'ses'], content);
      if (code === 250) accepted.push({ file, content, before, reversePath });
      else say(`refused    ${file}  ${code} ${text}`);
    }
    for (const each of accepted) wrong += await collect(ways, each, table, taken, say);
    wrong += await judged(taken, signer, table, say);
    report(table, say);
    say(`messages ${files.length}, without a signature that verified before ${unsigned}, signatures broken ${wrong}`);
    return wrong;
  } finally {
    await ways.close();
  }
}

/** Those that verify before anything is sent, and all that the message had. */
async function worthJudging(content: Buffer, { zone, domain }: Signer): Promise<Verified[]> {
  const found = await verifySignatures(content, zone);
  return found.filter((each) => each.domain !== domain || each.result === 'pass');
}

type Case = {
  readonly file: string;
  readonly content: Buffer;
  /** The signatures to be looked for. */
  readonly before: Verified[];
  readonly reversePath: string;
};

/** What came of it by each way; how many ways lost it. */
async function collect(ways: SignedWays, of: Case, table: Map<string, Row>, taken: Taken[], say: Say): Promise<number> {
  const { file, before, reversePath } = of;
  let lost = 0;
  for (const way of [...intactWays, 'ses'] as const) {
    const came = await ways.came(way, reversePath, PATIENCE_MS);
    const isReturned = came.length === 0 && ways.noticeTo(reversePath) !== null;
    if (isReturned && way === intactWays[0]) say(`returned   ${file}`);
    if (came.length === 0 && !isReturned) {
      say(`lost       ${file}  by ${way}`);
      lost += 1;
    }
    for (const each of before) {
      const row = rowOf(table, way, each);
      row.signed += came.length || 1;
      if (isReturned) row.returned += 1;
      else if (came.length === 0) row.lost += 1;
    }
    taken.push(...came.map((each) => ({ way, of, content: each.content })));
  }
  return lost;
}

function rowOf(table: Map<string, Row>, way: string, { domain, name }: Verified): Row {
  const key = `${way.padEnd(16)} ${domain === 'signed.example' ? name : OWN}`;
  const row = table.get(key) ?? { signed: 0, verified: 0, gone: 0, broken: 0, returned: 0, lost: 0 };
  table.set(key, row);
  return row;
}

/** Each signature of before is looked for by its place from the bottom: nothing is ever put below it. */
async function judged(taken: readonly Taken[], { zone, domain }: Signer, table: Map<string, Row>, say: Say) {
  let wrong = 0;
  for (const { way, of, content } of taken) {
    const { file, before } = of;
    const after = await verifySignatures(content, zone);
    for (const each of before) {
      const row = rowOf(table, way, each);
      const same = after.filter(({ name, domain: by }) => name === each.name && by === each.domain);
      const isFine = ({ result, over }: Verified) => (each.domain === domain ? result === 'pass' : over === each.over);
      if (same.some(isFine)) row.verified += 1;
      else if (same.length === 0) row.gone += 1;
      else row.broken += 1;
      if (way === 'ses' || same.some(isFine)) continue;
      wrong += 1;
      say(`broken     ${file}  by ${way}: ${each.domain} ${each.name}: ${same[0]?.result ?? 'it is gone'}`);
    }
  }
  return wrong + (await judgedByDkimpy(taken, zone, domain, say));
}

/** What dkimpy let pass before, it must let pass after. */
async function judgedByDkimpy(
  taken: readonly Taken[],
  zone: Signer['zone'],
  domain: string,
  say: Say,
): Promise<number> {
  if (!(await hasDkimpy())) {
    say('dkimpy is not installed (python3-dkim, python3-nacl): mailauth alone has judged');
    return 0;
  }
  const intact = taken.filter(({ way }) => way !== 'ses');
  const sent = [...new Set(intact.map(({ of }) => of))];
  const found = await verifyByDkimpy(
    [...sent, ...intact].map(({ content }) => content),
    zone,
  );
  const passed = (index: number, selector: string) =>
    found[index]?.some(([name, result]) => name === selector && result === 'pass') === true;
  let [signed, verified] = [0, 0];
  for (const [index, { way, of }] of intact.entries()) {
    for (const { name } of of.before.filter((each) => each.domain === domain)) {
      if (!passed(sent.indexOf(of), name)) continue;
      signed += 1;
      if (passed(sent.length + index, name)) verified += 1;
      else say(`broken     ${of.file}  by ${way}: ${name}, as dkimpy reads it`);
    }
  }
  say(`by dkimpy: signed ${signed}, verified after the hop ${verified}`);
  return signed - verified;
}

function report(table: ReadonlyMap<string, Row>, say: Say): void {
  say(`\n${'way'.padEnd(16)} ${'signature'.padEnd(10)} signed, verified, gone, broken, returned, lost`);
  for (const [key, row] of table) {
    const { signed, verified, gone, broken, returned, lost } = row;
    say(`${key.padEnd(27)} ${[signed, verified, gone, broken, returned, lost].join(', ')}`);
  }
}
