// Reads a part's Content-Type field (RFC 2045 §5.1) as leniently as mail readers do: quotes or none, blanks anywhere,
// continued parameters (RFC 2231 §3). mime-regions.ts and reencode.ts call it. Linear, and it reads only the beginning
// of a field. It never writes one.

export type ContentType = {
  /** Lower case, `text/plain`; the default where the field names no type (RFC 2045 §5.2). */
  readonly type: string;
  /** Names in lower case; the first of each name. */
  readonly parameters: ReadonlyMap<string, string>;
};

const CHARS_READ = 16_384;
const CONTINUED_MAX = 20;

/** `value` with its folds; '' where there is no such field. */
export function contentTypeOf(value: string, defaultType: string): ContentType {
  const [first = '', ...more] = parted(value.slice(0, CHARS_READ).replace(/[\r\n\0]+/g, ' '));
  const named = first.trim().toLowerCase();
  const parameters = new Map<string, string>();
  for (const text of more) {
    const equals = text.indexOf('=');
    const name = text.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    if (name !== '' && !parameters.has(name)) parameters.set(name, unquoted(text.slice(equals + 1).trim()));
  }
  return { type: /^[^\s/]+\/[^\s/]+$/.test(named) ? named : defaultType, parameters };
}

/** A parameter, where need be put together from its continuations. */
export function parameterOf({ parameters }: ContentType, name: string): string | null {
  const plain = parameters.get(name);
  if (plain !== undefined) return plain;
  const extended = parameters.get(`${name}*`);
  if (extended !== undefined) return extended.slice(extended.lastIndexOf("'") + 1);
  let joined = '';
  for (let index = 0; index < CONTINUED_MAX; index += 1) {
    const piece = parameters.get(`${name}*${index}`) ?? parameters.get(`${name}*${index}*`);
    if (piece === undefined) return index === 0 ? null : joined;
    joined += piece;
  }
  return joined;
}

/** Split at semicolons outside of quoted strings. */
function parted(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '\\' && quoted) at += 1;
    else if (char === '"') quoted = !quoted;
    else if (char === ';' && !quoted) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  let out = '';
  for (let at = 1; at < text.length && text.charAt(at) !== '"'; at += 1) {
    if (text.charAt(at) === '\\') at += 1;
    out += text.charAt(at);
  }
  return out;
}
