// Mutations of core/notice/: see run.ts.

import type { Mutation } from './mutation.ts';

export const noticeMutations: readonly Mutation[] = [
  {
    name: 'notice/words-of-a-token-endpoint-told',
    file: 'src/core/notice/input.ts',
    text: "reason === 'poison' || reasonRow(reason)?.forOperatorAlone === true",
    replacement: "reason === 'poison'",
    test: {
      file: 'test/unit/core/notice/parts.test.ts',
      name: 'a recipient of a notice > is not told what is for the operator alone: names of secrets, of settings and of roles, words of a token endpoint',
    },
  },
  {
    name: 'B3/a-long-header-section-goes-back-five-times',
    file: 'src/core/notice/body.ts',
    text: "if (kind === 'postmaster' || isVouchedFor(message)) return null;",
    replacement: "if (kind !== 'delay') return null;",
    test: {
      file: 'test/simulation/reflector.test.ts',
      name: 'no more goes out than came in > the same, all of it header section: five notices',
    },
  },
  {
    name: 'B3/encoding-triples-a-header-section',
    file: 'src/core/notice/original-part.ts',
    text: 'Math.max(octets.length, quotedPrintable(octets).length)',
    replacement: 'octets.length',
    test: {
      file: 'test/simulation/reflector.test.ts',
      name: 'no more goes out than came in > the same, in 8-bit text: five notices',
    },
  },
  {
    name: 'B3/sub-domains-of-a-victim-multiply-his-limit',
    file: 'src/core/notice/counts.ts',
    text: 'organizationalDomain(to.domainKey) ?? to.domainKey',
    replacement: 'to.domainKey',
    test: { file: 'test/unit/core/notice/counts.test.ts', name: 'a sub-domain: domain-limit' },
  },
  {
    name: 'B3/sub-addresses-of-a-victim-multiply-his-limit',
    file: 'src/core/notice/counts.ts',
    text: 'personKey(to)',
    replacement: 'to.address.toLowerCase()',
    test: { file: 'test/unit/core/notice/counts.test.ts', name: 'a sub-address: address-limit' },
  },
  {
    name: 'B3/the-body-goes-to-whom-nothing-vouches-for',
    file: 'src/core/notice/body.ts',
    text: "return kind === 'postmaster' || isVouchedFor(message);",
    replacement: 'return true;',
    test: {
      file: 'test/simulation/notice-original.test.ts',
      name: 'SPF none, and no DMARC: the body goes back where something vouches for the reverse-path',
    },
  },
  {
    name: 'B3/a-virus-that-policy-relays-goes-back',
    file: 'src/core/notice/body.ts',
    text: "message.verdicts?.virus === 'FAIL' || ",
    replacement: '',
    test: {
      file: 'test/simulation/notice-original.test.ts',
      name: 'where SES found a virus the body goes to nobody, whatever policy says',
    },
  },
  {
    name: 'B3/a-virus-that-the-next-hop-found-goes-back',
    file: 'src/core/notice/body.ts',
    text: 'namesVirus(row) || ',
    replacement: '',
    test: {
      file: 'test/simulation/notice-original.test.ts',
      name: 'where the next hop found a virus the body goes to nobody, whatever policy says',
    },
  },
  {
    name: 'B3/a-softfail-vouches',
    file: 'src/core/notice/vouching.ts',
    text: "if (verdicts.spf === 'PASS') return 'spf';",
    replacement: "if (verdicts.spf === 'PASS' || verdicts.spf === 'GRAY') return 'spf';",
    test: {
      file: 'test/unit/core/notice/vouching.test.ts',
      name: 'SPF GRAY > DKIM GRAY, DMARC GRAY: SPF by itself, DMARC where the author is aligned, DKIM never by itself',
    },
  },
  {
    name: 'B3/anybodys-dmarc-vouches',
    file: 'src/core/notice/vouching.ts',
    text: "verdicts.dmarc !== 'PASS' || !isAuthorOf(reversePath, fromField)",
    replacement: "verdicts.dmarc !== 'PASS'",
    test: {
      file: 'test/unit/core/notice/vouching.test.ts',
      name: 'SPF GRAY > DKIM GRAY, DMARC PASS: SPF by itself, DMARC where the author is aligned, DKIM never by itself',
    },
  },
  {
    name: 'B3/a-return-path-answers-where-its-postmaster-refuses',
    file: 'src/core/notice/facts.ts',
    text: 'toReturnPath: isToReturnPath(settings, row, message),',
    replacement: 'toReturnPath: false,',
    test: {
      file: 'test/simulation/returns.test.ts',
      name: 'return paths that are none of ours > answer nobody where the postmaster’s server refuses what was sent on to it; but for postmaster and abuse',
    },
  },
  {
    name: 'A8/an-address-at-the-end-of-a-remotes-words',
    file: 'src/core/notice/scrub.ts',
    text: 'edges: { before: /(?!)/, after: /(?!)/ },',
    replacement: 'edges: { before: /^$^/, after: /^$^/ },',
    test: {
      file: 'test/unit/core/notice/scrub.test.ts',
      name: 'another address in a report of a remote > is gone wherever it stands: further@beyond.example',
    },
  },
  {
    name: 'A8/the-routed-local-part-at-another-host',
    file: 'src/core/notice/scrub.ts',
    text: '    { pattern: localAnywhere(locals), by: forwardPath },\n',
    replacement: '',
    test: {
      file: 'test/unit/core/notice/scrub.test.ts',
      name: 'at another host > box4711@store.test is gone from the remark',
    },
  },
  {
    name: 'B3/a-provider-vouches-for-all-its-customers',
    file: 'src/core/notice/vouching.ts',
    text: "return voucher !== null && voucher !== 'organization';",
    replacement: 'return voucher !== null;',
    test: {
      file: 'test/simulation/reflector.test.ts',
      name: 'a message that the victim’s provider signed for another of its customers, sent again: as where nothing vouches',
    },
  },
  {
    name: 'B5/a-misleading-text-vouches',
    file: 'src/core/notice/body.ts',
    text: 'extract.fromMisleads ? null : extract.from',
    replacement: 'extract.from',
    test: {
      file: 'test/unit/core/notice/vouching.test.ts',
      name: 'a From text that misleads vouches for nobody, neither for a notice nor for a body',
    },
  },
  {
    name: 'notice/a-report-is-passed-off-as-our-word',
    file: 'src/core/reply/reasons.ts',
    text: "'a server on the way reported a failure', REPORTED)",
    replacement: "'a server on the way reported a failure')",
    test: {
      file: 'test/unit/core/notice/parts.test.ts',
      name: 'texts > without a reply, reported-failed is our own: false',
    },
  },
];
