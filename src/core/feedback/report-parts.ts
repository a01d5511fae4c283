// Finds the parts of a message that may be a report in its bytes, however broken they are: boundaries that are missing,
// wrong or damaged, missing or stray empty lines, bare LFs, an mbox line in front. Total, bounded, and linear in the
// input: lines are read one by one. For reading reports alone: nothing that is read here ever stands in a message that
// we relay.

import { reportBytesMax, reportDepthMax, reportPartsMax } from '#core/limits.ts';
import { decodeUnlabelled } from '#core/message/field-text.ts';
import { looksLikeStatus } from './report-fields.ts';
import { beginsOriginal } from './report-original.ts';

/** A leaf, or an attached message, which is entered by `partsIn` alone. */
export type ReportPart = {
  /** Lower case: `message/delivery-status`. */
  readonly type: string;
  /** Names in lower case, values unfolded; the first of each name. */
  readonly fields: ReadonlyMap<string, string>;
  /** Transfer encoding undone, each character one byte, line ends LF. Fields that are no part's own stand in front. */
  readonly octets: string;
  /** The same by its charset. */
  readonly text: string;
};
export type Parts = {
  readonly fields: ReadonlyMap<string, string>;
  readonly type: string;
  /** `report-type` of a multipart/report (RFC 6522 §3), lower case. */
  readonly reportType: string | null;
  readonly parts: readonly ReportPart[];
};

/** Lines within one header section that are no field, and are skipped. */
const PARDONS_MAX = 50;

type Section = {
  readonly fields: ReadonlyMap<string, string>;
  /** Field lines that describe no part: the empty line behind its own fields was lost. */
  readonly stray: readonly string[];
  readonly lines: readonly string[];
};

export function partsOf(bytes: Uint8Array): Parts {
  const head = bytes.subarray(0, reportBytesMax);
  // Latin-1: each character is one byte, so that a part's own charset can still be applied.
  return partsIn(Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1'));
}

/** Of a message inside another one: `octets` of its part. */
export function partsIn(octets: string): Parts {
  const whole = sectionOf(linesOf(octets));
  const { type, parameters } = contentTypeOf(whole.fields, 'text/plain');
  const parts: ReportPart[] = [];
  collect(whole, 'text/plain', 0, parts);
  return { fields: whole.fields, type, reportType: parameters.get('report-type')?.toLowerCase() ?? null, parts };
}

function linesOf(octets: string): string[] {
  return unixLines(octets).split('\n');
}

/** CRLF, a CR too many before it (as some gateways write it), and a bare CR. */
function unixLines(text: string): string {
  return text.includes('\r') ? text.replaceAll('\r\r\n', '\n').replaceAll('\r\n', '\n').replaceAll('\r', '\n') : text;
}

function collect(section: Section, defaultType: string, depth: number, into: ReportPart[]): void {
  if (into.length >= reportPartsMax) return;
  const { type, parameters } = contentTypeOf(section.fields, defaultType);
  if (type.startsWith('multipart/') && depth < reportDepthMax) {
    const pieces = piecesOf(bodyLines(section), parameters.get('boundary'));
    // A part of a digest mostly has no fields of its own, and the message's begin behind the empty line.
    const digest = type === 'multipart/digest';
    for (const lines of pieces ?? [])
      collect(sectionOf(lines, digest ? 0 : PARDONS_MAX), digest ? 'message/rfc822' : 'text/plain', depth + 1, into);
    if (pieces !== null) return;
  }
  const swallowed = ENTERED.test(type) && depth < reportDepthMax ? delimiterIn(section.lines) : -1;
  const own = swallowed === -1 ? section : { ...section, lines: section.lines.slice(0, swallowed) };
  into.push(leaf(own, type, depth, parameters.get('charset')));
  if (swallowed === -1) return;
  const rest = section.lines.slice(swallowed);
  const known = rest[0]?.startsWith('--') ? cut(rest, rest[0].slice(2).trimEnd()) : null;
  for (const lines of known ?? [behindDelimiter(rest, 0)]) collect(sectionOf(lines), 'text/plain', depth + 1, into);
}

function behindDelimiter(lines: readonly string[], at: number): string[] {
  return lines.slice(lines[at]?.startsWith('--') ? at + 1 : at);
}

/** Parts that can have swallowed the next one. An attached message has parts of its own. */
const ENTERED = /^(text\/plain|text\/html|multipart\/.*|message\/.*delivery-status)$/;
const PART_FIELD = /^content-(type|description|transfer-encoding|disposition|id)[ \t]{0,9}:/i;
const MESSAGE_TYPE = /^content-type[ \t]{0,9}:[ \t]{0,99}(multipart|message)\//i;

/**
 * Where the next part begins in one whose delimiter was damaged or lost; never behind the line that says that the
 * original follows, unless a part of the report follows it at once.
 */
function delimiterIn(lines: readonly string[], first = 1): number {
  let behind = false;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.trim() === '') continue;
    if (line.startsWith('--') && PART_FIELD.test(lines[at + 1] ?? '')) return at;
    if (at >= first && MESSAGE_TYPE.test(line)) return at;
    if (behind) return -1;
    behind = beginsOriginal(line);
  }
  return -1;
}

