// Reads the authserv-id of an Authentication-Results field (RFC 8601 §2.2): the name of the server that the field
// speaks for. It may be quoted, follow comments and have a version. removed-fields.ts calls it for fields that came
// with a message. Linear in the value, which its caller limits.

import { domainOctetsMax } from '#core/limits.ts';
import { toDomainKey } from './domain-key.ts';
import { decodeUnlabelled, plainText } from './field-text.ts';

/** RFC 2045 §5.1: characters of a token; beyond ASCII too (RFC 8616 §4). */
const TOKEN = /[^\x00-\x20\x7F()<>@,;:\\"/[\]?=]/;
const DIGIT = /[0-9]/;

/**
 * Whether the field with this value speaks in one of `names` (comparable domains) or in a name below one of them. A
 * value that is not as RFC 8601 says up to its first semicolon has no authserv-id to compare. It counts as ours where
 * one of the names stands before that semicolon, because a reader may be more generous than the RFC, and where it was
 * cut: no host writes so long an id.
 */
export function speaksAs(value: Uint8Array, names: ReadonlySet<string>, cut: boolean): boolean {
  const text = decodeUnlabelled(value).replace(/[\r\n\0\p{Cf}]+/gu, ''); // some readers drop invisible characters
  const { id, at } = readAuthservId(text, cut);
  if (id !== null) return isOneOf(id, names);
  if (cut) return true;
  const semicolon = text.indexOf(';', at);
  const before = semicolon === -1 ? text : text.slice(0, semicolon);
  const shown = withoutValues(plainText(before));
  const joined = withoutValues(withoutComments(before)).join(''); // a name that a comment or a fold cuts in two
  return [...shown, joined].some((given) => given.split(/[^\p{L}\p{N}._-]+/u).some((word) => isOneOf(word, names)));
}

/**
 * The words, of `smtp.mailfrom=example.com` the part before its value: Microsoft writes results alone, without an id
 * before them.
 */
function withoutValues(text: string): string[] {
  return text.split(/[ \t]+/).map((word) => {
    const equals = word.indexOf('=');
    return equals > 0 ? word.slice(0, equals) : word;
  });
}

/** The id, or null where the text is none up to its first semicolon; `at`: where that was seen. */
function readAuthservId(text: string, cut: boolean): { readonly id: string | null; readonly at: number } {
  const start = blanksEnd(text, 0);
  const read = text[start] === '"' ? quotedString(text, start) : token(text, start);
  if (read.value === '') return { id: null, at: read.end };
  const version = blanksEnd(text, read.end);
  let at = version;
  while (DIGIT.test(text[at] ?? '')) at += 1;
  at = blanksEnd(text, at);
  const ended = text[at] === ';' || (at === text.length && !cut);
  return { id: ended ? read.value : null, at };
}

function token(text: string, start: number): { readonly value: string; readonly end: number } {
  let end = start;
  while (end < text.length && TOKEN.test(text.charAt(end))) end += 1;
  return { value: text.slice(start, end), end };
}

/** Without its quotes and backslashes; '' where it does not end. */
function quotedString(text: string, start: number): { readonly value: string; readonly end: number } {
  const value: string[] = [];
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '"') return { value: value.join('').trim(), end: at + 1 };
    if (text[at] === '\\') at += 1;
    value.push(text.charAt(at));
  }
  return { value: '', end: text.length };
}

/**
 * Behind white space and comments, which nest (RFC 5322 §3.2.2). A comment that does not end goes to the end of the
 * text.
 */
function blanksEnd(text: string, from: number): number {
  let depth = 0;
  let at = from;
  for (; at < text.length; at += 1) {
    const character = text[at];
    if (character === '(') depth += 1;
    else if (depth > 0 && character === ')') depth -= 1;
    else if (depth > 0 && character === '\\') at += 1;
    else if (depth === 0 && character !== ' ' && character !== '\t') break;
  }
  return Math.min(at, text.length);
}

function withoutComments(text: string): string {
  const kept: string[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') at = blanksEnd(text, at);
    kept.push(text.charAt(at));
  }
  return kept.join('');
}

function isOneOf(name: string, names: ReadonlySet<string>): boolean {
  const bare = name.slice(-domainOctetsMax).replace(/^\.+|\.+$/g, '');
  const key = toDomainKey(bare) ?? bare.toLowerCase();
  for (let at = 0; at !== -1; ) {
    if (names.has(key.slice(at))) return true;
    const dot = key.indexOf('.', at);
    at = dot === -1 ? -1 : dot + 1;
  }
  return false;
}
