// Keeps a message that `everpost sendmail` could not store, in ~/dead.letter, as sendmail does. Cron and PHP keep no
// copy of what they piped. sendmail.ts calls it at every exit at which nothing was stored. It appends, lets only the
// owner read the file, and follows no link: in a folder that others may write to, a link could name somebody else's
// file.

import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';

export type DeadLetter =
  | { readonly kind: 'kept'; readonly path: string }
  /** There was no message. */
  | { readonly kind: 'none' }
  | { readonly kind: 'lost'; readonly why: string };

export type DeadLetterPlace = {
  /** Null: the user has none. */
  readonly home: string | null;
  /** Where everybody may write: the last resort. */
  readonly shared: string;
  readonly uid: number;
};

/** `head` stands above the message's own bytes, which are kept as they came. */
export async function keepDeadLetter(
  message: AsyncIterable<Uint8Array>,
  head: string,
  place: DeadLetterPlace,
): Promise<DeadLetter> {
  const chunks = message[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done === true) return { kind: 'none' };
  const tried: string[] = [];
  const { home, shared, uid } = place;
  const places = [
    ...(home === null ? [] : [{ path: join(home, 'dead.letter'), exclusive: false }]),
    { path: join(shared, `dead.letter.${uid}`), exclusive: true },
  ];
  for (const { path, exclusive } of places) {
    const opened = await openOwn(path, exclusive, uid).catch((error: unknown) => String(error));
    if (typeof opened === 'string') {
      tried.push(`${path}: ${opened}`);
      continue;
    }
    try {
      await append(opened, head, first.value, chunks);
      return { kind: 'kept', path };
    } catch (error) {
      tried.push(`${path}: ${String(error)}`);
      break; // a part of the message is taken from its source: another place would get the rest alone
    } finally {
      await opened.close();
    }
  }
  return { kind: 'lost', why: tried.join('; ') };
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a file that is ours and no other user's, or says what it is instead. `exclusive`: we make it, or it exists and
 * is ours; never made over a link.
 */
async function openOwn(path: string, exclusive: boolean, uid: number): Promise<FileHandle | string> {
  const handle = exclusive
    ? await open(path, APPEND | constants.O_CREAT | constants.O_EXCL, 0o600).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        return open(path, APPEND);
      })
    : await open(path, APPEND | constants.O_CREAT, 0o600);
  const problem = problemOf(await handle.stat(), uid);
  if (problem === null) await handle.chmod(0o600);
  else await handle.close();
  return problem ?? handle;
}

function problemOf(stats: Stats, uid: number): string | null {
  if (!stats.isFile()) return 'it is no file';
  if (stats.uid !== uid) return 'it belongs to somebody else';
  return stats.nlink === 1 ? null : 'it has another name too';
}

async function append(
  handle: FileHandle,
  head: string,
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): Promise<void> {
  // One write for the bytes at hand, so that two programs that fail at once do not mix their messages.
  const held: Uint8Array[] = [Buffer.from(head), first];
  let last: number | undefined;
  let bytes = 0;
  const flush = async () => {
    const all = Buffer.concat(held.splice(0));
    last = all.at(-1) ?? last;
    for (let at = 0; at < all.length; ) at += (await handle.write(all, at)).bytesWritten;
    bytes = 0;
  };
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    held.push(next.value);
    bytes += next.value.length;
    if (bytes > HELD_BYTES_MAX) await flush();
  }
  await flush();
  await handle.write(last === 0x0a ? '\n' : '\n\n');
  await handle.sync();
}

const HELD_BYTES_MAX = 64 * 1024 * 1024;
