// docs/first-account.md lists every check of `npm run test:account` by its name, and nothing else; each has a contract
// and a source that a reader finds.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { accountChecks, beyond } from '#test/account/account-checks.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/first-account.md'), 'utf8');

it('docs/first-account.md lists the checks of the first account, in their order', () => {
  const listed = [...page.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name);
  expect(listed).toEqual(accountChecks.map(({ name }) => name));
});
it('docs/first-account.md lists what no trial shows', () => {
  const listed = [...page.matchAll(/^- `([\w-]+)`:/gm)].map(([, name]) => name);
  expect(listed).toEqual(beyond.map(({ name }) => name));
});
it('each check says what it asks, and where that is written', () => {
  const contracts = readFileSync(join(import.meta.dirname, '../../docs/aws-contracts.md'), 'utf8');
  for (const { name, contract, source } of accountChecks) {
    expect([name, contract.length > 20, source.length > 10]).toEqual([name, true, true]);
    for (const [, chapter = ''] of source.matchAll(/§(\d(?:\.\d)?)/g))
      expect([name, chapter, new RegExp(`^##+ ${chapter.replace('.', '\\.')}\\.? `, 'm').test(contracts)]).toEqual([
        name,
        chapter,
        true,
      ]);
  }
});
