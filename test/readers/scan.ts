// Which exported functions and methods can be given text, found in the source itself: so that none is forgotten. A type
// that nobody has sorted yet is a finding of its own. It reads the source of core, adapters, gateway and CLI; it never
// runs it.

import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDERS = ['core', 'adapters', 'gateway', 'cli', 'config'].map((folder) => join('src', folder));

/** Types that hold a stranger's text or bytes, at whatever depth. */
export const TEXT_TYPES: ReadonlySet<string> = new Set(
  `string unknown object Uint8Array Buffer Iterable AsyncIterable AsyncGenerator ReadableStream Stream NodeJS ReadonlyMap Map Record Partial
  HeaderField Field HeaderSection Entity Region Parts ContentType AddressList ListEntry View Pattern RemoteReport Reply SmtpReply SmtpJunk
  WireFault AttemptResult ServiceFault ContentFault NoticeInput NoticeRecipient ReturnedOriginal Verdicts Item Entry Words Values
  ReportedFact RelayFields Reception Completion SubmittedEnvelope StoredEnvelope DsnRequest MovedEvent TraceEvent TraceRecord TraceJson
  Request Found NamedRecipients Line Operated T S`.split(/\s+/),
);

export type Signature = {
  /** `name`, or `Class.method`. */
  readonly name: string;
  readonly file: string;
  /** Between the parentheses. */
  readonly parameters: string;
  /** Names of types in it. */
  readonly types: readonly string[];
};

/** Every exported function, and every public method of an exported class. */
export function signatures(): Signature[] {
  return sourceFiles().flatMap((file) => signaturesIn(file, readFileSync(join(ROOT, file), 'utf8')));
}

export function sourceFiles(): string[] {
  return FOLDERS.flatMap((base) =>
    readdirSync(join(ROOT, base), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(ROOT.length + 1)
          .replaceAll(sep, '/'),
      ),
  );
}

export function takesText({ types }: Signature): boolean {
  return types.some((type) => TEXT_TYPES.has(type));
}

const FUNCTION =
  /^export (?:async )?function\*? ?(\w+)|^export const (\w+)(?:: [^=\n]*)? = (?:async )?(?=\(|<|function)/gm;
const CLASS = /^export (?:abstract )?class (\w+)/gm;
const METHOD = /^ {2}(?:static |async |override )*\*?(\w+)(?:<[^>\n]*>)?\(/gm;

export function signaturesIn(file: string, source: string): Signature[] {
  const found: Signature[] = [];
  const add = (name: string, from: number) => {
    const parameters = enclosed(source, source.indexOf('(', from)).replace(/\s+/g, ' ').trim();
    found.push({ name, file, parameters, types: typesIn(parameters) });
  };
  for (const match of source.matchAll(FUNCTION)) add(match[1] ?? match[2] ?? '', match.index + match[0].length);
  for (const match of source.matchAll(CLASS)) {
    const name = match[1] ?? '';
    const end = source.indexOf('\n}', match.index);
    for (const method of source.slice(match.index, end).matchAll(METHOD)) {
      if (method[1] === 'constructor' || KEYWORDS.has(method[1] ?? '')) continue;
      add(`${name}.${method[1]}`, match.index + method.index + method[0].length - 1);
    }
  }
  // Overloads have one name.
  return found.filter(({ name }, at) => at === found.length - 1 || found[at + 1]?.name !== name);
}
const KEYWORDS = new Set(['if', 'for', 'while', 'switch', 'return', 'catch']);

/** What stands between the parenthesis at `open` and its partner. */
function enclosed(source: string, open: number): string {
  let depth = 0;
  for (let at = open; at < source.length; at += 1) {
    if ('([{'.includes(source.charAt(at))) depth += 1;
    else if (')]}'.includes(source.charAt(at))) {
      depth -= 1;
      if (depth === 0) return source.slice(open + 1, at);
    }
  }
  return '';
}

/** The names behind a colon or within a type: a parameter's own name and an object's keys are none. */
function typesIn(parameters: string): string[] {
  const bare = parameters
    .replace(/\/\*.*?\*\//g, '')
    .replace(/(['"`])(?:\\.|(?!\1).)*\1/g, '')
    .replace(/(?:\.\.\.)?\b\w+\??:/g, '')
    .replace(/=(?!>)[^,]*/g, '');
  return [...new Set(bare.match(/\b[A-Za-z]\w*\b/g) ?? [])];
}
