// The name of the folder that keeps one address's mail, for what the emulated SES sends into Maildirs. Called by outgoing.ts.
// A name holds no separator and begins with no dot, so that a folder lies where it should.

import { createHash } from 'node:crypto';

/** An address as the name of one folder that can lie nowhere else: lower case, everything unusual as %XX. */
export function folderName(address: string): string {
  const name = address
    .toLowerCase()
    .replace(/[^\p{L}\p{N}@._+=-]/gu, (it) =>
      [...Buffer.from(it)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    )
    .replace(/^\.+/, (it) => '%2e'.repeat(it.length));
  if (Buffer.byteLength(name) <= 200) return name;
  return `${name.slice(0, 60)}%${createHash('sha256').update(address).digest('hex')}`; // folder names have 255 bytes
}
