// What a server's reply means, asked of its witnesses: what the sender reads in the notice, and what the ledger and the
// trace keep of the row or rule that decided. One row of the reply rules for each reason, and what no row knows.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { classifyVerb } from '#cli/classify-reply.ts';
import { PHASES_OF } from '#core/reply/rules/fit.ts';
import { rowGroups } from '#core/reply/rules/providers.ts';
import type { ReplyRow, Stage } from '#core/reply/rules/row.ts';
import { acceptedBefore } from '../kit/board.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { replyOf } from '../kit/replies.ts';

const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const HOURS = 50; // past the lifetime

/** A mail to bob, at whose next hop every attempt hears this. */
async function heard(stage: Stage, wire: string) {
  const { code, status, text } = replyOf(wire);
  const at = PHASES_OF[stage].at(-1) ?? 'rcpt';
  const ok = { code: 250, status: '2.0.0', text: 'Ok' };
  const pipeline = new TestPipeline((to) =>
    to.address === ANN ? ok : { code, text, at, ...(status === null ? {} : { status }) },
  );
  await acceptedBefore(pipeline);
  pipeline.receive('m1', ANN, [BOB]);
  await pipeline.work();
  const early = pipeline.exchange.accepted.length;
  await pipeline.live(HOURS);
  const notices = pipeline.exchange.accepted.map(({ content }) => Buffer.from(content).toString('latin1'));
  const [record] = await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 });
  const row = record?.rows.find(({ kind }) => kind === 'delivery') ?? expect.fail('there is no row');
  return { early, notices, row };
}

let out = '';
beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

async function told(stage: Stage, wire: string): Promise<{ says: string; outcome: string; rule: string | null }> {
  out = '';
  await classifyVerb.run([wire, '--stage', stage, '--json']);
  return JSON.parse(out);
}

const plain = (notice: string) => notice.replace(/=\r\n/g, '').replace(/\s+/g, ' ');

const rows = rowGroups.flatMap((group) => group.rows).filter(({ stage }) => /^(?:mail|rcpt|dot)$/.test(stage));
const ofEachReason = [...new Set(rows.map(({ reason }) => reason))].map(
  (reason) =>
    rows.find((row) => row.reason === reason && row.says !== undefined) ?? rows.find((row) => row.reason === reason),
) as ReplyRow[];

it('there is a row for most reasons of a reply', () => {
  expect(ofEachReason.length).toBeGreaterThan(20);
  expect(ofEachReason.filter(({ says }) => says !== undefined).length).toBeGreaterThan(5);
});

describe('after a reply that a row takes', () => {
  it.each(ofEachReason.map((row) => [row.reason, row.id, row] as const))(
    '%s (%s): the notice states what everpost classify says',
    async (reason, id, { stage, seen, says }) => {
      const { early, notices, row } = await heard(stage, seen);
      const answer = await told(stage, seen);
      expect(answer.rule).toBe(id);
      // A failure is told at once, what waits at the end of its lifetime, and each once.
      expect([early, notices.length]).toEqual([answer.outcome === 'failed' ? 1 : 0, 1]);
      expect(plain(notices[0] ?? '')).toContain(answer.says);
      if (says !== undefined) expect(answer.says).toBe(says);
      expect([row.lastReason, row.lastRule, row.unrecognised]).toEqual([reason, id, undefined]);
      const attempts = row.trace.filter(({ event }) => event === 'FAIL' || event === 'DEFER');
      expect(attempts.map(({ rule }) => rule)).toEqual(attempts.map(() => id));
    },
  );
});

it.each<[Stage, string, string | undefined, true | undefined]>([
  ['rcpt', '550 No.', undefined, true],
  ['dot', '554 No.', undefined, true],
  ['mail', '550 No.', undefined, undefined],
  ['rcpt', '550 No such user', 'words-recipient-unknown', undefined],
  ['rcpt', '450 4.9.9 Later', 'code-4yz', undefined],
])('at %s %s: the ledger and the trace keep what decided, or that nothing did', async (stage, wire, rule, mark) => {
  const { notices, row } = await heard(stage, wire);
  expect(notices).toHaveLength(1);
  const { says } = await told(stage, wire);
  expect(plain(notices[0] ?? '')).toContain(says);
  expect([row.lastRule, row.unrecognised]).toEqual([rule, mark]);
  const last = row.trace.findLast(({ event }) => event === 'FAIL' || event === 'DEFER');
  expect([last?.rule, last?.unrecognised]).toEqual([rule, mark]);
});

it('what decided on one reply is not kept with the next one', async () => {
  let attempt = 0;
  const pipeline = new TestPipeline((to) => {
    if (to.address === ANN) return { code: 250, status: '2.0.0', text: 'Ok' };
    attempt += 1;
    if (attempt === 1) return { code: 450, status: '4.2.0', text: 'Greylisted', at: 'rcpt' };
    return attempt === 2 ? { fault: 'timeout', at: 'rcpt' } : { code: 550, text: 'No.', at: 'rcpt' };
  });
  await acceptedBefore(pipeline);
  pipeline.receive('m1', ANN, [BOB]);
  await pipeline.live(HOURS);
  const [record] = await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 });
  const row = record?.rows.find(({ kind }) => kind === 'delivery');
  expect(row).toMatchObject({ state: 'returned', unrecognised: true });
  expect(row?.lastRule).toBeUndefined();
  const tries = row?.trace.filter(({ event }) => event === 'FAIL' || event === 'DEFER') ?? [];
  expect(tries.map(({ rule, unrecognised }) => [rule !== undefined, unrecognised === true])).toEqual([
    [true, false],
    [false, false],
    [false, true],
  ]);
});
