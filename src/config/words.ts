// How a line about the configuration shows a value, and which word was probably meant. Every reader of the
// configuration uses it. It shows a value on one line and in a few characters, and never throws.

import { printable } from '#core/message/printable.ts';

const SHOWN_MAX = 60;

/** A value as a line shows it. given.ts has replaced a value that is no data by a symbol that describes it. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'symbol':
      return value.description ?? 'a symbol';
    case 'string':
      return shownText(value);
    case 'number':
    case 'boolean':
      return String(value); // JSON has no NaN
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
    default:
      return `a ${typeof value}`;
  }
}

/** A text in quotes, with invisible characters written as escapes. */
function quoted(text: string): string {
  return printable(JSON.stringify(text));
}

function shownText(text: string): string {
  const shown = quoted(text.slice(0, SHOWN_MAX));
  return shown.length > SHOWN_MAX || text.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX)}…` : shown;
}

/** A path and a key below it, as JavaScript writes them: routes[2].to[0].via. */
export function join(at: string, key: string | number): string {
  if (typeof key === 'number') return `${at}[${key}]`;
  if (key.length > SHOWN_MAX || !/^[A-Za-z_$][\w$]*$/.test(key)) return `${at}[${shownText(key)}]`;
  return at === '' ? key : `${at}.${key}`;
}

const CHOICES_MAX = 20;

/** The allowed values of a place. */
export function among(choices: readonly string[]): string {
  if (choices.length > CHOICES_MAX)
    return `one of ${choices.slice(0, CHOICES_MAX).join(', ')} and ${choices.length - CHOICES_MAX} more`;
  return choices.length > 1 ? `one of ${choices.join(', ')}` : (choices[0] ?? 'nothing');
}

const MEANT_MAX = 64;

/**
 * The word that was probably meant: at most two letters away and fewer than half of it, or one that holds it or that it
 * holds.
 */
export function nearest(word: string, candidates: readonly string[]): string | null {
  if (word.length > MEANT_MAX) return null;
  const given = word.toLowerCase();
  let best: string | null = null;
  let least = Math.min(2, Math.floor((word.length - 1) / 2)) + 1;
  for (const candidate of candidates) {
    const distance = lettersApart(given, candidate.toLowerCase());
    if (distance < least) {
      best = candidate;
      least = distance;
    }
  }
  return best ?? candidates.find((candidate) => holds(given, candidate.toLowerCase())) ?? null;
}

function holds(a: string, b: string): boolean {
  return Math.min(a.length, b.length) >= 4 && (a.includes(b) || b.includes(a));
}

/** Insertions, deletions, substitutions and swaps of neighbours between two short words. */
function lettersApart(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
