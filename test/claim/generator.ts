// Makes the plan of a seed: messages of 1 to 50 recipients by routes of every kind, both directions, odd reverse-paths,
// and what each next hop does with them; then troubles. What a message draws hangs on the seed and its own number, so
// that leaving one out changes no other.

import { Chance, hashOf } from './chance.ts';
import { conditionsOf, endsAt, endsBy } from './conditions.ts';
import {
  DAY,
  type Event,
  type Fate,
  fateKey,
  HOUR,
  type MessagePlan,
  MINUTE,
  type Plan,
  type Rates,
  type RecipientPlan,
  settingsFor,
} from './plan.ts';
import { endsByRestore, restoreOf } from './restores.ts';
import { endsOf, troublesOf } from './troubles.ts';

export type Wish = {
  readonly messages?: number | undefined;
  readonly days?: number | undefined;
  /** Without conditions of next hops: what the seed played before there were any. */
  readonly plain?: boolean | undefined;
  /** A restore of the ledger in each seed, or in none; absent: in some. */
  readonly restore?: boolean | undefined;
};

const NO_RATES: Rates = { crash: 0, lostAnswer: 0, throttle: 0, stall: 0, doubleJob: 0, lostJob: 0 };

export function planOf(seed: number, wish: Wish = {}): Plan {
  const chance = new Chance(hashOf(seed, 'plan'));
  const lifetimeMs = chance.of([4 * HOUR, 8 * HOUR, 2 * DAY]);
  const settings = settingsFor({
    lifetimeMs,
    delayNoticeMs: chance.of([null, null, HOUR]),
    noticesBySes: chance.happens(0.25),
    copies: chance.happens(0.2),
    policy: chance.of(['quarantine', 'refuse', 'relay']),
  });
  const days = wish.days ?? chance.of([0.02, 0.1, 0.5]);
  const count =
    wish.messages ??
    chance.weighted([
      [5, chance.whole(1, 4)],
      [2, chance.whole(5, 12)],
    ]);
  const calmFrom = Math.round(days * DAY);
  const messages = Array.from({ length: count }, (_, number) => messageOf(seed, number, calmFrom));
  const style = chance.weighted([
    [2, 'calm'],
    [3, 'calls'],
    [2, 'troubles'],
    [3, 'both'],
  ] as const);
  const troubles =
    style === 'troubles' || style === 'both'
      ? troublesOf(new Chance(hashOf(seed, 'troubles')), { calmFrom, lifetimeMs, count })
      : [];
  const befalls = wish.plain === true ? null : conditionsOf(seed, { calmFrom, settings });
  const conditions = befalls?.conditions ?? [];
  const restore = restoreOf(seed, calmFrom, wish.restore);
  const lasts = troubles.map((trouble) => ('until' in trouble ? (trouble.until ?? 0) : 0));
  return {
    seed,
    settings: befalls?.settings ?? settings,
    messages: [...messages, ...(befalls?.messages ?? [])],
    troubles,
    conditions,
    restore,
    warm: befalls !== null,
    rates: style === 'calls' || style === 'both' ? ratesOf(chance) : NO_RATES,
    only: null,
    calmFrom: Math.max(calmFrom, ...lasts, endsAt(conditions), restore === null ? 0 : restore.at + HOUR),
    redrive: chance.happens(0.8),
    alsoEnds: [
      ...endsOf(troubles),
      ...endsBy(conditions, settings),
      ...endsByRestore(restore),
      ...(style === 'calm' ? [] : (['held: notice expired: *'] as const)),
    ],
  };
}

