// Finds the parts of a message in its bytes (RFC 2046 §5.1): header sections, the content of a leaf, the text around
// the parts, and the lines between them. reencode.ts calls it. One pass, linear, with limits on parts and depth. It
// finds boundaries as mail readers do, as whole lines alone. It changes and decodes nothing.

import { headerBytesMax, mimeDepthMax, mimePartsMax } from '#core/limits.ts';
import { type ContentType, contentTypeOf, parameterOf } from './content-type.ts';
import { type Field, type HeaderSection, headerSection } from './header.ts';

/** `signed` and `encrypted`: every octet of it is vouched for (RFC 1847 §2), so that none may change. */
export type Protection = 'signed' | 'encrypted' | null;

/** A message, or a part of one. All offsets are of the message. */
export type Entity = {
  readonly headerStart: number;
  readonly headerEnd: number;
  readonly bodyStart: number;
  readonly fields: readonly Field[];
  readonly contentType: ContentType;
  /** Content-Transfer-Encoding, lower case; '' where it has none. */
  readonly encoding: string;
  /** A message's own header section, not a part's. */
  readonly isMessage: boolean;
  /** The entity that contains it. */
  readonly within: Protection;
};
export type Region = {
  /** `around`: a multipart's preamble or epilogue, which mail readers do not show. */
  readonly kind: 'header' | 'leaf' | 'around' | 'delimiter';
  readonly start: number;
  readonly end: number;
  readonly entity: Entity;
  readonly protection: Protection;
};

type Container = { readonly boundary: Buffer; readonly entity: Entity; readonly protection: Protection; seen: boolean };
type Open = { readonly kind: 'leaf' | 'around'; readonly start: number; readonly entity: Entity };

const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;
const NEXT_DASHES = Buffer.from('\n--');

/** Messages in messages; encoded ones are leaves (RFC 2046 §5.2.1 allows none). */
const NESTED = /^message\/(?:rfc822|global|news|external-body)$/;

/**
 * The regions in order, the message's own header section left out; null where it has more parts, or deeper ones, than
 * any real message.
 */
export function regionsOf(bytes: Uint8Array, section: HeaderSection): readonly Region[] | null {
  const walk = new Walk(bytes);
  return walk.through(entityOf(bytes, 0, section, 'text/plain', { isMessage: true, within: null }))
    ? walk.regions
    : null;
}

class Walk {
  readonly regions: Region[] = [];
  private readonly bytes: Uint8Array;
  private readonly stack: Container[] = [];
  private parts = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** False: too many parts, or too deep. */
  through(root: Entity): boolean {
    let open = this.enter(root);
    while (open !== null) {
      const found = this.nextDelimiter(open.start);
      // Within a multipart whose last boundary is missing, readers take the last line end for that boundary's too.
      const isWhole = found === null && this.stack.length === 0;
      if (found !== null) found.container.seen = true;
      const line = found?.line ?? this.bytes.length;
      this.close(open, isWhole ? line : this.contentEnd(line, open.start));
      if (found === null) return true;
      const { container, end, closing } = found;
      const { entity, protection } = container;
      this.regions.push({ kind: 'delimiter', start: line, end, entity, protection });
      this.stack.length = this.stack.indexOf(container) + (closing ? 0 : 1);
      open = closing ? { kind: 'around', start: end, entity } : this.enter(this.partAt(end, container));
    }
    return false;
  }

  /** The header section of a part; where a boundary comes before its end, it has no body. */
  private partAt(at: number, { entity, protection }: Container): Entity {
    const isDigest = entity.contentType.type === 'multipart/digest'; // RFC 2046 §5.1.5
    return this.entityAt(at, isDigest ? 'message/rfc822' : 'text/plain', { isMessage: false, within: protection });
  }

  private entityAt(at: number, defaultType: string, of: Pick<Entity, 'isMessage' | 'within'>): Entity {
    const section = headerSection(this.bytes.subarray(at, this.headLimit(at)));
    const entity = entityOf(this.bytes, at, section, defaultType, of);
    const { headerStart: start, headerEnd: end } = entity;
    this.regions.push({ kind: 'header', start, end, entity, protection: of.within });
    return entity;
  }

