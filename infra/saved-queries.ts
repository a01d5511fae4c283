// The questions that people ask the functions' logs, saved in CloudWatch Logs Insights under the stack's name. Called
// by stack.ts. They cost nothing until one is run. The ledger says what became of a message; these say what the
// functions saw meanwhile. A test runs the pipeline and reads that the logs have every field and event that a query
// names.

import type { Stack } from 'aws-cdk-lib';
import { CfnQueryDefinition, LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export type SavedQuery = { readonly id: string; readonly name: string; readonly lines: readonly string[] };

/** A level of the log is a word in capitals (Powertools). */
const notInfo = 'filter level in ["WARN", "ERROR", "CRITICAL"]';

/** By next hop: outcomes of attempts, and their times. The dashboard shows it too. */
export const nextHopsQuery: readonly string[] = [
  'filter message in ["relay.relayed", "relay.deferred", "relay.failed"]',
  'stats count(*) as attempts, sum(message = "relay.relayed") as relayed, sum(message = "relay.deferred") as deferred, ' +
    'sum(message = "relay.failed") as failed by nextHop',
  'sort attempts desc',
];

export const savedQueries: readonly SavedQuery[] = [
  {
    id: 'OneMessage',
    name: 'one message (put its spool id in)',
    lines: [
      'fields @timestamp, stage, message, forwardPath, nextHop, state, reason, code, reply, detail',
      'filter spoolId = "SPOOL-ID"',
      'sort @timestamp asc',
    ],
  },
  {
    id: 'OneRecipient',
    name: 'one recipient (put the address in)',
    lines: [
      'fields @timestamp, spoolId, message, nextHop, state, reason, code, reply',
      'filter forwardPath = "ANN@EXAMPLE.COM"',
      'sort @timestamp desc',
    ],
  },
  {
    id: 'Warnings',
    name: 'warnings and errors, by event',
    lines: [notInfo, 'stats count(*) as times, max(@timestamp) as last by stage, message', 'sort times desc'],
  },
  {
    id: 'Errors',
    name: 'warnings and errors, one by one',
    lines: [
      'fields @timestamp, stage, message, spoolId, nextHop, reason, error, detail',
      notInfo,
      'sort @timestamp desc',
    ],
  },
  { id: 'NextHops', name: 'attempts, by next hop', lines: nextHopsQuery },
  {
    id: 'Replies',
    name: 'replies other than 250, by next hop',
    lines: [
      'filter message in ["relay.deferred", "relay.failed"]',
      'stats count(*) as times, max(@timestamp) as last by nextHop, code, reply, reason',
      'sort times desc',
    ],
  },
  {
    id: 'SlowContent',
    name: 'content that was slow to open',
    lines: ['filter ispresent(openMs)', 'fields @timestamp, spoolId, nextHop, bytes, openMs', 'sort openMs desc'],
  },
  {
    id: 'Runs',
    name: 'runs of the functions: time and memory',
    lines: [
      'filter @type = "REPORT"',
      'stats count(*) as runs, avg(@duration) as meanMs, max(@duration) as mostMs, ' +
        'max(@maxMemoryUsed / 1000000) as usedMb, max(@memorySize / 1000000) as givenMb by @log',
    ],
  },
];

/** A folder of the console for each stack. */
export function saveQueries(stack: Stack): void {
  const here = new Construct(stack, 'Queries');
  const logGroupNames = logGroupsOf(stack).map(({ logGroupName }) => logGroupName);
  for (const { id, name, lines } of savedQueries)
    new CfnQueryDefinition(here, id, {
      name: `${stack.stackName}/${name}`,
      queryString: lines.join('\n| '),
      logGroupNames,
    });
}

export function logGroupsOf(stack: Stack): readonly LogGroup[] {
  return stack.node.findAll().filter((each) => each instanceof LogGroup);
}
