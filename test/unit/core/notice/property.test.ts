// Whatever a notice is composed from: it never throws, passes the judge, is the same each time, and never shows the
// routed address. The seed is printed with every failure; SEED=n runs that one alone.

import { describe, expect, it } from 'vitest';
import type { Mailbox } from '#core/message/address.ts';
import type { Extract } from '#core/message/extract.ts';
import { composeNotice } from '#core/notice/compose.ts';
import { type NoticeInput, type NoticeOriginal, type NoticeRecipient, noticeStatus } from '#core/notice/input.ts';
import type { Reply } from '#core/reply/reply.ts';
import { parseStatus } from '#core/reply/status.ts';
import { judgeNotice, parseNotice } from '#test/judges/rfc3464.ts';

const SEEDS = 400;
const FIRST = 20_260_911;

type Random = () => number;

/** mulberry32: small, and the same everywhere. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const seeds =
  process.env.SEED === undefined ? Array.from({ length: SEEDS }, (_, i) => FIRST + i) : [Number(process.env.SEED)];

describe('any notice', () => {
  it(`is sound and keeps the routed address to itself (seeds ${seeds[0]} to ${seeds.at(-1)})`, () => {
    let scrubbed = 0;
    for (const seed of seeds) {
      const { input, targets } = inputOf(randomOf(seed));
      let notice: Uint8Array;
      try {
        notice = composeNotice(input);
      } catch (cause) {
        throw new Error(`seed ${seed} throws`, { cause });
      }
      expect(judgeNotice(notice), `seed ${seed}`).toEqual([]);
      expect(Buffer.from(composeNotice(input)).equals(Buffer.from(notice)), `seed ${seed}`).toBe(true);
      for (const target of targets)
        for (const text of readings(notice)) expect(text.includes(target), `seed ${seed}: ${target} leaks`).toBe(false);
      scrubbed += targets.length;
    }
    if (seeds.length === SEEDS) expect(scrubbed).toBeGreaterThan(SEEDS / 2); // the test does look for something
  });
});

it('a notice of limited size keeps to it, or to the least that a notice can be, and is sound', () => {
  let small = 0;
  const some = seeds.slice(0, SEEDS / 8);
  for (const seed of some) {
    const { input, targets } = inputOf(randomOf(seed));
    const least = composeNotice({ ...input, bytesMax: 0 }).length;
    const full = composeNotice(input).length;
    for (const bytesMax of [0, 4_500, full]) {
      const notice = composeNotice({ ...input, bytesMax });
      const about = `seed ${seed}, at most ${bytesMax}`;
      expect(judgeNotice(notice), about).toEqual([]);
      expect(notice.length, about).toBeLessThanOrEqual(Math.max(bytesMax, least));
      for (const target of targets)
        for (const text of readings(notice)) expect(text.includes(target), `${about}: ${target} leaks`).toBe(false);
      if (notice.length < full) small += 1;
    }
  }
  if (some.length > 1) expect(small).toBeGreaterThan(some.length / 2); // it does make some smaller
});

/** The bytes, and each part with its encoding undone; lower case, as they are and unfolded. */
function readings(notice: Uint8Array): string[] {
  const parsed = parseNotice(notice);
  if (typeof parsed === 'string') throw new Error(parsed);
  const octets = [Buffer.from(notice).toString('latin1'), ...parsed.parts.map((part) => part.content)];
  const texts = octets.flatMap((text) => [text, text.replace(/\r\n[ \t]+/g, '')]);
  return [...texts, ...texts.map((text) => Buffer.from(text, 'latin1').toString('utf8'))].map((text) =>
    text.toLowerCase(),
  );
}

function submitted(envid: string | null) {
  return { submitter: 'app', sha256: '', ret: null, envid } as const;
}

