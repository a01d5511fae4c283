// Settings in, a cloud assembly out: bundles, template, assets. Called by synth.ts and the local runtime, which boots
// the assembly. The cdk command deploys an assembly of the same functions, so there is one template.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { App, type Stack, Validations } from 'aws-cdk-lib';
import type { CloudAssembly } from 'aws-cdk-lib/cx-api';
import type { Settings } from '#config/settings.ts';
import { type Bundle, bundleFunctions } from './bundles.ts';
import { acknowledge } from './nag-reasons.ts';
import { everpostStack } from './stack.ts';

export type Synthesised = { readonly assembly: CloudAssembly; readonly bundles: readonly Bundle[] };

/**
 * Writes the assembly into `outdir` and the bundles into `dist`. `validate` runs CDK's own check of the template and
 * cdk-nag (some seconds; findings throw); without it the template is the same.
 */
export async function synthesise(options: {
  readonly settings: Settings;
  readonly outdir: string;
  readonly validate: boolean;
  readonly dist?: string;
  readonly lambdas?: string;
}): Promise<Synthesised> {
  const { settings, outdir, validate } = options;
  const dist = options.dist ?? join(outdir, 'dist');
  const bundles = await bundleFunctions({ dist, settings, lambdas: options.lambdas });
  const app = newApp({ outdir, validate });
  const stack = everpostStack(app, { settings, dist, replaceRuleSet: false });
  if (validate) await addChecks(app, stack, settings);
  return { assembly: app.synth(), bundles };
}

/** cdk-nag is loaded only where it is used: `npm start` does without. */
export async function addChecks(app: App, stack: Stack, settings: Settings): Promise<void> {
  const { AwsSolutionsChecks, ServerlessChecks } = await import('cdk-nag');
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  acknowledge(stack, settings);
}

/**
 * Without the cdk command nothing reads cdk.json, so the recommended flags are given in code, and both ways make the
 * same template.
 */
export function newApp(options: { readonly outdir?: string; readonly validate: boolean }): App {
  const flags = createRequire(import.meta.url).resolve('aws-cdk-lib/recommended-feature-flags.json');
  return new App({
    outdir: options.outdir,
    analyticsReporting: false,
    builtinCloudFormationValidation: options.validate,
    context: JSON.parse(readFileSync(flags, 'utf8')) as Record<string, unknown>,
  });
}
