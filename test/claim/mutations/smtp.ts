// Mutations of the SMTP client and of kept HTTP connections: see run.ts.

import type { Mutation } from './mutation.ts';

export const smtpMutations: readonly Mutation[] = [
  {
    name: 'smtp/changed-password-not-read-again',
    file: 'src/adapters/smtp/identity-terms.ts',
    text: 'secrets.forget?.(auth.secret);',
    replacement: '',
    test: {
      file: 'test/integration/smtp/rotated-login.test.ts',
      name: 'a changed password is used at once, and the message does not wait',
    },
  },
  {
    name: 'smtp/refused-token-used-again',
    file: 'src/adapters/oauth/tokens.ts',
    text: '      standing.until = 0;\n',
    replacement: '',
    test: {
      file: 'test/integration/smtp/token-login.test.ts',
      name: 'the token > that a server refuses is asked for once more, and the message goes on at once',
    },
  },
  {
    name: 'smtp/second-refusal-of-a-token-unheard',
    file: 'src/adapters/smtp/identity.ts',
    text: '    this.#isWorthAnother(again, second);',
    replacement: '    void again;',
    test: {
      file: 'test/integration/smtp/token-login.test.ts',
      name: 'the token > refused twice is the operator’s: two logins, and then one an attempt',
    },
  },
  {
    name: 'smtp/error-challenge-answered-by-the-token',
    file: 'src/adapters/smtp/token-login.ts',
    text: "if (again && answer.text.trim() === '')",
    replacement: 'if (again)',
    test: {
      file: 'test/integration/smtp/token-login.test.ts',
      name: 'XOAUTH2 > refused by a challenge: an empty line, then the reply, with the status of the challenge',
    },
  },
  {
    name: 'smtp/ended-certificate-shown',
    file: 'src/adapters/smtp/client-certificate.ts',
    text: 'if (now >= endsAt)',
    replacement: 'if (now >= endsAt + now)',
    test: {
      file: 'test/integration/smtp/client-certificate.test.ts',
      name: 'a certificate that cannot be used > because it has ended connects to nobody, and the operator is told',
    },
  },
  {
    name: 'smtp/certificate-shown-to-a-stranger',
    file: 'src/adapters/smtp/opening.ts',
    text: '(credentials !== null || certified)',
    replacement: 'credentials !== null',
    test: {
      file: 'test/integration/smtp/client-certificate.test.ts',
      name: 'a client certificate > is shown to a server that is verified, and never asked for in the clear',
    },
  },
  {
    name: 'smtp/alert-about-our-certificate-unknown',
    file: 'src/adapters/smtp/wire.ts',
    text: "alert === null ? known : 'certificate-refused'",
    replacement: 'known',
    test: {
      file: 'test/integration/smtp/client-certificate.test.ts',
      name: 'a server > that wants a certificate where we have none says so by an alert, after the handshake',
    },
  },
  {
    name: 'smtp/cut-off-echo-of-a-token-told',
    file: 'src/adapters/without-secrets.ts',
    text: 'pieces.some((piece) => secret.includes(piece))) ? HIDDEN : run',
    replacement: 'pieces.includes(secret)) ? HIDDEN : run',
    test: {
      file: 'test/integration/smtp/token-login.test.ts',
      name: 'a server that quotes the beginning of the line, cut by the server is not repeated',
    },
  },
  {
    name: 'smtp/redirect-of-a-token-endpoint-passes',
    file: 'src/adapters/oauth/token-request.ts',
    text: "if (status >= 300 && status < 400)\n    return { kind: 'refused',",
    replacement: "if (status >= 300 && status < 400)\n    return { kind: 'unavailable',",
    test: {
      file: 'test/integration/smtp/token-request.test.ts',
      name: 'an endpoint that gives no token > refuses: a redirect',
    },
  },
  {
    name: 'smtp/next-host-asked-without-a-token',
    file: 'src/core/reply/several-hosts.ts',
    text: "  'token-refused',\n",
    replacement: '',
    test: {
      file: 'test/integration/smtp/token-login.test.ts',
      name: 'the token > that the endpoint does not give (401) connects to nobody, in the endpoint’s words',
    },
  },
  {
    name: 'smtp/reply-before-its-command-believed',
    file: 'src/adapters/smtp/wire.ts',
    text: '} else this.#early(item);',
    replacement: '} else this.#replies.push(item);',
    test: {
      file: 'test/integration/smtp/early-replies.test.ts',
      name: 'smtp, pipelined false > in the segment of the reply to mail > "550 5.1.1 no such user"',
    },
  },
  {
    name: 'smtp/reply-that-began-before-the-dot-believed',
    file: 'src/adapters/smtp/wire.ts',
    text: 'this.#replies.length > 0 || this.#reader.begun ? await this.reply(timeoutMs) : this.#fault',
    replacement: 'this.#fault',
    test: {
      file: 'test/integration/smtp/early-replies.test.ts',
      name: 'while the content is sent > a refusal that begins there and ends later is one',
    },
  },
  {
    name: 'smtp/dot-counts-as-written-when-it-was-not',
    file: 'src/adapters/smtp/connection.ts',
    text: "sent.dotWritten ? 'final-dot' : 'content'",
    replacement: "'final-dot'",
    test: {
      file: 'test/integration/smtp/early-replies.test.ts',
      name: 'where the connection ends > before the final dot was written, nothing is in doubt',
    },
  },
  {
    name: 'smtp/long-reply-without-its-code',
    file: 'src/core/reply/smtp-reply.ts',
    text: 'if (this.#garbled || this.#bytes <= smtpReplyBytesMax) return null;',
    replacement: 'if (this.#garbled || this.#bytes <= 10 * smtpReplyBytesMax) return null;',
    test: {
      file: 'test/integration/smtp/phases.test.ts',
      name: 'pipelined > a 250 of 100 KB to the final dot is acceptance, whether it ends or not',
    },
  },
  {
    name: 'smtp/dropped-pipelining-forgotten',
    file: 'src/adapters/smtp/connection.ts',
    text: '      habits.dropsPipelined = true;\n',
    replacement: '',
    test: {
      file: 'test/integration/smtp/forgiving.test.ts',
      name: 'a server that drops what comes together > on a kept connection',
    },
  },
  {
    name: 'smtp/first-auth-line-alone',
    file: 'src/adapters/smtp/features.ts',
    text: "if (name === 'AUTH') mechanisms",
    replacement: "if (name === 'AUT') mechanisms",
    test: { file: 'test/integration/smtp/forgiving.test.ts', name: 'logins > AUTH= beside AUTH' },
  },
  {
    name: 'smtp/next-host-after-the-final-dot',
    file: 'src/core/reply/several-hosts.ts',
    text: "return said.fault !== 'aborted' && said.phase !== 'final-dot';",
    replacement: "return said.fault !== 'aborted';",
    test: {
      file: 'test/integration/smtp/several-hosts.test.ts',
      name: 'the next host is not asked after > silence after the final dot',
    },
  },
  {
    name: 'smtp/next-host-after-a-refusal',
    file: 'src/core/reply/several-hosts.ts',
    text: "if (outcome.kind !== 'deferred') return false;",
    replacement: "if (outcome.kind !== 'deferred') return true;",
    test: {
      file: 'test/integration/smtp/several-hosts.test.ts',
      name: 'the next host is not asked after > RCPT 550',
    },
  },
  {
    name: 'smtp/refused-login-at-the-next-host',
    file: 'src/core/reply/several-hosts.ts',
    text: "if (phase === 'auth') return reply.code < 500;",
    replacement: "if (phase === 'auth') return true;",
    test: {
      file: 'test/integration/smtp/several-hosts.test.ts',
      name: 'the next host is not asked after > a login that is refused',
    },
  },
  {
    name: 'smtp/silent-host-takes-all-the-time',
    file: 'src/adapters/smtp/search.ts',
    text: 'return Date.now() + this.share(addresses * (others + 1));',
    replacement: 'return null;',
    test: {
      file: 'test/integration/smtp/several-hosts.test.ts',
      name: 'time > is shared: silent hosts leave the last one its own',
    },
  },
  {
    name: 'smtp/public-address-at-port-25',
    file: 'src/adapters/smtp/hosts.ts',
    text: 'addresses = reachable.addresses;',
    replacement: '',
    test: {
      file: 'test/integration/smtp/port-25.test.ts',
      name: 'a next hop on port 25 > is connected to at its private addresses alone, looked up once',
    },
  },
  {
    name: 'smtp/kept-connection-takes-the-blame',
    file: 'src/adapters/smtp/next-hop.ts',
    text: 'if ((!stale && !said.dropped) || signal.aborted) {',
    replacement: 'if (!said.dropped || signal.aborted) {',
    test: {
      file: 'test/integration/smtp/shared-connections.test.ts',
      name: 'the messages of one invocation > have each its own where a server takes one a connection: 421 at the next MAIL',
    },
  },
  {
    name: 'smtp/connections-outlive-the-invocation',
    file: 'src/adapters/smtp/kept.ts',
    text: 'if (!keep) await this.closeIdle();',
    replacement: '',
    test: {
      file: 'test/integration/smtp/shared-connections.test.ts',
      name: 'when the invocation ends > connections are closed, each with QUIT',
    },
  },
  {
    name: 'http/idle-connection-used',
    file: 'src/adapters/aws/kept-sockets.ts',
    text: 'return idle >= 0 && idle < keptSocketIdleMs;',
    replacement: 'return idle >= 0 || idle < keptSocketIdleMs;',
    test: {
      file: 'test/contract/kept-http.test.ts',
      name: 'SQS > uses none that was idle for twenty seconds of wall clock, nor where the clock went forward',
    },
  },
  {
    name: 'http/retry-by-another-kept-connection',
    file: 'src/adapters/aws/direct-http.ts',
    text: '      if (!signal?.aborted) this.endIdle(originOf(request));\n',
    replacement: '',
    test: {
      file: 'test/contract/direct-http.test.ts',
      name: 'DirectHttp > takes a fresh connection after one that stayed silent, though others are kept',
    },
  },
  {
    name: 'http/half-an-answer-waited-for',
    file: 'src/adapters/aws/client-settings.ts',
    text: 'socketTimeout: limits.requestTimeoutMs',
    replacement: 'socketTimeout: 0',
    test: {
      file: 'test/contract/sdk-http.test.ts',
      name: 'a body that stalls is given up and asked for again',
    },
  },
  {
    name: 'http/retry-by-another-kept-connection-of-the-sdk',
    file: 'src/adapters/aws/kept-sockets.ts',
    text: 'kept.end(() => true);',
    replacement: 'kept.end(() => false);',
    test: {
      file: 'test/contract/kept-http.test.ts',
      name: 'SQS goes on by a fresh one where all kept ones are reset',
    },
  },
  {
    name: 'smtp/junk-is-cut-before-the-login-is-hidden',
    file: 'src/core/reply/smtp-reply.ts',
    text: 'this.#clean(line).slice(0, JUNK_CHARS_MAX)',
    replacement: 'this.#clean(line.slice(0, JUNK_CHARS_MAX))',
    test: {
      file: 'test/integration/smtp/tls-and-login.test.ts',
      name: 'a login > quoted where a line that is no reply is cut leaves no part of it',
    },
  },
  {
    name: 'smtp/a-line-that-is-too-long-ends-in-a-part-of-the-login',
    file: 'src/core/reply/smtp-reply.ts',
    text: 'return cut === 0 ? text : text.slice(0, -cut) + HIDDEN;',
    replacement: 'return text;',
    test: {
      file: 'test/integration/smtp/tls-and-login.test.ts',
      name: 'a login > quoted after it was taken, in a line longer than is kept, leaves no part of it',
    },
  },
];
