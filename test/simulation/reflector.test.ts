// What a forger can have sent to somebody else by our notices: the mail of which this was first told, 57 KB to a
// hundred invented addresses with a victim's reverse-path, and its variations. Asked of what the victims' servers took;
// the table is printed. Where nothing vouches for the reverse-path, no more bytes go out than came in, but for messages
// smaller than their own notices.

import { afterAll, describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { noticesInAllMax, noticesPerAddressMax, noticesPerMessageMax } from '#core/limits.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';

const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const unknown = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const NOBODY = { gray: ['spf', 'dkim', 'dmarc'] } as const;
const KB = 1_000;
const BYTES = 57 * KB;

const invented = (count: number, domain: string) => Array.from({ length: count }, (_, i) => `x${i}@${domain}`);
/** Content of that size, its header section as given; the rest is body. */
const content = (
  bytes: number,
  header = 'From: Ann <ann@victim.example>\r\nTo: x@example.com\r\nSubject: s\r\nMessage-ID: <1@victim.example>\r\n',
) =>
  `${header}\r\n${'a line of the body, as long as they are in mail\r\n'.repeat(bytes / 49 + 1)}`
    .slice(0, bytes - 2)
    .concat('\r\n');

type Mail = { readonly from: string; readonly to: readonly string[]; readonly content: string };
type Figures = {
  readonly messages: number;
  readonly received: number;
  readonly notices: number;
  readonly sent: number;
  readonly untold: Readonly<Record<string, number>>;
};
const table: Record<string, string | number>[] = [];
afterAll(() => console.table(table));

/** The mails arrive within an hour; whom they name does not exist. */
async function reflected(
  name: string,
  mails: readonly Mail[],
  more: object = NOBODY,
): Promise<Figures & { readonly pipeline: TestPipeline }> {
  const ours = /@(?:.*\.)?example\.com$/;
  const settings = {
    ...pipelineSettings,
    notices: { ...pipelineSettings.notices, postmaster: 'postmaster@example.com' },
  };
  const pipeline = new TestPipeline((to) => (ours.test(to.address) ? unknown : ok), new Interrupt(), settings);
  for (const [index, mail] of mails.entries())
    pipeline.receive(`m${index}`, mail.from, mail.to, mail.content, [], more);
  await pipeline.live(0.5);
  const received = mails.reduce((sum, mail) => sum + Buffer.byteLength(mail.content), 0);
  const sent = pipeline.exchange.accepted.reduce((sum, each) => sum + each.content.length, 0);
  const untold: Record<string, number> = {};
  for (const { kind, state, stateReason } of pipeline.ledger.all())
    if (kind === 'delivery' && state !== 'returned')
      untold[`${state}: ${stateReason}`] = (untold[`${state}: ${stateReason}`] ?? 0) + 1;
  const figures = { messages: mails.length, received, notices: pipeline.exchange.accepted.length, sent, untold };
  table.push({
    mail: name,
    messages: mails.length,
    received,
    notices: figures.notices,
    sent,
    'sent/received': (sent / received).toFixed(3),
  });
  return { ...figures, pipeline };
}
const one = (bytes: number, header?: string) => [
  { from: 'ann@victim.example', to: invented(100, 'example.com'), content: content(bytes, header) },
];
const each = (count: number, from: (index: number) => string, to = 1) =>
  Array.from({ length: count }, (_, index) => ({
    from: from(index),
    to: invented(to, 'example.com'),
    content: content(BYTES),
  }));

it('57 KB to 100 invented addresses at the return path domain: nothing goes out', async () => {
  const mail = { from: 'ann@victim.example', to: invented(100, 'bounces.example.com'), content: content(BYTES) };
  const { notices, untold, pipeline } = await reflected('the return path domain', [mail]);
  expect(notices).toBe(0);
  expect(untold).toEqual({ 'discarded: return-path-unknown': 100 });
  expect(pipeline.spool.has('in/m0')).toBe(true);
});

describe('no more goes out than came in', () => {
  it.each([
    ['57 KB to 100 addresses that the next hop refuses', one(BYTES)],
    ['the same, all of it header section', one(BYTES, `Subject: s\r\nX-Fill: ${'fill '.repeat(15)}\r\n`.repeat(600))],
    ['the same, in 8-bit text', one(BYTES, `Subject: s\r\n${`X-Fill: ${'ü'.repeat(35)}\r\n`.repeat(700)}`)],
    [
      'the same, in what quoted-printable encodes',
      one(BYTES, `Subject: s\r\n${`X-Fill: ${'='.repeat(68)}\r\n`.repeat(700)}`),
    ],
    [
      'the same, its subject, author and Message-ID long',
      one(
        BYTES,
        `From: ${'ü'.repeat(400)} <ann@victim.example>\r\nSubject: ${'😀'.repeat(240)}\r\nMessage-ID: <${'i'.repeat(900)}@x>\r\nDate: ${'😀'.repeat(240)}\r\n`,
      ),
    ],
    ['300 KB', one(300 * KB)],
    ['24 KB', one(24 * KB)],
  ])('%s: five notices', async (name, mails) => {
    const { notices, sent, received, untold } = await reflected(name, mails);
    expect(notices).toBe(noticesPerMessageMax);
    expect(untold).toEqual({ 'unreturnable: message-limit': 95 });
    expect(sent).toBeLessThanOrEqual(received);
  });

  it.each([
    ['300 messages, one reverse-path', each(300, () => 'ann@victim.example'), noticesPerAddressMax, 'address-limit'],
    [
      '300 messages, its sub-addresses',
      each(300, (i) => `ann+${i}@victim.example`),
      noticesPerAddressMax,
      'address-limit',
    ],
    ['300 messages, one domain', each(300, (i) => `p${i}@victim.example`), 100, 'domain-limit'],
    ['300 messages, its sub-domains', each(300, (i) => `ann@s${i}.victim.example`), 100, 'domain-limit'],
    ['300 messages, sub-domains of sub-domains', each(300, (i) => `p${i}@a.s${i}.victim.co.uk`), 100, 'domain-limit'],
  ])('%s', async (name, mails, wanted, limit) => {
    const { notices, sent, received, untold, pipeline } = await reflected(name, mails);
    expect(notices).toBe(wanted);
    expect(untold).toEqual({ [`unreturnable: ${limit}`]: 300 - wanted });
    expect(sent).toBeLessThanOrEqual(received);
    expect(pipeline.watch.total('NoticeLimit')).toBe(0);
  });

  it('1,100 messages, each of another domain: the hour’s number in all, and an alarm', async () => {
    const mails = each(noticesInAllMax + 100, (i) => `ann@victim${i}.example`);
    const { notices, sent, received, untold, pipeline } = await reflected('1,100 messages, as many domains', mails);
    expect(notices).toBe(noticesInAllMax);
    expect(untold).toEqual({ 'unreturnable: total-limit': 100 });
    expect(sent).toBeLessThanOrEqual(received);
    expect(pipeline.watch.total('NoticeLimit')).toBe(100);
  });
});

it('five of seven are told, whenever a function dies: neither more nor fewer, at any port call', async () => {
  const run = async (interrupt: Interrupt) => {
    const pipeline = new TestPipeline((to) => (to.address === 'ann@victim.example' ? ok : unknown), interrupt);
    pipeline.receive('m1', 'ann@victim.example', invented(7, 'example.com'), undefined, [], NOBODY);
    await pipeline.live(24);
    const ends = pipeline.ledger
      .all()
      .flatMap((row) => (row.kind === 'delivery' ? [row.stateReason ?? row.state] : []));
    return { calls: interrupt.calls, ends: ends.sort(), notices: pipeline.exchange.accepted.length };
  };
  const told = [...Array(2).fill('message-limit'), ...Array(5).fill('returned')];
  const calm = await run(new Interrupt());
  expect(calm).toMatchObject({ ends: told, notices: noticesPerMessageMax });
  for (let call = 1; call <= calm.calls.length; call += 1) {
    for (const when of ['before', 'after'] as const) {
      const about = `crash ${when} call ${call} (${calm.calls[call - 1]})`;
      const { ends, notices } = await run(Interrupt.at(call, when));
      expect(ends, about).toEqual(told);
      expect(notices, about).toBeGreaterThanOrEqual(noticesPerMessageMax);
      expect(notices, about).toBeLessThanOrEqual(noticesPerMessageMax + 1); // a lost result is sent again, and marked
    }
  }
});

describe('a message that is smaller than its notice', () => {
  it.each([
    ['300 bytes to 100 addresses', 300],
    ['4 KB to 100 addresses', 4 * KB],
    ['12 KB to 100 addresses', 12 * KB],
  ])('%s: still five, each of 4 KB at the most', async (name, bytes) => {
    const { notices, sent, pipeline } = await reflected(name, one(bytes));
    expect(notices).toBe(noticesPerMessageMax);
    expect(sent).toBeLessThanOrEqual(noticesPerMessageMax * 4 * KB);
    for (const notice of pipeline.exchange.accepted)
      expect(Buffer.from(notice.content).toString()).toContain('Message-ID: <1@victim.example>');
  });
});

it('of a long header section what names the message goes back first, and the rest as there is room', async () => {
  const header = `${'X-Fill: fill\r\n'.repeat(400)}To: x@example.com\r\nSubject: s\r\nMessage-ID: <1@victim.example>\r\n`;
  const { pipeline } = await reflected('12 KB, half of it header section', one(12 * KB, header));
  const [notice] = pipeline.exchange.accepted.map((each) => Buffer.from(each.content).toString());
  expect(notice).toMatch(/^X-Fill: fill\r\n[\s\S]*^Subject: s\r\nMessage-ID: <1@victim\.example>\r\n/m);
  expect(notice?.split('X-Fill').length).toBeLessThan(100);
});

it('a message that the victim’s provider signed for another of its customers, sent again: as where nothing vouches', async () => {
  const header = 'From: Eve <eve@victim.example>\r\nSubject: s\r\nMessage-ID: <1@victim.example>\r\n';
  const byDkim = { gray: ['spf'], from: 'Eve <eve@victim.example>' } as const; // DMARC is PASS by the signature, and the envelope is the forger's
  const { notices, sent, received, untold, pipeline } = await reflected('DKIM replay', one(BYTES, header), byDkim);
  expect(notices).toBe(noticesPerMessageMax);
  expect(untold).toEqual({ 'unreturnable: message-limit': 95 });
  expect(sent).toBeLessThanOrEqual(received);
  expect(Buffer.from(pipeline.exchange.accepted[0]?.content ?? []).toString()).not.toContain('a line of the body');
});

it('where SPF vouches, every recipient is answered, and the original goes back', async () => {
  const { notices, untold, pipeline } = await reflected('SPF PASS: 57 KB to 100 addresses', one(BYTES), {});
  expect(notices).toBe(100);
  expect(untold).toEqual({});
  expect(Buffer.from(pipeline.exchange.accepted[0]?.content ?? []).toString()).toContain('a line of the body');
});
