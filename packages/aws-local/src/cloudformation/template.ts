// Reads a synthesised cloud assembly (cdk.out) and resolves CloudFormation's intrinsics. Called by deploy.ts and its
// callers. What is created here is what `cdk deploy` would create. An intrinsic, parameter, attribute or reference that
// is not known throws an error that names it and its place. It never guesses.

import { readFileSync } from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type ResourceDefinition = {
  readonly Type: string;
  readonly Properties?: { readonly [key: string]: Json };
  readonly DependsOn?: string | readonly string[];
  readonly Condition?: string;
};
export type Template = {
  readonly Parameters?: Readonly<Record<string, { readonly Type: string; readonly Default?: Json }>>;
  readonly Conditions?: Readonly<Record<string, Json>>;
  readonly Mappings?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Json>>>>>>;
  readonly Resources: Readonly<Record<string, ResourceDefinition>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: Json; readonly Condition?: string }>>;
};

export type Assembly = {
  readonly stackName: string;
  readonly template: Template;
  /** The folder (or file) of a file asset, by the S3 key that the template names it with. Throws on an unknown key. */
  readonly asset: (s3Key: string) => string;
};

/** The values of a created resource for `Ref` and `Fn::GetAtt`. */
export type Created = { readonly ref: string; readonly attributes: Readonly<Record<string, string>> };

/** Where names are looked up while a template is resolved. */
export type Scope = {
  readonly template: Template;
  /** AWS::Region, AWS::AccountId and so on. */
  readonly pseudo: Readonly<Record<string, string>>;
  /** The resources created so far, by logical id. */
  readonly created: ReadonlyMap<string, Created>;
};

/** Reads an assembly folder that holds exactly one stack. */
export function readAssembly(folder: string): Assembly {
  const manifest = readJson(join(folder, 'manifest.json')) as {
    artifacts?: Record<string, { type: string; properties?: { templateFile?: string; stackName?: string } }>;
  };
  const stacks = Object.entries(manifest.artifacts ?? {}).filter(([, it]) => it.type === 'aws:cloudformation:stack');
  const [only, more] = stacks;
  if (only === undefined || more !== undefined)
    throw new Error(`${folder}: expected one stack in the assembly, found ${stacks.length}`);
  const [id, artifact] = only;
  const templateFile = artifact.properties?.templateFile;
  if (templateFile === undefined) throw new Error(`${folder}: the stack ${id} names no template file`);
  return {
    stackName: artifact.properties?.stackName ?? id,
    template: readJson(join(folder, templateFile)) as Template,
    asset: assetFinder(folder, templateFile.replace(/\.template\.json$/, '.assets.json')),
  };
}

function assetFinder(folder: string, assetsFile: string): (s3Key: string) => string {
  const manifest = readJson(join(folder, assetsFile)) as {
    files?: Record<string, { source: { path?: string }; destinations: Record<string, { objectKey: string }> }>;
  };
  const paths = new Map<string, string>();
  for (const file of Object.values(manifest.files ?? {})) {
    for (const destination of Object.values(file.destinations))
      if (file.source.path !== undefined) paths.set(destination.objectKey, resolvePath(folder, file.source.path));
  }
  return (s3Key) => {
    const path = paths.get(s3Key);
    if (path === undefined) throw new Error(`${assetsFile}: no file asset with the object key ${s3Key}`);
    return path;
  };
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** Logical ids such that each comes after everything it refers to. Resources whose condition is false are left out. */
export function creationOrder(scope: Pick<Scope, 'template' | 'pseudo'>): readonly string[] {
  const resources = scope.template.Resources;
  const bare: Scope = { ...scope, created: new Map() };
  const wanted = (id: string): boolean => {
    const condition = resources[id]?.Condition;
    return condition === undefined || conditionHolds(condition, bare);
  };
  const order: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (id: string, path: readonly string[]): void => {
    if (state.get(id) === 'done') return;
    if (state.get(id) === 'open')
      throw new Error(`the template has a circular dependency: ${[...path, id].join(' → ')}`);
    const resource = resources[id];
    if (resource === undefined)
      throw new Error(`${path.at(-1) ?? 'template'} refers to ${id}, which the template does not define`);
    state.set(id, 'open');
    for (const dependency of dependencies(resource, scope.template))
      if (wanted(dependency)) visit(dependency, [...path, id]);
    state.set(id, 'done');
    order.push(id);
  };
  for (const id of Object.keys(resources)) if (wanted(id)) visit(id, []);
  return order;
}

/** What a resource refers to or depends on, by logical id. */
export function dependencies(resource: ResourceDefinition, template: Template): ReadonlySet<string> {
  const found = new Set<string>(typeof resource.DependsOn === 'string' ? [resource.DependsOn] : resource.DependsOn);
  const add = (name: string): void => {
    if (!name.startsWith('AWS::') && template.Parameters?.[name] === undefined) found.add(name);
  };
  const walk = (value: Json): void => {
    if (Array.isArray(value)) {
      for (const inner of value) walk(inner as Json);
      return;
    }
    if (value === null || typeof value !== 'object') return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'Ref') add(String(inner));
      else if (key === 'Fn::GetAtt') add(attributeName(inner as Json)[0]);
      else {
        if (key === 'Fn::Sub') for (const name of substitutionNames(inner as Json)) add(name.split('.')[0] ?? name);
        walk(inner as Json);
      }
    }
  };
  walk(resource.Properties ?? {});
  return found;
}

