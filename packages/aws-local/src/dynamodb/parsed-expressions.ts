// A cache of parsed expressions for dynalite.ts. dynalite's grammar backtracks: a long condition costs more than the
// rest of a write, and programs send the same few expressions with other values. It never keeps a refusal, nor what
// depends on a value.

type Values = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
type Context = {
  readonly attrNames?: Readonly<Record<string, string>>;
  readonly attrVals?: Values;
  readonly unusedAttrNames: Record<string, true>;
  readonly unusedAttrVals: Record<string, true>;
  readonly isKeyCondition?: boolean;
};
type Options = { readonly context: Context };
/** One of dynalite's generated parsers; a string is a refusal. */
export type Parser = { parse(expression: string, options: Options): unknown };

type Remembered = { readonly tree: unknown; readonly names: readonly string[]; readonly values: readonly string[] };
const REMEMBERED_MAX = 500; // expressions; a program has some dozens
const BY_VALUE = /between|attribute_type/i; // their operands are judged by value when parsed

/** Stands in a remembered tree where a value stood. */
class Slot {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Puts the memory before the parser. */
export function remember(parser: Parser): void {
  const parse = parser.parse;
  const memory = new Map<string, Remembered>();
  parser.parse = (expression, options) => {
    const { context } = options;
    if (BY_VALUE.test(expression)) return parse(expression, options);
    const key = keyOf(expression, context);
    const known = memory.get(key);
    if (known) {
      for (const name of known.names) delete context.unusedAttrNames[name];
      for (const name of known.values) delete context.unusedAttrVals[name];
      return filled(known.tree, context.attrVals ?? {});
    }
    const [names, values] = [Object.keys(context.unusedAttrNames), Object.keys(context.unusedAttrVals)];
    const tree = parse(expression, options);
    if (typeof tree === 'string') return tree;
    if (memory.size >= REMEMBERED_MAX) memory.clear();
    memory.set(key, {
      tree: emptied(tree, new Map(Object.entries(context.attrVals ?? {}).map(([name, value]) => [value, name]))),
      names: names.filter((name) => !(name in context.unusedAttrNames)),
      values: values.filter((name) => !(name in context.unusedAttrVals)),
    });
    return tree;
  };
}

/** All that decides how an expression is parsed: of the values only their types. */
function keyOf(expression: string, { attrNames, attrVals, isKeyCondition }: Context): string {
  let types = '';
  for (const name in attrVals) types += `${name}=${Object.keys(attrVals[name] ?? {})[0]} `;
  return `${expression}\n${attrNames ? JSON.stringify(attrNames) : ''}\n${types}\n${isKeyCondition === true}`;
}

function emptied(node: unknown, names: ReadonlyMap<unknown, string>): unknown {
  const name = names.get(node);
  return name === undefined ? mapped(node, (child) => emptied(child, names)) : new Slot(name);
}
function filled(node: unknown, values: Values): unknown {
  return node instanceof Slot ? values[node.name] : mapped(node, (child) => filled(child, values));
}

/** A copy with each child replaced. The trees' maps have no prototype, and the engine relies on it. */
function mapped(node: unknown, change: (child: unknown) => unknown): unknown {
  if (Array.isArray(node)) return node.map(change);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.create(Object.getPrototypeOf(node) as object | null) as Record<string, unknown>;
  for (const [name, child] of Object.entries(node)) copy[name] = change(child);
  return copy;
}
