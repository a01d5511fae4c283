// Mutations of the submission server (gateway/) and of what it asks: see run.ts.

import type { Mutation } from './mutation.ts';

const address = 'test/integration/submission/address.test.ts';
const login = 'test/integration/submission/login.test.ts';

export const submissionServerMutations: readonly Mutation[] = [
  {
    name: 'gateway/devices-without-TLS-everywhere',
    file: 'src/gateway/callers.ts',
    text: '!(found.withoutTls || ',
    replacement: "!(found.submitter !== '' || ",
    test: { file: address, name: 'without a login > TLS is needed all the same' },
  },
  {
    name: 'gateway/old-TLS-for-everybody',
    file: 'src/gateway/callers.ts',
    text: 'this.atAddress(address)?.oldTls ? this.old : null',
    replacement: '(this.atAddress(address)?.oldTls ?? true) ? this.old : null',
    test: { file: address, name: 'TLS 1.0 and 1.1 > TLSv1 is refused to every other address' },
  },
  {
    name: 'gateway/old-TLS-by-STARTTLS-alone',
    file: 'src/gateway/exact-connection.ts',
    text: 'upgrade.call(seenWith(server, contextFor(socket.remoteAddress)), socket, callback)',
    replacement: 'upgrade.call(server, socket, callback)',
    test: { file: address, name: "TLS 1.0 and 1.1 > OpenSSL's own client, by STARTTLS and with TLS from the start" },
  },
  {
    name: 'gateway/a-password-over-TLS-1.0',
    file: 'src/gateway/server.ts',
    text: 'callers.isTooOldFor(found.submitter, session) ?',
    replacement: 'callers.isTooOldFor(found.submitter, session) === null ?',
    test: {
      file: address,
      name: 'TLS 1.0 and 1.1 > a login over it is refused to a submitter whose setting does not say so',
    },
  },
  {
    name: 'gateway/AUTH-offered-in-the-clear',
    file: 'src/gateway/callers.ts',
    text: 'return session.secure || this.terms.allowPlainAuth || ',
    replacement: 'return session.secure || !this.terms.allowPlainAuth || ',
    test: { file: login, name: 'a client of another machine > may log in over TLS alone' },
  },
  {
    name: 'submitter/strangers-by-address',
    file: 'src/core/submission/submitter.ts',
    text: 'submitters[submitter]?.from !== undefined;',
    replacement: 'submitters[submitter]?.from === null;',
    test: { file: address, name: 'as its own senders alone > the author boss@bank.example' },
  },
  {
    name: 'submitter/a-network-of-strangers',
    file: 'src/core/submission/source-network.ts',
    text: 'if (bits < least && !isPrivate',
    replacement: 'if (bits < 8 && !isPrivate',
    test: { file: 'test/unit/core/submission/source-network.test.ts', name: '203.0.112.0/23 is none' },
  },
  {
    name: 'submitter/half-a-private-range',
    file: 'src/core/submission/source-network.ts',
    text: 'inner.bits < outer.bits) return false',
    replacement: 'inner.bits < 0) return false',
    test: { file: 'test/unit/core/submission/source-network.test.ts', name: '10.0.0.0/7 is none' },
  },
  {
    name: 'gateway/forgets-what-follows-a-message',
    file: 'src/gateway/exact-connection.ts',
    text: "  parser._continueCallback = typeof next !== 'function';\n  if (typeof next === 'function') next();\n",
    replacement:
      "  if (typeof next === 'function') next();\n  parser._continueCallback = typeof next !== 'function';\n",
    test: {
      file: 'test/integration/submission/standard-streams.test.ts',
      name: 'writes a batch of messages at once: each is taken',
    },
  },
  {
    name: 'gateway/a-dot-between-LFs-is-silent',
    file: 'src/gateway/reception.ts',
    text: 'if (answer !== null || !ending.isBare) return {};',
    replacement: 'if (answer === null || !ending.isBare) return {};',
    test: {
      file: 'test/integration/submission/dialogue.test.ts',
      name: 'an end that is none > "x\\n.\\n" is waited out, and the log says why',
    },
  },
];
