// Whether the disk under the data folder takes writes: asked after it has refused one, before the stores are opened
// again. It keeps nothing.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What opening the stores may need at once: LevelDB writes its log, 4 MB at most, into a table. */
const ROOM_BYTES = 8 * 1024 * 1024;

/** Throws what the system says where so much cannot be written. */
export function tryDisk(dataFolder: string): void {
  const path = join(dataFolder, 'room.tmp');
  try {
    writeFileSync(path, Buffer.alloc(ROOM_BYTES, 1));
  } finally {
    rmSync(path, { force: true });
  }
}