/**
 * `value` with every intrinsic resolved. Members that resolve to AWS::NoValue disappear. `where` names the place in
 * errors.
 */
export function resolve(value: Json, scope: Scope, where: string): Json {
  const resolved = resolveOrNone(value, scope, where);
  return resolved === NONE ? null : resolved;
}

/** `resolve` for a value that must be text, such as an output's. */
export function resolveText(value: Json, scope: Scope, where: string): string {
  return text(resolve(value, scope, where), where);
}

const NONE = Symbol('AWS::NoValue');

function resolveOrNone(value: Json, scope: Scope, where: string): Json | typeof NONE {
  if (Array.isArray(value))
    return value.map((it) => resolveOrNone(it as Json, scope, where)).filter((it): it is Json => it !== NONE);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (
    first !== undefined &&
    entries.length === 1 &&
    (first[0] === 'Ref' || first[0] === 'Condition' || first[0].startsWith('Fn::'))
  ) {
    // `Condition` is an intrinsic only with text; an IAM statement's Condition is an object.
    if (first[0] !== 'Condition' || typeof first[1] === 'string')
      return intrinsic(first[0], first[1] as Json, scope, where);
  }
  const out: Record<string, Json> = {};
  for (const [key, inner] of entries) {
    const resolved = resolveOrNone(inner as Json, scope, where);
    if (resolved !== NONE) out[key] = resolved;
  }
  return out;
}

function intrinsic(name: string, argument: Json, scope: Scope, where: string): Json | typeof NONE {
  switch (name) {
    case 'Ref':
      return reference(text(argument, where), scope, where);
    case 'Fn::GetAtt':
      return attribute(argument, scope, where);
    case 'Fn::Join': {
      const [separator, parts] = list(argument, scope, where, 2);
      return list(parts ?? null, scope, where)
        .map((it) => text(it, where))
        .join(text(separator ?? null, where));
    }
    case 'Fn::Sub':
      return substitute(argument, scope, where);
    case 'Fn::Select': {
      const [index, from] = list(argument, scope, where, 2);
      const selected = list(from ?? null, scope, where)[Number(index)];
      if (selected === undefined) throw new Error(`${where}: Fn::Select has no element ${String(index)}`);
      return selected;
    }
    case 'Fn::Split': {
      const [separator, from] = list(argument, scope, where, 2);
      return text(from ?? null, where).split(text(separator ?? null, where));
    }
    case 'Fn::If': {
      const [condition, yes, no] = Array.isArray(argument) ? (argument as readonly Json[]) : [];
      return resolveOrNone((conditionHolds(text(condition ?? null, where), scope) ? yes : no) ?? null, scope, where);
    }
    case 'Fn::FindInMap': {
      const [map, top, second] = list(argument, scope, where, 3).map((it) => text(it, where));
      const found = scope.template.Mappings?.[map ?? '']?.[top ?? '']?.[second ?? ''];
      if (found === undefined) throw new Error(`${where}: Fn::FindInMap finds no ${map}.${top}.${second}`);
      return found;
    }
    case 'Fn::GetAZs':
      return ['a', 'b', 'c'].map((zone) => `${scope.pseudo['AWS::Region'] ?? ''}${zone}`);
    case 'Fn::Base64':
      return Buffer.from(text(resolve(argument, scope, where), where)).toString('base64');
    case 'Fn::Equals':
    case 'Fn::Not':
    case 'Fn::And':
    case 'Fn::Or':
    case 'Condition':
      return predicate(name, argument, scope, where);
    default:
      throw new Error(`${where}: the intrinsic ${name} is not emulated`);
  }
}

