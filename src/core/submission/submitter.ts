// Decides who may submit what (DESIGN §2.10): the reverse-path must be of one of the submitter's own domains, and so
// must every author in a domain of ours. Ingest calls it, and before ingest the gateway and sendmail. Relay never uses
// it to refuse: it sends what was accepted.

import type { Settings } from '#config/settings.ts';
import type { ReversePath } from '#core/message/address.ts';
import type { AuthorEvidence, AuthorVerdicts } from '#core/message/author-trust.ts';
import { isOwn, ownerOf } from '#core/message/domain-owner.ts';
import type { FromReading } from '#core/message/from-field.ts';
import { sendingDomains } from '#core/message/ses-use.ts';

export type SenderFinding =
  | { readonly kind: 'allowed' }
  /** `reason` is stable: it stands in ledgers. */
  | {
      readonly kind: 'refused';
      readonly reason: 'submitter-unknown' | 'foreign-sender' | 'foreign-author';
      readonly detail: string;
    };

type Given = Pick<Settings, 'domains' | 'submitters'>;

/** Checks the reverse-path alone, before the content is there. A null one passes; its author is checked later. */
export function mayUsePath({ submitters }: Given, submitter: string, reversePath: ReversePath): SenderFinding {
  const known = Object.hasOwn(submitters, submitter) ? submitters[submitter] : undefined;
  if (known === undefined) return refused('submitter-unknown', `no submitter is called ${submitter}`);
  if (reversePath === null || known.senderDomains.includes(reversePath.domainKey)) return { kind: 'allowed' };
  return refused('foreign-sender', `${submitter} may not send as ${reversePath.domainKey}`);
}

/**
 * Checks the authors, once the header section is there. An author in a domain of ours must be in one of the
 * submitter's, whatever the reverse-path is. A stranger's mail is accepted: a next hop that signs writes its author
 * anew. Where the reverse-path is null, as in reports and automatic answers, the author alone identifies the submitter:
 * then every author must be the submitter's. So must every author of a submitter that is known by its address.
 */
export function mayAuthor(given: Given, submitter: string, reversePath: ReversePath, from: FromReading): SenderFinding {
  const evidence = submitterEvidence(given, submitter);
  if (from.doubt === 'several-from-fields') return refused('foreign-author', severalFromFields);
  const foreign = from.domains.find(
    (domain) => ownerOf(domain, evidence.ourDomains) !== null && !isOwn(domain, evidence),
  );
  if (foreign !== undefined)
    return refused('foreign-author', `${submitter} may not send mail whose author is of ${foreign}`);
  const stranger = isKnownByAddress(given, submitter)
    ? from.domains.find((domain) => !isOwn(domain, evidence))
    : undefined;
  if (stranger !== undefined)
    return refused('foreign-author', `${submitter} is known by its address and may not pass on mail of ${stranger}`);
  if (from.unread)
    return refused('foreign-author', 'the From field or the header section is too long to see every author');
  if (reversePath !== null) return { kind: 'allowed' };
  if (from.authors.length > 0 && from.authors.every(({ domainKey }) => isOwn(domainKey, evidence)))
    return { kind: 'allowed' };
  const who = from.authors.find(({ domainKey }) => !isOwn(domainKey, evidence))?.domainKey ?? from.doubt ?? 'none';
  return refused('foreign-author', `the reverse-path is null and the author is not of ${submitter}'s domains: ${who}`);
}

/** An address proves less than a login: all mail submitted from it has the submitter's own authors alone. */
function isKnownByAddress({ submitters }: Given, submitter: string): boolean {
  return Object.hasOwn(submitters, submitter) && submitters[submitter]?.from !== undefined;
}

/** RFC 5322 §3.6: readers choose for themselves which one they show, so none of them can be vouched for. */
export const severalFromFields = 'the message has more than one From field, and RFC 5322 allows one';

/** The proof of this message's author, for a next hop that signs (core/message/author-trust.ts). */
export function authorEvidence(
  settings: Given,
  {
    submission,
    verdicts,
    reversePath,
  }: {
    readonly submission?: { readonly submitter: string };
    readonly verdicts: AuthorVerdicts | null;
    readonly reversePath: string;
  },
): AuthorEvidence {
  if (submission === undefined) return { by: 'receipt', verdicts, reversePath };
  return submitterEvidence(settings, submission.submitter);
}

function submitterEvidence(given: Given, submitter: string): Extract<AuthorEvidence, { by: 'submitter' }> {
  const { submitters } = given;
  const known = Object.hasOwn(submitters, submitter) ? submitters[submitter] : undefined;
  return { by: 'submitter', senderDomains: known?.senderDomains ?? [], ourDomains: sendingDomains(given) };
}

function refused(reason: Extract<SenderFinding, { kind: 'refused' }>['reason'], detail: string): SenderFinding {
  return { kind: 'refused', reason, detail };
}
