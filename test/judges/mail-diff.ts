// Compares an expected mail with an actual one: header by header and part by part, so that a difference is said where
// it is. In what is expected, `*` stands for the rest of the line and `?` for one character. Line ends count; nothing
// is decoded.

type Mail = { readonly fields: readonly Field[]; readonly body: string; readonly parts: readonly Mail[] };
type Field = { readonly name: string; readonly text: string };

/** The differences, one line each; none means that they agree. Both are exact bytes. */
export function mailDiff(expected: Uint8Array, actual: Uint8Array): string[] {
  return differences(parsed(latin1(expected)), parsed(latin1(actual)), 'mail');
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function differences(expected: Mail, actual: Mail, where: string): string[] {
  const found = [...fieldDifferences(expected.fields, actual.fields, where)];
  if (expected.parts.length !== actual.parts.length) {
    return [...found, `${where}: expected ${expected.parts.length} parts, found ${actual.parts.length}`];
  }
  if (expected.parts.length > 0) {
    return [
      ...found,
      ...expected.parts.flatMap((part, index) => {
        const other = actual.parts[index];
        return other === undefined ? [] : differences(part, other, `${where}, part ${index + 1}`);
      }),
    ];
  }
  return [...found, ...bodyDifferences(expected.body, actual.body, where)];
}

/** Fields of the same name are compared in their order; the order of different names is compared as a whole. */
function fieldDifferences(expected: readonly Field[], actual: readonly Field[], where: string): string[] {
  const found: string[] = [];
  for (const name of new Set([...expected, ...actual].map((field) => field.name))) {
    const wanted = expected.filter((field) => field.name === name);
    const there = actual.filter((field) => field.name === name);
    for (let i = 0; i < Math.max(wanted.length, there.length); i += 1) {
      const [want, has] = [wanted[i]?.text, there[i]?.text];
      if (want === undefined) found.push(`${where}, ${name}: unexpected ${shown(has)}`);
      else if (has === undefined) found.push(`${where}, ${name}: missing, expected ${shown(want)}`);
      else if (!matches(want, has)) found.push(`${where}, ${name}: expected ${shown(want)}, found ${shown(has)}`);
    }
  }
  const order = (fields: readonly Field[]) => fields.map((field) => field.name).join(' ');
  if (found.length === 0 && order(expected) !== order(actual)) {
    found.push(`${where}: fields in another order: expected ${order(expected)}, found ${order(actual)}`);
  }
  return found;
}

function bodyDifferences(expected: string, actual: string, where: string): string[] {
  const wanted = expected.split('\n');
  const there = actual.split('\n');
  for (let i = 0; i < Math.max(wanted.length, there.length); i += 1) {
    const [want, has] = [wanted[i], there[i]];
    if (want === undefined || has === undefined || !matches(want, has)) {
      return [`${where}, line ${i + 1}: expected ${shown(want)}, found ${shown(has)}`];
    }
  }
  return [];
}

function shown(text: string | undefined): string {
  return text === undefined ? 'nothing' : JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** `*` never matches the CR of a line end, so that a lost one is seen. */
function matches(expected: string, actual: string): boolean {
  if (expected === actual) return true;
  const source = expected
    .replace(/[\\^$.+()[\]{}|]/g, '\\$&')
    .replace(/\?/g, '[^\\r\\n]')
    .replace(/\*[^\r\n]*/g, '[^\\r\\n]*');
  return new RegExp(`^${source}$`).test(actual);
}

function parsed(octets: string): Mail {
  const split = /\r?\n\r?\n/.exec(octets);
  const head = split === null ? octets : octets.slice(0, split.index);
  const body = split === null ? '' : octets.slice(split.index + split[0].length);
  const fields = head
    .split(/\r?\n(?![ \t])/)
    .map((text) => ({ name: text.split(':', 1)[0]?.toLowerCase() ?? '', text }));
  const type = fields.find((field) => field.name === 'content-type')?.text ?? '';
  const boundary = /^content-type:\s*multipart\//i.test(type)
    ? /boundary="?([^";\r\n]+)"?/i.exec(type)?.[1]
    : undefined;
  if (boundary === undefined) return { fields, body, parts: [] };
  const [preamble = '', ...pieces] = `\r\n${body}`.split(`\r\n--${boundary}`);
  const closing = pieces.pop() ?? '';
  const ends = { fields: [], body: `${preamble}\n${closing}`, parts: [] };
  return { fields, body, parts: [...pieces.map((piece) => parsed(piece.replace(/^\r?\n/, ''))), ends] };
}
