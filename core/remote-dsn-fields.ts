// The fields of a delivery report (RFC 3464 §2, RFC 6533 §3), read from text as leniently as reports are written: groups without empty
// lines between them, unknown actions, codes in words. Total; it claims no more than stands there.
// What no group says (which delivery, what to do) is not asked here.

import { isUtf8 } from 'node:buffer';
import { plainText } from './field-text.ts';
import { replyTextMax, reportRecipientsMax } from './limits.ts';
import { oneLine } from './notice-encoding.ts';
import type { HeaderField } from './receipt.ts';
import { parseStatus, type Status, statusOf } from './status.ts';

/** RFC 3464 §2.3.3. */
export type RemoteAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';
export type RemoteRecipient = {
  /** As the remote names it; null where it names nobody. */
  readonly finalRecipient: string | null;
  readonly originalRecipient: string | null;
  readonly action: RemoteAction;
  /** Its own, or what follows from its words. */
  readonly status: Status | null;
  /** One line: what the last server said, or what the report says of it. */
  readonly diagnostic: string | null;
  readonly remoteMta: string | null;
};
const OF_MESSAGE = new Set([
  ...['reporting-mta', 'original-envelope-id', 'dsn-gateway', 'received-from-mta', 'arrival-date'],
]);
const BEGINS = new Set(['final-recipient', 'original-recipient', 'action', 'status']);

/**
 * The fields of a delivery-status part. Groups are separated by empty lines; where these were lost, a field that a group may have once
 * begins the next one, and where there are too many, a group without an address goes on.
 */
export function statusFields(text: string): {
  readonly reportingMta: string | null;
  readonly recipients: readonly RemoteRecipient[];
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

/** Unfolded fields, and null for an empty line. What is neither is passed over. */
function* logicalLines(text: string): Generator<{ readonly name: string | null; readonly value: string }> {
  let name = '';
  let value = '';
  for (const line of [...text.split('\n'), '']) {
    if (/^[ \t]+\S/.test(line) && name !== '') {
      if (value.length < 8_192) value += ` ${line.trim()}`;
      continue;
    }
    if (name !== '') yield { name, value };
    const [, found, rest = ''] = /^([A-Za-z][\w-]{0,99})[ \t]*:(.*)$/.exec(line) ?? [];
    name = found?.toLowerCase() ?? '';
    value = rest.trim();
    if (line.trim() === '') yield { name: null, value: '' };
  }
}

function recipientOf(group: ReadonlyMap<string, string>): RemoteRecipient[] {
  const finalRecipient = addressOf(group.get('final-recipient'));
  const originalRecipient = addressOf(group.get('original-recipient'));
  const said = diagnosticOf(group.get('diagnostic-code'));
  const given = statusIn(group.get('status') ?? '');
  const action = actionOf(group.get('action') ?? '', given ?? statusFrom(said));
  if (action === null || (finalRecipient === null && originalRecipient === null && said === null && given === null))
    return [];
  return [
    {
      finalRecipient,
      originalRecipient,
      action,
      // A failure that calls itself a success is told of by its words, if at all.
      status: given !== null && !(action === 'failed' && given.startsWith('2')) ? given : statusFrom(said),
      diagnostic: said,
      remoteMta: afterType(group.get('remote-mta') ?? ''),
    },
  ];
}

/** An Action that nobody knows is what its status says; without one it is no word that a failure could be built on. */
function actionOf(text: string, status: Status | null): RemoteAction | null {
  const word = /^[^A-Za-z]*([A-Za-z]+)/.exec(text)?.[1]?.toLowerCase() ?? '';
  switch (word) {
    case 'failed':
    case 'failure':
    case 'delivered':
    case 'delayed':
    case 'relayed':
    case 'expanded':
      return word === 'failure' ? 'failed' : word;
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
  const [, type = '', rest = value] = /^\s*([\w-]+)\s*;(.*)$/s.exec(value) ?? [];
  const bare = /<([^<>]+)>/.exec(rest)?.[1] ?? rest.replace(/\s*\([^()]*\)\s*$/, '');
  const plain = oneLine(unescaped(bare, type.toLowerCase()), ADDRESS_CHARS_MAX);
  return plain === '' || plain === '<>' ? null : plain;
}
const ADDRESS_CHARS_MAX = 600;

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
  const text = oneLine(value.replace(/^\s*[\w-]*\s*;/, '').replace(/\([^()]*\)\s*$/, ''), 255);
  return text === '' ? null : text;
}

function diagnosticOf(value: string | undefined): string | null {
  const text = oneLine(asText(value ?? '').replace(/^\s*[\w.-]+\s*;/, ''), replyTextMax);
  return text === '' ? null : text;
}

/** A field's octets as text: UTF-8 where they are that, or Domino's Japanese; encoded words, which have no place here, are read all the same. */
function asText(value: string): string {
  if (value.includes('\x1b$')) return plainText(new TextDecoder('iso-2022-jp').decode(Buffer.from(value, 'latin1')));
  const octets = /^[\0-\xff]*$/.test(value) ? Buffer.from(value, 'latin1') : null;
  return plainText(octets !== null && isUtf8(octets) ? octets.toString('utf8') : value);
}

const ENHANCED = /(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)/;

/** An enhanced status as it is written in the wild: `5.1.1 (bad address)`, `#5.1.1`, `05.1.1` not. */
export function statusIn(text: string): Status | null {
  const [, kind, subject, detail] = ENHANCED.exec(text.slice(0, 2_000)) ?? [];
  return kind === undefined ? null : parseStatus(`${kind}.${Number(subject)}.${Number(detail)}`);
}

/** What words let one conclude: the status in them, else their code's class with what the phrase is known for (RFC 3463 §3). */
export function statusFrom(words: string | null): Status | null {
  if (words === null) return null;
  const own = statusIn(words);
  if (own !== null && own !== '5.0.0' && own !== '4.0.0') return own;
  const code = /(?<![\d.])([45])[0-5]\d(?=[\s:#;,-]|$)/.exec(words.slice(0, 2_000))?.[1];
  const known = PHRASES.find(([, phrase]) => phrase.test(words))?.[0];
  if (known !== undefined) return statusOf(`${code ?? own?.charAt(0) ?? '5'}.${known}`);
  if (own !== null) return own;
  return code === undefined ? null : statusOf(`${code}.0.0`);
}

const PHRASES: readonly (readonly [string, RegExp])[] = [
  ['2.2', /(mailbox|account|quota|inbox)[^.]{0,30}(is |are )?(full|exceeded)|over ?quota|exceed\w*[^.]{0,20}quota/i],
  ['2.1', /(account|mailbox|user)[^.]{0,40}(disabled|inactive|suspended|discontinued)/i],
  [
    '1.1',
    /(user|recipient|mailbox|address|account)[^.]{0,40}(unknown|not found|not recogni[sz]ed|does ?n.t exist|does not exist|unavailable)|(unknown|no such|invalid) (local )?(user|recipient|mailbox|address|account)/i,
  ],
  ['1.2', /(host|domain)[^.]{0,30}(unknown|not found)|(unknown|no such) (host|domain)/i],
  ['4.6', /too many hops|mail loop|routing loop/i],
];

/** The fields at the head of a message that came back. */
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
