// Composes the JSON that SES publishes for a received message. Called by receipt-actions.ts, and by receiving.ts when a
// new rule is tried. Envelope recipients and verdicts are nowhere else. Header values are unfolded and not decoded. It
// reads the header section alone.

import type { S3Action } from './rule-sets.ts';
import type { Verdicts } from './verdicts.ts';

const HEADERS_BYTES_MAX = 10 * 1024; // SES quota: headers in a notification through SNS
// read from the file's head; a longer section is cut and called truncated
export const HEADER_SECTION_BYTES_MAX = 256 * 1024;

export type HeaderField = { readonly name: string; readonly value: string };
export type Receipt = {
  readonly sesMessageId: string;
  readonly reversePath: string;
  readonly recipients: readonly string[];
  readonly verdicts: Verdicts;
  readonly scanEnabled: boolean;
  /** Virtual instants, in milliseconds. */
  readonly acceptedAt: number;
  readonly now: number;
};

/** @param head the stored object's first bytes, SES's own fields included */
export function notification(
  receipt: Receipt,
  action: { readonly S3Action?: S3Action; readonly topicArn?: string },
  head: Buffer,
): unknown {
  const { fields, complete } = headerFields(head);
  const { kept, truncated } = withinLimit(fields);
  const { verdicts, scanEnabled } = receipt;
  const timestamp = new Date(receipt.acceptedAt).toISOString();
  return {
    notificationType: 'Received',
    mail: {
      timestamp,
      source: receipt.reversePath, // for the null reverse-path SES's value is not documented; '' is the plainest
      messageId: receipt.sesMessageId,
      destination: capped([
        ...new Set(['to', 'cc', 'bcc'].flatMap((name) => addresses(first(fields, name)).map(bareAddress))),
      ]),
      headersTruncated: truncated || !complete,
      headers: kept,
      commonHeaders: commonHeaders(fields),
    },
    receipt: {
      timestamp,
      processingTimeMillis: Math.max(0, Math.round(receipt.now - receipt.acceptedAt)),
      recipients: receipt.recipients,
      spamVerdict: { status: scanEnabled ? verdicts.spam : 'DISABLED' },
      virusVerdict: { status: scanEnabled ? verdicts.virus : 'DISABLED' },
      spfVerdict: { status: verdicts.spf },
      dkimVerdict: { status: verdicts.dkim },
      dmarcVerdict: { status: verdicts.dmarc },
      ...(verdicts.dmarc === 'FAIL' ? { dmarcPolicy: verdicts.dmarcPolicy } : {}),
      action: actionPart(receipt, action),
    },
  };
}

function actionPart(receipt: Receipt, { S3Action: s3, topicArn }: { S3Action?: S3Action; topicArn?: string }): unknown {
  if (!s3) return { type: 'Stop', topicArn };
  const prefix = s3.ObjectKeyPrefix ?? '';
  return {
    type: 'S3',
    topicArn,
    bucketName: s3.BucketName,
    objectKeyPrefix: prefix,
    objectKey: prefix + receipt.sesMessageId,
  };
}

/** The fields of a header section that begins at byte 0. Lines that are no field are passed over. */
export function headerFields(head: Buffer): { readonly fields: readonly HeaderField[]; readonly complete: boolean } {
  const end = /\r?\n\r?\n/.exec(head.toString('latin1', 0, HEADER_SECTION_BYTES_MAX));
  const section = head.subarray(0, end ? end.index : Math.min(head.length, HEADER_SECTION_BYTES_MAX));
  const fields: HeaderField[] = [];
  for (const line of section.toString('latin1').split(/\r?\n(?![ \t])/)) {
    const colon = line.indexOf(':');
    if (colon <= 0 || !/^[\x21-\x39\x3b-\x7e]+[ \t]*$/.test(line.slice(0, colon))) continue;
    const value = line
      .slice(colon + 1)
      .replace(/\r?\n[ \t]+/g, ' ')
      .trim();
    fields.push({ name: line.slice(0, colon).trimEnd(), value: decoded(value) });
  }
  return { fields, complete: end !== null || head.length < HEADER_SECTION_BYTES_MAX };
}

/** Header bytes as text: UTF-8 where they are (RFC 6532), else one character a byte, so that nothing is lost. */
function decoded(binary: string): string {
  if (/^[\x00-\x7f]*$/.test(binary)) return binary;
  const text = Buffer.from(binary, 'latin1').toString();
  return text.includes('\ufffd') ? binary : text;
}

function withinLimit(fields: readonly HeaderField[]): { kept: readonly HeaderField[]; truncated: boolean } {
  let bytes = 0;
  const over = fields.findIndex(({ name, value }) => {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    return bytes > HEADERS_BYTES_MAX;
  });
  return over < 0 ? { kept: fields, truncated: false } : { kept: fields.slice(0, over), truncated: true };
}

const LISTS = { from: 'from', to: 'to', cc: 'cc', bcc: 'bcc', replyTo: 'reply-to' } as const;
const TEXTS = { sender: 'sender', date: 'date', messageId: 'message-id', subject: 'subject' } as const;

/** Each may be absent. A field that would not fit into a notification is left out. */
function commonHeaders(fields: readonly HeaderField[]): Readonly<Record<string, unknown>> {
  const common: Record<string, unknown> = {};
  let bytes = 0;
  const put = (name: string, value: string | readonly string[]) => {
    bytes += Buffer.byteLength(JSON.stringify(value));
    if (bytes <= 2 * HEADERS_BYTES_MAX) common[name] = value;
  };
  const returnPath = first(fields, 'return-path')?.replace(/^<|>$/g, '');
  if (returnPath !== undefined) put('returnPath', returnPath);
  for (const [name, field] of Object.entries(TEXTS)) {
    const value = first(fields, field);
    if (value !== undefined) put(name, value);
  }
  for (const [name, field] of Object.entries(LISTS)) {
    const list = addresses(first(fields, field));
    if (list.length > 0) put(name, list);
  }
  return common;
}

const first = (fields: readonly HeaderField[], name: string): string | undefined =>
  fields.find((field) => field.name.toLowerCase() === name)?.value;

/** An address list cut at its commas, with quotes, comments, angle brackets and groups respected. */
function addresses(list: string | undefined): readonly string[] {
  const parts: string[] = [];
  let current = '';
  let quoted = false;
  let depth = 0;
  for (let i = 0; i < (list ?? '').length; i += 1) {
    const character = list?.[i] ?? '';
    if (character === '\\') {
      current += character + (list?.[i + 1] ?? '');
      i += 1;
      continue;
    }
    if (character === '"') quoted = !quoted;
    else if (!quoted && (character === '(' || character === '<')) depth += 1;
    else if (!quoted && (character === ')' || character === '>')) depth = Math.max(0, depth - 1);
    else if (!quoted && depth === 0 && character === ':') {
      current = ''; // a group's name
      continue;
    } else if (!quoted && depth === 0 && (character === ',' || character === ';')) {
      parts.push(current);
      current = '';
      continue;
    }
    current += character;
  }
  return [...parts, current].map((part) => part.trim()).filter((part) => part !== '');
}
const bareAddress = (address: string): string =>
  /<([^<>]*)>[^<>]*$/.exec(address)?.[1] ?? address.replace(/\([^()]*\)/g, '').trim();

function capped(list: readonly string[]): readonly string[] {
  let bytes = 0;
  return list.filter((address) => {
    bytes += Buffer.byteLength(address);
    return bytes <= HEADERS_BYTES_MAX;
  });
}