function ratesOf(chance: Chance): Rates {
  const some = (rate: number) => (chance.happens(0.5) ? rate * chance.fraction() ** 2 : 0);
  return {
    crash: some(0.3),
    lostAnswer: some(0.3),
    throttle: some(0.3),
    stall: some(0.05),
    doubleJob: some(0.4),
    lostJob: some(0.3),
  };
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

function messageOf(seed: number, number: number, calmFrom: number): MessagePlan {
  const chance = new Chance(hashOf(seed, `message ${number}`));
  const direction = chance.happens(0.3) ? 'outbound' : 'inbound';
  const recipients = recipientsOf(chance, number, direction);
  const fates: Record<string, Fate> = {};
  const events: Record<string, readonly Event[]> = {};
  for (const { address } of recipients) {
    for (const way of waysOf(address, direction)) {
      const key = fateKey(way.nextHop, way.address);
      fates[key] = fateOf(chance);
      // Of mail that it refused SES tells nothing.
      if (way.nextHop === 'ses' && fates[key]?.kind === 'lie') fates[key] = { kind: 'accept' };
      if (way.nextHop === 'ses') events[key] = eventsOf(chance);
    }
  }
  const reversePath = reversePathOf(chance, number, direction);
  const more = moreOf(new Chance(hashOf(seed, `verdicts and parameters ${number}`)), number);
  const mailbox = chance.weighted<Fate>([
    [8, { kind: 'accept' }],
    [3, fateOf(chance)],
  ]);
  if (!reversePath.startsWith('postmaster@'))
    for (const nextHop of ['exchange', 'ses-report']) fates[fateKey(nextHop, reversePath)] = mailbox;
  return {
    number,
    direction,
    at: chance.whole(0, calmFrom),
    reversePath,
    bytes: chance.weighted([
      [1, 0],
      [6, chance.whole(1, 4_000)],
      [2, chance.whole(30_000, 70_000)],
      [1, chance.whole(140_000, 300_000)],
    ]),
    recipients,
    notifications: notificationsOf(chance, recipients.length, direction),
    spam: chance.happens(0.08),
    ...more,
    spf: chance.weighted([
      [6, 'PASS'],
      [2, 'GRAY'],
      [1, 'FAIL'],
    ]),
    fates,
    events,
    reportAfterMs: chance.happens(0.5) ? chance.whole(MINUTE, 2 * HOUR) : null,
  };
}

function moreOf(chance: Chance, number: number): Pick<MessagePlan, 'virus' | 'dmarcReject' | 'ret' | 'envid'> {
  return {
    virus: chance.happens(0.04),
    dmarcReject: chance.happens(0.04),
    ret: chance.of([null, null, 'FULL', 'HDRS']),
    envid: chance.happens(0.3) ? `QQ${number}+x` : null,
  };
}

function recipientsOf(chance: Chance, number: number, direction: 'inbound' | 'outbound'): RecipientPlan[] {
  const count = chance.weighted([
    [5, 1],
    [4, chance.whole(2, 5)],
    [1, chance.whole(6, 50)],
  ]);
  const addresses = new Set<string>();
  for (let index = 0; index < count; index++)
    addresses.add(direction === 'inbound' ? inboundTo(chance, number, index) : outboundTo(chance, number, index));
  return [...addresses].map((address) => ({
    address,
    notify:
      direction === 'outbound' && chance.happens(0.3)
        ? chance.of([
            ['NEVER'],
            ['SUCCESS'],
            ['FAILURE'],
            ['SUCCESS', 'FAILURE'],
            ['DELAY'],
            ['FAILURE', 'DELAY'],
          ] as const)
        : null,
  }));
}

function inboundTo(chance: Chance, number: number, index: number): string {
  const own = `r${index}.m${number}`;
  return chance.weighted([
    [8, `${own}@example.com`],
    [3, `${own}@fb.example`],
    [3, `${own}@ses.example`],
    [2, `${own}@lmtp.example`],
    [3, `${own}@copies.example`],
    [2, `fwd${chance.whole(1, 4)}@example.com`],
    [1, 'refuse@example.com'],
    [1, 'trash@example.com'],
    [1, `${own}@unrouted.example`],
    [1, `"odd ${own}"@example.com`],
  ]);
}

function outboundTo(chance: Chance, number: number, index: number): string {
  const own = `r${index}.m${number}`;
  return chance.weighted([
    [5, `${own}@far.example`],
    [4, `${own}@x.viases.example`],
    [2, `${own}@example.com`],
  ]);
}

function reversePathOf(chance: Chance, number: number, direction: 'inbound' | 'outbound'): string {
  if (direction === 'outbound')
    return chance.weighted([
      [8, `s${number}@app.example`],
      [1, ''],
      [1, 's@foreign.example'],
    ]);
  return chance.weighted([
    [9, `s${number}@src.example`],
    [2, ''],
    [1, 'postmaster@example.com'],
    [1, `"s ${number}"@src.example`],
    [1, `s${number} is no path`],
  ]);
}

/** The routes of plan.ts, as their author means them: the delivery's way, its fallback's, the copies'. */
export function waysOf(
  address: string,
  direction: 'inbound' | 'outbound',
): {
  readonly nextHop: string;
  readonly address: string;
  readonly action: number;
  readonly copy: boolean;
  readonly fallback: boolean;
}[] {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  const way = (
    nextHop: string,
    more: {
      readonly action?: number;
      readonly copy?: boolean;
      readonly fallback?: boolean;
      readonly address?: string;
    } = {},
  ) => ({ nextHop, address, action: 0, copy: false, fallback: false, ...more });
  if (domain === 'x.viases.example') return [way('ses')];
  if (domain === 'far.example') return [way('smart')];
  if (domain === 'unrouted.example') return [];
  if (direction === 'outbound') return [way('smart')]; // an outbound route takes everything
  const forwarded = /^fwd(\d)@/.exec(address);
  if (forwarded !== null) return [way('exchange', { address: `target${forwarded[1]}@far.example` })];
  if (address.startsWith('refuse@') || address.startsWith('trash@')) return [];
  if (domain === 'fb.example') return [way('exchange'), way('backup', { fallback: true })];
  if (domain === 'ses.example') return [way('ses')];
  if (domain === 'lmtp.example') return [way('dovecot')];
  if (domain === 'copies.example')
    return [
      way('exchange'),
      way('backup', { fallback: true }),
      way('dovecot', { action: 1, copy: true }),
      way('ses', { action: 2, copy: true }),
    ];
  return [way('exchange')];
}

function fateOf(chance: Chance): Fate {
  const times = chance.whole(1, 4);
  return chance.weighted<Fate>([
    [12, { kind: 'accept' }],
    [4, { kind: 'refuse', at: chance.of(['mail', 'rcpt', 'final-dot']) }],
    [
      3,
      { kind: 'defer', times, how: chance.of(['reply', 'network', 'operator']), next: chance.of(['accept', 'refuse']) },
    ],
    [
      2,
      {
        kind: 'defer',
        times: Number.POSITIVE_INFINITY,
        how: chance.of(['reply', 'network', 'operator']),
        next: 'accept',
      },
    ],
    [3, { kind: 'cut', times: chance.of([1, 2, 3, Number.POSITIVE_INFINITY]), kept: chance.happens(0.6) }],
    [1, { kind: 'lie', times, says: chance.of(['later', 'never']) }],
    [1, { kind: 'poison' }],
    [1, { kind: 'hang', times: chance.whole(1, 2), kept: chance.happens(0.5) }],
  ]);
}

function eventsOf(chance: Chance): Event[] {
  const afterMs = () =>
    chance.weighted([
      [2, 0],
      [3, chance.whole(10, 2_000)],
      [3, chance.whole(MINUTE, 3 * HOUR)],
    ]);
  const last = chance.weighted<Event['says'] | null>([
    [6, 'delivery'],
    [3, 'bounce'],
    [1, 'reject'],
    [2, null],
  ]);
  const others = [
    chance.happens(0.3) ? 'send' : null,
    chance.happens(0.2) ? 'delay' : null,
    chance.happens(0.1) ? 'complaint' : null,
  ] as const;
  const says = [...others, last, chance.happens(0.3) ? last : null].filter((each) => each !== null);
  return says.map((each) => ({ says: each, afterMs: afterMs() }));
}

/** All in one; or two rules match, and there are two notifications; and any may come twice. */
function notificationsOf(chance: Chance, recipients: number, direction: 'inbound' | 'outbound'): number[][] {
  const all = Array.from({ length: recipients }, (_, index) => index);
  const repeats = chance.happens(0.2) ? 2 : 1;
  if (direction === 'outbound' || recipients === 1 || chance.happens(0.7))
    return Array.from({ length: repeats }, () => all);
  const cut = chance.whole(1, recipients - 1);
  const overlap = chance.whole(0, 1);
  return [all.slice(0, cut), all.slice(cut - overlap)].flatMap((part) => Array.from({ length: repeats }, () => part));
}
