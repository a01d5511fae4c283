// What `npm run synth` prints, as a person reads it: in a process of its own, on the shipped configuration, in a folder
// that is thrown away.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { deployedFunctions } from '#infra/bundles.ts';
import { dmarcAdvice } from '#infra/dmarc-advice.ts';
import { nagReasons } from '#infra/nag-reasons.ts';
import shipped from '../../everpost.config.ts';
import { bySes, settingsOf } from './template.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const repository = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'everpost-synth-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let lines: readonly string[] = [];
const ses = { nextHops: { ...shipped.nextHops, ses: { kind: 'ses' } } };
const outboundBySes = {
  ...ses,
  submitters: { exchange: { secret: 's', senderDomains: ['example.com'] } },
  routes: [...shipped.routes, { match: '*', direction: 'outbound', to: [{ via: 'ses' }] }],
};
const fallbackBySes = {
  ...ses,
  routes: [{ match: '*@example.com', to: [{ via: 'mailboxes' }], fallback: 'ses' }],
};

beforeAll(async () => {
  const config = join(repository, 'everpost.config.ts');
  const args = [join(repository, 'infra/synth.ts'), '--config', config, '--out', join(folder, 'cdk.out')];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
  lines = stdout.trimEnd().split('\n');
});

describe('npm run synth', () => {
  test('names every bundle with its size', () => {
    const bundles = lines.filter((line) => line.startsWith('bundle '));
    expect(bundles).toHaveLength(deployedFunctions.length);
    for (const { name } of deployedFunctions)
      expect(bundles).toContainEqual(expect.stringMatching(new RegExp(`^bundle ${name} +\\d+ kB, +\\d+ kB gzipped$`)));
  });

  test('says where the template is, and what is in it', () => {
    const [, file = '', resources] = /^template (\S+): (\d+) resources, +\d+ kB$/m.exec(lines.join('\n')) ?? [];
    expect(existsSync(join(folder, file))).toBe(true);
    const template = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { Resources: object };
    expect(Number(resources)).toBe(Object.keys(template.Resources).length);
  });

  test('counts the findings that are not followed, one by one', () => {
    const findings = nagReasons(settingsOf()).flatMap(({ rule, at }) => at.map((path) => `${rule} ${path}`));
    expect(findings.length).toBeGreaterThan(10);
    expect(lines.at(-1)).toBe(
      `CDK's validation and cdk-nag pass; ${findings.length} findings are not followed, each with its reason in infra/nag-reasons.ts`,
    );
  });

  test('and prints nothing else', () => {
    expect(lines).toHaveLength(deployedFunctions.length + 2);
  });
});

describe('the domains that need a DMARC record', () => {
  test.each([
    ['are all, where an inbound route goes by SES', bySes, 'example.com'],
    ['are none, where mail goes by SMTP', {}, null],
    ['are none, where mail of our own side alone goes by SES', outboundBySes, null],
    ['are all, where SES is the fallback', fallbackBySes, 'example.com'],
  ])('%s', (_, changes, domains) => {
    const advice = dmarcAdvice(settingsOf(changes));
    if (domains === null) expect(advice).toBeNull();
    else expect(advice).toContain(`an author of ${domains} is kept only where DMARC`);
  });

  test('are printed, and what a VPC costs', async () => {
    const config = join(folder, 'by-ses.json');
    writeFileSync(config, JSON.stringify({ ...shipped, ...bySes, network: { create: { zones: 2 } } }));
    const args = [join(repository, 'infra/synth.ts'), '--config', config, '--out', join(folder, 'by-ses.out')];
    const { stderr, stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder });
    expect(stderr).toContain(dmarcAdvice(settingsOf(bySes)));
    expect(stdout).toMatch(/^network: 2 NAT gateways .*\$73\.00 a month/m);
  });
});