function leaf(section: Section, type: string, depth: number, charset: string | undefined): ReportPart {
  const body = unixLines(decoded(section));
  const own = depth > 0 && (!type.startsWith('text/') || looksLikeStatus(section.stray.join('\n')));
  const stray = own ? section.stray : [];
  const octets = stray.length === 0 ? body : `${stray.join('\n')}\n${body === '' ? '' : `\n${body}`}`;
  return { type, fields: section.fields, octets, text: unixLines(decode(Buffer.from(octets, 'latin1'), charset)) };
}

/** A multipart may not be encoded (RFC 2045 §6.4), and is. */
function bodyLines(section: Section): readonly string[] {
  return encodingOf(section) === 'base64' ? linesOf(decoded(section)) : section.lines;
}

const FIELD = /^([A-Za-z0-9][\w.-]{0,99})[ \t]{0,9}:(.*)$/s;

/** Fields up to the empty line, or up to the first line that can be no field: the empty line was forgotten. */
function sectionOf(lines: readonly string[], pardonsMax = PARDONS_MAX): Section {
  const fields = new Map<string, string>();
  const stray: string[] = [];
  let name = '';
  // The line that mailboxes put in front.
  let at = /^>?From /.test(lines[0] ?? '') ? 1 : 0;
  let pardons = pardonsMax;
  for (; at < lines.length; at += 1) {
    const line = at === 0 ? (lines[at] ?? '').replace(/^\xef\xbb\xbf/, '') : (lines[at] ?? '');
    if (/^[ \t]/.test(line) && name !== '') {
      const before = fields.get(name) ?? '';
      if (before.length < FIELD_CHARS_MAX) fields.set(name, `${before} ${line.trim()}`.trim());
      if (isStray(name)) stray.push(line);
      continue;
    }
    const [, found, value = ''] = FIELD.exec(line) ?? [];
    if (found === undefined || line.startsWith('--')) {
      if (pardons > 0 && !fields.has('content-type') && goesOn(lines, at)) {
        pardons -= 1;
        name = '';
        continue;
      }
      return { fields, stray, lines: lines.slice(line === '' ? at + 1 : at) };
    }
    const key = found.toLowerCase();
    // Of a repeated field the first counts; lines that are folded onto another one are not added to it.
    name = fields.has(key) ? `${key} again` : key;
    fields.set(name, value.trim().slice(0, FIELD_CHARS_MAX));
    if (isStray(name)) stray.push(line);
  }
  return { fields, stray, lines: [] };
}
const FIELD_CHARS_MAX = 16_384;
const LOOK_AHEAD_LINES = 200;

function isStray(name: string): boolean {
  return !name.startsWith('content-') && name !== 'mime-version';
}

/**
 * An empty or foreign line stands within the header section: fields follow it, and the type that was not given yet is
 * among them.
 */
