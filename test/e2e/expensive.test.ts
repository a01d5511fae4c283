// Mail that is written to be slow, end to end on the local runtime, with ordinary mail before and behind it, by SMTP
// and by SES. The next hops' bytes, the ledger's trace and the alarms say that nothing stood still: every ordinary
// message arrives as it was at its first attempt, and each expensive one has its outcome within its stage's deadline.
// Times are printed, and asked of nothing tighter.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TraceJson } from '#cli/trace-json.ts';
import { deadlineMarginMs, feedbackTimeoutMs, relayTimeoutMs } from '#core/limits.ts';
import { deviations } from './arrival.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

const NOTICES_FROM = 'notices@example.com';
const POSTMASTER = 'postmaster@example.com';
const FEEDBACK_MS = feedbackTimeoutMs - deadlineMarginMs;
const RELAY_MS = relayTimeoutMs - deadlineMarginMs;
/** Above the deadline of the longest stage, so that this test and not its runner says what is late. */
const TEST_MS = 2 * relayTimeoutMs;

let exchange: Catcher;
let sesOut: Catcher;
let instance: Instance;

beforeAll(async () => {
  exchange = await catcher();
  sesOut = await catcher();
  const config = {
    domains: ['example.com', 'away.example'],
    nextHops: {
      ses: { kind: 'ses' },
      exchange: { kind: 'smtp', host: '127.0.0.1', port: exchange.port, tls: 'off' },
    },
    routes: [
      { match: '*@away.example', to: [{ via: 'ses' }] },
      { match: '*@example.com', to: [{ via: 'exchange' }] },
    ],
    notices: { from: NOTICES_FROM, postmaster: POSTMASTER, via: 'exchange' },
  };
  instance = await start({ config, args: ['--ses-out', `127.0.0.1:${sesOut.port}`] });
});
afterAll(async () => {
  await discard(instance);
  await exchange?.close();
  await sesOut?.close();
});

let sequence = 0;
type Mail = {
  readonly from: string;
  readonly to: string;
  readonly content: Buffer;
  /** How its trace is found; absent: by `to`. */
  readonly messageIdField?: string;
};

/** By an author of ours, so that SES too sends him as he is. */
function ordinary(to: string): Mail {
  const id = `<${++sequence}@example.com>`;
  const text = `From: Ann <ann@example.com>\r\nTo: ${to}\r\nSubject: lunch\r\nMessage-ID: ${id}\r\n\r\nAt noon, \xfc \x00 \r\n.dot\r\n\r\n`;
  return { from: 'ann@example.com', to, content: Buffer.from(text, 'latin1') };
}
/** One for each route. */
function neighbours(): readonly Mail[] {
  sequence += 1;
  return [ordinary(`bob${sequence}@example.com`), ordinary(`bob${sequence}@away.example`)];
}

const section = (content: Buffer) => content.toString('latin1').split('\r\n\r\n')[0] ?? '';
const body = (content: Buffer) => content.subarray(content.indexOf('\r\n\r\n') + 4);

async function give(mail: Mail): Promise<void> {
  expect((await sendMail(instance.mx, mail.from, [mail.to], mail.content)).code).toBe(250);
}

/** As it was, at its first attempt. By SES its fields are edited: its author, subject and body are asked. */
async function unharmed(mail: Mail): Promise<void> {
  const bySes = mail.to.endsWith('@away.example');
  const caught = await arrived(bySes ? sesOut : exchange, mail.to);
  if (bySes) {
    expect(body(caught.content).equals(body(mail.content))).toBe(true);
    for (const field of ['From: Ann <ann@example.com>', 'Subject: lunch', `To: ${mail.to}`])
      expect(section(caught.content).split('\r\n')).toContain(field);
  } else expect(deviations(mail.content, caught.content)).toEqual([]);
  const delivery = (await outcome(mail, RELAY_MS, 'relayed')).deliveries[0];
  expect(delivery).toMatchObject({ attempts: 1, possibleDuplicate: false, notice: null });
}
async function arrived(at: Catcher, address: string): Promise<Caught> {
  const found = await until(() => at.caught.find((each) => each.forwardPaths.includes(address)) ?? null, RELAY_MS);
  if (found === null) throw new Error(`nothing came for ${address}\n${instance.output.slice(-3_000)}`);
  return found;
}
async function outcome(mail: Mail, timeoutMs: number, state: string): Promise<TraceJson> {
  const { messageIdField, to } = mail;
  const args = messageIdField === undefined ? ['--forward-path', to] : ['--message-id', messageIdField];
  const is = ([message]: TraceJson[]) => message?.deliveries[0]?.state === state;
  const [message] = await traced(instance, args, is, timeoutMs);
  if (message === undefined) throw new Error('no message');
  return message;
}

