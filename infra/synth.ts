// `npm run synth [-- --config FILE]`: bundles, synthesises with CDK's own validation and cdk-nag, and prints the
// result. Exit 0: everything passes. 1: a check found something. 78: the configuration is wrong. It never deploys.

import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { passOverBrokenPipe } from '#cli/broken-pipe.ts';
import { exitConfig, loadConfig, warningLines } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';
import { dmarcAdvice } from './dmarc-advice.ts';
import { nagReasons } from './nag-reasons.ts';
import { networkPriceLine } from './network-price.ts';
import { synthesise } from './synthesise.ts';

const { values } = parseArgs({ options: { config: { type: 'string' }, out: { type: 'string', default: 'cdk.out' } } });
passOverBrokenPipe(process.stdout, process.stderr);
process.exitCode = await main(values.config, values.out);

async function main(file: string | undefined, out: string): Promise<number> {
  const config = await loadConfig(file);
  if (config.kind === 'wrong') {
    for (const problem of config.problems) console.error(problem);
    return exitConfig;
  }
  for (const line of warningLines(config)) console.warn(line);
  for (const line of config.notYet) console.warn(line);
  const advice = dmarcAdvice(config.settings);
  if (advice !== null) console.warn(advice);
  try {
    const { assembly, bundles } = await synthesise({
      settings: config.settings,
      outdir: out,
      dist: 'dist',
      validate: true,
    });
    for (const { name, bytes, gzipBytes } of bundles) {
      console.log(`bundle ${name.padEnd(9)}${kilobytes(bytes)} kB, ${kilobytes(gzipBytes)} kB gzipped`);
    }
    const stack = assembly.getStackByName(config.settings.stackName);
    const resources = Object.keys((stack.template as { Resources: object }).Resources).length;
    const size = readFileSync(join(out, stack.templateFile)).length;
    console.log(
      `template ${relative('.', join(out, stack.templateFile))}: ${resources} resources, ${kilobytes(size)} kB`,
    );
    const price = networkPriceLine(config.settings);
    if (price !== null) console.log(price);
    console.log(`CDK's validation and cdk-nag pass; ${notFollowed(config.settings)} in infra/nag-reasons.ts`);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

/** A finding is one rule at one construct. */
function notFollowed(settings: Settings): string {
  const count = nagReasons(settings).reduce((sum, { at }) => sum + at.length, 0);
  return count === 1
    ? '1 finding is not followed, with its reason'
    : `${count} findings are not followed, each with its reason`;
}

function kilobytes(bytes: number): string {
  return (bytes / 1000).toFixed(0).padStart(4);
}