function inputOf(random: Random): { input: NoticeInput; targets: string[] } {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const int = (max: number) => Math.floor(random() * max);
  const maybe = <T>(make: () => T): T | null => (random() < 0.3 ? null : make());
  const routed = one([
    'secret.box7@hidden.example',
    'Kept-Back@intern.hidden.example',
    'verborgen@geheim-ß.example',
    'x@1.hidden.example',
    '"se cret"@hidden.example',
    '',
  ]);
  const kind = one(['ndr', 'delay', 'uncertain', 'success'] as const);

  const noise = (max: number) => {
    let text = '';
    for (let left = int(max); left > 0; left -= 1) {
      text += one([
        'a',
        'Z',
        '7',
        ' ',
        ' ',
        '.',
        '<',
        '>',
        '@',
        '=',
        '?',
        '%',
        '"',
        '\\',
        '\r',
        '\n',
        '\r\n',
        '\0',
        '\t',
        '\x1b',
        'é',
        '漢',
        '😀',
        '\ud800',
        '\u202e',
        '=?utf-8?Q?',
        '?=',
        '--=_',
        '\r\n.\r\n',
        ':',
      ]);
    }
    return text;
  };
  /** Foreign text with the routed address somewhere in it, set off as any writer sets off an address. */
  const foreign = (max: number) => {
    const echo = one([routed, routed.toUpperCase(), `<${routed}>`, routed.replace('@', '%40'), `rcpt=${routed};`]);
    return random() < 0.6 ? `${noise(max)} ${echo} ${noise(max)}` : noise(max);
  };
  const address = () =>
    one([
      'bob@example.com',
      'ß@bücher.example',
      '"a b"@example.com',
      `${'l'.repeat(int(1_500))}@example.com`,
      noise(30),
      '',
      'no-at-sign',
      '漢'.repeat(int(400)),
    ]);
  const instant = () => one([1_790_000_000_000, 0, -1, Number.NaN, Number.MAX_VALUE, int(2_000_000_000_000)]);
  const status = () => noticeStatus(kind, parseStatus(`${one([2, 4, 5])}.${int(9)}.${int(40)}`), null);
  const reply = (): Reply => ({
    code: one([550, 451, 250, 0, 99, 1000, Number.NaN]),
    status: maybe(() => status()),
    text: foreign(400),
    host: maybe(() => one(['mx.dest.example', foreign(20)])),
  });
  const recipient = (): NoticeRecipient => ({
    forwardPath: address(),
    originalRecipient: maybe(() =>
      one(['rfc822;bob@example.com', 'utf-8;bøb@fär.example', `${noise(20)};${noise(300)}`]),
    ),
    routedAddress: routed,
    status: status(),
    reply: maybe(reply),
    detail: maybe(() => foreign(200)),
    attempts: one([0, 1, 17, -1, Number.NaN]),
    firstAttemptAt: maybe(instant),
    lastAttemptAt: maybe(instant),
    willRetryUntil: maybe(instant),
    expired: random() < 0.5,
  });
  const mailbox = (text: string): Mailbox => ({
    address: text,
    localPart: text.split('@')[0] ?? '',
    domain: text.split('@')[1] ?? '',
    domainKey: text.split('@')[1] ?? '',
  });
  const extract: Extract = {
    from: maybe(() => foreign(60)),
    to: maybe(() => foreign(60)),
    date: maybe(() => foreign(60)),
    subject: maybe(() => foreign(300)),
    messageIdField: maybe(() => one([`<${routed}>`, '<1@src.example>', foreign(40)])),
    autoSubmitted: maybe(() => foreign(10)),
  };
  const header = () => {
    const end = one(['\r\n', '\n']);
    let text = '';
    for (let left = int(12); left > 0; left -= 1) {
      const name = one([
        'From',
        'To',
        'Subject',
        'Message-ID',
        'Delivered-To',
        'Received',
        'Bcc',
        'X-Everpost-Pass',
        'Return-Path',
        'Date',
        'x y',
        '',
      ]);
      text += `${name}${one([':', ':', ':', ' :', ''])} ${foreign(one([20, 20, 3_000]))}${end}`;
    }
    return Buffer.from(text + one([`${end}the body`, '', `${end}${noise(2_000)}`]), one(['utf8', 'latin1'] as const));
  };
  const original: NoticeOriginal =
    random() < 0.25
      ? { kind: 'unavailable' }
      : {
          kind: one(['headers', 'full'] as const),
          bytes: one([header(), header(), Buffer.alloc(0), Buffer.from(noise(500))]),
        };
  const first = recipient();
  const input: NoticeInput = {
    kind,
    from: one(['postmaster@example.com', 'postmaster@bücher.example', noise(20)]),
    to: mailbox(one(['ann@src.example', 'änn@src.example', '"a b"@src.example', noise(40)])),
    postmaster: one(['postmaster@example.com', noise(20)]),
    reportingMta: one(['example.com', 'bücher.example', noise(20)]),
    messageIdField: one(['<ndr.1@example.com>', noise(20)]),
    marker: one(['', '1 abc', noise(100)]),
    now: instant(),
    message: {
      spoolId: one(['d6iitobk75', noise(20)]),
      direction: 'inbound',
      reversePath: 'ann@src.example',
      objectKey: 'in/x',
      size: null,
      objectVersion: null,
      extract,
      verdicts: null,
      acceptedAt: instant(),
      configVersion: '1',
      ...(random() < 0.5 ? {} : { submission: submitted(maybe(() => noise(300))) }),
    },
    recipients: random() < 0.8 ? [first] : [first, recipient()],
    original,
    smtputf8: random() < 0.3,
    threading: random() < 0.7,
  };
  // Where chance put the routed address into an address that must be shown, there is nothing to look for.
  return { input, targets: routed === '' ? [] : [routed.toLowerCase()] };
}
