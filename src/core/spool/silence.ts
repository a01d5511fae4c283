// Whether no mail has been accepted for longer than ever: asked by the sweep, for each direction. What it compares with
// are the gaps between mail in the four weeks before the last message, by hour of the week (UTC). Time is counted in
// slots of five minutes: mail was accepted within a slot, or not. Pure. It knows no message.

import { hoursPerWeek, silenceGaps, silenceSlotsMin, slotsPerHour } from '#core/limits.ts';

const WEEK = hoursPerWeek * slotsPerHour;
/** How far back gaps are looked for, in slots. */
export const memorySlots = 4 * WEEK;

/** Numbers of slots since the epoch. */
export type AcceptedMemory = {
  /** The slots with mail within four weeks before the last one, ascending. */
  readonly slots: readonly number[];
  /** The latest slot with mail before these; null: none is known, so that the memory is younger than four weeks. */
  readonly older: number | null;
};

/** The slot of an instant; `slotMs` is five minutes, or shorter in the local runtime. */
export function slotAt(at: number, slotMs: number): number {
  return Math.floor(at / slotMs);
}

/**
 * Whole slots without mail, where the silence is longer than it may be; 0 where it is not, or cannot be told: the
 * memory is younger than four weeks, or too little mail comes. `since`: the silence counts from this slot on at the
 * earliest.
 *
 * In each hour of the week three times its longest gap is allowed. A silence that goes through several hours uses up a
 * part of each: half of what a night allows, then half of what the morning allows, is as long as it may be. Within one
 * hour this is three times its longest gap.
 */
export function overdueSlots({ slots, older }: AcceptedMemory, nowSlot: number, since = 0): number {
  const last = slots.at(-1);
  if (last === undefined || older === null || slots.length < silenceSlotsMin) return 0;
  const from = Math.max(last + 1, since);
  const longest = longestGaps([older, ...slots]);
  let used = 0;
  for (let at = from; at < nowSlot; ) {
    const next = Math.min(nowSlot, (hourOf(at) + 1) * slotsPerHour);
    used += (next - at) / (silenceGaps * (longest[hourOf(at) % hoursPerWeek] ?? WEEK));
    at = next;
  }
  return used > 1 - ROUNDING ? nowSlot - from : 0;
}
/** Sixths that are added up make no whole one. */
const ROUNDING = 1e-9;

/** Of each hour of the week the longest gap of which a part lay in it. */
function longestGaps(slots: readonly number[]): readonly number[] {
  const longest = new Array<number>(hoursPerWeek).fill(1);
  let before = slots[0] ?? 0;
  for (const slot of slots.slice(1)) {
    const first = hourOf(before + 1);
    const end = Math.min(first + hoursPerWeek, hourOf(slot - 1) + 1);
    for (let hour = first; hour < end; hour++) {
      const place = hour % hoursPerWeek;
      longest[place] = Math.max(longest[place] ?? 1, slot - before);
    }
    before = slot;
  }
  return longest;
}

function hourOf(slot: number): number {
  return Math.floor(slot / slotsPerHour);
}

/** The memory with slots that were read since: what is older than four weeks before the last one is let go. */
export function withSlots(memory: AcceptedMemory, more: readonly number[]): AcceptedMemory {
  const last = more.at(-1);
  if (last === undefined) return memory;
  const all = [...memory.slots, ...more];
  const kept = all.filter((slot) => slot > last - memorySlots);
  return { slots: kept, older: all[all.length - kept.length - 1] ?? memory.older };
}
