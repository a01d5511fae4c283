// `everpost trace`: shows each delivery of a message with every event.
// It reads the ledger alone and changes nothing.

import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { parseDuration } from '#config/values.ts';
import { printable, printableJson } from '#core/message/printable.ts';
import type { TraceQuery } from '#pipeline/ports.ts';
import { exitCodes, NotReachable, Usage } from './exit.ts';
import { dynamoFor, findInstance } from './find-instance.ts';
import { stateInWords } from './standing.ts';
import { type TraceJson, traceJson } from './trace-json.ts';
import { flag, instanceOptions, text, textOrEmpty, type ValuesOf, verb } from './verb.ts';

const which = {
  'spool-id': text('ID', "the message with this id (the S3 object's base name)"),
  'message-id': text('"<…>"', 'the Message-ID field of the message'),
  'reverse-path': textOrEmpty('ADDR', 'from this envelope sender ("" is the null reverse-path)'),
  'forward-path': text('ADDR', 'to this envelope recipient, as its sender gave it'),
  since: text('DURATION', 'accepted within this time: 30s, 15m, 4h, 2d'),
  limit: text('N', 'at most N messages (default 20)'),
};
type Words = ValuesOf<typeof which>;

export const trace = verb({
  usage: 'trace [what] [options]',
  about: 'what became of messages, newest first',
  sections: [which, { ...instanceOptions, json: flag('one JSON array, instants in UTC') }],
  async run(values) {
    queryOf(values, 0); // a mistake in the command line is reported before any call
    const instance = await findInstance(values);
    const ledger = new DynamoLedger(dynamoFor(instance), instance.table, { ledgerRetentionMs: 0, search: true });
    const records = await ledger.trace(queryOf(values, Date.now() + instance.aheadMs)).catch((error: unknown) => {
      throw new NotReachable(
        `the ledger ${instance.table} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    const messages = records.map(traceJson);
    process.stdout.write(
      values.json === true ? `${printableJson(JSON.stringify(messages, null, 1))}\n` : forPeople(messages),
    );
    return codeOf(values, messages.length);
  },
});

/** A message that was named and is not there is something wrong. A list may be empty. */
export function codeOf({ 'spool-id': spoolId, 'message-id': messageIdField }: Words, found: number): number {
  const named = spoolId !== undefined || messageIdField !== undefined;
  return named && found === 0 ? exitCodes.failed : exitCodes.done;
}

/** `now` by the instance's clock: the local runtime's may be days ahead. Throws Usage. */
export function queryOf(values: Words, now: number): TraceQuery {
  const limit = Number(values.limit ?? '20');
  if (!Number.isInteger(limit) || limit < 1) throw new Usage('--limit takes a whole number from 1');
  const since = values.since === undefined ? null : parseDuration(values.since);
  if (values.since !== undefined && since === null)
    throw new Usage(`--since takes a duration such as 30s, 15m, 4h or 2d, not "${values.since}"`);
  const reversePath = values['reverse-path'];
  return {
    spoolId: values['spool-id'],
    messageIdField: bracketed(values['message-id']),
    reversePath: reversePath === '<>' ? '' : reversePath,
    forwardPath: values['forward-path'],
    since: since === null ? undefined : now - since,
    limit,
  };
}

/**
 * RFC 5322 §3.6.4: the brackets belong to the id. A shell removes them, and people copy the text between them, or the
 * whole field.
 */
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
  const client = message.submission?.client;
  if (client !== undefined)
    lines.push(
      `    submitted by ${message.submission?.submitter} from ${client.address}, ${client.login ? 'by login' : 'by its address'}, ${client.tls ?? 'without TLS'}`,
    );
  for (const delivery of message.deliveries) {
    const said = delivery.lastReply === null ? '' : `  "${delivery.lastReply.code} ${delivery.lastReply.text}"`;
    lines.push(
      `  <${delivery.forwardPath}>  ${stateInWords(delivery)}  by ${delivery.nextHop || 'no route'}, ${delivery.attempts} attempt${delivery.attempts === 1 ? '' : 's'}${said}`,
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
      event.detail,
      event.by === undefined ? undefined : `by ${event.by}`,
    ].filter((word) => word !== null && word !== undefined && word !== '');
    lines.push(`    ${event.at}  ${words.join('  ')}`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}
