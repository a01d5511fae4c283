// The one list of reasons not to send a notice, as a table: each row changes one or two facts of an ordinary failed
// message. The order matters too: where several reasons hold, the ledger must name the weightiest. Whether the answer
// is acted on is the pipeline's test, not this one's.

import { describe, expect, it } from 'vitest';
import type { Verdicts } from '#core/delivery/delivery.ts';
import type { Mailbox } from '#core/message/address.ts';
import { type NoticeFacts, reasonToWithhold } from '#core/notice/permission.ts';

const ann: Mailbox = { address: 'ann@src.example', localPart: 'ann', domain: 'src.example', domainKey: 'src.example' };
const pass: Verdicts = { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'PASS', dmarc: 'PASS', dmarcPolicy: null };
const fine: NoticeFacts = {
  kind: 'ndr',
  canary: false,
  ofNotice: false,
  copy: false,
  direction: 'inbound',
  reversePath: ann.address,
  to: ann,
  noticesFrom: 'postmaster@example.com',
  toReturnPath: false,
  bearsOurMarker: false,
  verdicts: pass,
  fromField: 'Ann <ann@src.example>',
  autoSubmitted: null,
  listMail: false,
  wayClosed: false,
  overLimit: null,
  mode: 'send',
  notify: null,
  foreignSender: false,
  confirmedBefore: false,
};
const unknown: Verdicts = { ...pass, spf: 'GRAY', dkim: 'GRAY', dmarc: 'GRAY' };

