// What a next hop that is sick does with an attempt, in virtual time: how long it takes, and what it says in the end.
// hops.ts asks it before a message's own script. It decides nothing about mail.

import type { ScriptedReply } from '#adapters/memory/next-hop.ts';
import type { Transaction } from '#pipeline/ports.ts';
import { fractionOf } from './chance.ts';
import type { Sickness } from './conditions.ts';
import { MINUTE, SECOND } from './plan.ts';

/** Before MAIL: it can be left. After it only the function's own deadline ends it. */
export type Course = {
  readonly waitsMs: number;
  readonly beforeMail: boolean;
  /** Null: the message's own script. */
  readonly says: ScriptedReply | null;
  readonly secretVersion?: string;
};

/** The secret that is refused, and the one after the mend. */
export const REFUSED_SECRET = 'v1';
export const MENDED_SECRET = 'v2';

/** RFC 5321 §4.5.3.2: five minutes for a greeting, ten for the answer to the final dot. */
const GREETING_MS = 5 * MINUTE;
const FINAL_DOT_MS = 10 * MINUTE;

/** Of one attempt; `number` counts those that met a sickness there. */
export function courseOf(
  how: Sickness,
  of: { readonly seed: number; readonly nextHop: string },
  number: number,
): Course {
  const at = fractionOf(of.seed, `sick ${of.nextHop} ${number}`);
  switch (how) {
    case 'refuses':
      return { waitsMs: 0, beforeMail: true, says: { fault: at < 0.8 ? 'refused' : 'unreachable', at: 'connect' } };
    case 'silent':
      return { waitsMs: GREETING_MS, beforeMail: true, says: { fault: 'timeout', at: 'greeting' } };
    case 'slow':
      return { waitsMs: Math.round((8 + 40 * at) * SECOND), beforeMail: true, says: null };
    case 'stalls':
      // What SES says afterwards of a message follows from its script alone: it keeps none of these.
      return {
        waitsMs: FINAL_DOT_MS,
        beforeMail: false,
        says: { fault: 'timeout', at: 'final-dot', accepted: at < 0.4 && of.nextHop !== 'ses' },
      };
    case 'rate':
      return {
        waitsMs: 0,
        beforeMail: true,
        says: at < 0.7 ? (RATES[Math.floor(at * 10) % RATES.length] ?? null) : null,
      };
    case 'credentials':
      return { waitsMs: 0, beforeMail: true, says: LOGIN_REFUSED, secretVersion: REFUSED_SECRET };
    case 'turned':
      return { waitsMs: 0, beforeMail: true, says: turned(number) };
  }
}

const RATES: readonly ScriptedReply[] = [
  { code: 421, status: '4.3.2', text: 'Connection rate limit exceeded', at: 'greeting' },
  { code: 421, status: '4.7.0', text: 'try again later, closing connection', at: 'mail' },
  { code: 450, status: '4.7.1', text: 'rate exceeded', at: 'rcpt' },
];
const LOGIN_REFUSED: ScriptedReply = { code: 535, status: '5.7.8', text: 'authentication failed', at: 'auth' };

/** In the same words, with an id that differs each time. */
export const TURNED = 'we would rather not';
function turned(number: number): ScriptedReply {
  return { code: 550, text: `${TURNED} (q${number}x)`, at: 'rcpt' };
}

/** Waits as long as the course says; false: it was left before. */
export function waited(
  { waitsMs, beforeMail }: Course,
  after: (ms: number) => Promise<void>,
  { patience }: Transaction,
  signal: AbortSignal,
): Promise<boolean> {
  if (waitsMs === 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const leave = () => resolve(false);
    signal.addEventListener('abort', leave, { once: true });
    if (beforeMail) patience?.addEventListener('abort', leave, { once: true });
    if (signal.aborted || (beforeMail && patience?.aborted === true)) leave();
    void after(waitsMs).then(() => resolve(true));
  });
}
