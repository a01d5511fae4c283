// The verbs of `everpost`, each with its own file, and the planned verbs, which are refused by name. everpost.ts calls
// it. It loads a verb's file on demand: `sendmail` starts for every mail that cron or PHP sends, and must not wait for
// the argument library or for the other verbs.

import type { Verb } from './verb.ts';

export type VerbEntry = { readonly summary: string; readonly load: () => Promise<Verb> };

export const verbs: ReadonlyMap<string, VerbEntry> = new Map([
  [
    'trace',
    {
      summary: 'what became of a message, newest first',
      load: () => import('./trace.ts').then(({ trace }) => trace),
    },
  ],
  [
    'release',
    {
      summary: 'let held or quarantined deliveries go on',
      load: () => import('./release.ts').then(({ release }) => release),
    },
  ],
  [
    'retry',
    {
      summary: 'try again what the failure limit holds',
      load: () => import('./retry.ts').then(({ retry }) => retry),
    },
  ],
  [
    'hold',
    { summary: 'stop deliveries until they are released', load: () => import('./hold.ts').then(({ hold }) => hold) },
  ],
  [
    'remove',
    {
      summary: 'end deliveries; their senders are told',
      load: () => import('./remove.ts').then(({ remove }) => remove),
    },
  ],
  [
    'resubmit',
    {
      summary: 'relay again what a next hop took and lost',
      load: () => import('./resubmit.ts').then(({ resubmit }) => resubmit),
    },
  ],
  [
    'pause',
    {
      summary: 'keep mail for a next hop, of a direction, or all',
      load: () => import('./pausing.ts').then(({ pause }) => pause),
    },
  ],
  [
    'resume',
    {
      summary: 'deliver what a pause kept',
      load: () => import('./pausing.ts').then(({ resume }) => resume),
    },
  ],
  [
    'restore',
    {
      summary: 'put rows back into the ledger after a restore of its table',
      load: () => import('./restoring.ts').then(({ restore }) => restore),
    },
  ],
  [
    'classify',
    {
      summary: "what follows from a server's reply, and whose fault it is",
      load: () => import('./classify-reply.ts').then(({ classifyVerb }) => classifyVerb),
    },
  ],
  [
    'connector',
    {
      summary: 'what another mail system needs before it takes our mail',
      load: () => import('./connector.ts').then(({ connector }) => connector),
    },
  ],
  [
    'doctor',
    {
      summary: 'whether all is as it must be, each with its remedy',
      load: () => import('./doctor.ts').then(({ doctor }) => doctor),
    },
  ],
  [
    'canary',
    {
      summary: 'whether mail comes through: sends a message to itself',
      load: () => import('./canary-now.ts').then(({ canary }) => canary),
    },
  ],
  [
    'dns',
    {
      summary: 'the DNS records that the configuration needs',
      load: () => import('./dns.ts').then(({ dns }) => dns),
    },
  ],
  [
    'gateway',
    {
      summary: 'a submission server (SMTP) for mail from our side',
      load: () => import('./gateway.ts').then(({ gateway }) => gateway),
    },
  ],
  [
    'sendmail',
    {
      summary: 'submits one message, as sendmail does',
      load: () => import('./sendmail.ts').then(({ sendmailVerb }) => sendmailVerb),
    },
  ],
]);

/** Planned, in the order in which they come. Each moves into `verbs` with its own file. */
export const laterVerbs: readonly string[] = [
  ...['status', 'queue', 'show', 'explain', 'failures', 'expire', 'dlq', 'quarantine'],
  ...['route', 'sweep', 'rehearse', 'completion'],
  'console',
  ...['cost', 'import', 'destroy', 'erase', 'audit', 'alias'],
];
