// The six configurations that are synthesised, measured and booted: from the smallest to the largest that is promised.
// Called by template-limits.test.ts and test/e2e/configurations.test.ts.

import { join } from 'node:path';
import { loadConfig } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';

const folder = join(import.meta.dirname, '../fixtures/configurations');

/** name → an address that it receives for. */
export const sixConfigurations: Readonly<Record<string, string>> = {
  minimal: 'bob@example.com',
  'all-features': 'bob@example.org',
  'own-vpc': 'bob@example.com',
  'made-vpc': 'bob@example.com',
  'sixty-domains': 'bob@customer-number-59.example',
  'ten-thousand-addresses': 'first.last-9998@example.com',
};

export async function settingsOfSix(name: string): Promise<Settings> {
  const config = await loadConfig(join(folder, `${name}.config.ts`));
  if (config.kind === 'wrong') throw new Error(config.problems.join('\n'));
  if (config.notDeployed.length > 0) throw new Error(config.notDeployed.join('\n'));
  return config.settings;
}
