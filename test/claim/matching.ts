// Which accepted message a next hop took: fields that were put in front are set aside, and what is left must be the
// accepted bytes, all of them and no others.

import type { Accepted, Taken } from './evidence.ts';

export type Matched = {
  readonly message: Accepted;
  /** A field of ours says that it may have come before. */
  readonly marked: boolean;
};
/** Null: these are nobody's bytes. */
export type Match = (taken: Taken) => Matched | null;

/** What we put in front, by name and whole field. */
export function isOurs(name: string, field: string): boolean {
  return /^x-everpost-[a-z-]+$/.test(name) || (name === 'received' && /\(Everpost\)/.test(field));
}

const FIELD = /([!-9;-~]+):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/y;
const TAIL_BYTES = 48;

/** `mayStandInFront` is asked of each field above the accepted bytes. */
export function matchOf(
  accepted: readonly Accepted[],
  mayStandInFront: typeof isOurs = isOurs,
  alike: (taken: Taken, message: Accepted) => boolean = () => false,
): Match {
  const byTail = Map.groupBy(accepted, ({ content }) => tailOf(content));
  const short = accepted.filter(({ content }) => content.length < TAIL_BYTES);
  return (taken) => {
    const candidates = [...(byTail.get(tailOf(taken.content)) ?? []), ...short].filter(({ content }) =>
      endsWith(taken.content, content),
    );
    const found = candidates
      .sort((a, b) => b.content.length - a.content.length)
      .flatMap((message) => {
        const front = frontOf(taken.content, message.content.length, mayStandInFront);
        return front === null ? [] : [{ message, marked: front.marked, front: front.text }];
      });
    const sent = found.filter(({ message: { deliveries } }) =>
      deliveries.some(({ ways }) =>
        ways.some(({ nextHop, address }) => nextHop === taken.nextHop && address === taken.address),
      ),
    );
    // Several with the same bytes for the same address: they say themselves whose they are.
    const exact =
      sent.find(({ message, front }) => front.includes(`id ${message.spoolId}-`)) ?? sent[0] ?? found[0] ?? null;
    return exact ?? bearer(accepted, taken, alike) ?? null;
  };
}

/** The fields above the last `bytes`; null where something else stands there. */
function frontOf(
  content: Uint8Array,
  bytes: number,
  mayStandInFront: typeof isOurs,
): { readonly text: string; readonly marked: boolean } | null {
  const text = Buffer.from(content.subarray(0, content.length - bytes)).toString('latin1');
  let marked = false;
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < text.length) {
    const field = FIELD.exec(text);
    const name = field?.[1]?.toLowerCase() ?? '';
    if (field === null || !mayStandInFront(name, field[0])) return null;
    if (name === 'x-everpost-possible-duplicate') marked = true;
  }
  return { text, marked };
}

/** The message whose id its Received field bears, and which it is alike. */
function bearer(
  accepted: readonly Accepted[],
  taken: Taken,
  alike: (taken: Taken, message: Accepted) => boolean,
): Matched | null {
  const head = Buffer.from(taken.content.subarray(0, 65_536)).toString('latin1');
  const id = /\(Everpost\)[^:]*?\sid ([\w-]+?)-[a-z2-7]{16}/.exec(head)?.[1];
  const message = accepted.find(({ spoolId }) => spoolId === id);
  if (message === undefined || !alike(taken, message)) return null;
  return { message, marked: /^x-everpost-possible-duplicate:/im.test(head) };
}

function endsWith(content: Uint8Array, end: Uint8Array): boolean {
  return content.length >= end.length && Buffer.compare(content.subarray(content.length - end.length), end) === 0;
}

function tailOf(content: Uint8Array): string {
  return Buffer.from(content.subarray(-TAIL_BYTES)).toString('latin1');
}
