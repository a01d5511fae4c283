// The verdicts on a received message: those that `set` names, and FAIL for the two test strings that every scanner
// knows (GTUBE, EICAR). Called by receiving.ts. It judges nothing else.

import type { Buffer } from 'node:buffer';

export type VerdictStatus = 'PASS' | 'FAIL' | 'GRAY' | 'PROCESSING_FAILED' | 'DISABLED';
export type DmarcPolicy = 'none' | 'quarantine' | 'reject';
export type Verdicts = {
  readonly spam: VerdictStatus;
  readonly virus: VerdictStatus;
  readonly spf: VerdictStatus;
  readonly dkim: VerdictStatus;
  readonly dmarc: VerdictStatus;
  /** Told only when DMARC failed. */
  readonly dmarcPolicy: DmarcPolicy;
};
/** Body of POST /verdicts: with a reverse-path for its mail alone ('' is the null one), else for all others. */
export type VerdictOrder = { readonly reversePath?: string } & Partial<Verdicts>;

const PASSED: Verdicts = { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'PASS', dmarc: 'PASS', dmarcPolicy: 'none' };
const STATUSES: readonly unknown[] = ['PASS', 'FAIL', 'GRAY', 'PROCESSING_FAILED', 'DISABLED'];
const POLICIES: readonly unknown[] = ['none', 'quarantine', 'reject'];

export type VerdictBook = {
  /** Sets verdicts. Throws an Error with one line that names the mistake. */
  set(order: unknown): void;
  of(reversePath: string): Verdicts;
};

export function verdictBook(): VerdictBook {
  let general: Partial<Verdicts> = {};
  const byPath = new Map<string, Partial<Verdicts>>();
  return {
    set(order) {
      const { reversePath, ...verdicts } = checkedOrder(order);
      if (reversePath === undefined) general = { ...general, ...verdicts };
      else byPath.set(reversePath, { ...byPath.get(reversePath), ...verdicts });
    },
    of: (reversePath) => ({ ...PASSED, ...general, ...byPath.get(reversePath) }),
  };
}

function checkedOrder(order: unknown): VerdictOrder {
  if (typeof order !== 'object' || order === null) throw new Error('verdicts: an object is wanted');
  for (const [name, value] of Object.entries(order)) {
    const known =
      name === 'reversePath'
        ? typeof value === 'string'
        : (name === 'dmarcPolicy' ? POLICIES : STATUSES).includes(value);
    if (!known || !(name === 'reversePath' || name in PASSED)) {
      throw new Error(`verdicts: ${name} cannot be ${JSON.stringify(value)}`);
    }
  }
  return order as VerdictOrder;
}

export type Finding = 'spam' | 'virus';
// Written in parts, so that no scanner takes this file for spam or a virus. The third is EICAR at the head of a
// base64 part.
const PATTERNS: readonly { readonly text: string; readonly finding: Finding }[] = [
  { text: `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL'}*C.34X`, finding: 'spam' },
  { text: `X5O!P%@AP[4\\PZX54(P^)7CC)7}${'$EICAR-STANDARD-'}ANTIVIRUS-TEST-FILE!$H+H*`, finding: 'virus' },
  { text: `WDVPIVAlQEFQWzRcUFpYNTQoUF4p${'N0NDKTd9JEVJQ0FS'}LVNUQU5EQVJE`, finding: 'virus' },
];
const OVERLAP = Math.max(...PATTERNS.map(({ text }) => text.length)) - 1;

/** Looks through a message chunk by chunk, also across their borders. */
export function scanner(): { look(chunk: Buffer): void; readonly findings: ReadonlySet<Finding> } {
  const findings = new Set<Finding>();
  let tail = '';
  return {
    findings,
    look(chunk) {
      const border = tail + chunk.toString('latin1', 0, OVERLAP);
      for (const { text, finding } of PATTERNS) {
        if (border.includes(text) || chunk.includes(text, 0, 'latin1')) findings.add(finding);
      }
      tail = chunk.length >= OVERLAP ? chunk.toString('latin1', chunk.length - OVERLAP) : border.slice(-OVERLAP);
    },
  };
}
