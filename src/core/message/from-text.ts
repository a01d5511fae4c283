// What the From text of a ledger's extract names: it is decoded and cut, so that it proves nothing by itself. Read for
// the extract's own word on it (core/message/extract.ts), and for what vouches for a reverse-path
// (core/notice/vouching.ts). Pure.

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
