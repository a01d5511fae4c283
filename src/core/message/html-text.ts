// The text of an HTML part, as far as the reading of a report needs it: tags removed, blocks on their own lines,
// entities decoded. core/feedback/report.ts calls it. One pass over a limited text. Its result is shown to nobody.

const HTML_CHARS_MAX = 131_072;
const TAG_CHARS_MAX = 4_000;
const BLOCK = /^<\/?(?:br|p|div|tr|td|th|li|ul|ol|table|blockquote|pre|h\d|hr|title|body)(?=[\s/>])/i;
const UNSHOWN = /^<(style|script|head)(?=[\s>])/i;

export function looksLikeHtml(text: string): boolean {
  return /^\s{0,999}<(!doctype html|html|head|body|div|p|table|br)\b/i.test(text.slice(0, 2_000));
}

export function textOfHtml(source: string): string {
  const html = source.slice(0, HTML_CHARS_MAX);
  const lower = html.toLowerCase();
  let out = '';
  let at = 0;
  const unclosed = new Set<string>();
  while (at < html.length) {
    const open = html.indexOf('<', at);
    if (open === -1) break;
    out += html.slice(at, open);
    const head = html.slice(open, open + TAG_CHARS_MAX);
    const end = head.indexOf('>');
    if (end === -1 || !/^<[/!a-z]/i.test(head)) {
      out += '<';
      at = open + 1;
      continue;
    }
    const hidden = UNSHOWN.exec(head)?.[1]?.toLowerCase() ?? '';
    const close = hidden === '' || unclosed.has(hidden) ? -1 : lower.indexOf(`</${hidden}`, open);
    if (close === -1) unclosed.add(hidden);
    if (BLOCK.test(head)) out += '\n';
    at = close === -1 ? open + end + 1 : close;
  }
  return entitiesRead(out + html.slice(at));
}

function entitiesRead(text: string): string {
  return text.replace(
    /&(?:#(\d{1,6})|#x([0-9a-f]{1,5})|(lt|gt|amp|quot|nbsp|apos|rsquo|lsquo));/gi,
    (whole, ...found) => {
      const [decimal, hex, name] = found as (string | undefined)[];
      if (name !== undefined) return NAMED[name.toLowerCase()] ?? ' ';
      const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
      if (code === 160) return ' ';
      return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
    },
  );
}
const NAMED: Readonly<Record<string, string>> = {
  ...{ lt: '<', gt: '>', amp: '&', quot: '"', nbsp: ' ', apos: "'", rsquo: '’', lsquo: '‘' },
};
