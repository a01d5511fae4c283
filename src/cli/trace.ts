// `everpost trace`: what became of a message, delivery by delivery, with every event.
// Reads the ledger alone and changes nothing.

import { parseArgs } from 'node:util';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { parseDuration } from '#config/values.ts';
import { printable, printableJson } from '#core/message/printable.ts';
import type { TraceQuery } from '#pipeline/ports.ts';
import { exitCodes, NotReachable, Usage } from './exit.ts';
import { dynamoFor, findInstance } from './instance.ts';
import { type TraceJson, traceJson } from './trace-json.ts';

export const traceHelp = `everpost trace [what] [options]: what became of messages, newest first

  --spool-id ID          the message with this id (the S3 object's base name)
  --message-id "<…>"     the Message-ID field of the message
  --reverse-path ADDR    from this envelope sender ("" is the null reverse-path)
  --forward-path ADDR    to this envelope recipient, as its sender gave it
  --since DURATION       accepted within this time: 30s, 15m, 4h, 2d
  --limit N              at most N messages (default 20)

  --data DIR             the local instance of this folder (default .everpost)
  --stack NAME           the deployed stack of this name, by your AWS credentials
  --json                 one JSON array, instants in UTC
`;

const OPTIONS = {
  'spool-id': { type: 'string' },
  'message-id': { type: 'string' },
  'reverse-path': { type: 'string' },
  'forward-path': { type: 'string' },
  since: { type: 'string' },
  limit: { type: 'string' },
  data: { type: 'string' },
  stack: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export async function trace(args: readonly string[]): Promise<number> {
  const { values } = parsed(args);
  queryOf(values, 0); // a mistake in the words is told before anything is asked
  const instance = await findInstance({ data: values.data ?? '.everpost', stack: values.stack ?? null });
  const ledger = new DynamoLedger(dynamoFor(instance), instance.table, { ledgerRetentionMs: 0, search: true });
  const records = await ledger.trace(queryOf(values, Date.now() + instance.aheadMs)).catch((error: unknown) => {
    throw new NotReachable(
      `the ledger ${instance.table} can not be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
  const messages = records.map(traceJson);
  process.stdout.write(
    values.json === true ? `${printableJson(JSON.stringify(messages, null, 1))}\n` : forPeople(messages),
  );
  return exitCodes.done;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
  } catch (error) {
    throw new Usage(`${error instanceof Error ? error.message : String(error)} (everpost trace --help)`);
  }
}

/** `now` by the instance's clock: the local runtime's may be days ahead. Throws Usage. */
export function queryOf(
  values: { readonly [name in keyof typeof OPTIONS]?: string | boolean },
  now: number,
): TraceQuery {
  const text = (name: keyof typeof OPTIONS) =>
    typeof values[name] === 'string' ? (values[name] as string) : undefined;
  const limit = Number(text('limit') ?? '20');
  if (!Number.isInteger(limit) || limit < 1) throw new Usage('--limit takes a whole number from 1');
  const sinceText = text('since');
  const since = sinceText === undefined ? null : parseDuration(sinceText);
  if (sinceText !== undefined && since === null)
    throw new Usage(`--since takes a duration such as 30s, 15m, 4h or 2d, not "${sinceText}"`);
  const reversePath = text('reverse-path');
  return {
    spoolId: text('spool-id'),
    messageIdField: bracketed(text('message-id')),
    reversePath: reversePath === '<>' ? '' : reversePath,
    forwardPath: text('forward-path'),
    since: since === null ? undefined : now - since,
    limit,
  };
}

/** RFC 5322 §3.6.4: the brackets belong to the id; a shell takes them away, and people copy what stands between them, or the whole field. */
function bracketed(text: string | undefined): string | undefined {
  const id = text?.replace(/^\s*message-id\s*:/i, '').trim();
  return id === undefined || id === '' || id.startsWith('<') ? id : `<${id}>`;
}

export function forPeople(messages: readonly TraceJson[]): string {
  if (messages.length === 0) return 'no message fits\n';
  return messages.map(messageLines).join('\n');
}

function messageLines(message: TraceJson): string {
  const lines = [
    `${message.acceptedAt}  ${message.spoolId}  from <${message.reversePath}>  ${message.messageIdField ?? 'without Message-ID'}`,
  ];
  for (const delivery of message.deliveries) {
    const said = delivery.lastReply === null ? '' : `  "${delivery.lastReply.code} ${delivery.lastReply.text}"`;
    lines.push(
      `  <${delivery.forwardPath}>  ${delivery.state}  by ${delivery.nextHop || 'no route'}, ${delivery.attempts} attempt${delivery.attempts === 1 ? '' : 's'}${said}`,
    );
    if (delivery.notice !== null) {
      const { notice } = delivery;
      lines.push(
        `    ${notice.kind}: ${notice.state}${notice.to === null ? '' : ` to <${notice.to}>`}${notice.reason === null ? '' : `, ${notice.reason}`}`,
      );
    }
  }
  for (const event of message.events) {
    const words = [
      event.event,
      `<${event.forwardPath}>`,
      event.nextHop,
      event.status,
      event.reply,
      event.reason,
    ].filter((word) => word !== null && word !== '');
    lines.push(`    ${event.at}  ${words.join('  ')}`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}
