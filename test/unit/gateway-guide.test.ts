// What docs/gateway.md has people install: services that run by a Node which gets its security updates, not by the one that npm brings along.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const guide = readFileSync(join(import.meta.dirname, '../../docs/gateway.md'), 'utf8');

test('the unit and the sendmail script run by the Node of the distribution or the vendor', () => {
  const commands = guide.split('\n').filter((line) => /^(?:ExecStart=| *exec )/.test(line));
  expect(commands).toHaveLength(2);
  for (const command of commands) expect(command).toMatch(/(?:=|exec )\/usr\/bin\/node /);
  expect(commands.join()).not.toContain('node_modules');
});

test('and it is installed without the other one', () => {
  expect(guide).toMatch(/npm ci --omit=dev --omit=optional/);
});
