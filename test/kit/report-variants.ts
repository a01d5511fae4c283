// Delivery reports as they arrive when somebody stood in the way: wrapped by a scanner or a list, damaged by a gateway,
// merged with another one. From a report's exact bytes; the same bytes give the same variants. What a report says is
// not known here.

export type Variant = { readonly name: string; readonly bytes: Buffer };
type Change = (text: string, mime: Mime | null) => string | null;
/** Where the report's parts are, as its own delimiters have it. */
type Mime = { readonly boundary: string; readonly status: string | null };

/** Every variant that can be made of it; one that would change nothing is left out. */
export function variantsOf(report: Buffer): Variant[] {
  const text = unix(report.toString('latin1'));
  const mime = mimeOf(text);
  return Object.entries({ ...WRAPPED, ...DAMAGED }).flatMap(([name, change]) => {
    const changed = change(text, mime);
    return changed === null || changed === text ? [] : [{ name, bytes: wire(changed) }];
  });
}

/** Several changes upon each other, damages before wrappers; the same seed gives the same ones. */
export function combinationsOf(report: Buffer, seed: number, count: number): Variant[] {
  let state = (seed * 7_919 + report.length) >>> 0;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, () => {
    const names: string[] = [];
    let bytes = report;
    for (const kind of [DAMAGED, DAMAGED, WRAPPED, WRAPPED]) {
      if (below(3) === 0) continue;
      // Upon a header section that runs on into the body nothing else could be done as it is in the field.
      const changes = Object.entries(kind).filter(([name]) => !names.includes(name) && name !== NO_LINE_BELOW);
      const [name, change] = changes[below(changes.length)] ?? ['', () => null];
      const text = unix(bytes.toString('latin1'));
      const changed = change(text, mimeOf(text));
      if (changed === null || changed === text) continue;
      names.push(name);
      bytes = wire(changed);
    }
    return { name: names.join(' + '), bytes };
  }).filter(({ name }) => name !== '');
}

/** Both in one message: in one part, in two parts, and each whole beside the other. */
export function mergedOf(one: Buffer, other: Buffer): Variant[] {
  const texts = [unix(one.toString('latin1')), unix(other.toString('latin1'))];
  const [a, b] = texts.map((text) => ({ text, mime: mimeOf(text) }));
  const found: Variant[] = [{ name: 'a digest of both', bytes: wire(digestOf(texts)) }];
  const [mine, theirs] = [a?.mime, b?.mime];
  if (!a || !b || !mine?.status || !theirs?.status) return found;
  const groups = statusBody(b.text, theirs);
  const part = statusPart(a.text, mine);
  if (groups === null || part === null || encodingIn(part)) return found;
  const own = part.trimEnd();
  found.push({
    name: 'groups of both in one part',
    bytes: wire(a.text.replace(part, () => `${own}\n\n${groups}\n\n`)),
  });
  const delimiter = `--${mine.boundary}\nContent-Type: message/delivery-status\n\n`;
  found.push({
    name: 'two status parts',
    bytes: wire(a.text.replace(part, () => `${own}\n\n${delimiter}${groups}\n\n`)),
  });
  return found;
}

/** What machines read of it, alone; null where it has no such part. */
export function statusAlone(report: Buffer): Buffer | null {
  const text = unix(report.toString('latin1'));
  const mime = mimeOf(text);
  const part = mime === null ? null : statusPart(text, mime);
  return part === null ? null : wire(part.trimStart());
}

const NO_LINE_BELOW = 'no empty line below the header section';
const NOTE =
  'CAUTION: this message came from outside of the organisation. Do not open attachments that you did not expect.';