function reference(name: string, scope: Scope, where: string): Json | typeof NONE {
  if (name === 'AWS::NoValue') return NONE;
  const pseudo = scope.pseudo[name];
  if (pseudo !== undefined) return pseudo;
  const created = scope.created.get(name);
  if (created !== undefined) return created.ref;
  const parameter = scope.template.Parameters?.[name];
  if (parameter !== undefined) {
    if (parameter.Default === undefined) throw new Error(`${where}: the parameter ${name} has no default`);
    return parameter.Default;
  }
  throw new Error(`${where}: Ref ${name} names neither a created resource, a parameter nor a known pseudo parameter`);
}

function attribute(argument: Json, scope: Scope, where: string): string {
  const [id, name] = attributeName(argument);
  const created = scope.created.get(id);
  if (created === undefined) throw new Error(`${where}: Fn::GetAtt ${id}.${name}: ${id} is not created`);
  const value = created.attributes[name];
  if (value === undefined)
    throw new Error(
      `${where}: Fn::GetAtt ${id}.${name}: this attribute of ${scope.template.Resources[id]?.Type} is not emulated`,
    );
  return value;
}

function attributeName(argument: Json): readonly [string, string] {
  if (Array.isArray(argument)) return [String(argument[0]), String(argument[1])];
  const at = String(argument).indexOf('.');
  return [String(argument).slice(0, at), String(argument).slice(at + 1)];
}

const SUBSTITUTION = /\$\{(!?)([^}]+)\}/g; // ${!Literal} stays ${Literal}

function substitutionNames(argument: Json): readonly string[] {
  const [pattern, own] = Array.isArray(argument) ? (argument as readonly Json[]) : [argument];
  const names = [...String(pattern).matchAll(SUBSTITUTION)].filter((it) => it[1] === '').map((it) => it[2] ?? '');
  return names.filter((name) => own === undefined || own === null || typeof own !== 'object' || !(name in own));
}

function substitute(argument: Json, scope: Scope, where: string): string {
  const [pattern, own] = Array.isArray(argument) ? (argument as readonly Json[]) : [argument];
  const values = (own === undefined ? {} : resolve(own, scope, where)) as Readonly<Record<string, Json>>;
  return text(pattern ?? null, where).replace(SUBSTITUTION, (_, literal: string, name: string) => {
    if (literal === '!') return `\${${name}}`;
    const mine = values[name];
    if (mine !== undefined) return text(mine, where);
    return name.includes('.') ? attribute(name, scope, where) : text(resolve({ Ref: name }, scope, where), where);
  });
}

function conditionHolds(name: string, scope: Scope): boolean {
  const condition = scope.template.Conditions?.[name];
  if (condition === undefined) throw new Error(`the template has no condition ${name}`);
  return resolve(condition, scope, `condition ${name}`) === true;
}

function predicate(name: string, argument: Json, scope: Scope, where: string): boolean {
  if (name === 'Condition') return conditionHolds(text(argument, where), scope);
  const operands = list(argument, scope, where);
  if (name === 'Fn::Equals') return JSON.stringify(operands[0]) === JSON.stringify(operands[1]);
  if (name === 'Fn::Not') return operands[0] !== true;
  return name === 'Fn::And' ? operands.every((it) => it === true) : operands.some((it) => it === true);
}

function list(argument: Json, scope: Scope, where: string, length?: number): readonly Json[] {
  const resolved = resolve(argument, scope, where);
  if (!Array.isArray(resolved) || (length !== undefined && resolved.length !== length))
    throw new Error(
      `${where}: an intrinsic wants a list${length === undefined ? '' : ` of ${length}`}, not ${JSON.stringify(argument)}`,
    );
  return resolved as readonly Json[];
}

function text(value: Json, where: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Error(`${where}: expected text, not ${JSON.stringify(value)}`);
}
