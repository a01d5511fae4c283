// The check of the configuration: unknown input in, Settings or one line for each mistake out. Each line says where in
// the file, what is wrong and what to write. load.ts calls it for every reader of a configuration file. It reads no
// file and uses no network. It refuses by name what a later version brings, and never ignores it.

import { createHash } from 'node:crypto';
import type { z } from 'zod';
import {
  type BuiltIn,
  warnAboutAlarms,
  warnAboutBlockedNames,
  warnAboutNextHops,
  warnAboutReserve,
  warnAboutSenders,
  warnAboutSubmitters,
} from './advice.ts';
import { type Given, given, partOf } from './given.ts';
import { Lines } from './lines.ts';
import { checkRoutes, namesInUse } from './route-rules.ts';
import { checkSections } from './rules.ts';
import { schema } from './schema.ts';
import { readSections } from './sections.ts';
import type { Settings } from './settings.ts';
import { checkSubmitters } from './submitter-rules.ts';
import { join, show } from './words.ts';

export type Checked =
  | {
      readonly kind: 'ok';
      readonly settings: Settings;
      /** Lines of the same form, about settings that work and are probably a mistake. */
      readonly warnings: readonly string[];
      /** Those of the warnings with which nothing is deployed: it could not work in AWS, or would show a password. */
      readonly notDeployed: readonly string[];
      /** Settings that this version reads and does not use yet; every start prints them. */
      readonly notYet: readonly string[];
    }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

export type CheckOptions = {
  /** Reads the file that `ca` may name; null where there is none. */
  readonly certificate?: (path: string) => string | null;
  /** A mail server that this machine brings up itself, so that nothing needs to be said of it. */
  readonly builtIn?: BuiltIn;
};

/**
 * Checks a configuration as imported from the file. `sourceName` opens each line: the path of the file as it was given.
 */
export function checkConfig(input: unknown, sourceName: string, options: CheckOptions = {}): Checked {
  const lines = new Lines(sourceName);
  const raw = given(schema, input, '', lines.mistake);
  if (typeof raw !== 'object' || raw === null) {
    lines.mistake('', `${show(raw)} is no object`, partOf(schema).told.example ?? '');
    return { kind: 'wrong', problems: lines.all() };
  }
  const file = withCertificates(raw as Given, options.certificate);
  lines.know(file);
  checkSubmitters(file, lines.mistake);
  const sections = namesInUse(readSections(file, lines), file, lines.mistake);
  checkRoutes(sections, file, lines.mistake);
  const unversioned = checkSections(sections, lines.mistake);
  if (unversioned === null || lines.found) return { kind: 'wrong', problems: lines.all() };
  const version = createHash('sha256').update(JSON.stringify(unversioned)).digest('hex').slice(0, 12);
  const settings: Settings = { version, ...unversioned };
  const notDeployed = new Lines(sourceName);
  warnAboutNextHops(settings, options.builtIn ?? null, notDeployed.mistake);
  const advice = new Lines(sourceName);
  warnAboutSenders(settings, advice.mistake);
  warnAboutSubmitters(settings, advice.mistake);
  warnAboutBlockedNames(settings, advice.mistake);
  warnAboutReserve(settings, advice.mistake);
  warnAboutAlarms(settings, advice.mistake);
  const warnings = [...notDeployed.all(), ...advice.all()];
  return { kind: 'ok', settings, warnings, notDeployed: notDeployed.all(), notYet: notYetActedOn(file, sourceName) };
}

/** `ca` may be a file's path: replaced by its text. A path that cannot be read stays, and the schema reports it. */
function withCertificates(file: Given, certificate: CheckOptions['certificate']): Given {
  if (certificate === undefined || typeof file.nextHops !== 'object' || file.nextHops === null) return file;
  const hops = Object.entries(file.nextHops as Record<string, unknown>).map(([name, hop]) => {
    const ca = (hop as { readonly ca?: unknown } | null | undefined)?.ca;
    if (typeof ca !== 'string' || ca.includes('-----BEGIN')) return [name, hop] as const;
    return [name, { ...(hop as object), ca: certificate(ca) ?? ca }] as const;
  });
  return { ...file, nextHops: Object.fromEntries(hops) };
}

/**
 * Marks of the schema by the path in the file: settings that have no effect yet, so that a configuration need not
 * change later.
 */
function notYetActedOn(file: Given, sourceName: string): string[] {
  const asked = (part: z.core.$ZodType, value: unknown, at: string): string[] => {
    const { type, told } = partOf(part);
    if (value === undefined || value === false) return [];
    if (told.noEffectYet) return [`${sourceName}: ${at} is read, but not acted on yet in this version`];
    if (typeof value !== 'object' || value === null) return [];
    return membersIn(type, value).flatMap(([key, inner, each]) => asked(inner, each, join(at, key)));
  };
  return asked(schema, file, '');
}

function membersIn(type: z.ZodType, value: object): (readonly [string, z.core.$ZodType, unknown])[] {
  const entries = Object.entries(value);
  switch (type.def.type) {
    case 'object':
      return entries.map(([key, each]) => [key, (type as z.ZodObject).shape[key] as z.ZodType, each]);
    case 'record':
      return entries.map(([key, each]) => [key, (type as z.ZodRecord).valueType, each]);
    case 'union': {
      const option = ((type as z.ZodUnion).options as readonly z.ZodType[]).find(
        (each) => each.safeParse(value).success,
      );
      return option === undefined ? [] : membersIn(partOf(option).type, value);
    }
    default:
      return [];
  }
}