const WRAPPED: Readonly<Record<string, Change>> = {
  'attached by a scanner': (text) => wrapped(text, SCANNER, 'message/rfc822'),
  'attached, the wrapper of its own header': (text) => wrapped(text, keptHeader(text), 'message/rfc822'),
  'attached in Base64': (text) => wrapped(text, SCANNER, 'message/rfc822', 'base64'),
  'attached as a file': (text) => wrapped(text, SCANNER, 'application/octet-stream; name="report.eml"', 'base64'),
  'attached twice over': (text) =>
    wrapped(
      wrapped(text, SCANNER, 'message/rfc822'),
      'From: list@lists.example\nSubject: [list] a report',
      'message/rfc822',
    ),
  'in a digest': (text) => digestOf([text]),
  'with a note in front': (text, mime) => {
    if (mime === null) return withBody(text, (body) => `${NOTE}\n\n${body}`);
    const [head, body] = split(text);
    const type = fieldOf(head, 'content-type');
    if (type === null) return null;
    const outer = `Content-Type: multipart/mixed; boundary="note"\n\n--note\nContent-Type: text/plain\n\n${NOTE}\n\n--note\n`;
    return `${withoutField(head, 'content-type')}\n${outer}${type}\n\n${body}\n--note--\n`;
  },
  'with a footer': (text, mime) => {
    if (mime === null) return null;
    const [head, body] = split(text);
    const type = fieldOf(head, 'content-type');
    if (type === null) return null;
    return `${withoutField(head, 'content-type')}\nContent-Type: multipart/mixed; boundary=foot\n\n--foot\n${type}\n\n${body}\n--foot\nContent-Type: text/plain\n\n_______\nlist mailing list\nlist@lists.example\n\n--foot--\n`;
  },
  'its subject marked': (text) => text.replace(/^Subject:/im, 'Subject: [External]'),
};

