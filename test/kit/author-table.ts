// What becomes of authors in mail that SES received and that leaves by SES, in every case: `node
// test/kit/author-table.ts` prints it, a test checks it, docs/authors.md holds the table of it. Nothing is decided
// here: core/message/author-trust.ts is asked.

import type { VerdictStatus } from '#core/delivery/delivery.ts';
import { parseMailbox } from '#core/message/address.ts';
import { type AuthorDecision, authorDecision } from '#core/message/author-trust.ts';

export const STATUSES: readonly VerdictStatus[] = ['PASS', 'FAIL', 'GRAY', 'PROCESSING_FAILED', 'DISABLED'];
/** Of a check that says for which domain it passed. */
const CHECKS = ['PASS, aligned', 'PASS, not aligned', 'FAIL', 'GRAY', 'PROCESSING_FAILED', 'DISABLED'] as const;
type Check = (typeof CHECKS)[number];
const AUTHORS = ['ann@example.com', 'ann@eu.example.com', 'eve@src.example'] as const;
const OURS = ['example.com'];

export type AuthorRow = {
  readonly author: string;
  readonly spf: Check;
  readonly dkim: Check;
  readonly dmarc: VerdictStatus;
  readonly decision: AuthorDecision;
};
type Given = {
  readonly spf?: VerdictStatus;
  readonly dkim?: VerdictStatus;
  readonly dmarc?: VerdictStatus;
  readonly verdicts?: null;
  readonly reversePath?: string;
  readonly signedBy?: readonly string[] | null;
};

/** Without more: GRAY everywhere, the reverse-path a stranger's, signed by nobody. */
export function decide(author: string, given: Given): AuthorDecision {
  const mailbox = parseMailbox(author);
  if (mailbox === null) throw new Error(`${author} is no mailbox`);
  const { spf = 'GRAY', dkim = 'GRAY', dmarc = 'GRAY', reversePath = 'eve@src.example', signedBy = null } = given;
  const found = { spam: 'PASS', virus: 'PASS', spf, dkim, dmarc, dmarcPolicy: null } as const;
  const from = { authors: [mailbox], doubt: null, domains: [mailbox.domainKey] };
  const verdicts = given.verdicts === null ? null : found;
  return authorDecision(from, { by: 'receipt', verdicts, reversePath }, OURS, () => signedBy);
}

export function authorRows(): AuthorRow[] {
  return AUTHORS.flatMap((author) =>
    CHECKS.flatMap((spf) =>
      CHECKS.flatMap((dkim) =>
        STATUSES.map((dmarc) => {
          const domain = (check: Check) => (check === 'PASS, aligned' ? author.split('@')[1] : 'other.example');
          const status = (check: Check) => (check.startsWith('PASS') ? 'PASS' : check) as VerdictStatus;
          const given = { spf: status(spf), dkim: status(dkim), dmarc, reversePath: `b@${domain(spf)}` };
          const decision = decide(author, { ...given, signedBy: [domain(dkim) ?? ''] });
          return { author, spf, dkim, dmarc, decision };
        }),
      ),
    ),
  );
}

/** As docs/authors.md has it: of an author of ours; a sub-domain's is the same. */
export function authorTable(): string {
  const rows = authorRows().filter(({ author }) => author === AUTHORS[0]);
  const lines = CHECKS.flatMap((spf) =>
    CHECKS.map((dkim) => {
      const cells = rows.filter((row) => row.spf === spf && row.dkim === dkim).map(({ decision }) => said(decision));
      return `| ${[spf, dkim, ...cells].join(' | ')} |`;
    }),
  );
  const head = ['SPF', 'DKIM', ...STATUSES.map((status) => `DMARC ${status}`)];
  return [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...lines].join('\n');
}

function said({ kept, why }: AuthorDecision): string {
  return kept ? `**kept**: ${why}` : `rewritten: ${why}`;
}

if (import.meta.main) {
  for (const { author, spf, dkim, dmarc, decision } of authorRows())
    console.log([author.padEnd(20), spf.padEnd(18), dkim.padEnd(18), dmarc.padEnd(18), said(decision)].join(''));
}
