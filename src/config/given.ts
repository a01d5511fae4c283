// Reads the export of a configuration file along the schema. It copies plain objects and lists, and notes every key
// that the schema does not have. Any other value (a Map, a function, a getter that throws, a list without end) becomes
// a symbol that describes it, so that the schema refuses it in its place. It never throws, and goes no deeper than the
// schema.

import type { z } from 'zod';
import { destinationOf } from '#core/delivery/destination.ts';
import { isPauseWord } from '#core/delivery/pause.ts';
import { parseSubmitter } from '#core/submission/submission.ts';
import type { Told } from './fields.ts';
import { parseName } from './values.ts';
import { among, join, nearest, show } from './words.ts';

/**
 * Collects a mistake. `at` is the path in the file: routes[2].to[0].via. A text that takes time to make is given as a
 * function.
 */
export type Mistakes = (at: string, wrong: string, write: string | (() => string)) => void;

/**
 * The file as it is copied here: of the schema's shape where it is right, and anything in the places where it is wrong.
 */
export type Given = Readonly<Record<string, unknown>>;

/** More than any configuration needs, and few enough to look at each. */
const elementsMax = 100_000;

export function given(part: z.core.$ZodType, value: unknown, at: string, mistake: Mistakes): unknown {
  const { type } = partOf(part);
  switch (type.def.type) {
    case 'object':
      return objectOf(type as z.ZodObject, value, at, mistake);
    case 'record':
      return recordOf(type as z.ZodRecord, value, at, mistake);
    case 'array':
      return listOf((type as z.ZodArray).element, value, at, mistake);
    case 'union':
      return unionOf(type as z.ZodUnion | z.ZodDiscriminatedUnion, value, at, mistake);
    case 'never':
      return membersOf(value)?.size === 0 ? undefined : leaf(value); // an empty object asks for nothing
    default:
      return leaf(value);
  }
}

/** The inner field type without its wrappers, and all facts of the wrappers, the outer ones first. */
export function partOf(part: z.core.$ZodType): {
  readonly type: z.ZodType;
  readonly told: Told;
  readonly fallback: unknown;
} {
  let type = part as z.ZodType;
  let told = {};
  let fallback: unknown;
  for (;;) {
    told = { ...type.meta(), ...told };
    const { def } = type;
    switch (def.type) {
      case 'prefault':
        fallback ??= (def as z.core.$ZodPrefaultDef).defaultValue;
        type = (def as z.core.$ZodPrefaultDef).innerType as z.ZodType;
        break;
      case 'optional':
        type = (def as z.core.$ZodOptionalDef).innerType as z.ZodType;
        break;
      case 'pipe':
        type = (def as z.core.$ZodPipeDef).in as z.ZodType;
        break;
      default:
        return { type, told, fallback };
    }
  }
}

function objectOf(object: z.ZodObject, value: unknown, at: string, mistake: Mistakes): unknown {
  const members = membersOf(value);
  if (members === null) return leaf(value);
  const { shape } = object;
  const known = Object.keys(shape);
  const { laterKeys = {}, elsewhere = {} } = partOf(object).told;
  for (const key of [...members.keys()].filter((name) => !Object.hasOwn(shape, name))) {
    const instead = Object.hasOwn(elsewhere, key.toLowerCase()) ? elsewhere[key.toLowerCase()] : undefined;
    if (instead !== undefined) {
      mistake(join(at, key), 'there is no such key here', instead);
      continue;
    }
    const meant = nearest(key, known) ?? (at === '' ? sectionLike(object, key, members) : null);
    const later = Object.hasOwn(laterKeys, key)
      ? laterKeys[key]
      : meant === null
        ? undefined
        : partOf(shape[meant] as z.ZodType).told.later;
    if (later !== undefined) {
      mistake(join(at, key), `${later} is not built yet in this version`, `no ${meant ?? key}`);
      continue;
    }
    mistake(join(at, key), 'there is no such key', meant ?? among(known.filter((name) => name !== '$schema')));
    // Read as the intended value, so that mistakes which follow from the slip are not reported as well.
    if (meant !== null && !members.has(meant)) members.set(meant, members.get(key));
  }
  const copied = known.filter((key) => members.has(key));
  return Object.fromEntries(
    copied.map((key) => [key, given(shape[key] as z.ZodType, members.get(key), join(at, key), mistake)]),
  );
}

/** The section that is missing and that this value would be, under whatever name it stands. */
function sectionLike({ shape }: z.ZodObject, key: string, members: ReadonlyMap<string, unknown>): string | null {
  const fits = ([name, part]: [string, z.core.$ZodType]): boolean =>
    !members.has(name) &&
    part._zod.optin === undefined && // neither optional nor with a default: anything would fit these
    (part as z.ZodType).safeParse(given(part, members.get(key), name, () => {})).success;
  return Object.entries(shape).find(fits)?.[0] ?? null;
}

