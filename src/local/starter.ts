// Ends this process when the npm that started it ends. Called by main.ts. `npm start` runs a shell, and the shell runs
// us. A signal that ends npm alone, or kill -9 of npm, would otherwise leave us running with the ports and the lock. A
// process that a person started without npm ends by its own signals alone.

import { readFileSync } from 'node:fs';

const LOOK_MS = 500;

/** Calls back, once, when npm or the shell between has ended. Never where npm did not start us. */
export function starterGone(callback: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const grandparent = parentOf(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && parentOf(parent) === grandparent) return;
    clearInterval(timer);
    callback();
  }, LOOK_MS).unref();
}

/**
 * Linux: field 4 of /proc/PID/stat (proc(5)); the name in field 2 may hold anything but ends in ')'. Null elsewhere.
 */
function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
}
