// The number of acknowledged commits of a store, in a file beside it. Called by the stores when they commit and when
// they open. A store that holds fewer commits than its tally has lost some: its log is damaged or missing, and the
// store is not opened. The file never grows, so that a full disk does not stop it.

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export type Tally = {
  /** As an earlier process left it; null: nothing was ever acknowledged. */
  readonly before: number | null;
  /** Every commit up to this one is acknowledged. */
  acknowledge(commits: number): void;
  close(): void;
};

/**
 * Thrown where a store has less than was acknowledged, or cannot be read at all. The message names the file and
 * the remedy.
 */
export class DamagedStore extends Error {}

const DIGITS = 16;

/** Opens or creates the file. It never looks at the store: the caller compares. */
export function openTally(path: string): Tally {
  const before = read(path);
  const file = openSync(path, before === null ? 'w' : 'r+', 0o600);
  let open = true;
  if (before === null) writeSync(file, textOf(0), 0);
  return {
    before,
    acknowledge(commits) {
      if (open) writeSync(file, textOf(commits), 0);
    },
    close() {
      if (open) closeSync(file);
      open = false;
    },
  };
}

const textOf = (commits: number): string => `${String(commits).padStart(DIGITS, '0')}\n`;

function read(path: string): number | null {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return /^\d{16}\n/.test(text) ? Number(text.slice(0, DIGITS)) : null;
}
