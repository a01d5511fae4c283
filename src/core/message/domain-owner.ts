// Says whose an author's domain is, by the names in the configuration alone: ours, a submitter's, a stranger's. The
// decision on an author (author-trust.ts) and the check of submissions (core/submission/submitter.ts) call it. It reads
// no public suffix list: `everpost sendmail` starts for every mail of cron or PHP, and would load that list each time.

/**
 * The domain of ours that an author's domain belongs to: itself, or the closest one above it. Null: it is a stranger's.
 */
export function ownerOf(domainKey: string, ourDomains: readonly string[]): string | null {
  let owner: string | null = null;
  for (const domain of ourDomains)
    if ((domainKey === domain || domainKey.endsWith(`.${domain}`)) && domain.length > (owner?.length ?? 0))
      owner = domain;
  return owner;
}

/** A sub-domain belongs to whom its closest named parent belongs. */
export function isOwn(
  domainKey: string,
  { senderDomains, ourDomains }: { readonly senderDomains: readonly string[]; readonly ourDomains: readonly string[] },
): boolean {
  const owner = ownerOf(domainKey, [...ourDomains, ...senderDomains]);
  return owner !== null && senderDomains.includes(owner);
}
