// Which accepted message a next hop took: the fields that we put in front are set aside, and what is left must be the accepted bytes, all of
// them and no others. Where an adapter may change them (SES, line ends), the caller of the checker says how to compare.

import type { Accepted, Taken } from './evidence.ts';

/** The accepted message that these are the bytes of; null: none. */
export type Match = (taken: Taken, body: Uint8Array) => Accepted | null;

/** What may stand in front of the accepted bytes. */
const OURS = /^(?:received|x-everpost-[a-z-]+)$/;
const FIELD = /^([!-9;-~]+):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/;

/** The accepted bytes, and whether a field of ours says that they may have come before. */
export function bodyOf(content: Uint8Array): { readonly body: Uint8Array; readonly marked: boolean } {
  const head = Buffer.from(content.subarray(0, 8_192)).toString('latin1');
  let at = 0;
  let marked = false;
  // A Received of ours opens what we put there; anything before it would be somebody else's.
  for (;;) {
    const field = FIELD.exec(head.slice(at));
    const name = field?.[1]?.toLowerCase() ?? '';
    if (field === null || !OURS.test(name)) break;
    if (name === 'received' && !/\(Everpost\)/.test(field[0])) break;
    if (name === 'x-everpost-possible-duplicate') marked = true;
    at += field[0].length;
  }
  return { body: content.subarray(at), marked };
}

/** By their exact bytes. A message of which several have the same bytes is told by its envelope. */
export function matchOf(accepted: readonly Accepted[]): Match {
  const byBytes = new Map<string, Accepted[]>();
  for (const message of accepted) {
    const key = keyOf(message.content);
    byBytes.set(key, [...(byBytes.get(key) ?? []), message]);
  }
  return (taken, body) => {
    const same = byBytes.get(keyOf(body)) ?? [];
    const exact = same.filter(({ content }) => Buffer.compare(content, body) === 0);
    const sent = exact.filter(({ deliveries }) =>
      deliveries.some(({ ways }) =>
        ways.some(({ nextHop, address }) => nextHop === taken.nextHop && address === taken.address),
      ),
    );
    // Several with the same bytes for the same address: they say themselves whose they are.
    const head = Buffer.from(taken.content.subarray(0, 8_192)).toString('latin1');
    return sent.find(({ spoolId }) => head.includes(`id ${spoolId}-`)) ?? sent[0] ?? exact[0] ?? null;
  };
}

/** Length and both ends: what is equal by it is compared in full. */
function keyOf(bytes: Uint8Array): string {
  const ends = Buffer.concat([bytes.subarray(0, 256), bytes.subarray(-64)]);
  return `${bytes.length}:${ends.toString('latin1')}`;
}