function recordOf({ valueType }: z.ZodRecord, value: unknown, at: string, mistake: Mistakes): unknown {
  const members = membersOf(value);
  if (members === null) return leaf(value);
  if (members.size === 0 && at === 'nextHops')
    mistake(at, 'there is no next hop', `at least one, such as exchange: ${partOf(valueType).told.example}`);
  const fit = [...members].filter(([name]) => nameFits(at, name, mistake));
  return Object.fromEntries(fit.map(([name, each]) => [name, given(valueType, each, join(at, name), mistake)]));
}

function listOf(element: z.core.$ZodType, value: unknown, at: string, mistake: Mistakes): unknown {
  try {
    if (!Array.isArray(value)) return leaf(value);
    if (value.length > elementsMax) {
      mistake(at, `the list has ${value.length} elements`, `at most ${elementsMax}`);
      return [];
    }
    return Array.from({ length: value.length }, (_, index) =>
      given(element, memberOf(value, index), join(at, index), mistake),
    );
  } catch {
    return unreadable;
  }
}

/** Of the next hop's kinds the one that is named; of one or a list that which is given. */
function unionOf(union: z.ZodUnion | z.ZodDiscriminatedUnion, value: unknown, at: string, mistake: Mistakes): unknown {
  const options = union.options as readonly z.ZodType[];
  if (!('discriminator' in union.def)) {
    const list = options.find((option) => partOf(option).type.def.type === 'array');
    const one = options[0];
    return isList(value) && list !== undefined
      ? given(list, value, at, mistake)
      : one && given(one, value, at, mistake);
  }
  const members = membersOf(value);
  if (members === null) return leaf(value);
  const { discriminator } = union.def;
  const kind = leaf(members.get(discriminator));
  const named = options.find((option) => literalOf(option, discriminator) === kind);
  return named === undefined ? { [discriminator]: kind } : given(named, value, at, mistake);
}

export function literalOf(option: z.ZodType, key: string): unknown {
  const { shape } = partOf(option).type as z.ZodObject;
  return (shape[key] as z.ZodLiteral).value;
}

/** Names of next hops and submitters become parts of keys, policies and metrics. */
function nameFits(at: string, name: string, mistake: Mistakes): boolean {
  const path = join(at, name);
  const kind = destinationOf({ nextHop: name });
  if (at === 'submitters') {
    if (parseSubmitter(name) !== null) return true;
    const write = 'up to 32 lower-case letters, digits and hyphens, no hyphen at either end';
    mistake(path, `${show(name)} is no submitter's name`, write);
  } else if (kind === 'ses-bounce' || kind === 'ses-report')
    mistake(path, `${name} is a way of notices that has this name already`, 'another name');
  else if (kind === 'returns') mistake(path, `${name} stands for what comes back to a return path`, 'another name');
  else if (isPauseWord(name)) mistake(path, `a pause of ${name} means more than one next hop`, 'another name');
  else if (parseName(name) === null)
    mistake(
      path,
      `${show(name)} cannot name a next hop`,
      'up to 64 letters, digits, dots, hyphens and underscores, a letter or digit first',
    );
  else return true;
  return false;
}

/** The own members of a plain object, an instance or a module; null where the value is none of these. */
export function membersOf(value: unknown): Map<string, unknown> | null {
  try {
    if (typeof value !== 'object' || value === null || !['[object Object]', '[object Module]'].includes(tag(value)))
      return null;
    return new Map(Object.keys(value).map((key) => [key, memberOf(value, key)]));
  } catch {
    return null;
  }
}

function memberOf(of: object, key: string | number): unknown {
  try {
    return (of as Readonly<Record<string | number, unknown>>)[key];
  } catch {
    return unreadable;
  }
}

function isList(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

/** Text, numbers, true, false, null and undefined stay; any other value becomes a word for it. */
function leaf(value: unknown): unknown {
  if (value === unreadable) return value;
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint')
    return Symbol(`a ${typeof value}`);
  if (typeof value !== 'object' || value === null) return value;
  try {
    if (Array.isArray(value)) return Symbol('a list');
    const name = /^\[object ([A-Z]\w{0,30})\]$/.exec(tag(value))?.[1] ?? 'Object';
    return Symbol(name === 'Object' ? 'an object' : `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`);
  } catch {
    return unreadable;
  }
}
const unreadable = Symbol('a value that cannot be read');

function tag(value: object): string {
  return Object.prototype.toString.call(value);
}
