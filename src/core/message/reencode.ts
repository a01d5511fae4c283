// Encodes a body whose lines are too long for SES (998 octets and the line end; docs/aws-contracts.md §2.3). Text parts
// become quoted-printable, other parts Base64; Base64 without line breaks is wrapped. All else keeps its bytes. A
// message within a message is never encoded itself, its parts are; parts that are signed or encrypted one by one are
// not changed. A reader that decodes the result gets the same content.

import { lineOctetsMax } from '#core/limits.ts';
import { parameterOf } from './content-type.ts';
import { fieldLines } from './field-lines.ts';
import type { HeaderSection } from './header.ts';
import { type Entity, isIdentity, type Protection, type Region, regionsOf } from './mime-regions.ts';
import type { BodyChange } from './ses-edit.ts';
import { base64, linesOf, quotedPrintable, softened, wrappedBase64 } from './transfer-encoding.ts';

export type LineMend =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'mended';
      readonly change: BodyChange;
      /** The body, in order; each time from its beginning. A chunk may be a view of the bytes that were given. */
      readonly chunks: () => Iterable<Uint8Array>;
    }
  /** `why` names the obstacle. */
  | { readonly kind: 'impossible'; readonly why: Exclude<Protection, null> | 'structure' | 'encoding' };

type Edit = { readonly start: number; readonly end: number; readonly chunks: () => Iterable<Uint8Array> };
type Impossible = Extract<LineMend, { kind: 'impossible' }>;

/** `bytes` is the whole message, `section` its header section. */
export function mendLines(bytes: Uint8Array, section: HeaderSection): LineMend {
  if (!hasLongLine(bytes, section.bodyStart, bytes.length)) return { kind: 'none' };
  const regions = regionsOf(bytes, section);
  if (regions === null) return { kind: 'impossible', why: 'structure' };
  const encodings = new Map<Entity, string>();
  const edits: Edit[] = [];
  const headers: Region[] = [];
  for (const region of regions) {
    const isLong = hasLongLine(bytes, region.start, region.end);
    if (region.kind === 'header') headers.push(region);
    if (!isLong) continue;
    if (region.protection !== null) return { kind: 'impossible', why: region.protection };
    if (region.kind === 'header') continue; // below, once the encoding is known
    const edit = region.kind === 'leaf' ? leafEdit(bytes, region, encodings) : lineEdit(bytes, region);
    if ('kind' in edit) return edit;
    edits.push(edit);
  }
  for (const { entity, start, end } of headers) {
    const encoding = encodings.get(entity);
    if (encoding === undefined && !hasLongLine(bytes, start, end)) continue;
    edits.push({ start, end, chunks: () => [headerOf(bytes, entity, encoding ?? null)] });
  }
  edits.sort((a, b) => a.start - b.start || a.end - b.end);
  const root = regions.find(({ entity }) => entity.headerStart === 0)?.entity;
  const encoding = (root && encodings.get(root)) ?? null;
  return { kind: 'mended', change: { encoding }, chunks: () => edited(bytes, section.bodyStart, edits) };
}

function* edited(bytes: Uint8Array, from: number, edits: readonly Edit[]): Generator<Uint8Array, void, undefined> {
  let at = from;
  for (const { start, end, chunks } of edits) {
    if (start > at) yield bytes.subarray(at, start);
    yield* chunks();
    at = end;
  }
  if (at < bytes.length) yield bytes.subarray(at);
}

/**
 * Fields alone (RFC 3464 §2.1, RFC 8098 §3.1, RFC 5965 §3), which readers read as they stand: encoded, they would be
 * none.
 */
const FIELDS_ALONE =
  /^message\/(?:global-)?(?:delivery-status|disposition-notification|feedback-report|tracking-status|headers)$/;

