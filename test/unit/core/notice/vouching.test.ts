// What vouches for a reverse-path, as a table: every result of SPF, DKIM and DMARC, the author's domain, and the
// direction.

import { describe, expect, it } from 'vitest';
import type { VerdictStatus, Verdicts } from '#core/delivery/delivery.ts';
import { parseMailbox } from '#core/message/address.ts';
import { isVouchedFor } from '#core/notice/body.ts';
import { noticeFactsOf } from '#core/notice/facts.ts';
import { voucherOf } from '#core/notice/vouching.ts';
import { facts, queued } from '#test/contract/rows.ts';
import { pipelineSettings } from '#test/kit/pipeline.ts';

const STATUSES: readonly VerdictStatus[] = ['PASS', 'FAIL', 'GRAY', 'PROCESSING_FAILED', 'DISABLED'];
const at = (address: string) => {
  const mailbox = parseMailbox(address);
  if (mailbox === null) throw new Error(address);
  return mailbox;
};
const ann = at('ann@mail.src.example');
const verdicts = (spf: VerdictStatus, dkim: VerdictStatus, dmarc: VerdictStatus): Verdicts => ({
  spam: 'PASS',
  virus: 'PASS',
  spf,
  dkim,
  dmarc,
  dmarcPolicy: null,
});
const inbound = (given: Verdicts | null, fromField: string | null, reversePath = ann) =>
  voucherOf({ direction: 'inbound', reversePath, verdicts: given, fromField });

describe.each(STATUSES)('SPF %s', (spf) => {
  it.each(STATUSES.flatMap((dkim) => STATUSES.map((dmarc) => [dkim, dmarc] as const)))(
    'DKIM %s, DMARC %s: SPF by itself, DMARC where the author is aligned, DKIM never by itself',
    (dkim, dmarc) => {
      const given = verdicts(spf, dkim, dmarc);
      const byDmarc = (voucher: string) => (dmarc === 'PASS' ? voucher : null);
      for (const author of ['Ann <ann@mail.src.example>', 'Ann+list@MAIL.src.example', '"A @" <ann@mail.src.example.>'])
        expect(inbound(given, author)).toBe(spf === 'PASS' ? 'spf' : byDmarc('author'));
      for (const aligned of [
        'Eve <eve@mail.src.example>',
        'ann@SRC.example',
        '"A" <a@other.src.example.>',
        'x.ann@mail.src.example',
        '"x ann"@mail.src.example',
      ])
        expect(inbound(given, aligned)).toBe(spf === 'PASS' ? 'spf' : byDmarc('organization'));
      for (const foreign of [
        'x@other.example',
        'x@src.example.evil.example',
        'x@evilsrc.example',
        'x@example',
        'a@src.example, x@other.example',
        '"ann@src.example" <x@other.example>',
        'ann',
        '',
        null,
      ])
        expect(inbound(given, foreign)).toBe(spf === 'PASS' ? 'spf' : null);
    },
  );
});

it.each([
  ['two customers of one public suffix', 'ann@shop.co.uk', 'x@other.co.uk', null],
  ['a public suffix', 'ann@shop.co.uk', 'x@co.uk', null],
  ['two customers of one host of web pages', 'ann@ann.github.io', 'x@eve.github.io', null],
  ['one organization', 'ann@a.shop.co.uk', 'x@shop.co.uk', 'organization'],
  ['an internationalised domain in its two forms', 'ann@xn--bcher-kva.example', 'ann@bücher.example', 'author'],
  ['an address literal', 'ann@[192.0.2.1]', 'x@[192.0.2.1]', null],
])('DMARC PASS: %s', (_, reversePath, fromField, wanted) => {
  expect(inbound(verdicts('GRAY', 'PASS', 'PASS'), fromField, at(reversePath))).toBe(wanted);
});

it('a body goes back on the word of an author’s own domain to the author alone', () => {
  const of = (reversePath: string) => {
    const plain = facts('m1', { reversePath, verdicts: verdicts('GRAY', 'PASS', 'PASS') });
    return isVouchedFor({ ...plain, extract: { ...plain.extract, from: 'Ann <ann@src.example>' } });
  };
  expect(['ann@src.example', 'ann+1@src.example', 'eve@src.example', 'ann@mail.src.example'].map(of)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

it('mail of our own submitters is vouched for by their login, mail without a receipt by nothing', () => {
  expect(voucherOf({ direction: 'outbound', reversePath: ann, verdicts: null, fromField: null })).toBe('login');
  expect(inbound(null, 'ann@src.example')).toBeNull();
});

it('a From text that misleads vouches for nobody, neither for a notice nor for a body', () => {
  const passed = { spam: 'PASS', virus: 'PASS', spf: 'GRAY', dkim: 'PASS', dmarc: 'PASS', dmarcPolicy: null } as const;
  const of = (fromMisleads: object) => {
    const plain = facts('m1', { reversePath: 'v@victim.example', verdicts: passed });
    return { ...plain, extract: { ...plain.extract, from: 'Victim <v@victim.example>', ...fromMisleads } };
  };
  expect([isVouchedFor(of({})), isVouchedFor(of({ fromMisleads: true }))]).toEqual([true, false]);
  const asked = (message: ReturnType<typeof of>) =>
    noticeFactsOf(pipelineSettings, { row: queued('m1', { message }), message, kind: 'ndr' }, 0).fromField;
  expect([asked(of({})), asked(of({ fromMisleads: true }))]).toEqual(['Victim <v@victim.example>', null]);
});
