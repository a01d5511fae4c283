// Reads the fields of a delivery report (RFC 3464 §2, RFC 6533 §3) from text, as leniently as reports are written:
// groups without empty lines between them, unknown actions, codes in words. Total. It claims no more than the fields
// say, and never decides which delivery they are about.

import { isUtf8 } from 'node:buffer';
import { replyTextMax, reportRecipientsMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import type { HeaderField } from '#core/message/header.ts';
import { oneLine } from '#core/message/text-encoding.ts';
import type { Status } from '#core/reply/status.ts';
import { exactStatus, statusFrom, statusIn } from './report-status.ts';

/** RFC 3464 §2.3.3. */
export type RemoteAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';
export type RemoteRecipient = {
  /** As the remote server names it; null where it names none. */
  readonly finalRecipient: string | null;
  readonly originalRecipient: string | null;
  readonly action: RemoteAction;
  /** Its own, or the one that its words imply. */
  readonly status: Status | null;
  /** One line: the last server's words, or the report's words about them. */
  readonly diagnostic: string | null;
  readonly remoteMta: string | null;
};
const OF_MESSAGE = new Set([
  ...['reporting-mta', 'original-envelope-id', 'dsn-gateway', 'received-from-mta', 'arrival-date'],
]);
const BEGINS = new Set(['final-recipient', 'original-recipient', 'action', 'status']);

/**
 * A recipient as its group describes it. `remark`: the text in parentheses behind its status or action, where there is
 * no other.
 */
export type StatusGroup = RemoteRecipient & { readonly remark: string | null };

/** The text is a delivery-status part, whatever its type: it begins with a field of one, and names a recipient. */
export function looksLikeStatus(text: string): boolean {
  const head = text.slice(0, 4_000);
  const [first = ''] = /^\s{0,999}([A-Za-z][\w-]{0,99})[ \t]{0,9}:/.exec(head)?.slice(1) ?? [];
  if (!STATUS_BEGINS.has(first.toLowerCase())) return false;
  return /^(final|original)-recipient[ \t]{0,9}:/im.test(head) && /^(action|status)[ \t]{0,9}:/im.test(head);
}
const STATUS_BEGINS = new Set([
  ...['reporting-mta', 'original-envelope-id', 'dsn-gateway', 'received-from-mta', 'arrival-date'],
  ...['final-recipient', 'original-recipient', 'x-postfix-queue-id'],
]);

/**
 * The fields of a delivery-status part. Groups are separated by empty lines; where these were lost, a field that a
 * group may have once begins the next one, and where there are too many, a group without an address goes on. It ends at
 * a line that can only be a delimiter.
 */
export function statusFields(text: string): {
  readonly reportingMta: string | null;
  readonly recipients: readonly StatusGroup[];
} {
  const groups: Map<string, string>[] = [];
  let reportingMta: string | null = null;
  let group = new Map<string, string>();
  let gap = false;
  for (const { name, value } of logicalLines(text)) {
    if (name === null) {
      gap = true;
      continue;
    }
    if (OF_MESSAGE.has(name)) {
      if (name === 'reporting-mta') reportingMta ??= afterType(value);
      continue;
    }
    const full = group.has('final-recipient') || group.has('original-recipient');
    if ((gap && full) || (BEGINS.has(name) && group.has(name) && full)) {
      groups.push(group);
      if (groups.length >= reportRecipientsMax) return { reportingMta, recipients: groups.flatMap(recipientOf) };
      group = new Map();
    }
    gap = false;
    if (!group.has(name)) group.set(name, value);
  }
  return { reportingMta, recipients: [...groups, group].flatMap(recipientOf) };
}

/** Unfolded fields, and null for an empty line. Other lines are skipped. */
function* logicalLines(text: string): Generator<{ readonly name: string | null; readonly value: string }> {
  let name = '';
  let value = '';
  for (const line of [...text.split('\n'), '']) {
    if (name !== '' && /^[ \t]/.test(line) && line.trim() !== '') {
      if (value.length < FIELD_CHARS_MAX) value += ` ${line.trim().slice(0, FIELD_CHARS_MAX)}`;
      continue;
    }
    if (name !== '') yield { name, value };
    if (DELIMITER.test(line)) return;
    const [, found, rest = ''] = /^([A-Za-z][\w-]{0,99})[ \t]{0,9}:(.*)$/.exec(line) ?? [];
    name = found?.toLowerCase() ?? '';
    value = rest.trim().slice(0, FIELD_CHARS_MAX);
    if (line.trim() === '') yield { name: null, value: '' };
  }
}
/** More than any field of a report has that we use. */
const FIELD_CHARS_MAX = 4_096;
const DELIMITER = /^--[^\s-]|^--[-=_]{2,}[^\s=_-]/;

function recipientOf(group: ReadonlyMap<string, string>): StatusGroup[] {
  const finalRecipient = addressOf(group.get('final-recipient'));
  const originalRecipient = addressOf(group.get('original-recipient'));
  const said = DIAGNOSTICS.map((name) => diagnosticOf(group.get(name))).find((found) => found !== null) ?? null;
  // Some write a reply where a status belongs.
  const given = statusIn(group.get('status') ?? '') ?? statusFrom(group.get('status') ?? null);
  const action = actionOf(group.get('action') ?? '', given ?? statusFrom(said));
  if (action === null || (finalRecipient === null && originalRecipient === null && said === null && given === null))
    return [];
  // A failure that calls itself a success can be recognised by its words alone.
  const believed = given !== null && !(action === 'failed' && given.startsWith('2')) ? given : null;
  return [
    {
      finalRecipient,
      originalRecipient,
      action,
      status: exactStatus(believed, said),
      diagnostic: said,
      remoteMta: afterType(group.get('remote-mta') ?? ''),
      remark: remarkIn(group.get('status')) ?? remarkIn(group.get('action')),
    },
  ];
}
/** Where servers put the words of the one that refused. */
const DIAGNOSTICS = ['diagnostic-code', 'x-supplementary-info', 'localized-diagnostic'];

/** What people are told behind the word: `5.1.1 (bad address)`, `552 mailbox full`. */
function remarkIn(value: string | undefined): string | null {
  const text = oneLine(
    (value ?? '')
      .slice(0, 1_000)
      .replace(/^[45]\.\d{1,3}\.\d{1,3}/, '')
      .replace(/[()]/g, ' '),
    300,
  );
  return /[A-Za-z]{2}/.test(text) && text.includes(' ') ? text : null;
}

/** An unknown Action counts as its status says; without a status it makes no failure. */
function actionOf(text: string, status: Status | null): RemoteAction | null {
  const word = /^[^A-Za-z]{0,99}([A-Za-z]{1,20})/.exec(text)?.[1]?.toLowerCase() ?? '';
  switch (word) {
    case 'failed':
    // As some programs write it. An expired delivery has failed, whatever 4.y.z was its last status.
    case 'failure':
    case 'error':
    case 'expired':
    case 'undeliverable':
    case 'rejected':
      return 'failed';
    case 'delivered':
    case 'delayed':
    case 'relayed':
    case 'expanded':
      return word;
  }
  switch (status?.charAt(0)) {
    case '2':
      return 'delivered';
    case '4':
      return 'delayed';
    case '5':
      return 'failed';
    default:
      return null;
  }
}

/** `type; address`, with or without angle brackets; xtext (RFC 3461 §4) and the escapes of RFC 6533 §3 undone. */
function addressOf(value: string | undefined): string | null {
  if (value === undefined) return null;
  const text = value.slice(0, 2_000).trim();
  const [, type = '', rest = text] = /^([\w-]{1,40})\s{0,9};(.*)$/s.exec(text) ?? [];
  const bare = /<([^<>]{1,999})>/.exec(rest)?.[1] ?? withoutRemark(rest);
  const plain = oneLine(unescaped(bare, type.toLowerCase()), ADDRESS_CHARS_MAX);
  return plain === '' || plain === '<>' ? null : plain;
}
const ADDRESS_CHARS_MAX = 600;

/** Without the comment that closes it: `bob@far.example (Bob)`. */
function withoutRemark(text: string): string {
  const whole = text.trimEnd();
  const open = whole.lastIndexOf('(');
  return whole.endsWith(')') && open !== -1 ? whole.slice(0, open).trimEnd() : whole;
}

function unescaped(text: string, type: string): string {
  const wide =
    type === 'utf-8'
      ? text.replace(/\\x\{([0-9A-Fa-f]{1,6})\}/g, (whole, hex: string) => {
          const code = Number.parseInt(hex, 16);
          return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
        })
      : text;
  // Only one that has no sign of its own: `user+40host`, never the label of `user+2B@host`.
  if (wide.includes('@') || !/\+40/i.test(wide)) return wide;
  return wide.replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The value behind `dns;`, a type that says nothing; null where nothing stands there. */
function afterType(value: string): string | null {
  const bare = value.slice(0, 1_000).trim();
  const text = oneLine(withoutRemark(bare.replace(/^[\w-]{0,40}\s{0,9};/, '')), 255);
  return text === '' ? null : text;
}

function diagnosticOf(value: string | undefined): string | null {
  const text = oneLine(asText((value ?? '').trim()).replace(/^[\w.-]{1,40}\s{0,9};/, ''), replyTextMax);
  return text === '' ? null : text;
}

/**
 * A field's octets as text: UTF-8 where they are that, or Domino's Japanese; encoded words, which have no place here,
 * are read all the same.
 */
function asText(value: string): string {
  if (value.includes('\x1b$')) return plainText(new TextDecoder('iso-2022-jp').decode(Buffer.from(value, 'latin1')));
  const octets = /^[\0-\xff]*$/.test(value) ? Buffer.from(value, 'latin1') : null;
  return plainText(octets !== null && isUtf8(octets) ? octets.toString('utf8') : value);
}

/** The fields at the head of a returned message. */
export function originalFields(text: string): readonly HeaderField[] {
  const found: HeaderField[] = [];
  for (const { name, value } of logicalLines(text)) {
    if (name === null) {
      if (found.length > 0) break;
      continue;
    }
    found.push({ name, value });
    if (found.length >= ORIGINAL_FIELDS_MAX) break;
  }
  return found;
}
const ORIGINAL_FIELDS_MAX = 500;
