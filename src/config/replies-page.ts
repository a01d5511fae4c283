// The text of docs/replies.md: what Everpost does after a server's reply, from the rows and general rules that relay
// uses. write.ts calls it for `npm run fix`, and so does the test that finds a stale page. It decides nothing.

import { type Fault, REASONS, type TableReason } from '#core/reply/reasons.ts';
import { replyRules } from '#core/reply/reply-rules.ts';
import type { ReplyRule } from '#core/reply/rule.ts';
import { rowGroups } from '#core/reply/rules/providers.ts';
import type { ReplyRow } from '#core/reply/rules/row.ts';

const WHOSE: Readonly<Record<Fault, string>> = {
  recipient: "recipient's",
  sender: "sender's",
  message: "message's",
  'next-hop': "server's",
  operator: "operator's",
  ours: "Everpost's",
};

export function repliesPage(): string {
  const rows = rowGroups.flatMap((group) => group.rows);
  return `# What follows from a server's reply

<!-- Written by npm run fix from the rows in src/core/reply/rules/ and the general rules beside them. Do not edit. -->

A reply decides whether a message is relayed, deferred or failed, and whose fault it is. The first that fits decides:

1. **Rows**: replies of known servers, by their very status or their very words. There are ${rows.length}.
2. **A status of its own**, whatever words stand behind it: addresses, mailboxes, size and content.
3. **General words**: those about us before those about the recipient, the sender or the message.
4. **The stage**: a 5yz before RCPT is the operator's, at RCPT the recipient's, at DATA and later the message's. A 4yz
   is tried again.

- What is the operator's fault is deferred on the long pace, and an alarm is raised at once. The sender is told at the
  end of the lifetime.
- What only the stage decided at RCPT or later is marked as *unrecognised*. A next hop that has never accepted a
  message is *new*: until it has, what is unrecognised there is the operator's
  (\`unrecognised-by-new-next-hop\`). At any other next hop the same unrecognised words for more than ten recipients in
  an hour are held, with an alarm ([the failure limit](decisions/failure-limit.md)).
- \`everpost classify '550 …' --stage dot\` says it for any reply. How a row is added:
  [CONTRIBUTING.md](../CONTRIBUTING.md). Why it is so: [decisions/whose-fault.md](decisions/whose-fault.md).

Stages: connect (the greeting), ehlo, starttls, auth, mail, rcpt, data, dot (after the final dot). Addresses in the
replies are examples.

## Rows

${rowGroups.map(({ server, rows: of }) => `### ${server}\n\n${table(ROW_HEAD, of.map(rowCells))}`).join('\n')}
## General rules

In this order. A rule without a name is the stage.

${table(RULE_HEAD, replyRules.map(ruleCells))}`;
}

const ROW_HEAD = ['reply', 'stage', 'what is done', 'fault', 'row', 'source'];
function rowCells(row: ReplyRow): readonly string[] {
  const { id, seen, stage, source, reason, says } = row;
  const told = says === undefined ? '' : ` The sender reads: ${says}`;
  const done = `${doneBy(reason, seen)}${told}`;
  return [code(seen.replaceAll('\n', ' ')), stage, done, WHOSE[REASONS[reason].fault], `\`${id}\``, code(source)];
}

const RULE_HEAD = ['rule', 'for replies such as', 'what is done', 'fault'];
function ruleCells({ id, seen, reason }: ReplyRule): readonly string[] {
  return [id === null ? 'stage' : `\`${id}\``, code(seen), doneBy(reason, seen), WHOSE[REASONS[reason].fault]];
}

function doneBy(reason: TableReason, seen: string): string {
  const { permanent, pace } = REASONS[reason];
  const failed = seen.startsWith('5') && permanent !== false;
  const how = failed ? 'failed' : pace === 'long' ? 'deferred, long pace, alarm' : 'deferred';
  return `${how}: *${reason}*.`;
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replaceAll('|', '\\|')}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}
