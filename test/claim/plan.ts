// A plan: all that one run of the simulator is made of. Messages and what their next hops do with them, troubles, and
// how often calls go wrong. A plan is data, so that a run that fails can be made smaller by leaving parts of it out.
// Types and settings alone.

import type { Settings } from '#config/settings.ts';
import type { Direction } from '#core/delivery/delivery.ts';
import type { Notify } from '#core/submission/submission.ts';
import { pipelineSettings } from '../kit/pipeline.ts';
import type { Condition } from './conditions.ts';
import type { End } from './evidence.ts';
import type { RestorePlan } from './restores.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const START = Date.UTC(2026, 10, 22, 10, 0, 0);

/** What a next hop does with one message for one address; `next` once the `times` are over. */
export type Fate =
  | { readonly kind: 'accept' }
  | { readonly kind: 'refuse'; readonly at: 'mail' | 'rcpt' | 'final-dot' }
  /** Put off: by a reply, by a connection that fails, or because something is ours to mend. */
  | {
      readonly kind: 'defer';
      readonly times: number;
      readonly how: 'reply' | 'network' | 'operator';
      readonly next: 'accept' | 'refuse';
    }
  /** The connection ends after the final dot; the server may have kept the message. */
  | { readonly kind: 'cut'; readonly times: number; readonly kept: boolean }
  /** It keeps the message and says that it does not. */
  | { readonly kind: 'lie'; readonly times: number; readonly says: 'later' | 'never' }
  /** The attempt ends its function, each time. */
  | { readonly kind: 'poison' }
  /** It does not answer until the function's time is short. */
  | { readonly kind: 'hang'; readonly times: number; readonly kept: boolean };

/** SES's event, and how long after the acceptance; 0: before our own word. */
export type Event = {
  readonly says: 'delivery' | 'bounce' | 'delay' | 'complaint' | 'send' | 'reject';
  readonly afterMs: number;
};

export type RecipientPlan = { readonly address: string; readonly notify: readonly Notify[] | null };
export type MessagePlan = {
  readonly number: number;
  readonly direction: Direction;
  /** Milliseconds after the start. */
  readonly at: number;
  readonly reversePath: string;
  readonly bytes: number;
  readonly recipients: readonly RecipientPlan[];
  /** Each notification names some of the recipients; some are named twice. By their place in `recipients`. */
  readonly notifications: readonly (readonly number[])[];
  readonly spam: boolean;
  readonly virus: boolean;
  /** Its domain asks that mail which fails DMARC, as this did, be refused. */
  readonly dmarcReject: boolean;
  /** RFC 3461 §4.3 and §4.4; outbound mail alone. */
  readonly ret: 'FULL' | 'HDRS' | null;
  readonly envid: string | null;
  readonly spf: 'PASS' | 'GRAY' | 'FAIL';
  /** By `fateKey`; what is not named is accepted. */
  readonly fates: Readonly<Record<string, Fate>>;
  /** By `fateKey`: what SES says of what it took. */
  readonly events: Readonly<Record<string, readonly Event[]>>;
  /** A report comes back to the return path under which it left. */
  readonly reportAfterMs: number | null;
};

export const fateKey = (nextHop: string, address: string) => `${nextHop} ${address}`;

/** Something that lasts, or happens once at an instant; milliseconds after the start. */
export type Trouble =
  | { readonly kind: 'outage'; readonly service: Service; readonly from: number; readonly until: number }
  /** The function ends each time: at its start, or at a call. */
  | {
      readonly kind: 'bad-deploy';
      readonly stage: Stage;
      readonly dies: Death;
      readonly from: number;
      readonly until: number;
    }
  | { readonly kind: 'purge-queue'; readonly queue: 'ingest' | 'relay' | 'bounce' | 'feedback'; readonly at: number }
  | {
      readonly kind: 'content';
      readonly message: number;
      readonly how: 'hidden' | 'damaged' | 'denied' | 'removed';
      readonly from: number;
      readonly until: number | null;
    }
  | { readonly kind: 'skew'; readonly stage: Stage; readonly worker: number; readonly byMs: number };

export type Death = 'at-start' | { readonly call: string; readonly when: 'before' | 'after' };

export const STAGES = ['ingest', 'relay', 'slowRelay', 'bounce', 'feedback', 'sweep', 'orphans', 'purge'] as const;
export type Stage = (typeof STAGES)[number];
export const SERVICES = ['ledger', 'queues', 'spool', 'next-hops', 'bounce-service'] as const;
export type Service = (typeof SERVICES)[number];

