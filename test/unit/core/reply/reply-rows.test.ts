// The rows of the reply rules: each row is the first that takes the reply that earned it, no row stands in the way of
// another, each has its public source, and no two are the same reply with other digits.

import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { askedOf } from '#core/reply/decision.ts';
import { REASONS } from '#core/reply/reasons.ts';
import { replyRules } from '#core/reply/reply-rules.ts';
import { foldText, PHASES_OF, ready, stagesOf } from '#core/reply/rules/fit.ts';
import { speaksForItself } from '#core/reply/rules/own-status.ts';
import { rowGroups } from '#core/reply/rules/providers.ts';
import type { ReplyRow } from '#core/reply/rules/row.ts';
import { statusOf } from '#core/reply/status.ts';
import { decided, replyOf } from '#test/kit/replies.ts';

const rows = rowGroups.flatMap((group) => group.rows);
const readied = rows.map(ready);

const askedBy = (row: ReplyRow) =>
  askedOf(PHASES_OF[row.stage].at(-1) ?? 'rcpt', replyOf(row.seen)) ?? expect.fail(row.id);

describe('each row', () => {
  test.each(rows.map((row) => [row.id, row] as const))('%s decides on what was seen, at its stage', (id, row) => {
    const { outcome } = decided(row.stage, row.seen);
    if (outcome.kind === 'relayed') throw new Error(`${id} is relayed`);
    expect([outcome.rule, outcome.reason]).toEqual([id, row.reason]);
  });

  test.each(rows.map((row, index) => [row.id, row, index] as const))('%s is taken by no other row', (_, row, index) => {
    const asked = askedBy(row);
    const takers = readied.filter(({ fits }) => fits(asked)).map((each) => each.row.id);
    // A later row may take it as well: the first one is the narrower. An earlier one never may.
    expect(takers[0]).toBe(row.id);
    expect(readied.slice(0, index).filter(({ fits }) => fits(asked))).toEqual([]);
  });

  test.each(rows.map((row) => [row.id, row] as const))('%s is written as rows are', (_, row) => {
    expect(row.id).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*$/);
    expect(row.seen).toMatch(/^[45]\d\d[ -]\S/);
    // An address without its scheme, a thread, a file of a repository, or a clause.
    expect(row.source).toMatch(
      /^(?:[\w.-]+\/[\w.-]+#\d+|[\w.-]+\/[\w.-]+:\S+|[a-z0-9-]+(?:\.[a-z0-9-]+)+\/\S+|RFC \d{3,4} §[\d.]+)$/,
    );
    expect(row.status !== undefined || row.text !== undefined, 'status or text').toBe(true);
    for (const part of [row.text ?? [], row.not ?? []].flat()) {
      expect(part).toBe(foldText(part));
      expect(part.trim().length).toBeGreaterThanOrEqual(3);
    }
    expect(stagesOf(row)).toContain(row.stage);
    const { permanent, fault } = REASONS[row.reason];
    if (row.seen.startsWith('4')) expect(permanent).not.toBe(true);
    if (['connect', 'ehlo', 'starttls', 'auth'].includes(row.stage))
      expect(['operator', 'next-hop', 'ours']).toContain(fault);
    if (row.says !== undefined) {
      expect(row.says).toMatch(/^[A-Z].*\.$/s);
      expect(row.says).not.toMatch(/lambda|ledger|dynamo|everpost|@/i);
    }
  });
});

describe('without its row', () => {
  const text = readFileSync(new URL('../../../fixtures/replies/rows.tsv', import.meta.url), 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const expected = lines.map((line) => line.split('\t') as [string, string, string, string, string]);

  test.each(expected)('%s: at %s, %s would be decided by something else', (id, stage, seen, kind, reason) => {
    const { outcome } = decided(stage, seen.replaceAll('\\n', '\n'));
    if (outcome.kind === 'relayed') throw new Error('it is relayed');
    expect([outcome.rule, outcome.kind, outcome.reason]).toEqual([id, kind, reason]);
  });

  it('is told by test/fixtures/replies/rows.tsv, where each row has its line', () => {
    const known = new Set(expected.map(([id]) => id));
    const missing = rows
      .filter(({ id }) => !known.has(id))
      .map(({ id, stage, seen, reason }) => {
        const { kind } = decided(stage, seen).outcome;
        return [id, stage, seen.replaceAll('\n', '\\n'), kind, reason].join('\t');
      });
    expect(missing).toEqual([]);
  });
});

it('has an id of its own, which no general rule has', () => {
  const ids = [...rows.map(({ id }) => id), ...replyRules.flatMap(({ id }) => (id === null ? [] : [id]))];
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
});

it('is really another reply, not the same one with other digits, addresses or hosts', () => {
  const plain = (seen: string) =>
    foldText(seen)
      .replace(/[45]\.\d{1,3}\.\d{1,3}/g, '')
      .replace(/[^\s<>()[\]]*@[^\s<>()[\]]*|https?:\S+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)+\b/g, '')
      .replace(/(?<!\b[a-z]+_\d*)[\d[\]().,:;<>"'-]+/g, ' ') // XGEMAIL_0011 is a name
      .replace(/\s+/g, ' ')
      .trim();
  const seen = rows.map((row) => plain(row.seen));
  expect(rows.filter((_, index) => seen.indexOf(seen[index] ?? '') !== index).map(({ id }) => id)).toEqual([]);
});

it('a row without a status leaves alone what speaks for itself', () => {
  const wrong = readied
    .filter(({ row }) => row.status === undefined)
    .flatMap(({ row, fits }) =>
      ['5.1.1', '5.1.8', '5.2.2', '5.3.4', '5.4.1', '5.6.0', '5.7.133']
        .filter((status) => fits({ ...askedBy(row), code: 550, status: statusOf(status) }))
        .map((status) => `${row.id} takes ${status}`),
    );
  expect(wrong).toEqual([]);
  expect(['5.1.1', '5.1.10', '5.2.4', '5.6.11', '4.2.2'].every(speaksForItself)).toBe(true);
  expect(['5.1.0', '5.2.0', '5.2.252', '5.7.1', '5.7.13', null].some(speaksForItself)).toBe(false);
});
