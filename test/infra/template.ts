// The template as the infra tests read it: from the shipped configuration or a spoiled one, with empty functions for
// speed. No bundling, no validation; bundles.test.ts and nag.test.ts have those.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkConfig } from '#config/check.ts';
import type { Settings } from '#config/settings.ts';
import { deployedFunctions } from '#infra/bundles.ts';
import { everpostStack } from '#infra/stack.ts';
import { newApp } from '#infra/synthesise.ts';
import shipped from '../../everpost.config.ts';

export type Resource = {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is JSON of many shapes; each test knows the one it looks at
  readonly Properties: any;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
};
export type Synthesised = {
  readonly resources: Readonly<Record<string, Resource>>;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly terminationProtection: boolean;
};

export function settingsOf(changes: object = {}): Settings {
  const checked = checkConfig({ ...shipped, ...changes }, 'test.config.ts');
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  return checked.settings;
}

/** The shipped configuration, which sends some of its mail by SES. */
export const bySes = {
  nextHops: { ...shipped.nextHops, ses: { kind: 'ses' } },
  routes: [{ match: 'away@example.com', to: [{ via: 'ses', address: 'away@far.example' }] }, ...shipped.routes],
};

/** The same, and an action that leaves under SRS. */
export const bySesAndSrs = {
  ...bySes,
  routes: [
    {
      match: 'srs@example.com',
      to: [{ via: Object.keys(shipped.nextHops)[0] ?? '', address: 'srs@far.example', returnPath: 'srs' }],
    },
    ...bySes.routes,
  ],
};

/** What a configuration has in which two programs submit mail. */
export const submitting = {
  routes: [...shipped.routes, { match: '*', direction: 'outbound', to: [{ via: 'mailboxes' }] }],
  submitters: {
    exchange: { secret: 'everpost/exchange', senderDomains: ['example.com'] },
    'cron-1': { secret: 'everpost/cron', senderDomains: ['cron.example'] },
  },
};

/** What stands in for the bundles where only the template is looked at. */
export function emptyFunctions(dist: string): void {
  for (const { name } of deployedFunctions) {
    mkdirSync(join(dist, name), { recursive: true });
    writeFileSync(join(dist, name, 'index.js'), `exports.handler = async () => ${JSON.stringify(name)};\n`);
  }
}

/** The stack's template. */
export function synthesised(settings: Settings, options: { readonly replaceRuleSet?: boolean } = {}): Synthesised {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-infra-'));
  try {
    emptyFunctions(join(folder, 'dist'));
    const app = newApp({ outdir: join(folder, 'out'), validate: false });
    everpostStack(app, {
      settings,
      dist: join(folder, 'dist'),
      replaceRuleSet: options.replaceRuleSet ?? false,
    });
    const stack = app.synth().getStackByName(settings.stackName);
    const template = stack.template as { Resources: Record<string, Resource>; Outputs: Record<string, unknown> };
    const terminationProtection = stack.terminationProtection === true;
    return { resources: template.Resources, outputs: template.Outputs, terminationProtection };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function ofType(template: Synthesised, type: string): readonly (readonly [id: string, resource: Resource])[] {
  return Object.entries(template.resources).filter(([, resource]) => resource.Type === type);
}

/** The one resource of the type whose logical id starts so. */
export function only(template: Synthesised, type: string, start = ''): readonly [id: string, resource: Resource] {
  const found = ofType(template, type).filter(([id]) => id.startsWith(start));
  const [first, second] = found;
  if (first === undefined || second !== undefined) throw new Error(`${found.length} resources ${type} ${start}*`);
  return first;
}

/** Every statement of every role, with the role's logical id. */
export function statementsOf(template: Synthesised) {
  return ofType(template, 'AWS::IAM::Role').flatMap(([role, { Properties }]) =>
    (Properties.Policies as { PolicyDocument: { Statement: Statement[] } }[]).flatMap(({ PolicyDocument }) =>
      PolicyDocument.Statement.map((statement) => ({ role, statement })),
    ),
  );
}
export type Statement = {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
};
export const each = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);