/** How often a call of a port goes wrong: probabilities. */
export type Rates = {
  readonly crash: number;
  readonly lostAnswer: number;
  readonly throttle: number;
  readonly stall: number;
  readonly doubleJob: number;
  readonly lostJob: number;
};

export type Plan = {
  readonly seed: number;
  readonly settings: Settings;
  readonly messages: readonly MessagePlan[];
  readonly troubles: readonly Trouble[];
  readonly conditions: readonly Condition[];
  readonly restore: RestorePlan | null;
  /** A function keeps between jobs what it keeps on AWS: board, places, counts. Else each job is its first. */
  readonly warm: boolean;
  readonly rates: Rates;
  /** Call faults by name: only these strike. Null: all that the rates bring. */
  readonly only: ReadonlySet<string> | null;
  /** Faults and arrivals end, milliseconds after the start. */
  readonly calmFrom: number;
  /** An operator redrives what lies in dead-letter queues. */
  readonly redrive: boolean;
  /** Ends that the troubles allow beside those of the script. */
  readonly alsoEnds: readonly End[];
};

const to = (via: string, more: Partial<Settings['routes'][number]['to'][number]> = {}) => ({
  via,
  address: null,
  copy: false,
  returnPath: 'keep' as const,
  ...more,
});
const smtp = pipelineSettings.nextHops.exchange;

/** One of each: routes that copy, fall back, rewrite, refuse and discard, next hops of every kind, both directions. */
export function settingsFor(given: {
  readonly lifetimeMs: number;
  readonly delayNoticeMs: number | null;
  readonly noticesBySes: boolean;
  readonly copies: boolean;
  readonly policy: 'quarantine' | 'refuse' | 'relay';
}): Settings {
  if (smtp === undefined || smtp.kind !== 'smtp') throw new Error('the pipeline has no exchange');
  const inbound = (match: string, actions: Settings['routes'][number]['to'], fallback: string | null = null) =>
    ({ match: [match], direction: 'inbound', to: actions, fallback }) as const;
  const target = (n: number) =>
    inbound(`fwd${n}@example.com`, [
      to('exchange', { address: `target${n}@far.example`, returnPath: n % 2 === 0 ? 'token' : 'srs' }),
    ]);
  return {
    ...pipelineSettings,
    domains: ['example.com', 'fb.example', 'ses.example', 'lmtp.example', 'copies.example'],
    nextHops: {
      exchange: smtp,
      backup: { ...smtp, hosts: ['backup.example.com'] },
      dovecot: { ...smtp, kind: 'lmtp', hosts: ['dovecot.example.com'] },
      ses: { kind: 'ses' },
      smart: { ...smtp, hosts: ['smart.example.com'] },
      refuser: { kind: 'refuse', status: '5.7.1' as never, text: 'not here' },
      trash: { kind: 'discard' },
    },
    routes: [
      inbound('refuse@example.com', [to('refuser')]),
      inbound('trash@example.com', [to('trash')]),
      ...[1, 2, 3, 4].map(target),
      inbound('*@fb.example', [to('exchange')], 'backup'),
      inbound('*@ses.example', [to('ses')]),
      inbound('*@lmtp.example', [to('dovecot')]),
      inbound('*@copies.example', [to('exchange'), to('dovecot', { copy: true }), to('ses', { copy: true })], 'backup'),
      inbound('*@example.com', [to('exchange')]),
      { match: ['*@.viases.example'], direction: 'outbound', to: [to('ses')], fallback: null },
      { match: ['*'], direction: 'outbound', to: [to('smart')], fallback: null },
    ],
    retry: {
      scheduleMs: [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR],
      lifetimeMs: given.lifetimeMs,
      delayNoticeMs: given.delayNoticeMs,
    },
    policy: { spam: given.policy, virus: given.policy, dmarcReject: given.policy, unscanned: 'relay' },
    notices: {
      ...pipelineSettings.notices,
      via: given.noticesBySes ? null : 'exchange',
      copyPostmasterOn: given.copies ? ['*'] : [],
      perDomainPerHour: 100_000,
    },
    retentionMs: {
      spool: 2 * given.lifetimeMs + DAY,
      versions: 7 * DAY,
      ledger: 90 * DAY,
      quarantine: 2 * given.lifetimeMs + DAY,
    },
    submitters: { app: { secret: 'everpost/app', senderDomains: ['example.com', 'app.example'] } },
  };
}
