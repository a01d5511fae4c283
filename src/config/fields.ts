// The field types of the schema: each is a zod type that also has the text for a mistake and for the reference page.
// The schema files use them. The message of an issue is `what is wrong; write what instead`; check.ts puts the place
// before it. zod stays here and in the files beside it: no function's bundle imports them (test/infra/bundles.test.ts).

import { z } from 'zod';
import { among, nearest, show } from './words.ts';

/**
 * The facts of a field type beside its type. The JSON schema takes `description`, `pattern` and `enumDescriptions`
 * unchanged.
 */
export type Told = {
  /** The meaning of the key: the reference page and editors show it. */
  readonly description?: string;
  /** The allowed values, in words. */
  readonly values?: string;
  /** The default, in words. */
  readonly fallback?: string;
  /** JavaScript to copy. It passes the check (test/unit/config/schema.test.ts). */
  readonly example?: string;
  /** Each choice with its meaning. */
  readonly choices?: Readonly<Record<string, string>>;
  /** Set where a later version brings it: it is refused by this name. */
  readonly later?: string;
  /** Keys that a later version brings, with their meaning: refused by name. */
  readonly laterKeys?: Readonly<Record<string, string>>;
  /**
   * Keys in lower case that people write here, and that belong elsewhere or have another name. With what to write
   * instead.
   */
  readonly elsewhere?: Readonly<Record<string, string>>;
  /** Set where it is read, and nothing acts on it yet. */
  readonly noEffectYet?: true;
  /** A pattern of the names that a record has. */
  readonly names?: string;
  readonly pattern?: string;
  readonly enumDescriptions?: readonly string[];
};

/** A field type with its facts. */
export function told<T extends z.ZodType>(part: T, words: Told): T {
  return part.meta(words) as T;
}

/** Stands in texts for the names of the file's next hops; check.ts puts them there. */
export const hopNames = 'the name of a next hop that nextHops has';

/** One message: `"x" is no host; write …`. A value that is not there is said to be missing. */
export function message(input: unknown, wrong: (shown: string) => string, write: string): string {
  if (input === undefined) return `it is missing; write ${write}`;
  if (typeof input === 'string' && input.includes('\ufeff'))
    return `${show(input)} has a byte order mark in it; write it without the mark, which editors do not show`;
  return `${wrong(show(input))}; write ${write}`;
}

/** Text that `parse` understands. */
export function text<T>(
  parse: (value: string) => T | null,
  noun: string,
  write: string | ((given: string) => string),
  words: Told = {},
) {
  const instead = (input: unknown): string =>
    typeof write === 'string' ? write : write(typeof input === 'string' ? input : '');
  const say = (input: unknown): string => message(input, (shown) => `${shown} is no ${noun}`, instead(input));
  const part = z.string({ error: ({ input }) => say(input) }).transform((value, context): T => {
    const parsed = parse(value);
    if (parsed !== null) return parsed;
    context.issues.push({ code: 'custom', message: say(value), input: value });
    return z.NEVER;
  });
  return told(part, { values: noun, ...words });
}

/**
 * One of several words, each with what it means.
 * @param others words that people use for the same, such as starttls for required
 */
export function choice<const C extends Readonly<Record<string, string>>>(
  choices: C,
  others: Readonly<Record<string, keyof C & string>> = {},
) {
  const names = Object.keys(choices) as (keyof C & string)[];
  const part = z.enum(names, { error: ({ input }) => choiceMessage(input, choices, others) });
  return told(part, { choices, enumDescriptions: Object.values(choices) });
}

export function choiceMessage(
  input: unknown,
  choices: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>> = {},
): string {
  const explained = (name: string): string => (choices[name] === '' ? name : `${name} (${choices[name]})`);
  const names = Object.keys(choices);
  const wrong = (shown: string): string => `${shown} is none of its values`;
  if (typeof input !== 'string') return message(input, wrong, among(names.map(explained)));
  const same = Object.hasOwn(others, input.toLowerCase()) ? others[input.toLowerCase()] : undefined;
  if (same !== undefined) return message(input, wrong, explained(same));
  return message(input, wrong, nearest(input, names) ?? among(names.map(explained)));
}

export function boolean() {
  return z.boolean({
    error: ({ input }) => message(input, (shown) => `${shown} is neither true nor false`, 'true or false'),
  });
}

export function wholeNumber(min: number, max: number, words: Told = {}) {
  const range = `from ${min} to ${max}`;
  const error = ({ input }: { readonly input?: unknown }): string =>
    message(input, (shown) => `${shown} is no whole number ${range}`, `a number ${range}`);
  const part = z.number({ error }).int({ error }).min(min, { error }).max(max, { error });
  return told(part, { values: `a whole number ${range}`, ...words });
}

export function positiveNumber(max: number) {
  const error = ({ input }: { readonly input?: unknown }): string =>
    message(input, (shown) => `${shown} is no number above 0 and up to ${max}`, 'a number such as 10 or 0.5');
  return told(z.number({ error }).gt(0, { error }).max(max, { error }), { values: `a number above 0, up to ${max}` });
}

/** An object with these keys and no other one. */
export function object<S extends z.ZodRawShape>(
  shape: S,
  example: string,
  { laterKeys = {}, elsewhere = {} }: Pick<Told, 'laterKeys' | 'elsewhere'> = {},
) {
  const part = z.strictObject(shape, {
    error: ({ input }) => message(input, (shown) => `${shown} is no object`, example),
  });
  return told(part, { example, laterKeys, elsewhere });
}

/** An object whose keys are names. The names themselves are looked at in given.ts. */
export function record<T extends z.ZodType>(value: T, example: string, names: string) {
  const part = z.record(z.string(), value, {
    error: ({ input }) => message(input, (shown) => `${shown} is no object`, example),
  });
  return told(part, { example, names });
}

/** @param example a whole list to copy, given what stands there instead */
export function list<T extends z.ZodType>(
  element: T,
  noun: string,
  example: string | ((given: string) => string),
  atLeast = 1,
) {
  const copied = (input: unknown): string =>
    typeof example === 'string' ? example : example(typeof input === 'string' ? input : '');
  const part = z.array(element, {
    error: ({ input }) => message(input, (shown) => `${shown} is no list`, copied(input)),
  });
  const full =
    atLeast === 0 ? part : part.min(atLeast, { error: () => `the list is empty; write at least one ${noun}` });
  return told(full, { example: copied('') });
}

/** One element, or a list of them. */
export function oneOrMore<T extends z.ZodType>(element: T, noun: string, example: string) {
  return z.union([element, list(element, noun, example)]);
}

/** A key that a later version brings: refused by name, so that no operator believes that it works. */
export function later(what: string, write: string) {
  const error = (): string => notBuilt(what, write);
  return told(z.never({ error }).optional(), { later: what });
}

export function notBuilt(what: string, write: string): string {
  return `${what} is not built yet in this version; write ${write}`;
}
