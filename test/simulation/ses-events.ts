// SES's events about a delivery, for simulations: from the recorded ones, with this delivery's tag and this pipeline's
// time.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '#config/settings.ts';
import { pipelineSettings } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';

const RECORDED = {
  bounce: '01-bounce-permanent-general',
  suppressed: '04-bounce-account-suppression',
  full: '05-bounce-transient-mailbox-full',
  answer: '08-bounce-without-report',
  complaint: '14-complaint-abuse',
  delivery: '16-delivery',
  delay: '17-delivery-delay',
  reject: '18-reject',
  rendering: '19-rendering-failure',
  send: '20-send',
  unheardOf: '21-kind-of-the-future',
} as const;
export type Said = keyof typeof RECORDED;
export const FAILURES: readonly Said[] = ['bounce', 'suppressed', 'full', 'reject', 'rendering'];

type Recorded = Record<string, unknown> & { readonly mail: { readonly tags: object } };
const events = new Map<Said, Recorded>(
  Object.entries(RECORDED).map(([said, name]) => {
    const path = join(import.meta.dirname, '../fixtures/ses-events', `${name}.json`);
    return [said as Said, JSON.parse(readFileSync(path, 'utf8')) as Recorded];
  }),
);

/** The event as the feedback queue has it. */
export function say(said: Said, deliveryId: string): string {
  const event = events.get(said);
  if (event === undefined) throw new Error(`no event is called ${said}`);
  const tags = { ...event.mail.tags, everpost: [deliveryId] };
  return JSON.stringify({ ...event, mail: { ...event.mail, timestamp: new Date(ACCEPTED_AT).toISOString(), tags } });
}

/** Everything goes by SES; notices by `exchange`, unless `changes` say otherwise. */
export function bySes(changes: Partial<Settings['notices']> = {}): Settings {
  return {
    ...pipelineSettings,
    nextHops: { ...pipelineSettings.nextHops, ses: { kind: 'ses' } },
    routes: [
      {
        match: ['*@example.com'],
        direction: 'inbound',
        to: [{ via: 'ses', address: null, copy: false, returnPath: 'keep' }],
        fallback: null,
      },
    ],
    notices: { ...pipelineSettings.notices, ...changes },
  };
}
