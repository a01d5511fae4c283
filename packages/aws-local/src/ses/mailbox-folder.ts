// The name of the folder for one address's mail. Called by outgoing.ts, for what SES sends into Maildirs, and by the
// product's built-in next hop. A name holds no path separator and does not begin with a dot, so that every folder lies
// in its parent.

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