function leafEdit(bytes: Uint8Array, region: Region, encodings: Map<Entity, string>): Edit | Impossible {
  const { start, end, entity } = region;
  const of = (chunks: (part: Uint8Array) => Iterable<Uint8Array>): Edit => {
    return { start, end, chunks: () => chunks(bytes.subarray(start, end)) };
  };
  const { contentType, encoding } = entity;
  if (encoding === 'base64') return of((part) => wrappedBase64(part, lineOctetsMax));
  if (encoding === 'quoted-printable') return of((part) => softened(part, lineOctetsMax));
  if (!isIdentity(encoding)) return { kind: 'impossible', why: 'encoding' };
  if (FIELDS_ALONE.test(contentType.type)) return lineEdit(bytes, region);
  if (contentType.type.startsWith('message/')) return { kind: 'impossible', why: 'encoding' }; // RFC 2045 §6.4
  const isWide = /^(?:utf-?16|utf-?32|ucs-?[24]|iso-10646)/i.test(parameterOf(contentType, 'charset') ?? '');
  const isText = /^(?:text|multipart)\//.test(contentType.type) && !isWide; // line ends of wide charsets are no octets of their own
  encodings.set(entity, isText ? 'quoted-printable' : 'base64');
  return of(isText ? quotedPrintable : base64);
}

/** Lines that belong to no part's content, or are fields: folded, so that none begins as a boundary does. */
function lineEdit(bytes: Uint8Array, { kind, start, end }: Region): Edit {
  const chunks = function* (): Generator<Uint8Array, void, undefined> {
    const region = bytes.subarray(start, end);
    for (const line of linesOf(region)) {
      const text = region.subarray(line.start, line.end);
      if (text.length <= lineOctetsMax) yield region.subarray(line.start, line.next);
      else {
        const octets = Buffer.from(text).toString('latin1');
        const mended = kind === 'delimiter' ? octets.trimEnd() : foldedLine(octets);
        yield Buffer.concat([Buffer.from(mended, 'latin1'), region.subarray(line.end, line.next)]);
      }
    }
  };
  return { start, end, chunks };
}

function foldedLine(octets: string): string {
  const [, name, value] = /^([!-9;-~]{1,100}):(.*)$/s.exec(octets) ?? [];
  if (name !== undefined && value !== undefined) return fieldLines(name, value).replace(/\r\n$/, '');
  return octets.match(/.{1,900}/gs)?.join('\r\n ') ?? '';
}

/** A part's header section with the encoding that it has now. */
function headerOf(bytes: Uint8Array, entity: Entity, encoding: string | null): Uint8Array {
  const out: Uint8Array[] = [];
  const octets = (start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString('latin1');
  if (encoding !== null) {
    // On top: a reader for whom a line that is no field ends the header section finds it all the same.
    out.push(Buffer.from(`Content-Transfer-Encoding: ${encoding}\r\n`));
    if (entity.isMessage && !entity.fields.some(({ name }) => name === 'mime-version'))
      out.push(Buffer.from('MIME-Version: 1.0\r\n'));
  }
  let at = entity.headerStart;
  for (const { name, start, end, valueStart } of entity.fields) {
    out.push(bytes.subarray(at, start));
    at = end;
    if (encoding !== null && name === 'content-transfer-encoding') continue;
    if (!hasLongLine(bytes, start, end)) out.push(bytes.subarray(start, end));
    else out.push(Buffer.from(fieldLines(octets(start, start + name.length), octets(valueStart, end)), 'latin1'));
  }
  out.push(bytes.subarray(at, entity.headerEnd));
  if (encoding !== null && entity.bodyStart === entity.headerEnd) out.push(Buffer.from('\r\n')); // it had no empty line
  return Buffer.concat(out);
}

const LF = 0x0a;
const CR = 0x0d;

/** By leaps: from a line's beginning to the last line end that a line may have. */
export function hasLongLine(bytes: Uint8Array, start: number, end: number): boolean {
  const region = bytes.subarray(start, end);
  for (let line = 0; region.length - line > lineOctetsMax; ) {
    const feed = region.subarray(line, line + lineOctetsMax + 2).lastIndexOf(LF);
    if (feed === -1) return true;
    const isEdge = feed === lineOctetsMax + 1 && region[line + lineOctetsMax] !== CR; // 999 octets, where it is the only line end
    if (isEdge && !region.subarray(line, line + feed).includes(LF)) return true;
    line += feed + 1;
  }
  return false;
}
