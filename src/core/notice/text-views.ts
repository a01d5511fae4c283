// One text in the forms in which a reader may see it: as it stands, and with each encoding undone that mail systems use
// for addresses. Each character of a view knows its place in the source, so that a match in a view can be replaced in
// the source. Total and linear. It never decides what is replaced.

export type View = {
  /** Lower case, NFKD, without what is invisible. */
  readonly text: string;
  /** Of each UTF-16 unit of `text`: where in the source it begins and ends; null where the two run alike. */
  readonly places: { readonly starts: readonly number[]; readonly ends: readonly number[] } | null;
  /** White space is left out: words run together, and only a whole address is sure to be one. */
  readonly dense: boolean;
};

const INVISIBLE = /^[\p{Cc}\p{Cf}\p{Cs}\p{Variation_Selector}\u115f\u1160]$/u;

/** As views have it. */
export function normalised(text: string): string {
  return [...text.toWellFormed()].map(normalisedChar).join('');
}

function normalisedChar(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f) return char.toLowerCase();
  if (/^[\t\r\n]$/.test(char)) return char;
  if (INVISIBLE.test(char)) return '';
  return char.normalize('NFKD').toLowerCase().normalize('NFKD');
}

export function startOf({ places }: View, unit: number): number {
  return places === null ? unit : (places.starts[unit] ?? 0);
}

export function endOf({ places }: View, unit: number): number {
  return places === null ? unit + 1 : (places.ends[unit] ?? 0);
}

/** The source itself. Octets are one byte a character: UTF-8 where they are that, else Latin-1. */
export function plainView(source: string, octets: boolean): View {
  if (/^[\t\r\n\x20-\x7e]*$/.test(source)) return { text: source.toLowerCase(), places: null, dense: false };
  const maker = new ViewMaker();
  for (let at = 0; at < source.length; ) {
    const char = octets ? octetChar(source, at) : String.fromCodePoint(source.codePointAt(at) ?? 0);
    const length = octets ? Buffer.byteLength(char) : char.length;
    const step = octets && length > 1 && source.charCodeAt(at) === char.charCodeAt(0) ? 1 : length;
    maker.add(normalisedChar(char), at, at + step);
    at += step;
  }
  return maker.view();
}

/** The UTF-8 character that begins there, or the octet as the Latin-1 character that it is. */
function octetChar(source: string, at: number): string {
  const first = source.charCodeAt(at);
  const length = first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  if (first < 0xc2 || first >= 0xf8) return source.charAt(at);
  const char = Buffer.from(source.slice(at, at + length), 'latin1').toString('utf8');
  return [...char].length === 1 && char !== '\ufffd' ? char : source.charAt(at);
}

/**
 * The source, and what it is without folding, without each encoding alone, without all of them, and without white
 * space; of these only what holds one of the needles, which are normalised.
 */
export function viewsOf(source: string, octets: boolean, needles: readonly string[]): readonly View[] {
  const plain = plainView(source, octets);
  const unfolded = step(plain, FOLDS, () => '');
  const escapes = withoutEscapes(unfolded);
  const percent = step(unfolded, /(?:%[0-9a-f]{2})+/g, (found) => bytesIn(found, 3));
  const quoted = withoutQuotedPrintable(unfolded);
  const xtext = step(unfolded, /(?:\+[0-9a-f]{2})+/g, (found) => bytesIn(found, 3));
  const bare = withoutQuotedPrintable(withoutEscapes(percent));
  const all = step(bare, /(?:\+[0-9a-f]{2})+/g, (found) => bytesIn(found, 3));
  const spaced = [...new Set([plain, unfolded, escapes, percent, quoted, xtext, all])];
  const without = (text: string) => text.replace(/\s+/g, '');
  const close = needles.map(without);
  const dense = spaced
    .filter(({ text }) => holds(without(text), close))
    .map((view) => ({ ...step(view, /\s+/g, () => ''), dense: true }));
  return [...spaced.filter(({ text }) => holds(text, needles)), ...dense];
}

function holds(text: string, needles: readonly string[]): boolean {
  return needles.some((needle) => text.includes(needle));
}

const FOLDS = /\r?\n[ \t]+/g;
const NAMED: Readonly<Record<string, string>> = {
  commat: '@',
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  period: '.',
  plus: '+',
  equals: '=',
};

/** HTML's, C's and JSON's, RFC 6533 §3's, and the quoted pairs of RFC 5322 §3.2.1. */
function withoutEscapes(view: View): View {
  const html = step(view, /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/g, (found, decimal, hex, name) => {
    if (name !== undefined) return NAMED[name] ?? found;
    return charOf(decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal));
  });
  const numbered = step(html, /\\(?:[xu]\{([0-9a-f]{1,6})\}|u([0-9a-f]{4})|x([0-9a-f]{2}))/g, (_, a, b, c) =>
    charOf(Number.parseInt(a ?? b ?? c ?? '', 16)),
  );
  return step(numbered, /\\(.)/g, (_, char) => char ?? '');
}

/** Also the joint between two encoded words (RFC 2047 §6.2). */
function withoutQuotedPrintable(view: View): View {
  const joined = step(view, /=[ \t]{0,9}\r?\n|\?=\s{1,99}=\?[\w*-]{1,40}\?q\?/g, () => '');
  return step(joined, /(?:=[0-9a-f]{2})+/g, (found) => bytesIn(found, 3));
}

function step(view: View, pattern: RegExp, decode: (found: string, ...groups: (string | undefined)[]) => string): View {
  if (view.text.search(pattern) < 0) return view;
  const maker = new ViewMaker();
  let next = 0;
  const copy = (to: number) => {
    for (; next < to; next += 1) maker.add(view.text.charAt(next), startOf(view, next), endOf(view, next));
  };
  for (const found of view.text.matchAll(pattern)) {
    copy(found.index);
    const [whole, ...groups] = found;
    const last = found.index + whole.length - 1;
    const text = [...decode(whole, ...groups)].map(normalisedChar).join('');
    maker.add(text, startOf(view, found.index), endOf(view, last));
    next = last + 1;
  }
  copy(view.text.length);
  return maker.view();
}

class ViewMaker {
  private readonly parts: string[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  add(text: string, start: number, end: number): void {
    this.parts.push(text);
    for (let unit = 0; unit < text.length; unit += 1) {
      this.starts.push(start);
      this.ends.push(end);
    }
  }

  view(): View {
    return { text: this.parts.join(''), places: { starts: this.starts, ends: this.ends }, dense: false };
  }
}

/** Hexadecimal bytes, each behind one character: UTF-8 where they are that. */
function bytesIn(found: string, width: number): string {
  const bytes = Buffer.alloc(found.length / width);
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = Number.parseInt(found.slice(at * width + 1, at * width + width), 16);
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') ? bytes.toString('latin1') : text;
}

function charOf(code: number): string {
  return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : '';
}
