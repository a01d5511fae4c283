// Two hosts that behave by chance, and the messages of one function instance one after the other: what the hosts have
// of each message must agree with what the attempt says. No message is ever given to two hosts up to its final dot.

import { describe, expect, it } from 'vitest';
import { OPEN, TAKE, withHosts } from './hosts-case.ts';
import { message, never } from './smtp-case.ts';

/** The same numbers for the same seed (mulberry32). */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const PIPED = 'C: MAIL *\nC: RCPT *\nC: DATA\n';
const DOT = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\n';
/** What may come in place of a transaction that is taken: the connection ends with each of them. */
const ENDS: readonly string[] = [
  'cut',
  'reset',
  'S: 421 4.3.2 idle\ncut',
  'C: MAIL *\nS: 421 4.7.0 enough\ncut',
  `${PIPED}S: 452 4.3.1 disk full\nS: 503 no\nS: 503 no\ncut`,
  `${PIPED}S: 250 ok\nS: 451 4.3.0 later\nS: 503 no\ncut`,
  `${PIPED}S: 250 ok\nS: 550 5.1.1 no such user\nS: 503 no\ncut`,
  `${PIPED}S: 250 ok\nS: 421 bye\ncut`,
  `${PIPED}S: 250 ok\ncut`,
  `${PIPED}S: 250 ok\nS: 250 ok\nS: 451 4.3.0 no\ncut`,
  `${DOT}bytes: 5\ncut`,
  `${DOT}bytes: 5\nS: 421 bye\ncut`,
  `${DOT}content\ncut`,
  `${DOT}content\nS: 451 4.3.0 later\ncut`,
  `${DOT}content\nS: 554 5.7.1 spam\ncut`,
];
const OPENINGS: readonly string[] = ['S: 421 4.3.2 busy', 'S: 554 5.3.2 no', 'cut', 'S: 220 mx\nC: EHLO *\ncut'];

function scripts(below: (count: number) => number): readonly string[] {
  return Array.from({ length: 12 }, () => {
    if (below(4) === 0) return OPENINGS[below(OPENINGS.length)] ?? '';
    const taken = `${TAKE}\n`.repeat(below(3));
    return `${OPEN}\n${taken}${ENDS[below(ENDS.length)]}`;
  });
}

/** A part that leaves at once, and the rest when a server that breaks off has done so. */
async function* inParts(body: string): AsyncIterable<Uint8Array> {
  const half = Math.floor(body.length / 2);
  yield Buffer.from(body.slice(0, half));
  await new Promise((resolve) => setTimeout(resolve, 10));
  yield Buffer.from(body.slice(half));
}

describe('hosts by chance', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'seed %i: each message is where its attempt says',
    async (seed) => {
      const below = chance(seed);
      await withHosts({ hosts: { a: scripts(below), b: scripts(below) } }, async (hop, servers) => {
        for (let i = 0; i < 6; i++) {
          const body = `Subject: ${seed}-${i}\r\n\r\n${'hello\r\n'.repeat(below(2) === 0 ? 1 : 3_000)}`;
          const given = { ...message({ body }), content: inParts(body), contentAgain: async () => inParts(body) };
          const [result] = await hop.attempt(given, never());
          if (below(3) === 0) await hop.invocationEnded();
          if (result === undefined || !('phase' in result))
            throw new Error(`no word of a host: ${JSON.stringify(result)}`);
          const whole = Object.values(servers).flatMap(({ sessions }) => sessions.flatMap(({ contents }) => contents));
          const had = whole.filter((content) => content.toString() === body).length;
          const accepted = result.kind === 'reply' && result.reply.code === 250;
          // After the final dot a refusal may come before all was read, and a lost connection is a doubt.
          const expected = result.phase !== 'final-dot' ? [0] : accepted ? [1] : [0, 1];
          expect(expected, JSON.stringify(result)).toContain(had);
        }
      });
    },
  );
});
