// Whether the disk under the data folder takes writes. runtime.ts asks after a refused write, before it opens the
// stores again. It keeps nothing.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The bytes that opening the stores may need at once: LevelDB writes its log, 4 MB at most, into a table. */
const ROOM_BYTES = 8 * 1024 * 1024;

/** Throws the system's error where so many bytes cannot be written. */
export function tryDisk(dataFolder: string): void {
  const path = join(dataFolder, 'room.tmp');
  try {
    writeFileSync(path, Buffer.alloc(ROOM_BYTES, 1));
  } finally {
    rmSync(path, { force: true });
  }
}
