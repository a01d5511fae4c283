// Small readers from which the configuration's schema is built: each takes a value from the file and gives it back typed,
// or notes one line per mistake: where it is, what is wrong, what to write. They never throw and never stop at the first.

/** Where a mistake goes. `at` is the path in the file: routes[2].to[0].via. */
export type Mistakes = (at: string, wrong: string, write: string) => void;
/** The value read, or undefined when it was wrong and has been noted. */
export type Reader<T> = (value: unknown, at: string, mistake: Mistakes) => T | undefined;
export type Field<T> = { readonly read: Reader<T>; readonly fallback: { readonly value: T } | null };
type Shape = Readonly<Record<string, Field<unknown>>>;
type Read<S extends Shape> = { [K in keyof S]: S[K] extends Field<infer T> ? T : never };

export function required<T>(read: Reader<T>): Field<T> {
  return { read, fallback: null };
}
export function optional<T>(read: Reader<T>, value: T): Field<T> {
  return { read, fallback: { value } };
}

/** An object with exactly these keys. Every key is read even when another one was wrong. */
export function object<S extends Shape>(shape: S): Reader<Read<S>> {
  return (value, at, mistake) => {
    const given = record(value, at, mistake);
    if (given === undefined) return undefined;
    let whole = unknownKeys(given, Object.keys(shape), at, mistake);
    const result: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(shape)) {
      const read = readField(field, given[key], join(at, key), mistake);
      if (read === undefined) whole = false;
      else result[key] = read.value;
    }
    return whole ? (result as Read<S>) : undefined;
  };
}

/** One key of an object: the wrapped value, so that a fallback of null or undefined is told apart from a mistake. */
export function readField<T>(field: Field<T>, value: unknown, at: string, mistake: Mistakes): { value: T } | undefined {
  if (value === undefined) {
    // A required one is asked for as its reader would ask for it.
    if (field.fallback === null) field.read(undefined, at, (path, _, write) => mistake(path, 'it is missing', write));
    return field.fallback ?? undefined;
  }
  const read = field.read(value, at, mistake);
  return read === undefined ? undefined : { value: read };
}

/** A plain object as the file has it, or undefined. */
export function record(value: unknown, at: string, mistake: Mistakes): Record<string, unknown> | undefined {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  mistake(at, `${show(value)} is no object`, '{ … }');
  return undefined;
}

/** Notes each key that is not known; true when there was none. */
export function unknownKeys(
  given: Record<string, unknown>,
  known: readonly string[],
  at: string,
  mistake: Mistakes,
): boolean {
  const strangers = Object.keys(given).filter((key) => !known.includes(key));
  for (const key of strangers) {
    const near = nearest(key, known);
    mistake(join(at, key), 'there is no such key', near ?? among(known));
  }
  return strangers.length === 0;
}

/** A list whose every element is read. */
export function list<T>(element: Reader<T>, what: string, atLeast = 1): Reader<readonly T[]> {
  return (value, at, mistake) => {
    if (!Array.isArray(value)) return void mistake(at, `${show(value)} is no list`, `[${what}, …]`);
    if (value.length < atLeast) return void mistake(at, 'the list is empty', `at least one ${what}`);
    const read = value.map((each, index) => element(each, `${at}[${index}]`, mistake));
    return read.every((each) => each !== undefined) ? (read as T[]) : undefined;
  };
}

/** One element or a list of them. */
export function oneOrMore<T>(element: Reader<T>, what: string): Reader<readonly T[]> {
  const many = list(element, what);
  return (value, at, mistake) => {
    if (Array.isArray(value)) return many(value, at, mistake);
    const read = element(value, at, mistake);
    return read === undefined ? undefined : [read];
  };
}

/** Text that `parse` understands; `write` says what to write instead. */
export function text<T>(parse: (value: string) => T | null, wrong: string, write: string): Reader<T> {
  return (value, at, mistake) => {
    const parsed = typeof value === 'string' ? parse(value) : null;
    if (parsed !== null) return parsed;
    return void mistake(at, `${show(value)} is no ${wrong}`, write);
  };
}

export function oneOf<T extends string>(choices: readonly T[]): Reader<T> {
  return (value, at, mistake) => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    const near = typeof value === 'string' ? nearest(value, choices) : null;
    return void mistake(at, `${show(value)} is none of its values`, near ?? among(choices));
  };
}

export const boolean: Reader<boolean> = (value, at, mistake) =>
  typeof value === 'boolean' ? value : void mistake(at, `${show(value)} is neither true nor false`, 'true or false');

export function wholeNumber(min: number, max: number): Reader<number> {
  return (value, at, mistake) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : void mistake(at, `${show(value)} is no whole number from ${min} to ${max}`, `a number from ${min} to ${max}`);
}

export function positiveNumber(max: number): Reader<number> {
  return (value, at, mistake) =>
    typeof value === 'number' && value > 0 && value <= max
      ? value
      : void mistake(at, `${show(value)} is no number above 0 and up to ${max}`, 'a number such as 10 or 0.5');
}

/** A value of a later version: refused by its name, so that nobody believes it works. */
export function notBuilt(at: string, what: string, write: string, mistake: Mistakes): undefined {
  mistake(at, `${what} is not built yet in this version`, write);
  return undefined;
}

export function join(at: string, key: string): string {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${at}[${JSON.stringify(key)}]`;
  return at === '' ? key : `${at}.${key}`;
}

/** What may stand in a place, as a mistake names it. */
export function among(choices: readonly string[]): string {
  return choices.length > 1 ? `one of ${choices.join(', ')}` : (choices[0] ?? 'nothing');
}

/** A value as a mistake shows it: short, on one line. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') return `a ${typeof value}`;
  if (typeof value === 'number') return String(value); // JSON has no NaN
  const json =
    typeof value === 'object' && value !== null
      ? Array.isArray(value)
        ? 'a list'
        : 'an object'
      : JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}

/** The word that was probably meant: at most two letters away, and fewer than half of it. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.min(2, Math.floor(word.length / 2)) + 1;
  for (const candidate of candidates) {
    const distance = lettersApart(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours between two short words. */
function lettersApart(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