/** The expensive one amid ordinary mail, all given one behind the other without waiting. Returns its trace. */
async function amid(slow: Mail, timeoutMs: number, state: string): Promise<TraceJson> {
  const [before, behind] = [neighbours(), neighbours()];
  const from = Date.now();
  const since = () => `${((Date.now() - from) / 1_000).toFixed(1)} s`;
  for (const each of [...before, slow, ...behind]) await give(each);
  const given = since();
  const [ended, ...times] = await Promise.all([
    outcome(slow, timeoutMs, state).then((found) => ({ found, at: since() })),
    ...[...before, ...behind].map((each) => unharmed(each).then(since)),
  ]);
  const said = `${slow.content.length} bytes to ${slow.to}: given ${given}, outcome ${ended.at}`;
  console.info(`${said}, neighbours ${times.join(', ')}`);
  const alarms = await tool<{ name: string; state: string }[]>(instance, 'GET', '/alarms');
  expect(alarms.filter(({ state }) => state === 'ALARM').map(({ name }) => name)).toEqual([]);
  return ended.found;
}

const padded = (before: string, pattern: string, bytes: number, after: string) =>
  before + pattern.repeat(Math.ceil(bytes / pattern.length)) + after;

describe('from <> to the address of our notices: the postmaster has it whole, within the deadline of feedback', () => {
  it.each([
    ['800 KB of empty lines', padded('From: x@far.example\r\n\r\n', '\r\n', 800_000, '')],
    ['800 KB of blank lines', padded('From: x@far.example\r\n\r\n', ' \r\n', 800_000, 'x\r\n')],
    ['a subject of 400 KB in folds', padded('From: x@far.example\r\nSubject: a', '\r\n ', 400_000, 'b\r\n\r\nx\r\n')],
  ])('%s', { timeout: TEST_MS }, async (_, text) => {
    const messageIdField = `<${++sequence}@far.example>`;
    const content = Buffer.from(`Message-ID: ${messageIdField}\r\n${text}`);
    const slow = { from: '', to: NOTICES_FROM, content, messageIdField };
    const { events } = await amid(slow, FEEDBACK_MS, 'relayed');
    expect(events.map(({ event }) => event)).toEqual(['RECEIVE', 'REDIRECT', 'SEND']);
    expect(events[1]?.reason).toBe('no-report: to the postmaster');
    const ofPostmaster = exchange.caught.filter(({ forwardPaths }) => forwardPaths.includes(POSTMASTER));
    const copies = ofPostmaster.filter((each) => section(each.content).includes(messageIdField));
    expect(copies.map((each) => [each.reversePath, deviations(content, each.content)])).toEqual([['', []]]);
  });
});

describe('a From field of several hundred KB by SES: relay has sent it, with its body, within its deadline', () => {
  it.each([
    ['addresses', padded('From: ', 'a@b.example,', 400_000, 'a@b.example')],
    ['addresses, one a line', padded('From: a@b.example', ',\r\n a@b.example', 400_000, '')],
    ['folded blanks', padded('From: a', '\r\n ', 400_000, '\r\n <a@b.example>')],
    ['open comments', padded('From: ', '(', 400_000, ' <a@b.example>')],
    ['words without an end', padded('From: ', '=?utf-8?q?a?= ', 400_000, '<a@b.example>')],
  ])('%s', { timeout: TEST_MS }, async (_, field) => {
    const to = `slow${++sequence}@away.example`;
    const content = Buffer.from(`${field}\r\nTo: ${to}\r\nSubject: hm\r\n\r\nThe body\r\n.dot\r\n`);
    const { deliveries } = await amid({ from: 'x@far.example', to, content }, RELAY_MS, 'relayed');
    expect(deliveries[0]).toMatchObject({ attempts: 1, possibleDuplicate: false });
    const sent = (await arrived(sesOut, to)).content;
    expect(body(sent).equals(body(content))).toBe(true);
    const fields = section(sent).split(/\r\n(?![ \t])/);
    const [from, ...others] = fields.filter((each) => each.startsWith('From:'));
    expect(from?.slice(-60)).toMatch(/[ <]notices@example\.com>?$/);
    expect(others).toEqual([]);
    expect(fields.filter((each) => each.startsWith('Subject:'))).toEqual(['Subject: hm']);
  });
});
