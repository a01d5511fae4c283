// Decodes the text of a file that a person saved: editors and shells of Windows put a byte order mark before it, or
// write UTF-16 (Unicode §23.8). A JSON parser accepts neither. Every reader of such files calls it.

/** UTF-8, with or without its mark; UTF-16 with one. */
export function fileText(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes); // it leaves the mark out
}

/**
 * A line where users other than its owner may read a file of secrets; null where no other user may. `mode` is POSIX's:
 * elsewhere it says nothing.
 * @param group whether its group may read it: so a service reads what belongs to root
 */
export function openToOthers(path: string, mode: number, group = false): string | null {
  if ((mode & (group ? 0o037 : 0o077)) === 0) return null;
  return `${path} is open to others than its owner (mode ${(mode & 0o777).toString(8)}): chmod 600 ${path}`;
}
