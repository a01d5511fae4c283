// Mutations of core/ but core/notice/: see run.ts.

import type { Mutation } from './mutation.ts';

export const coreMutations: readonly Mutation[] = [
  {
    name: 'levels/what-the-operator-must-correct-calls-nobody',
    file: 'src/core/reply/reasons.ts',
    text: "waitsForPerson: fault === 'operator' && permanent !== true,",
    replacement: 'waitsForPerson: false,',
    test: {
      file: 'test/infra/alarm-sets.test.ts',
      name: 'what waits for a person raises one of the four > mail that waits: login-refused',
    },
  },
  {
    name: 'levels/dead-letters-that-no-level-counts',
    file: 'src/pipeline/sweep/entered.ts',
    text: 'sum + visible + inFlight, 0);',
    replacement: 'sum + 0 * (visible + inFlight), 0);',
    test: {
      file: 'test/infra/alarm-sets.test.ts',
      name: 'a dead letter raises one of the four > of what enters, and of all further work',
    },
  },
  {
    name: 'readers/an-expression-for-the-end-of-a-line',
    file: 'src/core/message/field-lines.ts',
    text: "while (end > 0 && line.charAt(end - 1) === '\\r') end -= 1;",
    replacement: "end = line.replace(/\\r+$/, '').length;",
    test: {
      file: 'test/readers/readers.test.ts',
      name: 'the measure > finds nothing in a reader that takes linear time',
    },
  },
  {
    name: 'A14/a-setting-said-to-have-no-effect',
    file: 'src/config/schema.ts',
    text: "fallback: 'by SES: `SendBounce`",
    replacement: "noEffectYet: true, fallback: 'by SES: `SendBounce`",
    test: {
      file: 'test/unit/documents.test.ts',
      name: 'what has no effect yet > is read by nothing but the check, but for the secret that relay may read already',
    },
  },
  {
    name: 'feedback/a-success-notice-lost-to-a-confirmation',
    file: 'src/core/feedback/fact.ts',
    text: 'dueAt: wantsSuccessNotice(row) ? row.dueAt : null,',
    replacement: 'dueAt: null,',
    test: {
      file: 'test/unit/core/feedback/fact.test.ts',
      name: 'a fact > that is a success leaves the instant at which its submitter, who asked for it, hears of it',
    },
  },
  {
    name: 'A2/a-name-that-the-shell-parted',
    file: 'src/core/message/recipient-list.ts',
    text: 'unreadable: [...unreadable, ...parted] };',
    replacement: 'unreadable };',
    test: {
      file: 'test/unit/core/message/recipient-list.test.ts',
      name: 'a list in which somebody could be lost or invented: unreadable > as arguments: a name that the shell parted from its address',
    },
  },
  {
    name: 'A2/what-is-doubtful-is-left-out',
    file: 'src/core/message/recipient-list.ts',
    text: '...scan.doubtful.filter((each) => !isAmong(found, each))',
    replacement: '...scan.doubtful.filter((each) => isAmong(found, each))',
    test: {
      file: 'test/unit/core/message/recipient-list.test.ts',
      name: 'generated fields (seeds 20261129 to 20281128) > broken: all of them and nobody else, or nothing is sent',
    },
  },
  {
    name: 'A4/a-bounce-without-words-after-the-arrival',
    file: 'src/core/feedback/fact.ts',
    text: "  if (fact.kind === 'uncertain' && row.state === 'confirmed') return afterFact(row, arrived(fact), terms);\n",
    replacement: '',
    test: {
      file: 'test/unit/core/feedback/fact.test.ts',
      name: 'a fact > that is a bounce and says nothing is an answer where the arrival is known, and known when it comes again',
    },
  },
  {
    name: 'A4/warned-each-time',
    file: 'src/core/feedback/fact.ts',
    text: 'told: row.uncertain?.told ?? false };',
    replacement: 'told: false };',
    test: {
      file: 'test/unit/core/feedback/fact.test.ts',
      name: 'a fact > that is a bounce and says nothing is told of once, and not of a next hop that was left',
    },
  },
  {
    name: 'A5/an-address-chooses-the-rule',
    file: 'src/core/reply/decision.ts',
    text: 'const text = withoutAddresses(reply.text);',
    replacement: 'const text = withoutAddresses(reply.text) && reply.text;',
    test: {
      file: 'test/unit/core/reply/faults.test.ts',
      name: 'an address in a reply decides nothing, whoever chose it',
    },
  },
  {
    name: 'A5/a-row-outvotes-a-status-of-its-own',
    file: 'src/core/reply/rules/fit.ts',
    text: 'if (statuses === null ? speaksForItself(status) :',
    replacement: 'if (statuses === null ? false :',
    test: {
      file: 'test/unit/core/reply/reply-rows.test.ts',
      name: 'a row without a status leaves alone what speaks for itself',
    },
  },
  {
    name: 'A5/the-stage-alone-passes-for-knowledge',
    file: 'src/core/reply/classify.ts',
    text: "const unrecognised = rule === null && phase !== 'mail';",
    replacement: 'const unrecognised = false;',
    test: {
      file: 'test/simulation/reply-notices.test.ts',
      name: 'at rcpt 550 No.: the ledger and the trace keep what decided, or that nothing did',
    },
  },
  {
    name: 'A5/what-is-ours-is-tried-at-once',
    file: 'src/core/reply/reasons.ts',
    text: "const pace = fault === 'operator' ? 'long' : 'normal';",
    replacement: "const pace = 'normal' as const;",
    test: { file: 'test/unit/core/reply/faults.test.ts', name: 'what is ours is tried again on the long pace' },
  },
  {
    name: 'A7/an-author-with-a-broken-name-gets-no-answer',
    file: 'src/core/message/ses-edit.ts',
    text: 'if (!kept) {\n    const fromFields',
    replacement: "if (!kept && decision.why !== 'from-unclear') {\n    const fromFields",
    test: {
      file: 'test/unit/core/message/ses-edit.test.ts',
      name: 'a field that SES refuses is mended > an author whose name is broken is answered all the same, and nothing is signed in his name',
    },
  },
  {
    name: 'A6/a-failure-that-calls-itself-a-success',
    file: 'src/core/feedback/report-fields.ts',
    text: "const believed = given !== null && !(action === 'failed' && given.startsWith('2')) ? given : null;",
    replacement: 'const believed = given;',
    test: { file: 'test/unit/core/feedback/report.test.ts', name: 'each shape > 23-success-status-for-a-failure' },
  },
  {
    name: 'B4/a-disabled-scan-counts-as-one',
    file: 'src/core/routing/policy.ts',
    text: "return status === 'PASS' || status === 'FAIL';",
    replacement: "return status !== 'GRAY' && status !== 'PROCESSING_FAILED';",
    test: {
      file: 'test/unit/core/routing/policy.test.ts',
      name: 'with unscanned: quarantine > {"spam":"DISABLED"}',
    },
  },
  {
    name: 'B4/a-finding-that-is-relayed-ends-the-search',
    file: 'src/core/routing/policy.ts',
    text: "each !== null && each.kind !== 'relay') ??",
    replacement: 'each !== null) ??',
    test: {
      file: 'test/unit/core/routing/policy.test.ts',
      name: 'asks what else speaks against a message where policy relays one finding',
    },
  },
  {
    name: 'B2/no-verdict-is-innocence',
    file: 'src/core/message/author-trust.ts',
    text: "if (dmarc === 'PASS') return 'dmarc';",
    replacement: "if (dmarc === 'PASS' || dmarc === 'PROCESSING_FAILED') return 'dmarc';",
    test: {
      file: 'test/unit/core/message/author-trust.test.ts',
      name: 'an author of ours in mail that SES received > ann@example.com is kept with DMARC PASS alone, or with an aligned PASS where DMARC says nothing',
    },
  },
  {
    name: 'B2/a-pass-of-anybody-is-a-proof',
    file: 'src/core/message/author-trust.ts',
    text: 'path && isAligned(path.domainKey, domainKey)',
    replacement: 'path',
    test: {
      file: 'test/unit/core/message/author-trust.test.ts',
      name: 'an author of ours in mail that SES received > ann@eu.example.com is kept with DMARC PASS alone, or with an aligned PASS where DMARC says nothing',
    },
  },
  {
    name: 'B2/a-strict-policy-is-passed-over',
    file: 'src/core/message/author-trust.ts',
    text: "if (dmarc === 'FAIL') return 'dmarc-fail';",
    replacement: '',
    test: {
      file: 'test/unit/core/message/author-trust.test.ts',
      name: 'an author of ours in mail that SES received > is shown so in docs/authors.md',
    },
  },
  {
    name: 'B2/one-signer-of-ours-vouches-for-all',
    file: 'src/core/message/author-trust.ts',
    text: 'signers.every((signer)',
    replacement: 'signers.some((signer)',
    test: {
      file: 'test/unit/core/message/author-trust.test.ts',
      name: 'what proves nothing > DKIM PASS of one of two signers',
    },
  },
  {
    name: 'B5/what-is-not-read-names-nobody',
    file: 'src/core/submission/submitter.ts',
    text: 'if (from.unread)',
    replacement: 'if (from.unread && reversePath === null)',
    test: {
      file: 'test/unit/core/submission/submitter.test.ts',
      name: 'an author of another domain of ours is refused > behind more than is read',
    },
  },
  {
    name: 'B5/an-encoded-word-hides-an-author',
    file: 'src/core/message/from-field.ts',
    text: 'return [value, plainText(value)].flatMap(',
    replacement: 'return [value].flatMap(',
    test: {
      file: 'test/unit/core/submission/submitter.test.ts',
      name: 'an author of another domain of ours is refused > in an encoded word',
    },
  },
  {
    name: 'B4/the-empty-line-goes-with-a-field',
    file: 'src/core/message/removed-fields.ts',
    text: 'if (this.fieldGoes && this.last === CR && isLineEnd(bytes[at])) keep(LINE_END);',
    replacement: '',
    test: {
      file: 'test/unit/core/message/removed-fields.test.ts',
      name: 'what is left has nothing more to be taken out, however lines end',
    },
  },
  {
    name: 'B2/a-lost-receipt-is-innocence',
    file: 'src/core/message/author-trust.ts',
    text: "if (verdicts === null) return 'unproven';",
    replacement: "if (verdicts === null) return 'dmarc';",
    test: {
      file: 'test/unit/core/message/author-trust.test.ts',
      name: 'what proves nothing > no receipt',
    },
  },
  {
    name: 'B2/a-suffix-is-an-organization',
    file: 'src/core/message/organizational-domain.ts',
    text: 'organization !== null && ',
    replacement: '',
    test: {
      file: 'test/unit/core/message/organizational-domain.test.ts',
      name: 'alignment > of "co.uk" and "github.io": false',
    },
  },
  {
    name: 'B5/a-route-hides-an-author',
    file: 'src/core/message/address-list.ts',
    text: 'plain: plain && asWritten && groups === 0',
    replacement: 'plain: plain && groups === 0',
    test: {
      file: 'test/unit/core/message/from-field.test.ts',
      name: 'nobody is known to have written, and the domain that some reader finds is named > a source route',
    },
  },
  {
    name: 'B5/a-bare-cr-hides-a-field',
    file: 'src/core/message/lines-named.ts',
    text: 'text[at] !== LF && text[at] !== CR',
    replacement: 'text[at] !== LF',
    test: {
      file: 'test/unit/core/message/from-field.test.ts',
      name: 'the fields > one behind a bare CR',
    },
  },
  {
    name: 'B5/an-author-of-another-submitter',
    file: 'src/core/submission/submitter.ts',
    text: 'if (foreign !== undefined)',
    replacement: 'if (foreign !== undefined && reversePath === null)',
    test: {
      file: 'test/simulation/outbound.test.ts',
      name: "who may send > an author of a domain of ours that is another submitter's: held, and nothing leaves",
    },
  },
  {
    name: 'B5/two-from-fields-are-stored',
    file: 'src/core/submission/submitter.ts',
    text: "if (from.doubt === 'several-from-fields') return",
    replacement: "if (from.doubt === 'several-from-fields' && reversePath === null) return",
    test: {
      file: 'test/simulation/outbound.test.ts',
      name: 'who may send > two From fields: held, and nothing leaves',
    },
  },
  {
    name: 'B3/a-name-puts-another-customer-in-the-authors-place',
    file: 'src/core/message/extract.ts',
    text: 'return named.mailbox !== null && !sameMailbox(named.mailbox, author);',
    replacement: 'return false;',
    test: {
      file: 'test/unit/core/message/extract.test.ts',
      name: 'the kept From text vouches for the domain that it names > and not where a name puts another address of that domain in the place of the author, who is not kept',
    },
  },
  {
    name: 'B5/a-text-cut-off-vouches',
    file: 'src/core/message/extract.ts',
    text: 'authors.length !== 1 || author === undefined',
    replacement: 'author === undefined',
    test: {
      file: 'test/unit/core/message/extract.test.ts',
      name: 'the kept From text vouches for the domain that it names > victim@victim.example, eve@src.example: misleads true',
    },
  },
];
