// The parts of a message that may be a report, found in its bytes as leniently as they are broken: missing boundaries, missing empty
// lines, bare LFs, an mbox line in front. Total and bounded: any bytes give some parts, of which there are few, none deeply nested.
// For reading reports alone; nothing that is read here ever goes back into a message that we relay.

import { decodeUnlabelled } from './field-text.ts';
import { reportBytesMax, reportDepthMax, reportPartsMax } from './limits.ts';

/** A leaf, or an attached message, which is never entered. */
export type ReportPart = {
  /** Lower case: `message/delivery-status`. */
  readonly type: string;
  /** Names in lower case, values unfolded; the first of each name. */
  readonly fields: ReadonlyMap<string, string>;
  /** Transfer encoding undone, line ends LF. */
  readonly text: string;
};
export type Parts = {
  readonly fields: ReadonlyMap<string, string>;
  readonly type: string;
  /** `report-type` of a multipart/report (RFC 6522 §3), lower case. */
  readonly reportType: string | null;
  readonly parts: readonly ReportPart[];
};

type Section = { readonly fields: ReadonlyMap<string, string>; readonly lines: readonly string[] };

export function partsOf(bytes: Uint8Array): Parts {
  const head = bytes.subarray(0, reportBytesMax);
  // Latin-1: each character is one byte, so that a part's own charset can still be applied.
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1');
  const whole = sectionOf(text.split(/\r\n|\n|\r/));
  const { type, parameters } = contentTypeOf(whole.fields, 'text/plain');
  const parts: ReportPart[] = [];
  collect(whole, 'text/plain', 0, parts);
  return { fields: whole.fields, type, reportType: parameters.get('report-type')?.toLowerCase() ?? null, parts };
}

function collect(section: Section, defaultType: string, depth: number, into: ReportPart[]): void {
  if (into.length >= reportPartsMax) return;
  const { type, parameters } = contentTypeOf(section.fields, defaultType);
  if (type.startsWith('multipart/') && depth < reportDepthMax) {
    const pieces = piecesOf(section.lines, parameters.get('boundary'));
    for (const lines of pieces ?? []) {
      collect(sectionOf(lines), type === 'multipart/digest' ? 'message/rfc822' : 'text/plain', depth + 1, into);
    }
    if (pieces !== null) return;
  }
  into.push({ type, fields: section.fields, text: textOf(section, parameters.get('charset')) });
}

const FIELD = /^([!-9;-~]+)[ \t]*:(.*)$/s;

/** Fields up to the empty line, or up to the first line that can be no field: the empty line was forgotten. */
function sectionOf(lines: readonly string[]): Section {
  const fields = new Map<string, string>();
  let name = '';
  let at = 0;
  // A byte order mark, and the line that mailboxes put in front.
  if (/^>?From /.test(lines[0] ?? '')) at = 1;
  for (; at < lines.length; at += 1) {
    const line = (lines[at] ?? '').replace(/^\xef\xbb\xbf/, '');
    if (line === '') return { fields, lines: lines.slice(at + 1) };
    if (/^[ \t]/.test(line) && name !== '') {
      const before = fields.get(name) ?? '';
      if (before.length < FIELD_CHARS_MAX) fields.set(name, `${before} ${line.trim()}`.trim());
      continue;
    }
    const [, found, value = ''] = FIELD.exec(line) ?? [];
    if (found === undefined) return { fields, lines: lines.slice(at) };
    const key = found.toLowerCase();
    // Of a field that is repeated the first counts; what is folded onto another one is not added to it.
    name = fields.has(key) ? `${key} again` : key;
    fields.set(name, value.trim());
  }
  return { fields, lines: [] };
}
const FIELD_CHARS_MAX = 16_384;

type ContentType = { readonly type: string; readonly parameters: ReadonlyMap<string, string> };

/** RFC 2045 §5.1. What can not be read is the default type. */
function contentTypeOf(fields: ReadonlyMap<string, string>, defaultType: string): ContentType {
  const value = (fields.get('content-type') ?? '').slice(0, 4_096);
  const type = /^\s*([\w.+-]+\/[\w.+*-]+)/.exec(value)?.[1]?.toLowerCase() ?? defaultType;
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, bare] of value.matchAll(
    /;\s*([\w*.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/g,
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
  const guess = lines.findIndex((line, at) => /^--\S/.test(line) && /^content-/i.test(lines[at + 1] ?? ''));
  const line = lines[guess];
  return line === undefined ? null : cut(lines, line.slice(2).trimEnd());
}

function cut(lines: readonly string[], boundary: string): string[][] | null {
  const pieces: string[][] = [];
  let piece: string[] | null = null;
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
  return pieces.length === 0 ? null : pieces;
}

function textOf({ fields, lines }: Section, charset: string | undefined): string {
  const encoding = /^\s*([\w-]+)/.exec(fields.get('content-transfer-encoding') ?? '')?.[1]?.toLowerCase() ?? '';
  const joined = lines.join('\n');
  const bytes =
    encoding === 'base64'
      ? Buffer.from(joined, 'base64')
      : Buffer.from(encoding === 'quoted-printable' ? fromQuotedPrintable(joined) : joined, 'latin1');
  return decode(bytes, charset).replace(/\r\n?/g, '\n');
}

/** RFC 2045 §6.7; what is no valid escape stays as it is. */
function fromQuotedPrintable(text: string): string {
  return text
    .replace(/[ \t]+$/gm, '')
    .replace(/=\n/g, '')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function decode(bytes: Uint8Array, charset: string | undefined): string {
  if (charset === undefined || /^(us-ascii|utf-?8)$/i.test(charset)) return decodeUnlabelled(bytes);
  try {
    return new TextDecoder(charset.trim()).decode(bytes);
  } catch {
    return decodeUnlabelled(bytes);
  }
}