const cases: readonly [string, Partial<NoticeFacts>, string | null, 'unreturnable' | 'held' | null][] = [
  ['ordinary mail is answered', {}, null, null],
  ['a canary', { canary: true, copy: true }, 'canary', 'unreturnable'],
  ['null reverse-path', { reversePath: '', to: null }, 'null-reverse-path', 'unreturnable'],
  ['reverse-path that cannot be parsed', { reversePath: 'ann@@src', to: null }, 'reverse-path-invalid', 'unreturnable'],
  ['a copy is held, even with a null reverse-path', { copy: true, reversePath: '', to: null }, 'copy-delivery', 'held'],
  ['a notice that failed', { ofNotice: true, reversePath: '', to: null }, 'double-bounce', 'held'],
  [
    'our own notice address, whatever its case',
    { noticesFrom: 'ANN@src.example' },
    'own-notice-address',
    'unreturnable',
  ],
  ['our own marker', { bearsOurMarker: true }, 'own-notice', 'unreturnable'],
  ['mail to a return path of ours', { toReturnPath: true }, 'return-path', 'unreturnable'],
  ['the delay of it', { kind: 'delay', toReturnPath: true }, 'return-path', 'unreturnable'],
  ['NOTIFY=NEVER', { notify: ['NEVER'] }, 'notify-never', 'unreturnable'],
  ['NOTIFY=FAILURE', { notify: ['FAILURE'] }, null, null],
  ['NOTIFY=SUCCESS,DELAY', { notify: ['SUCCESS', 'DELAY'] }, 'notify-no-failure', 'unreturnable'],
  ['a delay, and NOTIFY=FAILURE', { kind: 'delay', notify: ['FAILURE'] }, 'notify-no-delay', 'unreturnable'],
  ['a delay, and NOTIFY=DELAY', { kind: 'delay', notify: ['DELAY'] }, null, null],
  ['a bounce that says nothing, and NOTIFY=FAILURE', { kind: 'uncertain', notify: ['FAILURE'] }, null, null],
  ['a bounce that says nothing, and NOTIFY=DELAY', { kind: 'uncertain', notify: ['DELAY'] }, null, null],
  [
    'a bounce that says nothing, and NOTIFY=SUCCESS',
    { kind: 'uncertain', notify: ['SUCCESS'] },
    'notify-no-delay',
    'unreturnable',
  ],
  ['a bounce that says nothing of list mail', { kind: 'uncertain', listMail: true }, null, null],
  ['a delay, and NOTIFY=NEVER', { kind: 'delay', notify: ['NEVER'] }, 'notify-never', 'unreturnable'],
  ['a success that was asked for', { kind: 'success', notify: ['SUCCESS'] }, null, null],
  [
    'a null reverse-path, and NOTIFY=NEVER',
    { reversePath: '', to: null, notify: ['NEVER'] },
    'null-reverse-path',
    'unreturnable',
  ],
  [
    'a sender who may not',
    { direction: 'outbound', verdicts: null, foreignSender: true },
    'foreign-sender',
    'unreturnable',
  ],
  ['what had been confirmed, and was resubmitted', { confirmedBefore: true }, 'resubmitted-confirmed', 'held'],
  [
    'the same, and a null reverse-path',
    { confirmedBefore: true, reversePath: '', to: null },
    'null-reverse-path',
    'unreturnable',
  ],
  ['the success of it', { kind: 'success', confirmedBefore: true, notify: ['SUCCESS'] }, null, null],
  ['SPF none sends', { verdicts: unknown }, null, null],
  ['SPF temperror sends', { verdicts: { ...unknown, spf: 'PROCESSING_FAILED' } }, null, null],
  ['SPF fail', { verdicts: { ...unknown, spf: 'FAIL' } }, 'spf-fail', 'unreturnable'],
  ['SPF fail, DMARC pass by an aligned DKIM', { verdicts: { ...pass, spf: 'FAIL' } }, null, null],
  ['aligned with a sub-domain', { verdicts: { ...pass, spf: 'FAIL' }, fromField: 'ann@mail.SRC.example' }, null, null],
  [
    'SPF fail, DMARC pass of another domain',
    { verdicts: { ...pass, spf: 'FAIL' }, fromField: 'x@other.example' },
    'spf-fail',
    'unreturnable',
  ],
  [
    'a top-level label aligns with nothing',
    { verdicts: { ...pass, spf: 'FAIL' }, fromField: 'x@example' },
    'spf-fail',
    'unreturnable',
  ],
  [
    'two authors align with nothing',
    { verdicts: { ...pass, spf: 'FAIL' }, fromField: 'a@src.example, b@src.example' },
    'spf-fail',
    'unreturnable',
  ],
  [
    'a suffix that is no sub-domain',
    { verdicts: { ...pass, spf: 'FAIL' }, fromField: 'a@evilsrc.example' },
    'spf-fail',
    'unreturnable',
  ],
  ['spam of an unverified sender', { verdicts: { ...unknown, spam: 'FAIL' } }, 'spam', 'unreturnable'],
  [
    'a virus of an unverified sender',
    { verdicts: { ...unknown, spam: 'FAIL', virus: 'FAIL' } },
    'virus',
    'unreturnable',
  ],
  ['spam that SPF vouches for goes back to who sent it', { verdicts: { ...pass, spam: 'FAIL' } }, null, null],
  [
    'DMARC fail of the reverse-path domain',
    { verdicts: { ...unknown, dmarc: 'FAIL', dmarcPolicy: 'reject' } },
    'dmarc-fail',
    'unreturnable',
  ],
  [
    'DMARC fail of another domain: the envelope decides',
    { verdicts: { ...unknown, dmarc: 'FAIL', dmarcPolicy: 'reject' }, fromField: 'ceo@bank.example' },
    null,
    null,
  ],
  ['DMARC fail without a policy', { verdicts: { ...unknown, dmarc: 'FAIL', dmarcPolicy: 'none' } }, null, null],
  ['outbound mail is ours', { direction: 'outbound', verdicts: null, overLimit: 'domain-limit' }, null, null],
  [
    'the hourly limit, where SPF does not vouch',
    { verdicts: unknown, overLimit: 'domain-limit' },
    'domain-limit',
    'unreturnable',
  ],
  ['the hourly limit does not bind where it does', { overLimit: 'domain-limit' }, null, null],
  ['Auto-Submitted does not suppress an NDR', { autoSubmitted: 'auto-generated' }, null, null],
  ['list mail gets its NDR', { listMail: true }, null, null],
  [
    'Auto-Submitted suppresses a delay notice',
    { kind: 'delay', autoSubmitted: 'auto-replied; owner=x' },
    'delay-auto-submitted',
    'unreturnable',
  ],
  ['Auto-Submitted: no does not', { kind: 'delay', autoSubmitted: 'No (typed)' }, null, null],
  ['list mail is not told of delays', { kind: 'delay', listMail: true }, 'delay-list-mail', 'unreturnable'],
  ['mode hold', { mode: 'hold' }, 'notices-held', 'held'],
  [
    'mode hold never hides a reason to withhold',
    { mode: 'hold', reversePath: '', to: null },
    'null-reverse-path',
    'unreturnable',
  ],
];

describe('reasonToWithhold', () => {
  it.each(cases)('%s', (_, change, name, state) => {
    const withheld = reasonToWithhold({ ...fine, ...change });
    expect(withheld?.name ?? null).toBe(name);
    const became = withheld === null ? null : withheld.heldBecause === null ? 'unreturnable' : 'held';
    expect(became).toBe(state);
    if (withheld !== null) expect(withheld.explanation).toMatch(/^\S[^\n]+$/);
  });
});
