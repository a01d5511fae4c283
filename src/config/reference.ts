// Makes the reference page of the configuration, docs/configuration.md, from the schema. write.ts writes it. It holds
// no fact of its own except how a file is read. The meaning of a key stands beside the key, in the schema.

import type { z } from 'zod';
import type { Told } from './fields.ts';
import { literalOf, partOf } from './given.ts';
import { byKind, kinds, kindsLater } from './next-hop-schema.ts';
import { action, route } from './route-schema.ts';
import { schema } from './schema.ts';
import { submitter } from './submitter-schema.ts';

const WIDTH = 118;

export function referencePage(): string {
  const { shape } = schema;
  const sections = Object.entries(shape).filter(([, part]) => isSection(part));
  return [
    HEAD,
    '## Keys',
    entries(shape, ''),
    ...sections.flatMap(([key, part]) => [
      `## \`${key}\``,
      paragraph(partOf(part).told.description),
      members(part, key),
    ]),
    '## Next hops',
    paragraph(
      'Each has a name of up to 64 letters, digits, dots, hyphens and underscores. `kind` says what it is and what else may stand there.',
    ),
    ...Object.entries(byKind).flatMap(([kind, part]) => [
      `### \`kind: '${kind}'\``,
      paragraph(`${capital(kinds[kind as keyof typeof kinds])}. For example \`${partOf(part).told.example}\`.`),
      paragraph(partOf(part).told.description),
      members(part, '', (key) => key !== 'kind'),
    ]),
    '## Routes',
    paragraph(`For example \`${partOf(route).told.example}\`.`),
    members(route, ''),
    '### Actions of a route',
    members(action, ''),
    '## Submitters',
    paragraph(`For example \`${partOf(submitter).told.example}\`.`),
    members(submitter, ''),
    LIMITS,
    '## Refused by name until built',
    bullets([...laterKeys(), `next hops of kind ${kindsLater.map((kind) => `\`${kind}\``).join(' and ')}`]),
    '## Accepted without effect yet',
    bullets(withoutEffectYet().map((key) => `\`${key}\``)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

const HEAD = `# Configuration: \`everpost.config.ts\`

<!-- Written by \`npm run fix\` from src/config/schema.ts. What is changed here is lost. -->

${paragraph(
  "Or `.js`, or `.json`: the same object. `import type { Config } from '#config/schema.ts'` gives its type in " +
    'TypeScript; in JSON the key `"$schema": "./docs/everpost.config.schema.json"` gives editors the same. Each ' +
    'mistake gives one line: the path of the file as it was given, the place in it, what is wrong, what to write. ' +
    'All mistakes come at once; the exit code is 78. A key that is misspelt is named once, and its value read as ' +
    "what was meant. Durations are one number and one unit, from one second on: `'30s'`, `'15m'`, `'4h'`, " +
    "`'2d'`.",
)}`;

const LIMITS = `## What else is asked

${bullets([
  'A route that is never reached, because an earlier one takes all that it matches, and a match that stands twice, are mistakes.',
  'Port 465 with STARTTLS and port 587 with implicit TLS are mistakes.',
  "`clientCertificate` and `auth: { xoauth2 }` with `tls: 'off'` are mistakes.",
  'A copy cannot go to `refuse` or `discard`, nor can a fallback.',
  'Without `network`, port 25 and hosts that look private stop `cdk deploy`; so do, with `port25` as it is by default, port 25 of an address that is public, and a login without TLS in any case. Elsewhere they are warnings, because on this machine they work.',
  "`notices.from` in somebody else's domain, and an outbound `*` by SES that also takes mail for our own `domains`, are warnings.",
])}`;

/** The keys that are read and not acted on, as they stand in the file: `nextHops.*.concurrency`. */
export function withoutEffectYet(): readonly string[] {
  return unique(parts(schema, '').flatMap(({ at, words }) => (words.noEffectYet ? [at] : [])));
}

function laterKeys(): readonly string[] {
  return unique(
    parts(schema, '').flatMap(({ at, words, kind }) => [
      ...(words.later === undefined ? [] : [`\`${at}\``]),
      ...Object.keys(words.laterKeys ?? {}).map((key) => `\`${at === '' ? key : `${at}.${key}`}\`${kind}`),
    ]),
  );
}

/** Every key by its last name, for documents that name some. */
export function keyNames(): readonly string[] {
  return unique(parts(schema, '').flatMap(({ at }) => (/[*\]]$|^$/.test(at) ? [] : [at.split('.').at(-1) ?? ''])));
}

