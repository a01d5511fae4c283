// Mutations of cli/: see run.ts.

import type { Mutation } from './mutation.ts';

const exitCodes = 'test/integration/cli/exit-codes.test.ts';

export const cliMutations: readonly Mutation[] = [
  {
    name: 'sendmail/exits-0-for-what-nobody-thought-of',
    file: 'cli/sendmail.ts',
    text: 'return known ? error.code : EX.tempFail;',
    replacement: 'return known ? error.code : EX.ok;',
    test: {
      file: exitCodes,
      name: 'sendmail > ends with 75 where nobody can say, and for what nobody thought of: the caller keeps the message',
    },
  },
  {
    name: 'operate/exits-0-where-some-were-done',
    file: 'cli/operate.ts',
    text: "results.every((result) => result.kind === 'done')",
    replacement: "results.some((result) => result.kind === 'done')",
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'the exit code > is 1 where only some were done, and says which',
    },
  },
  {
    name: 'gateway/AUTH-in-the-clear',
    file: 'cli/gateway.ts',
    text: 'allowPlainAuth: flags.allowPlainAuth,',
    replacement: 'allowPlainAuth: true,',
    test: {
      file: 'test/integration/cli/gateway.test.ts',
      name: 'logins without TLS > are for this machine alone, unless the command line says otherwise',
    },
  },
];
