// Whose author SES signs for, as a table: every verdict of SPF, DKIM and DMARC, aligned or not, of a domain of ours, a
// sub-domain and a stranger's. docs/authors.md shows the same table, and must show it whole.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseMailbox } from '#core/message/address.ts';
import { authorDecision, noEvidence } from '#core/message/author-trust.ts';
import { isOwn, ownerOf } from '#core/message/domain-owner.ts';
import { authorRows, authorTable, decide, STATUSES } from '../../../kit/author-table.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../../docs/authors.md'), 'utf8');

describe('an author of ours in mail that SES received', () => {
  const rows = authorRows();

  it('is judged in every case that there is', () => {
    expect(rows).toHaveLength(3 * 6 * 6 * STATUSES.length);
  });

  it.each(['ann@example.com', 'ann@eu.example.com'])(
    '%s is kept with DMARC PASS alone, or with an aligned PASS where DMARC says nothing',
    (author) => {
      for (const row of rows.filter((each) => each.author === author)) {
        const aligned = row.spf === 'PASS, aligned' || row.dkim === 'PASS, aligned';
        const wanted = row.dmarc === 'PASS' || (row.dmarc !== 'FAIL' && aligned);
        expect([row, row.decision.kept]).toEqual([row, wanted]);
      }
    },
  );

  it('is never kept where he is a stranger, whatever passed', () => {
    const strangers = rows.filter(({ author }) => author === 'eve@src.example');
    expect(strangers.map(({ decision }) => decision.why)).toEqual(strangers.map(() => 'foreign'));
  });

  it('is judged alike in a sub-domain', () => {
    const of = (author: string) => rows.filter((row) => row.author === author).map(({ decision }) => decision.why);
    expect(of('ann@eu.example.com')).toEqual(of('ann@example.com'));
  });

  it('is shown so in docs/authors.md', () => {
    expect(PAGE).toContain(authorTable());
  });
});

describe('what proves nothing', () => {
  it.each([
    ['no receipt', { verdicts: null }],
    ['a null reverse-path with SPF PASS, which speaks of the HELO name', { spf: 'PASS', reversePath: '' }],
    ['MAILER-DAEMON as reverse-path', { spf: 'PASS', reversePath: 'MAILER-DAEMON@example.com' }],
    ['SPF PASS of a domain whose name only ends alike', { spf: 'PASS', reversePath: 'a@notexample.com' }],
    ['SPF PASS of our domain as a label of another', { spf: 'PASS', reversePath: 'a@example.com.src.example' }],
    ['DKIM PASS without a signature that can be read', { dkim: 'PASS', signedBy: null }],
    ['DKIM PASS of one of two signers', { dkim: 'PASS', signedBy: ['example.com', 'src.example'] }],
    ['DKIM PASS of nobody', { dkim: 'PASS', signedBy: [] }],
  ] as const)('%s', (_, given) => {
    expect(decide('ann@example.com', given)).toMatchObject({ kept: false, why: 'unproven' });
  });

  it('nothing at all', () => {
    const author = parseMailbox('ann@example.com');
    if (author === null) throw new Error('no mailbox');
    const from = { authors: [author], doubt: null, domains: ['example.com'] };
    expect(authorDecision(from, noEvidence, ['example.com'], () => ['example.com'])).toMatchObject({ kept: false });
  });
});

describe('alignment is of organizations', () => {
  it.each([
    ['ann@example.com', 'b@mail.example.com', true],
    ['ann@eu.example.com', 'b@example.com', true],
    ['ann@eu.example.com', 'b@us.example.com', true],
    ['ann@example.com', 'b@example.net', false],
  ])('SPF PASS for %s from %s: %s', (author, reversePath, kept) => {
    expect(decide(author, { spf: 'PASS', reversePath }).kept).toBe(kept);
  });
});

describe('a domain belongs to', () => {
  const ours = ['example.com', 'news.example.com', 'example.org'];
  it.each([
    ['example.com', 'example.com'],
    ['a.b.example.com', 'example.com'],
    ['news.example.com', 'news.example.com'],
    ['x.news.example.com', 'news.example.com'],
    ['notexample.com', null],
    ['com', null],
    ['example.com.src.example', null],
  ])('%s: %s', (domain, owner) => {
    expect(ownerOf(domain, ours)).toBe(owner);
    expect(ownerOf(domain, [...ours].reverse())).toBe(owner);
  });
  it('a submitter where its closest named parent does', () => {
    const of = (senderDomains: string[]) =>
      ours
        .concat('x.news.example.com', 'eu.example.com')
        .filter((it) => isOwn(it, { senderDomains, ourDomains: ours }));
    expect(of(['example.com'])).toEqual(['example.com', 'eu.example.com']);
    expect(of(['news.example.com'])).toEqual(['news.example.com', 'x.news.example.com']);
    expect(of([])).toEqual([]);
  });
});
