// The condition operators of IAM policies. Called by iam.ts. An operator that is not known throws when the policy is
// read: a condition that is always true would make a permission test worthless. Source: IAM user guide, "Condition
// operators" and "Multivalued context keys".

import type { ConditionContext } from '../world.ts';

export type Condition = (context: ConditionContext) => boolean;
type Comparison = (held: string, wanted: string) => boolean;

/** `negated` operators hold where no value matches, and where the key is absent. */
const operators: Readonly<Record<string, { readonly compare: Comparison; readonly negated?: true }>> = {
  StringEquals: { compare: (held, wanted) => held === wanted },
  StringNotEquals: { compare: (held, wanted) => held === wanted, negated: true },
  StringEqualsIgnoreCase: { compare: (held, wanted) => held.toLowerCase() === wanted.toLowerCase() },
  StringNotEqualsIgnoreCase: {
    compare: (held, wanted) => held.toLowerCase() === wanted.toLowerCase(),
    negated: true,
  },
  StringLike: { compare: (held, wanted) => glob(wanted)(held) },
  StringNotLike: { compare: (held, wanted) => glob(wanted)(held), negated: true },
  // ArnEquals and ArnLike behave alike in IAM.
  ArnEquals: { compare: arnLike },
  ArnLike: { compare: arnLike },
  ArnNotEquals: { compare: arnLike, negated: true },
  ArnNotLike: { compare: arnLike, negated: true },
  Bool: { compare: (held, wanted) => held.toLowerCase() === wanted.toLowerCase() },
  NumericEquals: { compare: (held, wanted) => Number(held) === Number(wanted) },
  NumericNotEquals: { compare: (held, wanted) => Number(held) === Number(wanted), negated: true },
  NumericLessThan: { compare: (held, wanted) => Number(held) < Number(wanted) },
  NumericLessThanEquals: { compare: (held, wanted) => Number(held) <= Number(wanted) },
  NumericGreaterThan: { compare: (held, wanted) => Number(held) > Number(wanted) },
  NumericGreaterThanEquals: { compare: (held, wanted) => Number(held) >= Number(wanted) },
};

/** Reads a statement's Condition block; all of it must hold. Throws on an operator that is not emulated. */
export function compileConditions(block: unknown): Condition {
  if (block === undefined) return () => true;
  const conditions = Object.entries(record(block, 'Condition')).flatMap(([operator, keys]) =>
    Object.entries(record(keys, operator)).map(([key, wanted]) => compileOne(operator, key.toLowerCase(), wanted)),
  );
  return (context) => conditions.every((holds) => holds(context));
}

function compileOne(operatorText: string, key: string, wantedValue: unknown): Condition {
  const wanted = strings(wantedValue, `${operatorText} ${key}`);
  const parts = /^(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?$/.exec(operatorText);
  const [, quantifier, name = '', ifExists] = parts ?? [];

  if (name === 'Null') {
    // "true": the key must be absent. A set operator before Null changes nothing.
    return (context) => wanted.some((value) => (value.toLowerCase() === 'true') === (valuesOf(context, key) === null));
  }
  const operator = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (operator === undefined) throw new Error(`IAM condition operator "${operatorText}" is not emulated`);
  const matches = (held: string) => wanted.some((value) => operator.compare(held, value));
  const test = operator.negated ? (held: string) => !matches(held) : matches;

  return (context) => {
    const held = valuesOf(context, key);
    if (held === null) {
      if (quantifier === 'ForAllValues' || ifExists !== undefined) return true;
      return operator.negated === true && quantifier === undefined;
    }
    return quantifier === 'ForAnyValue' || (quantifier === undefined && !operator.negated)
      ? held.some(test)
      : held.every(test);
  };
}

function valuesOf(context: ConditionContext, key: string): readonly string[] | null {
  const held = context[key];
  if (held === undefined) return null;
  return typeof held === 'string' ? [held] : held;
}

/** `*` and `?` as IAM has them; everything else is literal. */
export function glob(pattern: string): (text: string) => boolean {
  if (pattern === '*') return () => true;
  if (!/[*?]/.test(pattern)) return (text) => text === pattern;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^]*')
    .replaceAll('?', '[^]');
  const expression = new RegExp(`^${source}$`, 'u');
  return (text) => expression.test(text);
}

/** Each of the six parts of the ARN is compared on its own: a wildcard does not cross a colon, except in the last. */
function arnLike(held: string, wanted: string): boolean {
  const heldParts = arnParts(held);
  const wantedParts = arnParts(wanted);
  return wantedParts.length === heldParts.length && wantedParts.every((part, i) => glob(part)(heldParts[i] ?? ''));
}

function arnParts(arn: string): readonly string[] {
  const parts = arn.split(':');
  return [...parts.slice(0, 5), parts.slice(5).join(':')];
}

/** One string or a list of them. Throws where an intrinsic was left unresolved, and on policy variables. */
export function strings(value: unknown, where: string): readonly string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.map((entry: unknown) => {
    if (typeof entry === 'boolean' || typeof entry === 'number') return String(entry);
    if (typeof entry !== 'string') throw new Error(`${where}: unresolved in the policy: ${JSON.stringify(entry)}`);
    if (entry.includes('${')) throw new Error(`${where}: policy variables are not emulated: ${entry}`);
    return entry;
  });
}

/** A JSON object. Throws on anything else, an unresolved intrinsic included. */
export function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${where}: not an object in the policy: ${JSON.stringify(value)}`);
  }
  const intrinsic = Object.keys(value).find((key) => key === 'Ref' || key.startsWith('Fn::'));
  if (intrinsic !== undefined) throw new Error(`${where}: unresolved in the policy: ${JSON.stringify(value)}`);
  return value as Record<string, unknown>;
}
