// Asks the DNS for the records that dns-records.ts names, and says of each whether it is there. It asks the resolver
// that the operator named, or the machine's own. A resolver that does not answer is never read as a missing record.

import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { inTurns } from '#pipeline/in-turns.ts';
import type { NeededRecord } from './dns-records.ts';
import { short, Usage } from './exit.ts';

/** `other`: something else stands there. `unknown`: the resolver gave no answer. */
export type RecordState = 'set' | 'missing' | 'other' | 'unknown';
export type AskedRecord = NeededRecord & {
  readonly state: RecordState;
  /** What stands there, as a zone file has it; empty where nothing does. */
  readonly found: readonly string[];
  /** What is wrong where `other` or `unknown`; null where the values say it. */
  readonly says: string | null;
};

/** What one question brought: values, or why there are none. */
type Answer =
  | { readonly kind: 'values'; readonly values: readonly string[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'no-answer'; readonly code: string };
export type AskDns = (name: string, type: NeededRecord['type']) => Promise<Answer>;

const TIMEOUT_MS = 2_500;
const TRIES = 2;
const AT_ONCE = 10;
/** RFC 1035 §2.3.1 and RFC 2308: the name does not exist, or has no record of that type. */
const NOTHING = new Set(['ENOTFOUND', 'ENODATA']);

/** `server`: ADDRESS, ADDRESS:PORT or [IPv6]:PORT; null: the machine's own. Throws Usage. */
export function resolverOf(server: string | null): AskDns {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (server !== null) {
    const address = /^\[(.+)\]:\d+$/.exec(server)?.[1] ?? (isIP(server) ? server : server.replace(/:\d+$/, ''));
    try {
      if (isIP(address) === 0) throw new Error('not an address');
      resolver.setServers([server]);
    } catch {
      throw new Usage(`--resolver ${short(server)} is no address of a resolver: write one such as 1.1.1.1`);
    }
  }
  return async (name, type) => {
    try {
      return { kind: 'values', values: await valuesOf(resolver, name, type) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      return NOTHING.has(code) ? { kind: 'none' } : { kind: 'no-answer', code };
    }
  };
}

async function valuesOf(resolver: Resolver, name: string, type: NeededRecord['type']): Promise<readonly string[]> {
  if (type === 'MX')
    return (await resolver.resolveMx(name))
      .toSorted((a, b) => a.priority - b.priority || a.exchange.localeCompare(b.exchange))
      .map(({ priority, exchange }) => `${priority} ${exchange === '' ? '.' : exchange}`); // RFC 7505
  if (type === 'TXT') return (await resolver.resolveTxt(name)).map((parts) => parts.join(''));
  if (type === 'CNAME') return resolver.resolveCname(name);
  return type === 'A' ? resolver.resolve4(name) : resolver.resolve6(name);
}

/** In the order of the records. */
export async function askFor(records: readonly NeededRecord[], ask: AskDns): Promise<readonly AskedRecord[]> {
  const whole = new AbortController().signal; // a command is not short of time: every question is asked
  const one = async (at: number) => ({ at, record: await askedFor(records[at] as NeededRecord, ask) });
  const asked = await inTurns([...records.keys()], AT_ONCE, one, whole);
  return asked.toSorted((a, b) => a.at - b.at).map(({ record }) => record);
}

async function askedFor(record: NeededRecord, ask: AskDns): Promise<AskedRecord> {
  const answer = await ask(record.name, record.type);
  if (answer.kind === 'no-answer')
    return { ...record, state: 'unknown', found: [], says: `the resolver did not answer (${answer.code})` };
  const values = answer.kind === 'values' ? answer.values : [];
  const judged = { ...record, ...judge(record, values) };
  if (judged.state === 'set') return judged;
  return (await setElsewhere(record, ask)) ?? judged;
}

type Judged = Pick<AskedRecord, 'state' | 'found' | 'says'>;

function judge({ type, value }: NeededRecord, values: readonly string[]): Judged {
  if (type === 'TXT') return judgeText(value, values);
  const same = values.map(plain).includes(plain(value));
  if (type === 'MX') return judgeMx(value, values);
  const state = same ? 'set' : values.length === 0 ? 'missing' : 'other';
  return { state, found: values, says: null };
}

/** Mail goes to the servers of the lowest preference first, and to any of them: ours must stand alone. */
function judgeMx(value: string, values: readonly string[]): Judged {
  if (values.length === 0) return { state: 'missing', found: [], says: null };
  const hostOf = (text: string) => plain(text.replace(/^\d+ /, ''));
  const ours = values.filter((each) => hostOf(each) === hostOf(value));
  if (ours.length === 0) return { state: 'other', found: values, says: null };
  if (ours.length < values.length)
    return { state: 'other', found: values, says: 'another server is named too, and would take part of the mail' };
  return { state: 'set', found: values, says: null };
}

/** A domain has one SPF record and one DMARC record, or none that counts (RFC 7208 §4.5, RFC 7489 §6.6.3). */
function judgeText(value: string, values: readonly string[]): Judged {
  const kind = value.startsWith('v=spf1') ? 'SPF' : 'DMARC';
  const begins = kind === 'SPF' ? /^v=spf1(?: |$)/i : /^v=DMARC1(?:\s*;|$)/;
  const found = values.filter((text) => begins.test(text));
  const [only] = found;
  if (only === undefined) return { state: 'missing', found: [], says: null };
  if (found.length > 1)
    return { state: 'other', found, says: `there are ${found.length} ${kind} records: join them, receivers use none` };
  if (kind === 'DMARC') return { state: 'set', found, says: null }; // the policy is the owner's
  const terms = new Set(only.toLowerCase().split(/ +/));
  const lacks = value.split(' ').filter((term) => !/^[+?~-]?all$/.test(term) && !terms.has(term.toLowerCase()));
  if (lacks.length === 0) return { state: 'set', found, says: null };
  return { state: 'other', found, says: `it lacks ${lacks.join(' ')}` };
}

/**
 * Some zones answer with what an alias leads to and hide the alias: then the key itself stands at a DKIM name.
 */
async function setElsewhere(record: NeededRecord, ask: AskDns): Promise<AskedRecord | null> {
  if (record.purpose !== 'dkim') return null;
  const answer = await ask(record.name, 'TXT');
  if (answer.kind !== 'values' || !answer.values.some((text) => /(?:^|;)\s*p=[A-Za-z0-9+/]/.test(text))) return null;
  return { ...record, state: 'set', found: ['(the key itself)'], says: null };
}

function plain(text: string): string {
  return text.toLowerCase().replace(/\.$/, '');
}
