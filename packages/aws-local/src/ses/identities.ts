// Finds the identity by which SES sends as an address: the most specific verified one. Called by ses.ts. Permissions
// are asked for the identity's ARN (docs/aws-contracts.md §2.2). Pure.

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
