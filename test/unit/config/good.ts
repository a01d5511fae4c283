// The configuration that these tests begin with: test/fixtures/config/good.json has every section that this version
// takes, and each test spoils one place of it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkConfig } from '#config/check.ts';

export const fixtures = join(import.meta.dirname, '../../fixtures/config');

// biome-ignore lint/suspicious/noExplicitAny: the input is what a person wrote, and each case spoils it
export const good = (): any => JSON.parse(readFileSync(join(fixtures, 'good.json'), 'utf8'));

export function problemsOf(config: unknown): readonly string[] {
  const checked = checkConfig(config, 'c.ts');
  return checked.kind === 'wrong' ? checked.problems : [];
}
