// The six configurations, each synthesised with CDK's validation and cdk-nag, and booted on the local runtime: a
// message comes in, the sweep runs, and every decision of the emulated IAM is made again by another implementation.
// What the runtime does not simulate is named, and listed here.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { synthesise } from '#infra/synthesise.ts';
import { boot } from '#local/runtime.ts';
import { settingsOfSix, sixConfigurations } from '#test/infra/six-configurations.ts';
import { disagreements, hearing } from './second-opinion.ts';
import { sendMail } from './smtp.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-configurations-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the log names as accepted and not simulated; nothing where no VPC is wanted. */
const notSimulated: Readonly<Record<string, readonly string[]>> = {
  'own-vpc': ['AWS::EC2::SecurityGroup', 'VpcConfig of AWS::Lambda::Function'],
  'made-vpc': ofMadeVpc(),
  'all-features': ofMadeVpc(),
};

function ofMadeVpc(): readonly string[] {
  const own = ['EIP', 'InternetGateway', 'NatGateway', 'Route', 'RouteTable', 'SecurityGroup', 'Subnet'];
  const more = ['SubnetRouteTableAssociation', 'VPC', 'VPCEndpoint', 'VPCGatewayAttachment'];
  return [...[...own, ...more].map((type) => `AWS::EC2::${type}`), 'VpcConfig of AWS::Lambda::Function'];
}

describe.each(Object.entries(sixConfigurations))('%s', (name, address) => {
  const outdir = join(folder, `${name}.out`);

  test("passes CDK's validation and cdk-nag", async () => {
    const settings = await settingsOfSix(name);
    await expect(synthesise({ settings, outdir, validate: true })).resolves.toBeDefined();
  });

  test('boots, takes a message in, and names what is not simulated; a second opinion agrees with each decision', async () => {
    const lines: string[] = [];
    const secretsFile = join(folder, `${name}.secrets.json`);
    writeFileSync(secretsFile, '{}');
    const runtime = await boot({
      settings: await settingsOfSix(name),
      assemblyFolder: outdir,
      dataFolder: join(folder, name),
      mxPort: 0,
      submissionPort: 0,
      consolePort: 0,
      secretsFile,
      sweepEveryMs: null,
      timeScale: 1,
      demo: false,
      show: (line) => lines.push(line),
    });
    const heard = hearing();
    try {
      heard.listen(runtime.emulators.iam);
      const message = Buffer.from('From: ann@src.example\r\nSubject: one of six\r\n\r\nHello\r\n');
      expect(await sendMail(runtime.ports.mx, 'ann@src.example', [address], message)).toMatchObject({ code: 250 });
      await runtime.emulators.clock.advance(2 * 60_000);
      expect(runtime.emulators.iam.denials()).toEqual([]);
    } finally {
      await runtime.stop();
    }
    const said = lines.map((line) => /accepted and not simulated: ([^;]+);/.exec(line)?.[1]).find((it) => it != null);
    expect(said?.split(', ') ?? []).toEqual(notSimulated[name] ?? []);
    // The stored object, the receipt, ingest's rows and job, relay's claim and outcome, the sweep's walk.
    expect(heard.judged().length).toBeGreaterThan(20);
    expect(await disagreements(heard.judged())).toEqual([]);
  });
});