function goesOn(lines: readonly string[], foreign: number): boolean {
  const from = foreign + 1;
  if (foreign === 0 && lines[0] === '' && PART_FIELD.test(lines[1] ?? '')) return true;
  if (lines[foreign] === '' && !FIELD.test(lines[from] ?? '')) return false;
  for (let at = from; at < Math.min(lines.length, from + LOOK_AHEAD_LINES); at += 1) {
    const line = lines[at] ?? '';
    if (line === '' || line.startsWith('--')) return false;
    if (MESSAGE_TYPE.test(line)) return true;
  }
  return false;
}

type ContentType = { readonly type: string; readonly parameters: ReadonlyMap<string, string> };

/** RFC 2045 §5.1. A type that cannot be read is the default type. */
function contentTypeOf(fields: ReadonlyMap<string, string>, defaultType: string): ContentType {
  const value = (fields.get('content-type') ?? '').slice(0, 2_048);
  const type = /^\s{0,99}([\w.+-]{1,99}\/[\w.+*-]{1,99})/.exec(value)?.[1]?.toLowerCase() ?? defaultType;
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, bare] of value.matchAll(
    /;\s{0,99}([\w*.-]{1,99})\s{0,9}=\s{0,9}(?:"((?:[^"\\]|\\.){0,300})"|([^\s;"]{1,300}))/g,
  )) {
    const key = name.toLowerCase();
    if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '');
  }
  return { type, parameters };
}

/** The lines of each body part, or null where no boundary is to be found: the whole is then read as text. */
function piecesOf(lines: readonly string[], boundary: string | undefined): string[][] | null {
  const named = boundary === undefined || boundary === '' ? null : cut(lines, boundary.trimEnd());
  if (named !== null) return named;
  const guess = lines.findIndex((line, at) => line.startsWith('--') && PART_FIELD.test(lines[at + 1] ?? ''));
  const line = lines[guess];
  return line === undefined ? null : cut(lines, line.slice(2).trimEnd());
}

function cut(lines: readonly string[], boundary: string): string[][] | null {
  const pieces: string[][] = [];
  const preamble: string[] = [];
  let piece: string[] | null = preamble;
  for (const line of lines) {
    if (line.startsWith('--') && line.startsWith(boundary, 2)) {
      const rest = line.slice(2 + boundary.length).trimEnd();
      if (rest === '' || rest === '--') {
        piece = rest === '' ? [] : null;
        if (piece !== null) pieces.push(piece);
        if (pieces.length > reportPartsMax) break;
        continue;
      }
    }
    piece?.push(line);
  }
  if (pieces.length === 0) return null;
  // A part whose delimiter was damaged stands before the first one that is sound.
  const at = delimiterIn(preamble, 0);
  return at === -1 ? pieces : [behindDelimiter(preamble, at), ...pieces];
}

function encodingOf({ fields }: Section): string {
  return /^\s{0,9}([\w-]{1,40})/.exec(fields.get('content-transfer-encoding') ?? '')?.[1]?.toLowerCase() ?? '';
}

/** Octets, the transfer encoding undone. */
function decoded(section: Section): string {
  const joined = section.lines.join('\n');
  switch (encodingOf(section)) {
    case 'base64':
      return Buffer.from(joined, 'base64').toString('latin1');
    case 'quoted-printable':
      return fromQuotedPrintable(section.lines);
    default:
      return joined;
  }
}

/** RFC 2045 §6.7; text that is no valid escape stays as it is. */
function fromQuotedPrintable(lines: readonly string[]): string {
  let text = '';
  for (const line of lines) {
    const bare = line.trimEnd();
    text += bare.endsWith('=') ? bare.slice(0, -1) : `${bare}\n`;
  }
  return text.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function decode(bytes: Uint8Array, charset: string | undefined): string {
  if (charset === undefined || /^(us-ascii|utf-?8)$/i.test(charset)) return decodeUnlabelled(bytes);
  try {
    return new TextDecoder(charset.trim()).decode(bytes);
  } catch {
    return decodeUnlabelled(bytes);
  }
}
