// Judges a value by the part of JSON Schema (2020-12) that docs/ uses. A keyword that is not here throws: a schema that
// says more than is looked at would be believed.

type Schema = { readonly [keyword: string]: unknown };
const SILENT = new Set(['$schema', 'title', 'description']);

/** Whether the value is as the schema has it. */
export function fits(schema: Schema, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, wanted]) => {
    if (SILENT.has(keyword)) return true;
    const judge = JUDGES[keyword] as ((wanted: unknown, value: unknown) => boolean) | undefined;
    if (judge === undefined) throw new Error(`the keyword ${keyword} is not judged`);
    return judge(wanted, value);
  });
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Keywords are silent about values of other types than their own. */
const ofText = (judge: (value: string) => boolean) => (value: unknown) => typeof value !== 'string' || judge(value);
const ofList = (judge: (value: readonly unknown[]) => boolean) => (value: unknown) =>
  !Array.isArray(value) || judge(value);

const JUDGES: Readonly<Record<string, (wanted: never, value: unknown) => boolean>> = {
  type: (wanted: string, value) => typeOf(value).includes(wanted),
  const: (wanted: unknown, value) => same(wanted, value),
  enum: (wanted: readonly unknown[], value) => wanted.some((each) => same(each, value)),
  anyOf: (wanted: readonly Schema[], value) => wanted.some((each) => fits(each, value)),
  required: (wanted: readonly string[], value) =>
    !isObject(value) || wanted.every((name) => Object.hasOwn(value, name)),
  properties: (wanted: Readonly<Record<string, Schema>>, value) =>
    !isObject(value) ||
    Object.entries(wanted).every(([name, each]) => !Object.hasOwn(value, name) || fits(each, value[name])),
  items: (wanted: Schema, value) => ofList((list) => list.every((each) => fits(wanted, each)))(value),
  minItems: (wanted: number, value) => ofList((list) => list.length >= wanted)(value),
  maxItems: (wanted: number, value) => ofList((list) => list.length <= wanted)(value),
  uniqueItems: (_: true, value) =>
    ofList((list) => new Set(list.map((each) => JSON.stringify(each))).size === list.length)(value),
  pattern: (wanted: string, value) => ofText((text) => new RegExp(wanted, 'u').test(text))(value),
  minLength: (wanted: number, value) => ofText((text) => [...text].length >= wanted)(value),
  maxLength: (wanted: number, value) => ofText((text) => [...text].length <= wanted)(value),
  minimum: (wanted: number, value) => typeof value !== 'number' || value >= wanted,
  maximum: (wanted: number, value) => typeof value !== 'number' || value <= wanted,
};

function typeOf(value: unknown): readonly string[] {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  return Number.isInteger(value) ? ['number', 'integer'] : [typeof value];
}