const DAMAGED: Readonly<Record<string, Change>> = {
  'bare LFs': (text) => `${text}\0lf`,
  'bare CRs': (text) => `${text}\0cr`,
  'a CR too many': (text) => `${text}\0crcrlf`,
  'without its last delimiter': (text, mime) => mime && text.replace(`\n--${mime.boundary}--`, ''),
  'cut behind the status': (text, mime) => {
    const part = mime && statusPart(text, mime);
    const end = part ? text.indexOf(part) + part.length : text.length;
    return mime?.status == null || text.slice(end).includes(mime.status) ? null : text.slice(0, end);
  },
  'another boundary declared': (text, mime) =>
    mime && inHead(text, (head) => head.replace(mime.boundary, 'no-such-boundary')),
  'no boundary declared': (text, mime) =>
    mime && inHead(text, (head) => head.replace(/;\s*boundary=("[^"]*"|[^\s;]+)/i, '')),
  'called text': (text, mime) => mime && inHead(text, (head) => head.replace(/multipart\/report/i, 'text/plain')),
  'called multipart/mixed': (text, mime) =>
    mime && inHead(text, (head) => head.replace(/multipart\/report/i, 'multipart/mixed')),
  'without a type': (text, mime) => mime && inHead(text, (head) => withoutField(head, 'content-type')),
  'with a preamble': (text, mime) =>
    mime &&
    text.replace(`\n--${mime.boundary}\n`, () => `\n${NOTE}\nSee: http://scanner.example/\n\n--${mime.boundary}\n`),
  'blanks behind its delimiters': (text, mime) =>
    mime && text.replaceAll(`\n--${mime.boundary}\n`, `\n--${mime.boundary} \t\n`),
  'the status delimiter damaged': (text, mime) =>
    onStatus(text, mime, (part, boundary) => [`--${boundary}\n`, `--${boundary.slice(1)}\n`, part]),
  'the status delimiter lost': (text, mime) => onStatus(text, mime, (part, boundary) => [`--${boundary}\n`, '', part]),
  'the delimiter behind the status damaged': (text, mime) => {
    const part = mime && statusPart(text, mime);
    return part && mime ? text.replace(`${part}--${mime.boundary}`, () => `${part}--x${mime.boundary}`) : null;
  },
  'no empty line above the status': (text, mime) =>
    inStatus(text, mime, (head, body) => `${head}\n${body.trimStart()}`),
  [NO_LINE_BELOW]: (text) => {
    const [head, body] = split(text);
    return `${head}\n${body.trimStart()}`;
  },
  'an empty line in the header section': (text, mime) => mime && text.replace(/\n(?=content-type:)/i, '\n\n'),
  'a foreign line in the header section': (text, mime) =>
    mime && text.replace(/\n(?=content-type:)/i, '\n*** scanned by a gateway ***\n'),
  'an empty line above the type of the status': (text, mime) =>
    inStatus(text, mime, (head, body) => `\n${head}\n\n${body}`),
  'no empty lines between groups': (text, mime) =>
    inStatus(text, mime, (head, body) => `${head}\n\n${body.replace(/\n\n+/g, '\n').trimEnd()}\n\n`),
  'the status in Base64': (text, mime) => encodedStatus(text, mime, 'base64', true),
  'the status in Base64, unlabelled': (text, mime) => encodedStatus(text, mime, 'base64', false),
  'the status quoted-printable': (text, mime) => encodedStatus(text, mime, 'quoted-printable', true),
  'the status called text': (text, mime) => calledStatus(text, mime, 'text/plain'),
  'the status called a file': (text, mime) => calledStatus(text, mime, 'application/octet-stream'),
  'the status called headers': (text, mime) => calledStatus(text, mime, 'text/rfc822-headers'),
  'the status called message/rfc822': (text, mime) => calledStatus(text, mime, 'message/rfc822'),
  'in capitals': (text, mime) => mime && text.replace(/^content-type: *[\w/-]+/gim, (type) => type.toUpperCase()),
};

// ── Pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const SCANNER = 'From: Mail Scanner <scanner@gateway.example>\nSubject: {Scanned} a message for you';

function wrapped(text: string, head: string, type: string, encoding = '7bit'): string {
  const inner = encoding === 'base64' ? base64(wire(text)) : text;
  const boundary = freshIn(text, 'wrap');
  const note = `--${boundary}\nContent-Type: text/plain\n\n${NOTE}\n\n`;
  const attached = `--${boundary}\nContent-Type: ${type}\nContent-Transfer-Encoding: ${encoding}\n\n${inner}\n`;
  return `${head}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=${boundary}\n\n${note}${attached}--${boundary}--\n`;
}

/** A boundary that the text does not use. */
function freshIn(text: string, stem: string): string {
  let boundary = stem;
  for (let at = 2; text.includes(`--${boundary}`); at += 1) boundary = `${stem}${at}`;
  return boundary;
}

function digestOf(texts: readonly string[]): string {
  const boundary = freshIn(texts.join(''), 'dig');
  const parts = texts.map((text) => `--${boundary}\n\n${text}\n`).join('');
  return `From: list@lists.example\nSubject: digest\nMIME-Version: 1.0\nContent-Type: multipart/digest; boundary=${boundary}\n\n${parts}--${boundary}--\n`;
}

/** From, Subject and the like of the report, as scanners keep them on their wrapper. */
function keptHeader(text: string): string {
  const [head] = split(text);
  return ['content-type', 'content-transfer-encoding', 'mime-version'].reduce(withoutField, head);
}

function mimeOf(text: string): Mime | null {
  const [head] = split(text);
  const type = fieldOf(head, 'content-type') ?? '';
  const boundary = /boundary\s*=\s*"?([^"\n;]+)"?/i.exec(type)?.[1]?.trimEnd();
  if (!/^content-type:\s*multipart\//i.test(type) || boundary === undefined) return null;
  if (!text.includes(`\n--${boundary}\n`)) return null;
  const status = /^content-type:\s*message\/(global-)?delivery-status/im.exec(text)?.[0] ?? null;
  return { boundary, status };
}

/** The status part behind its delimiter, up to the next one; null where the report has none of its own. */
function statusPart(text: string, { boundary, status }: Mime): string | null {
  const found = text.split(`\n--${boundary}`).find((part) => status !== null && headOf(part).includes(status));
  return found === undefined ? null : `${found.slice(found.indexOf('\n') + 1)}\n`;
}

function headOf(part: string): string {
  return part.trimStart().split('\n\n', 1)[0] ?? '';
}

function statusBody(text: string, mime: Mime): string | null {
  const part = statusPart(text, mime);
  return part === null || encodingIn(part) ? null : (split(part.trimStart())[1]?.trim() ?? null);
}

function encodingIn(part: string): boolean {
  return /^content-transfer-encoding:\s*(base64|quoted)/im.test(headOf(part));
}

function onStatus(
  text: string,
  mime: Mime | null,
  change: (part: string, boundary: string) => readonly [before: string, instead: string, part: string],
): string | null {
  const part = mime && statusPart(text, mime);
  if (!part || mime === null) return null;
  const [before, instead, kept] = change(part, mime.boundary);
  return text.replace(before + part, () => instead + kept);
}

function inStatus(text: string, mime: Mime | null, change: (head: string, body: string) => string): string | null {
  const part = mime && statusPart(text, mime);
  if (!part) return null;
  const [head, body] = split(part);
  return text.replace(part, () => change(head, body));
}

function encodedStatus(text: string, mime: Mime | null, encoding: string, labelled: boolean): string | null {
  return inStatus(text, mime, (head, body) => {
    if (encodingIn(`${head}\n\n`)) return `${head}\n\n${body}`;
    const encoded = encoding === 'base64' ? base64(wire(body)) : quoted(body);
    const bare = withoutField(head, 'content-transfer-encoding');
    return `${bare}${labelled ? `\nContent-Transfer-Encoding: ${encoding}` : ''}\n\n${encoded}\n`;
  });
}

function calledStatus(text: string, mime: Mime | null, type: string): string | null {
  return inStatus(
    text,
    mime,
    (head, body) => `${head.replace(/^content-type:.*(\n[ \t].*)*/im, `Content-Type: ${type}`)}\n\n${body}`,
  );
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/.{76}/g, '$&\n');
}

