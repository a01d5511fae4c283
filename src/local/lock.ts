// A lock file, so that one runtime uses a data folder: it names the process. Called by runtime.ts. After a kill the
// file stays. The next start sees that the process is gone and takes the lock. It never waits for another process.

import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export type LockFile = {
  readonly pid: number;
  /** Tells the process from a later one with the same number; null where the system has no such fact. */
  readonly startedAt: string | null;
};
export type Lock = { release(): void };

export const lockName = 'everpost.lock';

/** Thrown where the folder is not this user's. */
export class ForeignFolder extends Error {}

/** Thrown when another process has the folder; the message names it. */
export class DataFolderTaken extends Error {}

/**
 * Creates the folder if it must. Throws DataFolderTaken, ForeignFolder, or the system's error where the folder cannot
 * be written. `user` is who we are.
 */
export function takeLock(dataFolder: string, user = process.getuid?.()): Lock {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  if (user !== undefined) makeOwn(dataFolder, user);
  const path = join(dataFolder, lockName);
  const own: LockFile = { pid: process.pid, startedAt: startOf(process.pid) };
  for (let attempt = 1; ; attempt++) {
    try {
      const file = openSync(path, 'wx');
      writeFileSync(file, JSON.stringify(own));
      closeSync(file);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 3) throw error;
      const holder = readLock(dataFolder);
      if (holder !== null) throw new DataFolderTaken(`${dataFolder} is in use by process ${holder.pid}`);
      rmSync(path, { force: true });
    }
  }
  return { release: () => rmSync(path, { force: true }) };
}

/**
 * The folder has mail and credentials in it: it must be this user's, and from now on no other user can open it. It
 * refuses a folder that a stranger made, or that a stranger's link leads to, as can happen in a folder that everybody
 * may write to. POSIX alone.
 */
function makeOwn(dataFolder: string, user: number): void {
  for (const { uid } of [lstatSync(dataFolder), statSync(dataFolder)])
    if (uid !== user && uid !== 0)
      throw new ForeignFolder(`${dataFolder} belongs to another user (${uid}): name a folder of your own with --data`);
  const { mode, uid } = statSync(dataFolder);
  if ((mode & 0o077) === 0) return;
  // A folder that is shared on purpose stays shared.
  if ((mode & 0o1000) !== 0)
    throw new ForeignFolder(`${dataFolder} is shared by everybody: name a folder of your own with --data`);
  if (uid !== user)
    throw new ForeignFolder(
      `${dataFolder} is open to others, and not yours to close: name a folder of your own with --data`,
    );
  chmodSync(dataFolder, 0o700);
}

/** The process that has the folder, or null when there is none. */
function readLock(dataFolder: string): LockFile | null {
  let file: LockFile;
  try {
    file = JSON.parse(readFileSync(join(dataFolder, lockName), 'utf8')) as LockFile;
  } catch {
    return null; // none, or one that was never finished
  }
  return isAlive(file.pid) && startOf(file.pid) === file.startedAt ? file : null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Linux: field 22 of /proc/PID/stat, clock ticks since boot (proc(5)); the name in field 2 may hold anything but ends
 * in ')'.
 */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
