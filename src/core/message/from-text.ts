// The authors that the From text of a ledger's extract names. That text is decoded and cut, so it proves nothing by
// itself. core/message/extract.ts records it, and core/notice/vouching.ts reads it. Pure.

import { type Mailbox, parseMailbox } from './address.ts';
import { toDomainKey } from './domain-key.ts';

export type Named = {
  /** Null where it is no domain. */
  readonly domainKey: string | null;
  /** Null where the word is no whole address: a quoted local part with a space. */
  readonly mailbox: Mailbox | null;
};

/** Each domain behind an at sign, with the address that it ends. */
export function namedIn(text: string): Named[] {
  return text.split(/[\s<>,;"'()]+/).flatMap((given) => {
    const word = given.replace(/\.$/, '');
    const domains = word.split('@').slice(1);
    return domains
      .filter((domain) => domain !== '')
      .map((domain) => ({ domainKey: toDomainKey(domain), mailbox: parseMailbox(word) }));
  });
}
