// Scenario folders: what is sent, what the next hop says, what happens meanwhile, and what must leave. Reads them,
// plays them against a running instance and compares; a new case adds a folder, never code. The format of each file is
// told in scenarios/README.md.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceJson } from '#cli/trace-json.ts';
import type { DeliveryState } from '#core/delivery/delivery.ts';
import { mailDiff } from '../judges/mail-diff.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { dueFor, findingsAt } from './evidence.ts';
import { type Instance, tool, trace, traced, until } from './instance.ts';
import { type Answer, type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');
const PATIENCE_MS = 30_000;

export type Scenario = {
  readonly name: string;
  readonly why: string;
  readonly config: object;
  readonly content: Buffer;
  readonly messageIdField: string;
  readonly reversePath: string;
  readonly forwardPaths: readonly string[];
  /** What the front door answers in the end. */
  readonly code: number;
  readonly replies: readonly ScriptedReply[];
  readonly timeline: readonly string[];
  readonly expect: string;
};
type ScriptedReply = { readonly forwardPath: string; readonly phase: string; readonly answer: string };

export function readScenarios(): Scenario[] {
  const names = readdirSync(FOLDER, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return names.map((entry) => readScenario(entry.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readScenario(name: string): Scenario {
  const text = (file: string) => {
    const path = join(FOLDER, name, file);
    return existsSync(path) ? readFileSync(path, 'utf8') : null;
  };
  const content = readFileSync(join(FOLDER, name, 'in.eml'));
  const messageIdField = /^Message-ID: *(\S+)\r?$/im.exec(content.toString('latin1'))?.[1];
  const envelope = text('in.envelope') ?? '';
  const paths = (verb: string) => [...envelope.matchAll(new RegExp(`^${verb}:<(.*)>$`, 'gm'))].map((it) => it[1] ?? '');
  const [reversePath] = paths('MAIL FROM');
  const why = text('why');
  if (messageIdField === undefined || reversePath === undefined || why === null)
    throw new Error(`${name}: a scenario has a why, an in.envelope, and an in.eml with a Message-ID`);
  return {
    name,
    why,
    config: JSON.parse(text('config.json') ?? '{}') as object,
    content,
    messageIdField,
    reversePath,
    forwardPaths: paths('RCPT TO'),
    code: Number(/^\d{3}$/m.exec(envelope)?.[0] ?? 250),
    replies: lines(text('next-hop.smtp')).map((line) => {
      const [forwardPath = '', phase = '', ...answer] = line.split(' ');
      if (phase !== 'rcpt' && phase !== 'final-dot') throw new Error(`${name}: the next hop knows no phase ${phase}`);
      return { forwardPath, phase, answer: answer.join(' ') };
    }),
    timeline: lines(text('timeline') ?? 'send'),
    expect: join(FOLDER, name, 'expect'),
  };
}

function lines(text: string | null): string[] {
  return (text ?? '').split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

/** All scenarios share it: they are told apart by their addresses, so each address belongs to one of them. */
export function addressesOf(scenario: Scenario): string[] {
  return [scenario.reversePath, ...scenario.forwardPaths].filter((address) => address !== '');
}

/**
 * The next hop that plays every scenario's script. `instance` is asked for once it is needed: faults and mail that goes
 * round.
 */
export function scriptedNextHop(scenarios: readonly Scenario[], instance: () => Instance): Promise<Catcher> {
  const replies = scenarios.flatMap((scenario) => scenario.replies);
  const turns = new Map<string, number>();
  const answer = async (phase: string, forwardPath: string, message: Caught | null): Promise<Answer> => {
    const mine = replies.filter((reply) => reply.phase === phase && reply.forwardPath === forwardPath);
    const turn = turns.get(`${phase} ${forwardPath}`) ?? 0;
    turns.set(`${phase} ${forwardPath}`, turn + 1);
    const said = mine[Math.min(turn, mine.length - 1)]?.answer ?? 'accept';
    if (said === 'accept') return undefined;
    if (said === 'cut') return { reply: null, keep: false };
    if (said === 'keep, cut') return { reply: null, keep: true };
    if (said.startsWith('fault ')) await tool(instance(), 'POST', '/faults', JSON.parse(said.slice('fault '.length)));
    else if (said === 'back' && message !== null) {
      await sendMail(instance().mx, message.reversePath, message.forwardPaths, message.content);
      return { reply: '250 2.0.0 passed on', keep: false };
    } else return said;
    return undefined;
  };
  return catcher({
    rcpt: (forwardPath) => answer('rcpt', forwardPath, null),
    finalDot: (message) => answer('final-dot', message.forwardPaths[0] ?? '', message),
  });
}

/** Plays the timeline. Throws where the front door or the trace does not do as it says. */
export async function play(scenario: Scenario, instance: Instance): Promise<void> {
  for (const step of scenario.timeline) {
    const [verb = '', ...rest] = step.split(' ');
    const argument = rest.join(' ');
    if (verb === 'send') await send(scenario, instance);
    else if (verb === 'verdicts') await tool(instance, 'POST', '/verdicts', JSON.parse(argument));
    else if (verb === 'fault') await tool(instance, 'POST', '/faults', JSON.parse(argument));
    else if (verb === 'struck') await struck(instance);
    else if (verb === 'heal') await tool(instance, 'DELETE', '/faults');
    else if (verb === 'advance') await tool(instance, 'POST', '/clock', { advance: argument });
    else if (verb === 'until') await allIn(scenario, instance, argument);
    else throw new Error(`a timeline knows no ${verb}`);
  }
}

async function send({ reversePath, forwardPaths, content, code }: Scenario, instance: Instance): Promise<void> {
  const reply = await sendMail(instance.mx, reversePath, forwardPaths, content);
  if (reply.code !== code) throw new Error(`the front door said ${reply.code} ${reply.text}, expected ${code}`);
}

/** Waits until every fault that was to strike a number of times has done so. */
async function struck(instance: Instance): Promise<void> {
  const spent = await until(
    async () => ((await tool<readonly unknown[]>(instance, 'GET', '/faults')).length === 0 ? true : null),
    PATIENCE_MS,
  );
  if (spent === null) throw new Error('the fault never struck');
}

/** `deferred`, of all deliveries, or `deferred bob@example.com`. */
async function allIn({ messageIdField }: Scenario, instance: Instance, argument: string): Promise<void> {
  const [state, only] = argument.split(' ');
  const all = (found: TraceJson[]) => {
    const deliveries = found.flatMap((message) => message.deliveries);
    const wanted = deliveries.filter(({ forwardPath }) => only === undefined || forwardPath === only);
    return wanted.length > 0 && wanted.every((each) => each.state === state);
  };
  await traced(instance, ['--message-id', messageIdField], all, PATIENCE_MS);
}

/**
 * What differs from expect/, one line each; waits for what is still to come. With UPDATE=1 it rewrites expect/ and
 * finds nothing.
 */
export async function outcome(scenario: Scenario, instance: Instance, caught: readonly Caught[]): Promise<string[]> {
  if (process.env.UPDATE === '1') return rewrite(scenario, instance, caught);
  const file = join(scenario.expect, 'trace.json');
  const wanted = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as unknown) : [];
  let findings: string[] = [];
  await until(async () => {
    findings = [
      ...traceFindings(wanted, await told(scenario, instance)),
      ...mailFindings(scenario, caught),
      ...(await claimFindings(scenario, instance, wanted, caught)),
    ];
    return findings.length === 0 ? true : null;
  }, PATIENCE_MS);
  return findings;
}

/** The claim, asked of the checker. What ends the scenario, its expectation says. */
async function claimFindings(
  scenario: Scenario,
  instance: Instance,
  wanted: unknown,
  caught: readonly Caught[],
): Promise<string[]> {
  const { messageIdField, reversePath, content, code } = scenario;
  if (code !== 250) return [];
  const [message] = wanted as readonly { deliveries: readonly { forwardPath: string; state: DeliveryState }[] }[];
  const deliveries = (message?.deliveries ?? []).map(({ forwardPath, state }) => dueFor(forwardPath, state));
  const mine = caught.filter(({ forwardPaths: [path = ''] }) => addressesOf(scenario).includes(path));
  return findingsAt(instance, [{ messageIdField, reversePath, content, deliveries }], mine);
}

async function told({ messageIdField, code }: Scenario, instance: Instance): Promise<TraceJson[]> {
  if (code !== 250) return [];
  const messages = await trace(instance, '--message-id', messageIdField);
  const byPath = (a: { forwardPath: string }, b: { forwardPath: string }) => (a.forwardPath < b.forwardPath ? -1 : 1);
  return messages.map((message) => ({ ...message, deliveries: message.deliveries.toSorted(byPath) }));
}

function traceFindings(wanted: unknown, found: unknown, where = 'trace'): string[] {
  if (Array.isArray(wanted) && Array.isArray(found)) {
    if (wanted.length !== found.length)
      return [`${where}: expected ${wanted.length}, found ${found.length}: ${JSON.stringify(found).slice(0, 2_000)}`];
    return wanted.flatMap((each, index) => traceFindings(each, found[index], `${where}[${index}]`));
  }
  if (typeof wanted === 'object' && wanted !== null && typeof found === 'object' && found !== null) {
    const members = found as Readonly<Record<string, unknown>>;
    return Object.entries(wanted).flatMap(([key, each]) => traceFindings(each, members[key], `${where}.${key}`));
  }
  const agree = typeof wanted === 'string' && typeof found === 'string' ? like(wanted, found) : wanted === found;
  return agree ? [] : [`${where}: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found)}`];
}

/** `*` in what is wanted is any text. */
function like(wanted: string, found: string): boolean {
  const parts = wanted.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(found);
}

/** What came for the scenario's addresses, by the file that expects it. */
function arrivals(scenario: Scenario, caught: readonly Caught[]): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const address of addressesOf(scenario)) {
    const mine = caught.filter((each) => each.forwardPaths.includes(address));
    mine.forEach(({ reversePath, content }, index) => {
      const name = `${address}${index === 0 ? '' : `.${index + 1}`}.eml`;
      found.set(name, Buffer.concat([Buffer.from(`Envelope-From: <${reversePath}>\r\n`), content]));
    });
  }
  return found;
}

/** Names of what has left, for a last look when all is over. */
export function leavings(scenario: Scenario, caught: readonly Caught[]): string[] {
  return [...arrivals(scenario, caught).keys()].sort();
}

export function expectedLeavings({ expect }: Scenario): string[] {
  return existsSync(expect)
    ? readdirSync(expect)
        .filter((name) => name.endsWith('.eml'))
        .sort()
    : [];
}

function mailFindings(scenario: Scenario, caught: readonly Caught[]): string[] {
  const found = arrivals(scenario, caught);
  const names = new Set([...expectedLeavings(scenario), ...found.keys()]);
  return [...names].flatMap((name) => {
    const actual = found.get(name);
    const path = join(scenario.expect, name);
    if (actual === undefined) return [`${name}: never came`];
    if (!existsSync(path)) return [`${name}: left, and nothing should have:\n${actual.toString('latin1')}`];
    return [...mailDiff(readFileSync(path), actual), ...noticeFindings(actual)].map((finding) => `${name}: ${finding}`);
  });
}

/** Whatever leaves with a null reverse-path is a notice of ours, and sound. */
function noticeFindings(actual: Buffer): string[] {
  const text = actual.toString('latin1');
  if (!text.startsWith('Envelope-From: <>\r\n') || !/^Content-Type: multipart\/report/im.test(text)) return [];
  return judgeNotice(actual.subarray(actual.indexOf('\n') + 1));
}

async function rewrite(scenario: Scenario, instance: Instance, caught: readonly Caught[]): Promise<string[]> {
  if (process.env.CI) return ['expectations are not rewritten in CI'];
  let before = '';
  const still = async () => {
    const now = JSON.stringify([await told(scenario, instance), leavings(scenario, caught)]);
    const same = now === before && !/"state":"(queued|failed|expired)"/.test(now);
    before = now;
    return same ? true : null;
  };
  await until(still, PATIENCE_MS);
  rmSync(scenario.expect, { recursive: true, force: true });
  const messages = await told(scenario, instance);
  if (messages.length > 0) {
    mkdirSync(scenario.expect);
    writeFileSync(join(scenario.expect, 'trace.json'), `${JSON.stringify(messages.map(lasting), null, 2)}\n`);
  }
  for (const [name, content] of arrivals(scenario, caught))
    writeFileSync(join(scenario.expect, name), blurred(content, scenario));
  return [];
}

/** The members of a trace that are the same each time. */
function lasting({ deliveries, events }: TraceJson): object {
  return {
    deliveries: deliveries.map(({ forwardPath, state, attempts, possibleDuplicate, lastReply, notice }) => ({
      forwardPath,
      state,
      ...(attempts > 3 ? {} : { attempts }), // chance spreads them: a lifetime has a few more or less
      possibleDuplicate,
      lastReply: lastReply === null ? null : { code: lastReply.code, status: lastReply.status },
      notice: notice === null ? null : { kind: notice.kind, state: notice.state, to: notice.to, reason: notice.reason },
    })),
    ...(deliveries.length > 1 || events.length > 12
      ? {} // the order of what happens side by side is not the same each time
      : {
          events: events.map(({ event, forwardPath, status, reason }) => ({
            event,
            forwardPath,
            status,
            reason: steady(reason),
          })),
        }),
  };
}

function steady(reason: string | null): string | null {
  return reason?.replace(/\b[0-9a-v]{40}/g, '*') ?? null;
}

/** Ids, dates, signatures and borders become as many `?`, unless they are the message's own. */
function blurred(content: Buffer, scenario: Scenario): Buffer {
  let text = content.toString('latin1');
  const own = scenario.content.toString('latin1');
  const blur = (found: string) => (own.includes(found) ? found : '?'.repeat(found.length));
  for (const [, boundary = ''] of text.matchAll(/boundary="?([^";\r\n]+)/g))
    text = text.replaceAll(boundary, blur(boundary));
  text = text
    .replace(/^(X-SES-(?:RECEIPT|DKIM-SIGNATURE): )[^\r\n]*/gim, '$1*')
    .replace(/[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, blur)
    .replace(/\b[0-9a-v]{40}(?:[.-][a-z2-7]{16})?/g, blur)
    .replace(/(?<=sig=)[\w-]{43}/g, blur)
    .replace(/^(We tried| {2}Attempts: +)\d\d.*/gm, '$1*') // as many as chance spreads them
    .replace(/(?<=X-Everpost-Notice: )\S+/gi, blur);
  return Buffer.from(text, 'latin1');
}
