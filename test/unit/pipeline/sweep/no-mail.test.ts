// The level NoMail in virtual time: mail by the clock for five weeks, as ingest notes it, and then none. The sweep
// publishes each minute, with the view of one function.

import { describe, expect, it } from 'vitest';
import { MemoryAccepted } from '#adapters/memory/accepted.ts';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Direction } from '#core/delivery/delivery.ts';
import { neverPaused, type Pause } from '#core/delivery/pause.ts';
import { AcceptedNotes } from '#pipeline/accepted-slots.ts';
import { AcceptedView, publishNoMail } from '#pipeline/sweep/no-mail.ts';
import { boardOf } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SLOT_MS = 5 * MINUTE;
/** A Monday. */
const START = Date.parse('2026-11-02T00:00:00Z');

type When = (date: Date) => boolean;
const always: When = () => true;
const inOfficeHours: When = (date) => date.getUTCDay() % 6 !== 0 && date.getUTCHours() >= 8 && date.getUTCHours() < 18;

/** Every ten minutes until `end`, as far as `when` has it. */
async function withMail(end: string, when: When, direction: Direction = 'inbound') {
  const clock = new MemoryClock(Date.parse(end));
  const watch = new MemoryWatch(() => clock.now());
  const slots = new MemoryAccepted();
  const board = new MemoryBoard();
  const accept = (at: number) => new AcceptedNotes({ slots, watch }, SLOT_MS).accepted(direction, at);
  for (let at = START; at < clock.now(); at += 10 * MINUTE) if (when(new Date(at))) await accept(at);
  const ports = { settings: pipelineSettings, accepted: new AcceptedView(slots), clock, watch, hourMs: HOUR };
  const publish = () => publishNoMail({ ...ports, board: boardOf({ clock, watch }, board) });
  const level = async () => {
    await publish();
    return watch.counted.findLast(({ metric }) => metric === 'NoMail')?.value;
  };
  /** Sweeps every minute, up to the first with an alarm, or for so long. */
  const alarmedAt = async (withinMs: number): Promise<string | null> => {
    for (const until = clock.now() + withinMs; clock.now() < until; clock.advance(MINUTE))
      if (((await level()) ?? 0) >= 1) return new Date(clock.now()).toISOString();
    return null;
  };
  return { clock, watch, slots, board, accept, level, alarmedAt };
}

describe('no mail', () => {
  it('after the MX record is removed at noon: an alarm half an hour later, until mail comes', async () => {
    const { clock, watch, accept, level, alarmedAt } = await withMail('2026-12-07T12:00:00Z', always);
    expect(await alarmedAt(DAY)).toBe('2026-12-07T12:25:00.000Z'); // the last one came at 11:50
    expect(watch.logged('sweep.no-mail')[0]?.fields).toEqual({ direction: 'inbound', minutes: 30 });
    for (const later of [HOUR, DAY, 7 * DAY]) {
      clock.advance(later);
      expect(await level()).toBeGreaterThan(30);
    }
    await accept(clock.now());
    expect(await level()).toBe(0);
    clock.advance(10 * MINUTE);
    expect(await level()).toBe(0);
  });

  it('over a weekend and over a night: none, and the next morning soon', async () => {
    const friday = await withMail('2026-12-11T18:00:00Z', inOfficeHours);
    expect(await friday.alarmedAt(62 * HOUR)).toBeNull();
    expect(await friday.alarmedAt(HOUR)).toBe('2026-12-14T08:25:00.000Z');
    const tuesday = await withMail('2026-12-08T18:00:00Z', inOfficeHours);
    expect(await tuesday.alarmedAt(14 * HOUR)).toBeNull();
    expect(await tuesday.alarmedAt(HOUR)).toBe('2026-12-09T08:25:00.000Z');
  });

  it('at a nightly gap of every night: three times as long as it', async () => {
    const notFrom2To4: When = (date) => date.getUTCHours() < 2 || date.getUTCHours() >= 4;
    const { alarmedAt } = await withMail('2026-12-08T02:00:00Z', notFrom2To4);
    expect(await alarmedAt(2 * HOUR)).toBeNull();
    const alarmed = Date.parse((await alarmedAt(DAY)) ?? '');
    expect(new Date(alarmed).toISOString()).toBe('2026-12-08T04:25:00.000Z'); // what was left of the allowance
  });

  it('before four weeks: nothing is said', async () => {
    expect(await (await withMail('2026-11-29T12:00:00Z', always)).alarmedAt(3 * DAY)).toBeNull();
    expect(await (await withMail('2026-11-30T12:00:00Z', always)).alarmedAt(3 * DAY)).not.toBeNull();
  });

  it('a new function knows the same', async () => {
    const { slots, clock, watch, alarmedAt } = await withMail('2026-12-07T12:00:00Z', always);
    await alarmedAt(DAY);
    const anew = new MemoryWatch();
    const accepted = new AcceptedView(slots);
    await publishNoMail({
      ...{ settings: pipelineSettings, accepted, clock, hourMs: HOUR },
      ...{ watch: anew, board: boardOf({ clock, watch }) },
    });
    expect(anew.total('NoMail')).toBe(30);
  });
});

