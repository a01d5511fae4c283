// Mutations of a restore of the ledger: see run.ts.

import type { Mutation } from './mutation.ts';

export const restoringMutations: readonly Mutation[] = [
  {
    name: 'restore/put-back-without-a-mark',
    file: 'src/core/delivery/put-back.ts',
    text: '{ ...row, possibleDuplicate: true, putBack: { at }',
    replacement: '{ ...row, putBack: { at }',
    test: {
      file: 'test/unit/pipeline/ingest/mail-of-before.test.ts',
      name: 'are marked, with their notices; others are not',
    },
  },
  {
    name: 'restore/a-notice-without-a-mark',
    file: 'src/core/delivery/progress.ts',
    text: 'return of.putBack === undefined ? notice : doubted(notice, { at: now });',
    replacement: 'return of.putBack === null ? doubted(notice, { at: now }) : notice;',
    test: {
      file: 'test/unit/pipeline/ingest/mail-of-before.test.ts',
      name: 'are marked, with their notices; others are not',
    },
  },
  {
    name: 'restore/orphans-go-on-where-they-were',
    file: 'src/core/spool/orphan-round.ts',
    text: 'const round = read.restored === restored ? read : UNKNOWN;',
    replacement: 'const round = read;',
    test: {
      file: 'test/unit/core/spool/orphan.test.ts',
      name: 'a round > of before a restore of the ledger says nothing, also one that is under way',
    },
  },
  {
    name: 'restore/orphans-do-not-wait',
    file: 'src/pipeline/orphans/orphans.ts',
    text: 'if (restore !== null && restore.ended === null) {',
    replacement: 'if (restore !== null && restore.begun < 0) {',
    test: {
      file: 'test/unit/pipeline/orphans/orphans.test.ts',
      name: 'after a restore of the ledger > it waits until that has ended, looks at all again, and holds mail that may lack rows until a person ends it',
    },
  },
];
