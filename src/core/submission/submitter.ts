// Who may submit what (DESIGN §2.10). The reverse-path decides, as it does at any submission server: it must be of one of the
// submitter's own domains. Only where it is null does the author speak for it. Asked by ingest, and before it by who takes mail over
// SMTP; never by relay, which sends what was accepted.

import type { Settings } from '#config/settings.ts';
import type { ReversePath } from '#core/message/address.ts';
import { authorsOf } from '#core/message/authors.ts';
import type { HeaderField } from '#core/message/header.ts';

export type SenderFinding =
  | { readonly kind: 'allowed' }
  /** `reason` is stable: it stands in ledgers. */
  | {
      readonly kind: 'refused';
      readonly reason: 'submitter-unknown' | 'foreign-sender' | 'foreign-author';
      readonly detail: string;
    };

type Given = Pick<Settings, 'domains' | 'submitters'>;

/** By the reverse-path alone: what can be said before the content is there. A null one passes; its author is still to be asked for. */
export function mayUsePath({ submitters }: Given, submitter: string, reversePath: ReversePath): SenderFinding {
  const known = Object.hasOwn(submitters, submitter) ? submitters[submitter] : undefined;
  if (known === undefined) return refused('submitter-unknown', `no submitter is called ${submitter}`);
  if (reversePath === null || known.senderDomains.includes(reversePath.domainKey)) return { kind: 'allowed' };
  return refused('foreign-sender', `${submitter} may not send as ${reversePath.domainKey}`);
}

/** Reports and automatic answers have the null reverse-path: then every author must be of our domains, or of the submitter's. */
export function mayAuthor(given: Given, submitter: string, headers: readonly HeaderField[]): SenderFinding {
  const ours = new Set([...given.domains, ...(given.submitters[submitter]?.senderDomains ?? [])]);
  const authors = headers.filter(({ name }) => name.toLowerCase() === 'from').flatMap(({ value }) => authorsOf(value));
  if (authors.length > 0 && authors.every(({ mailbox }) => ours.has(mailbox.domainKey))) return { kind: 'allowed' };
  const who = authors.map(({ mailbox }) => mailbox.address).join(', ');
  return refused('foreign-author', `the reverse-path is null and the author is not of our domains: ${who || 'none'}`);
}

function refused(reason: Extract<SenderFinding, { kind: 'refused' }>['reason'], detail: string): SenderFinding {
  return { kind: 'refused', reason, detail };
}