  /** The content of the entity: its body, or that of the message which it holds. Null beyond the limits. */
  private enter(given: Entity): Open | null {
    let entity = given;
    for (;;) {
      this.parts += 1;
      if (this.parts > mimePartsMax) return null;
      const { contentType, bodyStart } = entity;
      const boundary = parameterOf(contentType, 'boundary')?.trimEnd() ?? '';
      if (contentType.type.startsWith('multipart/') && boundary !== '') {
        if (this.stack.length >= mimeDepthMax) return null;
        const protection = protectionOf(entity);
        this.stack.push({ boundary: Buffer.from(`--${boundary}`, 'latin1'), entity, protection, seen: false });
        return { kind: 'around', start: bodyStart, entity };
      }
      if (!NESTED.test(contentType.type) || !isIdentity(entity.encoding))
        return { kind: 'leaf', start: bodyStart, entity };
      entity = this.entityAt(bodyStart, 'text/plain', { isMessage: true, within: protectionOf(entity) });
    }
  }

  private close({ kind, start, entity }: Open, end: number): void {
    const own = this.stack.at(-1);
    // A multipart without any of its boundaries is one part, whatever its type says.
    const isWhole = kind === 'around' && own?.entity === entity && !own.seen;
    this.regions.push({ kind: isWhole ? 'leaf' : kind, start, end, entity, protection: protectionOf(entity) });
  }

  /** Up to the empty line, or the boundary that comes before it. */
  private headLimit(at: number): number {
    const limit = Math.min(this.bytes.length, at + headerBytesMax);
    for (let line = at; line < limit; ) {
      if (this.delimiterAt(line) !== null) return line;
      const feed = this.bytes.indexOf(LF, line);
      const next = feed === -1 ? limit : feed + 1;
      if (feed === line || (feed === line + 1 && this.bytes[line] === CR)) return next;
      line = next;
    }
    return limit;
  }

  private nextDelimiter(from: number): Delimiter | null {
    if (this.stack.length === 0) return null;
    const bytes = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    for (let line = from; ; ) {
      const found = this.delimiterAt(line);
      if (found !== null) return found;
      const next = bytes.indexOf(NEXT_DASHES, line);
      if (next === -1) return null;
      line = next + 1;
    }
  }

  /**
   * The line as a boundary of one of the open multiparts, the innermost first: an outer one ends all within (RFC 2046
   * §5.1.2).
   */
  private delimiterAt(line: number): Delimiter | null {
    const { bytes, stack } = this;
    if (bytes[line] !== DASH || bytes[line + 1] !== DASH) return null;
    for (let index = stack.length - 1; index >= 0; index -= 1) {
      const container = stack[index];
      if (container === undefined || !startsWith(bytes, line, container.boundary)) continue;
      let at = line + container.boundary.length;
      const closing = bytes[at] === DASH && bytes[at + 1] === DASH;
      if (closing) at += 2;
      while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === CR) at += 1;
      if (at >= bytes.length || bytes[at] === LF)
        return { container, line, end: Math.min(at + 1, bytes.length), closing };
    }
    return null;
  }

  /** The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1). */
  private contentEnd(line: number, start: number): number {
    let end = line;
    if (end > start && this.bytes[end - 1] === LF) end -= 1;
    if (end > start && this.bytes[end - 1] === CR) end -= 1;
    return end;
  }
}

type Delimiter = {
  readonly container: Container;
  readonly line: number;
  readonly end: number;
  readonly closing: boolean;
};

export function isIdentity(encoding: string): boolean {
  return !/^(?:base64|quoted-printable|x-uuencode|x-uue|uuencode|uue)$/.test(encoding);
}

function protectionOf({ within, contentType: { type } }: Entity): Protection {
  if (within !== null) return within;
  return type === 'multipart/signed' ? 'signed' : type === 'multipart/encrypted' ? 'encrypted' : null;
}

function entityOf(
  bytes: Uint8Array,
  at: number,
  section: HeaderSection,
  defaultType: string,
  of: Pick<Entity, 'isMessage' | 'within'>,
): Entity {
  const fields = section.fields.map((field) => ({
    name: field.name,
    start: at + field.start,
    end: at + field.end,
    valueStart: at + field.valueStart,
  }));
  const textOf = (name: string) => {
    const field = fields.find((each) => each.name === name);
    if (field === undefined) return '';
    return Buffer.from(
      bytes.subarray(field.valueStart, Math.min(field.end, field.valueStart + VALUE_BYTES_READ)),
    ).toString('latin1');
  };
  return {
    headerStart: at,
    headerEnd: at + section.end,
    bodyStart: at + section.bodyStart,
    fields,
    contentType: contentTypeOf(textOf('content-type'), defaultType),
    encoding: /^[\s]*([^\s;(]*)/.exec(textOf('content-transfer-encoding'))?.[1]?.toLowerCase() ?? '',
    ...of,
  };
}
const VALUE_BYTES_READ = 16_384;

function startsWith(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index += 1) if (bytes[at + index] !== wanted[index]) return false;
  return true;
}