describe('a pause', () => {
  const standing = (scope: string, mode: Pause['mode'], more: Partial<Pause> = {}): Pause => {
    return { ...neverPaused(scope), mode, since: Date.parse('2026-12-07T12:00:00Z'), by: 'operator', ...more };
  };
  it.each(['inbound', 'all', 'exchange'])('of %s does not matter to mail that comes in', async (scope) => {
    const { board, alarmedAt } = await withMail('2026-12-07T12:00:00Z', always);
    await board.writePause(standing(scope, 'hold'));
    expect(await alarmedAt(DAY)).toBe('2026-12-07T12:25:00.000Z');
  });

  it.each(['outbound', 'all'])('of %s has submitters come later: silence counts from its end', async (scope) => {
    const { board, clock, alarmedAt } = await withMail('2026-12-07T12:00:00Z', always, 'outbound');
    await board.writePause(standing(scope, 'drain'));
    expect(await alarmedAt(3 * HOUR)).toBeNull();
    const [from, until] = [Date.parse('2026-12-07T12:00:00Z'), clock.now()];
    const ended = [{ from, until, mode: 'drain' as const }];
    await board.writePause(standing(scope, null, { version: 1, since: until, ended }));
    expect(await alarmedAt(HOUR)).toBe('2026-12-07T15:30:00.000Z');
  });
});

describe('what ingest notes', () => {
  it('is one call for a thousand messages of five minutes, in each function', async () => {
    const [slots, watch] = [new MemoryAccepted(), new MemoryWatch()];
    let calls = 0;
    const note = slots.note.bind(slots);
    slots.note = async (...given) => {
      calls += 1;
      await note(...given);
    };
    const notes = new AcceptedNotes({ slots, watch }, SLOT_MS);
    for (let i = 0; i < 1_000; i++) await notes.accepted('inbound', START + i * 600); // ten minutes in all
    expect(calls).toBe(2);
    await notes.accepted('outbound', START + SLOT_MS);
    await notes.accepted('inbound', START); // late: no gap ends then
    expect([calls, await slots.between('inbound', 0, 1e9)]).toEqual([3, [START / SLOT_MS, START / SLOT_MS + 1]]);
  });

  it('is left out where the ledger refuses it, and no mail waits for it', async () => {
    const [slots, watch] = [new MemoryAccepted(), new MemoryWatch()];
    slots.note = () => Promise.reject(new Error('no'));
    await new AcceptedNotes({ slots, watch }, SLOT_MS).accepted('inbound', START);
    expect(watch.logged('ingest.acceptance-not-noted')).toHaveLength(1);
  });
});
