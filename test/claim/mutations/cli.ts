// Mutations of cli/: see run.ts.

import type { Mutation } from './mutation.ts';

const exitCodes = 'test/integration/cli/exit-codes.test.ts';

export const cliMutations: readonly Mutation[] = [
  {
    name: 'sendmail/exits-0-for-what-nobody-thought-of',
    file: 'src/cli/sendmail.ts',
    text: ': EX.tempFail; // what nobody thought of',
    replacement: ': EX.ok; // what nobody thought of',
    test: {
      file: exitCodes,
      name: 'sendmail > ends with 75 where nobody can say, and for what nobody thought of: the caller keeps the message',
    },
  },
  {
    name: 'operate/exits-0-where-some-were-done',
    file: 'src/cli/operate.ts',
    text: "results.every((result) => result.kind === 'done')",
    replacement: "results.some((result) => result.kind === 'done')",
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'the exit code > is 1 where only some were done, and says which',
    },
  },
  {
    name: 'gateway/AUTH-in-the-clear',
    file: 'src/cli/gateway.ts',
    text: 'allowPlainAuth: flags.allowPlainAuth,',
    replacement: 'allowPlainAuth: true,',
    test: {
      file: 'test/integration/cli/gateway.test.ts',
      name: 'logins without TLS > are for this machine alone, unless the command line says otherwise',
    },
  },
  {
    name: 'everpost/nobody-answers-is-done',
    file: 'src/cli/everpost.ts',
    text: '? exitCodes.notReachable',
    replacement: '? exitCodes.done',
    test: {
      file: 'test/integration/cli/exit-codes.test.ts',
      name: 'everpost > ends with 69 where the instance does not answer, with 78 where the configuration cannot work, and with 1 for what nobody thought of',
    },
  },
  {
    name: 'everpost/a-surprise-is-done',
    file: 'src/cli/everpost.ts',
    text: ': exitCodes.failed;',
    replacement: ': exitCodes.done;',
    test: {
      file: 'test/integration/cli/exit-codes.test.ts',
      name: 'everpost > ends with 69 where the instance does not answer, with 78 where the configuration cannot work, and with 1 for what nobody thought of',
    },
  },
  {
    name: 'operate/many-at-once-unasked',
    file: 'src/cli/operate.ts',
    text: '  if (selection.spoolId === null && values.yes !== true) return show(values, meant);\n',
    replacement: '',
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'many > are only shown without --yes, and done with it, up to the limit',
    },
  },
  {
    name: 'operate/removed-without-a-word',
    file: 'src/cli/remove.ts',
    text: "const notice = values['without-notice'] !== true;",
    replacement: "const notice = values['without-notice'] === true;",
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'one message > is removed, and its sender told; or nobody',
    },
  },
  {
    name: 'operate/released-for-an-hour',
    file: 'src/cli/release.ts',
    text: "values.lifetime ?? '48h'",
    replacement: "values.lifetime ?? '1h'",
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'one message > is released: queued with a lifetime from now, and its relay job sent',
    },
  },
  {
    name: 'operate/by-the-clock-of-this-machine',
    file: 'src/cli/operate.ts',
    text: 'Date.now() + instance.aheadMs',
    replacement: 'Date.now()',
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'an instance whose clock is ahead > is meant by its own clock: lifetimes, losses and messages of the last hours',
    },
  },
  {
    name: 'operate/bounce-jobs-to-the-relay-queue',
    file: 'src/cli/operate.ts',
    text: "bounceQueue: new SqsJobQueue(sqs, instance.bounceQueueUrl, 'bounce'),",
    replacement: 'bounceQueue: new SqsJobQueue(sqs, instance.relayQueueUrl),',
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'one message > is removed, and its sender told; or nobody',
    },
  },
  {
    name: 'resubmit/exits-0-where-some-were-done',
    file: 'src/cli/resubmit.ts',
    text: '  if (words.yes === true) return codeOf(lines.map(({ result }) => result));\n',
    replacement: '',
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'resubmit > shows, then does, then has nothing more to do; and 1 where one of them could not be done',
    },
  },
  {
    name: 'trace/ten-messages',
    file: 'src/cli/trace.ts',
    text: "values.limit ?? '20'",
    replacement: "values.limit ?? '10'",
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'trace > is of those accepted within a time, and twenty at most unless more is said',
    },
  },
  {
    name: 'gateway/TLS-port-without-TLS',
    file: 'src/cli/gateway.ts',
    text: 'await open(server, flags.tlsListen, true)',
    replacement: 'await open(server, flags.tlsListen, false)',
    test: {
      file: 'test/integration/cli/gateway.test.ts',
      name: 'the places > are where it was said, TLS from the start at the one for that alone; and it ends when it is told to',
    },
  },
  {
    name: 'gateway/does-not-wait-for-messages',
    file: 'src/cli/gateway.ts',
    text: '  await server.stop();\n',
    replacement: '',
    test: {
      file: 'test/integration/cli/gateway.test.ts',
      name: 'the places > are where it was said, TLS from the start at the one for that alone; and it ends when it is told to',
    },
  },
  {
    name: 'A10/a-dead-letter-that-others-read',
    file: 'src/cli/dead-letter.ts',
    text: '  if (problem === null) await handle.chmod(0o600);\n  else await handle.close();',
    replacement: '  if (problem !== null) await handle.close();',
    test: { file: 'test/integration/cli/dead-letter.test.ts', name: 'makes a file that others could read its own' },
  },
  {
    name: 'verb/an-option-eats-the-next-one',
    file: 'src/cli/verb.ts',
    text: '  if (!isOption(next)) return next;',
    replacement: '  if (next !== null) return next;',
    test: {
      file: 'test/unit/cli/verb.test.ts',
      name: `a command line > ["--spool-id","--yes"] is refused: Option '--spool-id' argument is ambiguous, "--yes" begins with a dash`,
    },
  },
  {
    name: 'verb/a-password-is-repeated',
    file: 'src/cli/verb.ts',
    text: "short(name === '--' ? word : name)",
    replacement: 'short(word)',
    test: {
      file: 'test/unit/cli/verb.test.ts',
      name: `a command line > ["--limt=secret"] is refused: Unknown option '--limt'. Did you mean --limit? (everpost sample --help)`,
    },
  },
  {
    name: 'verb/an-unset-variable-is-a-value',
    file: 'src/cli/verb.ts',
    text: "if (given === '' && !mayBeEmpty)",
    replacement: "if (given === '' && mayBeEmpty)",
    test: {
      file: 'test/unit/cli/verb.test.ts',
      name: 'a command line > ["--spool-id",""] is refused: --spool-id is empty: write --spool-id ID',
    },
  },
  {
    name: 'trace/a-message-that-is-not-there-is-done',
    file: 'src/cli/trace.ts',
    text: 'named && found === 0 ? exitCodes.failed',
    replacement: 'named && found < 0 ? exitCodes.failed',
    test: {
      file: 'test/integration/cli/operate.test.ts',
      name: 'trace > ends with 1 where a message was named and is not there, and with 0 for a list that is empty',
    },
  },
  {
    name: 'sendmail/waits-for-the-argument-library',
    file: 'src/cli/sendmail.ts',
    text: "import type { Verb } from './verb.ts';",
    replacement: "import './verb.ts';\nimport type { Verb } from './verb.ts';",
    test: {
      file: 'test/integration/cli/exit-codes.test.ts',
      name: 'everpost > loads the argument library for the verbs that use it, and not for sendmail',
    },
  },
  {
    name: 'sendmail/a-refused-mode-loses-its-message',
    file: 'src/cli/sendmail.ts',
    text: 'const WITHOUT_MESSAGE = /^-[tivmnGUs]*b[dDhHipPstvz]/;',
    replacement: 'const WITHOUT_MESSAGE = /^-[tivmnGUs]*b[^m]/;',
    test: {
      file: 'test/integration/cli/exit-codes.test.ts',
      name: 'sendmail > ends with what sysexits has for a wrong call',
    },
  },
  {
    name: 'operate/held-by-a-cause-is-not-found-in-dynamodb',
    file: 'src/adapters/aws/dynamo-conditions.ts',
    text: 'OR hb = :sr OR',
    replacement: 'OR',
    test: {
      file: 'test/contract/ledger.test.ts',
      name: "DynamoLedger with search indexes, on the emulator, keeps the ledger's contract > a search by rows > finds what is held by its cause, and by the first word of its reason, in rows of before too",
    },
  },
  {
    name: 'trace/nobody-sees-why-it-is-held',
    file: 'src/cli/standing.ts',
    text: 'heldBecause: heldBecauseOf(row),',
    replacement: 'heldBecause: null,',
    test: { file: 'test/unit/cli/standing.test.ts', name: 'is in a trace, for people and for tools' },
  },
  {
    name: 'sendmail/knows-only-the-domains-of-submitters',
    file: 'src/cli/sendmail-place.ts',
    text: "name === 'Domains' || ",
    replacement: '',
    test: {
      file: 'test/integration/cli/exit-codes.test.ts',
      name: 'sendmail > refuses an author in a domain of ours that is not its submitter’s, whoever has it or nobody',
    },
  },
];
