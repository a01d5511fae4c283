// Mutations of the emulators (packages/aws-local): see run.ts.

import type { Mutation } from './mutation.ts';

export const localMutations: readonly Mutation[] = [
  {
    name: 'gate/permission-not-asked',
    file: 'packages/aws-local/src/gate/gate.ts',
    text: "if (decision.kind === 'denied') throw denied(call.service, call.operation, decision.message);",
    replacement: "if (decision.kind === 'denied') continue;",
    test: {
      file: 'packages/aws-local/test/topics.test.ts',
      name: 'without a policy of its own a topic lets SES publish; with one only whom it names',
    },
  },
  {
    name: 'gate/lost-responses-arrive',
    file: 'packages/aws-local/src/gate/gate.ts',
    text: "if (struck.has('lose-response')) throw",
    replacement: "if (struck.has('lose-response') && result === undefined) throw",
    test: {
      file: 'packages/aws-local/test/faults.test.ts',
      name: 'effects > lose-response: the work is done, the caller hears nothing',
    },
  },
  {
    name: 'iam/deny-of-an-identity-ignored',
    file: 'packages/aws-local/src/iam/iam.ts',
    text: "if (matching(identity, 'Deny'))",
    replacement: "if (matching(identity, 'Deny') && identity.length === 0)",
    test: {
      file: 'packages/aws-local/test/iam.test.ts',
      name: 'identity policies > several documents count as one; a deny in any of them wins',
    },
  },
  {
    name: 'cloudwatch/silence-never-breaches',
    file: 'packages/aws-local/src/cloudwatch/cloudwatch.ts',
    text: "(it === null && treatMissingData === 'breaching')",
    replacement: "(it === null && treatMissingData === 'missing')",
    test: {
      file: 'packages/aws-local/test/cloudwatch.test.ts',
      name: 'an alarm > below a threshold waits for whole periods, and counts silence where missing data breaches',
    },
  },
  {
    name: 'cloudwatch/one-more-than-the-threshold',
    file: 'packages/aws-local/src/cloudwatch/cloudwatch.ts',
    text: 'GreaterThanOrEqualToThreshold: (value: number, threshold: number) => value >= threshold',
    replacement: 'GreaterThanOrEqualToThreshold: (value: number, threshold: number) => value > threshold',
    test: {
      file: 'packages/aws-local/test/cloudwatch.test.ts',
      name: 'an alarm > rises at once, stays for its period, and goes when nothing breaches',
    },
  },
  {
    name: 'aws-local/a-folded-line-is-no-field',
    file: 'packages/aws-local/src/ses/header-section.ts',
    text: 'while (next < bytes.length && (bytes[next] === 0x20 || bytes[next] === 0x09)) next = afterLine(bytes, next);',
    replacement: '',
    test: { file: 'packages/aws-local/test/header-section.test.ts', name: 'folded lines' },
  },
  {
    name: 'aws-local/a-cr-behind-a-stuffed-dot-is-lost',
    file: 'packages/aws-local/src/ses/data-reader.ts',
    text: 'content[length++] = CR;',
    replacement: '',
    test: {
      file: 'packages/aws-local/test/inbound-smtp.test.ts',
      name: 'the end of DATA > a dot before a bare CR',
    },
  },
];
