// README's deploy section, walked from an empty account, command by command as it stands there. The account is
// emulated; so are the DNS and the next hop. CloudFormation is not: where the cdk command would deploy, the template is
// synthesised and its resources are made by the emulator, so that what follows finds a stack that stands.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { readAssembly } from '#aws-local/cloudformation/template.ts';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';
import { resolverOf } from '#cli/dns-answers.ts';
import { loadConfig } from '#config/load.ts';
import { deploy } from '#infra/deploy-steps.ts';
import { synthesise } from '#infra/synthesise.ts';
import { type NameServer, startNameServer } from '#test/kit/name-server.ts';
import { type ScriptedServer, scriptedServer, testCa } from '#test/smtp-dialogue.ts';
import { OPENS, TAKES } from './doctor-account.ts';

const ROOT = join(import.meta.dirname, '../..');
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
const [, section = ''] = /\*\*Deploy\.\*\*([\s\S]*?)\n\*\*Mail from your side/.exec(readme) ?? [];
/** Without the comments behind them, in order. */
const commands = [...section.matchAll(/^ {4}(\S.*)$/gm)].map(([, line = '']) => line.replace(/\s+# .*$/, ''));

const folder = mkdtempSync(join(tmpdir(), 'everpost-section-'));
const config = join(folder, 'everpost.config.ts');
const verified: string[] = [];
const records = new Map<string, readonly string[]>();
let aws: AwsLocal;
let dns: NameServer;
let server: ScriptedServer;

beforeAll(async () => {
  const mail = { domains: ['example.org'], identities: () => verified };
  [aws, dns, server] = await Promise.all([startAws({ mail }), startNameServer(records), scriptedServer(OPENS + TAKES)]);
  aws.lambdaAccount.set({ concurrent: 10, unreserved: 10 });
  const { accessKeyId, secretAccessKey, sessionToken } = aws.credentials;
  vi.stubEnv('AWS_ENDPOINT_URL', aws.endpoint);
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  if (sessionToken !== undefined) vi.stubEnv('AWS_SESSION_TOKEN', sessionToken);
  writeFileSync(config, example);
  writeFileSync(join(folder, 'ca.pem'), testCa);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await Promise.all([aws.close(), dns.close(), server.close()]);
  rmSync(folder, { recursive: true, force: true });
});

/** The next command of the README. Throws where it has not these words. */
let next = 0;
function command(words: string): string {
  const found = commands[next];
  next += 1;
  if (found === undefined || !found.includes(words)) throw new Error(`README's command ${next} is: ${found}`);
  return found;
}

/** Runs it in a shell, in this checkout, with the README's configuration. What it printed; throws where it fails. */
async function run(line: string): Promise<string> {
  const node = process.execPath;
  const client = { endpoint: aws.endpoint, region: aws.region, credentials: aws.credentials };
  const resolver = `--resolver ${dns.address}`;
  const script = [
    `aws() { '${node}' test/e2e/aws-commands.ts "$@"; }`,
    // `npm run -s everpost -- VERB …` and `npm run synth`, without the second that npm takes
    'npm() {',
    '  shift; [ "$1" = -s ] && shift; local name=$1; shift; [ "$1" = -- ] && shift',
    `  case "$name $*" in everpost*--check*|everpost*cutover*|everpost\\ doctor*) set -- "$@" ${resolver} ;; esac`,
    `  case $name in everpost) '${node}' src/cli/everpost.ts "$@" --config '${config}' ;;`,
    `    synth) '${node}' infra/synth.ts --config '${config}' --out '${folder}/synth.out' "$@" ;; *) return 2 ;; esac`,
    '}',
    line,
  ];
  const env = { ...process.env, AWS_LOCAL: JSON.stringify({ client, outputs: {}, resources: [] }) };
  try {
    const options = { cwd: ROOT, env, maxBuffer: 64 << 20 };
    return (await promisify(execFile)('bash', ['-eo', 'pipefail', '-c', script.join('\n')], options)).stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    throw new Error(`${line}\nended with ${code}:\n${stdout}${stderr}`);
  }
}

it('leads from an empty account to the MX record, each command finding what it needs', async () => {
  command('git clone'); // this checkout
  for (const [, name = '', value = ''] of command('export AWS_REGION').matchAll(/(\w+)=(\S+)/g))
    vi.stubEnv(name, value);
  expect(process.env.AWS_REGION).toBe(aws.region);
  expect(JSON.parse(await run(command('aws sts')))).toMatchObject({ Account: aws.world.account });

  await run(command('create-email-identity'));
  await run(command('put-email-identity-feedback'));
  const asked = command('everpost -- dns --region');
  expect(await run(asked)).toMatch(/_domainkey\.example\.org\. .*CNAME/);
  const missing = await run(`${asked} --check`).catch(String);
  expect(missing).toMatch(/^missing/m);
  const { records: wanted } = JSON.parse(await run(`${asked} --json`)) as {
    records: readonly { name: string; type: string; value: string; purpose: string }[];
  };
  for (const { name, type, value } of wanted)
    if (`${name} ${type}` !== 'example.org MX') records.set(`${name} ${type}`, [value]);
  const verification = command('VerifiedForSendingStatus');
  expect(await run(verification)).toBe('false\n');
  verified.push('example.org'); // what SES does when it finds the records
  expect(await run(verification)).toBe('true\n');
  await run(command('create-secret').replace('"…","password":"…"', '"relay","password":"hunter2"'));

  expect(await run(command('npm run synth'))).toMatch(/Everpost/);
  command('cdk bootstrap'); // of CloudFormation: not emulated
  const said: string[] = [];
  command('npm run deploy');
  expect(
    await deploy(['--config', config], { cdk, say: (line) => said.push(line), ask: resolverOf(dns.address) }),
  ).toBe(0);
  expect(said[0]).toMatch(/^\d+ checks of Everpost in eu-west-1: ok$/);
  expect(said.at(-1)).toMatch(/^wrong {4}subscribers .*you@example.net has not confirmed/);
  const topicArn = aws.stacks.find('Everpost')?.outputs.AlarmTopic ?? '';
  aws.topics.subscribePerson({ topicArn, address: 'you@example.net', confirmed: true });

  // mail.example.org, where the configuration says it is
  const here = `host: '127.0.0.1', port: ${server.port}, ca: 'ca.pem'`;
  writeFileSync(config, example.replace("host: 'mail.example.org', port: 2525", here));
  records.set('bounces.example.org TXT', ['v=spf1 ip4:127.0.0.1 ~all']); // its reports leave from there
  const found = await run(command('everpost -- doctor')).catch(String);
  expect(found.match(/^(?:wrong|unknown) .*$/gm)).toEqual([expect.stringMatching(/^wrong {4}mx /)]);
  const cutover = command('everpost -- dns cutover');
  expect(await run(`${cutover} --kept ${join(folder, 'mx.json')}`)).toContain(
    'example.org. 300 IN MX 10 inbound-smtp.eu-west-1.amazonaws.com.',
  );
  expect(next).toBe(commands.length);
});

/** What `cdk deploy` leaves behind. */
async function cdk(): Promise<number> {
  const loaded = await loadConfig(config);
  if (loaded.kind === 'wrong') throw new Error(loaded.problems.join('\n'));
  const outdir = join(folder, 'cdk.out');
  await synthesise({ settings: loaded.settings, outdir, validate: false });
  await aws.deploy(readAssembly(outdir));
  return 0;
}