function quoted(text: string): string {
  const escaped = text.replace(
    /[=\x80-\xff]/g,
    (one) => `=${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return escaped.replace(/^(.{60}(?!=)(?<!=.?).)(?=.)/gm, '$1=\n');
}

function inHead(text: string, change: (head: string) => string): string {
  const [head, body] = split(text);
  return `${change(head)}\n\n${body}`;
}

function withBody(text: string, change: (body: string) => string): string {
  const [head, body] = split(text);
  return `${head}\n\n${change(body)}`;
}

function split(text: string): [head: string, body: string] {
  const at = text.indexOf('\n\n');
  return at === -1 ? [text.trimEnd(), ''] : [text.slice(0, at), text.slice(at + 2)];
}

function fieldOf(head: string, name: string): string | null {
  return new RegExp(`^${name}:.*(\\n[ \\t].*)*`, 'im').exec(head)?.[0] ?? null;
}

function withoutField(head: string, name: string): string {
  return head.replace(new RegExp(`^${name}:.*(\\n[ \\t].*)*\\n?`, 'im'), '').trimEnd();
}

function unix(text: string): string {
  const lines = text.replaceAll('\r\r\n', '\n').replaceAll('\r\n', '\n').replaceAll('\r', '\n');
  return lines.replace(/^From .*\n/, '');
}

/** As it goes over the wire: CRLF, unless a variant says otherwise behind a NUL. */
function wire(text: string): Buffer {
  const [, body = '', mark] = /^(.*?)(?:\0(lf|cr|crcrlf))?$/s.exec(text) ?? [];
  const end = { lf: '\n', cr: '\r', crcrlf: '\r\r\n' }[mark ?? ''] ?? '\r\n';
  return Buffer.from(body.replaceAll('\n', end), 'latin1');
}
