// Mutations of adapters/: see run.ts.

import type { Mutation } from './mutation.ts';

const paged = "DynamoLedger behind pages of two items, on the emulator, keeps the ledger's contract";

export const adapterMutations: readonly Mutation[] = [
  {
    name: "ledger/first-page-of-a-message's-items",
    file: 'src/adapters/aws/dynamo-ledger.ts',
    text: '      items.push(...(page.Items ?? []));\n      from = page.LastEvaluatedKey;',
    replacement: '      items.push(...(page.Items ?? []));\n      from = undefined;',
    test: {
      file: 'test/contract/ledger.test.ts',
      name: `${paged} > trace > gives a message once, with all its deliveries and notices`,
    },
  },
  {
    name: 'ledger/message-after-its-rows',
    file: 'src/adapters/aws/dynamo-ledger.ts',
    text: '    if (message !== null) await this.putNew(itemOfMessage(message, this.options));\n    return inBatches(rows, (row) => this.putNew(itemOfRow(row, this.options)));',
    replacement:
      '    const results = await inBatches(rows, (row) => this.putNew(itemOfRow(row, this.options)));\n    if (message !== null) await this.putNew(itemOfMessage(message, this.options));\n    return results;',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > asks DynamoDB > to keep the message before its deliveries: one without it could not be relayed, nor its sender told',
    },
  },
  {
    name: 'ledger/reads-what-was',
    file: 'src/adapters/aws/dynamo-ledger.ts',
    text: 'new GetItemCommand({ TableName: this.table, Key: key, ConsistentRead: true })',
    replacement: 'new GetItemCommand({ TableName: this.table, Key: key })',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > asks DynamoDB > for what is written already, not for what was some seconds ago; but of an index, which has nothing else',
    },
  },
  {
    name: 'ledger/outage-is-no-item',
    file: 'src/adapters/aws/dynamo-ledger.ts',
    text: '      if (!(error instanceof ConditionalCheckFailedException)) throw error;\n',
    replacement: '',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > never takes an outage for an answer: forgetMessage',
    },
  },
  {
    name: 'ledger/expiries-of-the-hour-forgotten',
    file: 'src/adapters/aws/dynamo-ledger.ts',
    text: 'until: hour + this.options.ledgerRetentionMs',
    replacement: 'until: hour',
    test: {
      file: 'test/contract/dynamo-ledger.test.ts',
      name: 'DynamoLedger > counts an hour\u2019s expiries for longer than that hour, and a domain\u2019s notices until they may be forgotten',
    },
  },
  {
    name: 'spool/short-body-is-whole',
    file: 'src/adapters/aws/s3-spool.ts',
    text: 'if (read !== length) throw',
    replacement: 'if (read > length) throw',
    test: {
      file: 'test/unit/adapters/aws/s3-spool.test.ts',
      name: 'a body that ends before its length is not the content, though no error says so',
    },
  },
  {
    name: 'spool/403-hides-no-version',
    file: 'src/adapters/aws/s3-spool.ts',
    text: "(got.cause === 'missing' || got.cause === 'denied')",
    replacement: "got.cause === 'missing'",
    test: {
      file: 'test/unit/adapters/aws/s3-spool.test.ts',
      name: 'what a delete marker hides is read by its version > where S3 says AccessDenied',
    },
  },
  {
    name: 'spool/any-delete-marker',
    file: 'src/adapters/aws/s3-spool.ts',
    text: 'marker.Key === objectKey && marker.IsLatest',
    replacement: 'marker.Key === objectKey',
    test: {
      file: 'test/unit/adapters/aws/s3-spool.test.ts',
      name: 'what a delete marker hides is read by its version > and not under a marker that is not the latest',
    },
  },
  {
    name: 'spool/throttled-is-denied',
    file: 'src/adapters/aws/s3-spool.ts',
    text: 'status !== 408 && status !== 429)',
    replacement: 'status !== 408)',
    test: { file: 'test/unit/adapters/aws/s3-spool.test.ts', name: 'TooManyRequests (429) is unavailable' },
  },
  {
    name: 'secrets/the-older-one-signs',
    file: 'src/adapters/aws/login-secrets.ts',
    text: 'return [SecretString, ...(await this.previous(name))];',
    replacement: 'return [...(await this.previous(name)), SecretString];',
    test: { file: 'test/unit/adapters/rotating-secrets.test.ts', name: 'the newest first, then the one before it' },
  },
  {
    name: 'ledger/claimed-before-its-time',
    file: 'src/adapters/aws/dynamo-ledger.ts',
    text: "(#state = :queued OR #state = :deferred) AND #nextAttemptAt <= :now'",
    replacement: "(#state = :queued OR #state = :deferred)'",
    test: {
      file: 'test/contract/ledger.test.ts',
      name: "DynamoLedger with search indexes, on the emulator, keeps the ledger's contract > claim > waits for the next attempt",
    },
  },
  {
    name: 'A1/a-reply-before-its-command-is-believed',
    file: 'src/adapters/smtp/wire.ts',
    text: '      } else this.#early(item);',
    replacement: '      } else this.#replies.push(item);',
    test: {
      file: 'test/integration/smtp/early-replies.test.ts',
      name: 'smtp, pipelined false > in the segment of the reply to ehlo > "550 5.1.1 no such user"',
    },
  },
  {
    name: 'A9/a-host-is-shut-for-its-good-logins-too',
    file: 'src/gateway/login-guard.ts',
    text: 'this.known.of(name, now) === 0;',
    replacement: 'this.known.of(name, now) >= 0;',
    test: {
      file: 'test/integration/submission/login.test.ts',
      name: 'AUTH > many names from one address shut it, but for a name that logged in there within the day',
    },
  },
  {
    name: 'A9/one-wrong-login-shuts-the-neighbours',
    file: 'src/gateway/login-guard.ts',
    text: '.update(username)',
    replacement: ".update(username && '')",
    test: {
      file: 'test/integration/submission/login.test.ts',
      name: 'AUTH > a program with an old password shuts its own name out, and no other of its host',
    },
  },
  {
    name: 'A12/pipelined-once-more',
    file: 'src/adapters/smtp/connection.ts',
    text: "this.#features.has('PIPELINING') && !habits.dropsPipelined",
    replacement: "this.#features.has('PIPELINING')",
    test: {
      file: 'test/integration/smtp/forgiving.test.ts',
      name: 'a server that drops what comes together > each time: the same message and the next one come through, since they are said one by one',
    },
  },
  {
    name: 'ses/a-200-that-broke-off-is-a-refusal',
    file: 'src/adapters/aws/ses-errors.ts',
    text: 'statusCode >= 200 && statusCode < 300',
    replacement: 'statusCode < 200',
    test: {
      file: 'test/contract/ses-broken-answers.test.ts',
      name: 'an answer to a message > that is a 200 whose body breaks off: it may have been taken',
    },
  },
  {
    name: 'ses/a-200-of-nobody-is-an-acceptance',
    file: 'src/adapters/aws/ses-next-hop.ts',
    text: '      if (!MessageId) return withoutId(this.host);\n      return { ...accepted(MessageId, this.host),',
    replacement: "      return { ...accepted(MessageId ?? '', this.host),",
    test: {
      file: 'test/contract/ses-broken-answers.test.ts',
      name: 'an answer to a message > that is a 200 that names no message: it may have been taken',
    },
  },
  {
    name: 'submit/a-stored-object-is-refused-where-the-answer-broke-off',
    file: 'src/adapters/aws/s3-submission-store.ts',
    text: " || LOST.has(code ?? '')",
    replacement: '',
    test: {
      file: 'test/contract/submission-store.test.ts',
      name: 'S3SubmissionStore on a server that answers as it is told > takes 412 for its own object after a refusal whose body broke off',
    },
  },
  {
    name: 'ses/what-was-never-connected-may-have-arrived',
    file: 'src/adapters/aws/ses-errors.ts',
    text: 'error instanceof OutOfReach || ',
    replacement: '',
    test: {
      file: 'test/unit/adapters/aws/reach.test.ts',
      name: 'a client in a VPC that leads nowhere > has sent nothing, so that nothing may be a duplicate',
    },
  },
];
