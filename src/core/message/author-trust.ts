// Decides whether an author in a domain of ours is trusted: the one decision on the From field. The SES header edit
// (core/message/ses-edit.ts) and the check of submissions (core/submission/submitter.ts) call it. An author without
// proof counts as a stranger; a missing verdict proves nothing. docs/authors.md has the table;
// test/unit/core/message/author-trust.test.ts checks that it is complete.

import { type Mailbox, parseReversePath } from './address.ts';
import { isOwn, ownerOf } from './domain-owner.ts';
import type { FromDoubt, FromReading } from './from-field.ts';
import { isAligned } from './organizational-domain.ts';

/** SES's verdicts that are about the author, in SES's words. */
export type AuthorVerdicts = { readonly spf: string; readonly dkim: string; readonly dmarc: string };

/** The facts about a message beside its bytes. */
export type AuthorEvidence =
  /**
   * Received: SES's verdicts, null where its receipt was lost, and the reverse-path as accepted, of which SPF speaks.
   */
  | { readonly by: 'receipt'; readonly verdicts: AuthorVerdicts | null; readonly reversePath: string }
  /** Submitted: the submitter's own domains, and all domains in whose name we send. */
  | { readonly by: 'submitter'; readonly senderDomains: readonly string[]; readonly ourDomains: readonly string[] };

/** Nothing at all. */
export const noEvidence: AuthorEvidence = { by: 'receipt', verdicts: null, reversePath: '' };

export type AuthorDecision =
  | { readonly kept: true; readonly author: Mailbox; readonly why: 'dmarc' | 'spf' | 'dkim' | 'submitter' }
  | { readonly kept: false; readonly why: FromDoubt | 'several-authors' | 'foreign' | 'dmarc-fail' | 'unproven' };

/**
 * Whether SES may sign in the author's name. `ourDomains`: those that SES has verified for us, their sub-domains
 * included. `signedBy`: core/message/signing-domains.ts; asked only where it counts.
 */
export function authorDecision(
  from: FromReading,
  evidence: AuthorEvidence,
  ourDomains: readonly string[],
  signedBy: () => readonly string[] | null,
): AuthorDecision {
  const [author, ...others] = from.authors;
  if (author === undefined) return rewritten(from.doubt ?? 'no-from-field');
  if (others.length > 0) return rewritten('several-authors');
  const { domainKey } = author;
  if (ownerOf(domainKey, ourDomains) === null) return rewritten('foreign');
  if (evidence.by === 'submitter')
    return isOwn(domainKey, evidence) ? { kept: true, author, why: 'submitter' } : rewritten('foreign');
  const proof = proofOf(domainKey, evidence, signedBy);
  return proof === 'dmarc-fail' || proof === 'unproven' ? rewritten(proof) : { kept: true, author, why: proof };
}

/**
 * RFC 7489 §3.1: the author's domain is proved by DMARC, or by a check of a domain that is aligned with it. DMARC FAIL
 * overrules both: the domain's owner may ask for more than relaxed alignment. A null reverse-path has no domain: SPF
 * then checks the HELO name.
 */
function proofOf(
  domainKey: string,
  { verdicts, reversePath }: Extract<AuthorEvidence, { by: 'receipt' }>,
  signedBy: () => readonly string[] | null,
): 'dmarc' | 'spf' | 'dkim' | 'dmarc-fail' | 'unproven' {
  if (verdicts === null) return 'unproven';
  const { spf, dkim, dmarc } = verdicts;
  if (dmarc === 'PASS') return 'dmarc';
  if (dmarc === 'FAIL') return 'dmarc-fail';
  const path = parseReversePath(reversePath);
  if (spf === 'PASS' && path && isAligned(path.domainKey, domainKey)) return 'spf';
  if (dkim !== 'PASS') return 'unproven';
  const signers = signedBy() ?? [];
  return signers.length > 0 && signers.every((signer) => isAligned(signer, domainKey)) ? 'dkim' : 'unproven';
}

function rewritten(why: Extract<AuthorDecision, { kept: false }>['why']): AuthorDecision {
  return { kept: false, why };
}
