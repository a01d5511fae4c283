// Reads the resolved properties of a resource. Called by the creators. A property that is not known throws an error
// that names it: it would change behaviour in AWS.

import type { Json } from './template.ts';

export type Properties = Readonly<Record<string, Json>>;

/** `known` are acted upon; `ignored` have no effect on a single machine. */
export function understood(properties: Properties, known: readonly string[], ignored: readonly string[] = []): void {
  const stranger = Object.keys(properties).find((it) => !known.includes(it) && !ignored.includes(it));
  if (stranger !== undefined) throw new Error(`the property ${stranger} is not emulated`);
}

export function textOf(properties: Properties, name: string, otherwise?: string): string {
  const value = properties[name] ?? otherwise;
  if (typeof value === 'string') return value;
  throw new Error(`${name} must be text, not ${JSON.stringify(value)}`);
}

/** A number that CloudFormation also takes as text; null where the property is absent. */
export function numberOf(properties: Properties, name: string): number | null {
  const value = properties[name];
  if (value === undefined) return null;
  const number = Number(value);
  if (value === '' || typeof value === 'object' || !Number.isFinite(number))
    throw new Error(`${name} must be a number`);
  return number;
}

export function objectOf(properties: Properties, name: string): Properties {
  const value = properties[name] ?? {};
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Properties;
  throw new Error(`${name} must be an object`);
}

export function oneOf<const T extends string>(properties: Properties, name: string, allowed: readonly T[]): T {
  const value = properties[name] ?? (allowed[0] as T);
  const found = allowed.find((it) => it === value);
  if (found === undefined) throw new Error(`${name}: ${JSON.stringify(value)} is not emulated`);
  return found;
}