/** `kind` is the kind of next hop to which it belongs. */
type Part = { readonly at: string; readonly words: Told; readonly kind: string };

/** A part and all that stand below it, by their paths in the file. */
function parts(part: z.core.$ZodType, at: string): readonly Part[] {
  const { type, told: words } = partOf(part);
  const own = { at, words, kind: '' };
  switch (type.def.type) {
    case 'object': {
      const members = Object.entries((type as z.ZodObject).shape);
      return [own, ...members.flatMap(([key, inner]) => parts(inner, at === '' ? key : `${at}.${key}`))];
    }
    case 'record':
      return [own, ...parts((type as z.ZodRecord).valueType, `${at}.*`)];
    case 'array':
      return [own, ...parts((type as z.ZodArray).element, `${at}[]`)];
    case 'union':
      return [own, ...(type as z.ZodUnion).options.flatMap((option) => partsOfKind(type, option as z.ZodType, at))];
    default:
      return [own];
  }
}

function partsOfKind(union: z.ZodType, option: z.ZodType, at: string): readonly Part[] {
  const below = parts(option, at);
  if (!('discriminator' in union.def)) return below;
  return below.map((part) => ({ ...part, kind: ` of kind \`${literalOf(option, 'kind')}\`` }));
}

function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}

function isSection(part: z.core.$ZodType): boolean {
  return partOf(part).type.def.type === 'object';
}

function members(part: z.core.$ZodType, at: string, which?: (key: string) => boolean): string {
  return entries((partOf(part).type as z.ZodObject).shape, at, which);
}

function entries(shape: z.core.$ZodShape, at: string, which: (key: string) => boolean = () => true): string {
  return Object.entries(shape)
    .filter(([key, part]) => which(key) && !isLater(part))
    .flatMap(([key, part]) => {
      const name = at === '' ? key : `${at}.${key}`;
      // Sections of the file have a chapter each.
      return shape === schema.shape ? [entry(name, part)] : [entry(name, part), ...below(name, part)];
    })
    .join('\n');
}

/** The keys of an object that has no chapter of its own. */
function below(at: string, part: z.core.$ZodType): readonly string[] {
  return isSection(part) ? [members(part, at)] : [];
}

function isLater(part: z.core.$ZodType): boolean {
  return partOf(part).type.def.type === 'never';
}

function entry(key: string, part: z.core.$ZodType): string {
  const { told: words } = partOf(part);
  const values = isSection(part) && words.values === undefined ? 'an object, below' : (words.values ?? valuesOf(part));
  const effect = words.noEffectYet ? 'No effect yet.' : '';
  const text = [`**\`${key}\`**: ${values}; ${fallbackOf(part)}.`, words.description ?? '', effect].filter(
    (each) => each !== '',
  );
  const choices = Object.entries(words.choices ?? {}).map(([name, meaning]) =>
    wrapped(`\`'${name}'\`: ${meaning}`, '  - ', '    '),
  );
  return [wrapped(text.join(' '), '- ', '  '), ...choices].join('\n');
}

function valuesOf(part: z.core.$ZodType): string {
  const { type } = partOf(part);
  switch (type.def.type) {
    case 'boolean':
      return '`true` or `false`';
    case 'enum':
      return 'one of these';
    case 'record':
      return 'names and what they stand for';
    default:
      return 'text';
  }
}

function fallbackOf(part: z.core.$ZodType): string {
  const { told: words, fallback } = partOf(part);
  if (words.fallback !== undefined) return `default: ${words.fallback}`;
  if (typeof fallback === 'object' && !Array.isArray(fallback)) return 'optional';
  if (fallback !== undefined)
    return `default \`${JSON.stringify(fallback).replaceAll('"', "'").replaceAll(',', ', ')}\``;
  return part._zod.optin === 'optional' ? 'optional' : 'required';
}

function paragraph(text: string | undefined): string {
  return text === undefined ? '' : wrapped(text, '', '');
}

function bullets(texts: readonly string[]): string {
  return texts.map((text) => wrapped(text, '- ', '  ')).join('\n');
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** Lines of a document's width. Text between backticks is not broken. */
function wrapped(text: string, first: string, further: string): string {
  const lines: string[] = [];
  let line = first;
  for (const word of text.match(/(?:`[^`]*`|\S)+/g) ?? []) {
    if (line.trim() !== '' && line.trim() !== '-' && line.length + word.length + 1 > WIDTH) {
      lines.push(line.trimEnd());
      line = further;
    }
    line += line === first || line === further ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
}
