// Which of the account's identities the emulated SES takes for an address: the most specific one that is verified. Its ARN is what a permission
// is asked for (docs/aws-contracts.md §2.2). It decides nothing else.

/** Local parts as they are written, domains in any case. Null where no identity stands for the address. */
export function mostSpecificIdentity(address: string, identities: readonly string[]): string | null {
  const at = address.lastIndexOf('@');
  if (at < 1) return null;
  const local = address.slice(0, at);
  const labels = address
    .slice(at + 1)
    .toLowerCase()
    .split('.');
  const domains = labels.map((_, index) => labels.slice(index).join('.'));
  const [base = local] = local.split('+'); // an address stands for its labels
  const candidates = [`${local}@${domains[0]}`, `${base}@${domains[0]}`, ...domains];
  return candidates.find((candidate) => identities.includes(candidate)) ?? null;
}
