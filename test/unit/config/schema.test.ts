// What comes of the schema beside the check: the type, the JSON schema for editors, the reference page. The two files
// are those that `npm run fix` would write, each example passes the check, and the three agree.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { checkConfig } from '#config/check.ts';
import { partOf } from '#config/given.ts';
import { jsonSchema } from '#config/json-schema.ts';
import { keyNames, referencePage, withoutEffectYet } from '#config/reference.ts';
import { type Config, schema } from '#config/schema.ts';
import shipped from '../../../everpost.config.ts';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const good = JSON.parse(read('test/fixtures/config/good.json'));

describe('the files that npm run fix writes are not stale', () => {
  test('docs/configuration.md', () => {
    expect(read('docs/configuration.md')).toBe(referencePage());
  });
  test('docs/everpost.config.schema.json', () => {
    expect(JSON.parse(read('docs/everpost.config.schema.json'))).toEqual(JSON.parse(JSON.stringify(jsonSchema())));
  });
  test('npm run fix writes both', () => {
    expect(JSON.parse(read('package.json')).scripts.fix).toMatch(/^node src\/config\/write\.ts && /);
  });
});

describe('the JSON schema', () => {
  const editor = z.fromJSONSchema(jsonSchema() as z.core.JSONSchema.JSONSchema);
  const takes = (config: unknown) => editor.safeParse(config).success;
  test('takes what the check takes', () => {
    expect(takes(good)).toBe(true);
    expect(takes(shipped)).toBe(true);
    expect(takes({ ...good, $schema: './docs/everpost.config.schema.json' })).toBe(true);
  });
  test.each<[string, object]>([
    ['a mistyped key', { notice: good.notices }],
    ['a section that is missing', { notices: undefined }],
    ['a kind of a later version', { nextHops: { a: { kind: 's3', bucket: 'b' } } }],
    ['a section of a later version', { dns: { hostedZone: 'Z1' } }],
    ['a VPC without subnets', { network: { vpc: { id: 'vpc-0123456789abcdef0' } } }],
    ['more zones than there are addresses', { network: { create: { zones: 4 } } }],
    ['tls by another name', { nextHops: { a: { kind: 'smtp', host: 'a.example', port: 25, tls: 'starttls' } } }],
    ['a duration that is none', { retry: { lifetime: '2 days' } }],
    ['a port beyond', { nextHops: { a: { kind: 'lmtp', host: 'a.example', port: 70_000 } } }],
    ['a name that is none', { submitters: { Cron: { secret: 's', senderDomains: ['example.com'] } } }],
  ])('refuses %s, as the check does', (_, change) => {
    const config = JSON.parse(JSON.stringify({ ...good, ...change }));
    expect(checkConfig(config, 'c.ts').kind).toBe('wrong');
    expect(takes(config)).toBe(false);
  });
  test('describes every key, for whoever points at it', () => {
    const silent = new Set<string>();
    const look = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      const { properties } = node as { properties?: Record<string, { description?: string; const?: string }> };
      for (const [key, each] of Object.entries(properties ?? {})) if (each.description === undefined) silent.add(key);
      for (const each of Object.values(node)) look(each);
    };
    look(jsonSchema());
    expect([...silent]).toEqual([]);
  });
});

describe('the reference page', () => {
  test('tells of every key', () => {
    const page = referencePage();
    expect(keyNames().filter((key) => !new RegExp(`\\W${key.replace('$', '\\$')}(?:\`| \\})`).test(page))).toEqual([]);
  });
  test('keeps to the width of documents', () => {
    const long = referencePage()
      .split('\n')
      .filter((line) => line.length > 120);
    expect(long).toEqual([]);
  });
  test('says what has no effect yet and what is refused until it is built', () => {
    const [, refused = '', ineffective = ''] =
      /## Refused by name until built\n\n([\s\S]*?)\n\n## Accepted without effect yet\n\n([\s\S]*)$/.exec(
        referencePage(),
      ) ?? [];
    expect(refused.split('\n')).toEqual(['- `dns`', '- next hops of kind `s3` and `webhook`']);
    expect(ineffective.trim().split('\n')).toEqual(withoutEffectYet().map((key) => `- \`${key}\``));
  });
});

describe('examples', () => {
  const found: [string, z.ZodType, string][] = [];
  const walk = (part: z.core.$ZodType, at: string): void => {
    const { type, told } = partOf(part);
    if (told.example !== undefined) found.push([at, part as z.ZodType, told.example]);
    if (type.def.type === 'object')
      for (const [key, each] of Object.entries((type as z.ZodObject).shape)) walk(each, `${at}.${key}`);
    if (type.def.type === 'record') walk((type as z.ZodRecord).valueType, `${at}.*`);
    if (type.def.type === 'array') walk((type as z.ZodArray).element, `${at}[]`);
    if (type.def.type === 'union')
      for (const [index, option] of (type as z.ZodUnion).options.entries()) walk(option, `${at}(${index})`);
  };
  walk(schema, 'config');
  test('stand at every object and list', () => {
    expect(found.length).toBeGreaterThan(20);
  });
  test.each(found)('%s can be copied', (_, part, example) => {
    expect(example).not.toContain('…');
    expect(part.safeParse(new Function(`return (${example})`)()).error?.issues ?? []).toEqual([]);
  });
  test('the whole one is a configuration', () => {
    const example = partOf(schema).told.example;
    expect(checkConfig(new Function(`return (${example})`)(), 'c.ts')).toMatchObject({ kind: 'ok', warnings: [] });
  });
});

test('the type is the schema’s: what the compiler takes, the check takes', () => {
  const config: Config = {
    domains: ['example.com'],
    nextHops: { a: { kind: 'lmtp', host: ['a.example'], port: 24 }, b: { kind: 'refuse' } },
    routes: [{ match: ['*@example.com'], direction: 'inbound', to: [{ via: 'a' }], fallback: undefined }],
    notices: { from: 'a@example.com', postmaster: 'a@example.com', copyPostmasterOn: ['expired'] },
    retry: { delayNotice: false },
  };
  expect(checkConfig(config, 'c.ts').kind).toBe('ok');
});
