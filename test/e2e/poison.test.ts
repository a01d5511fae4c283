// Poison: a message on which the relay function is killed, runs out of time or of memory, again and again. Its
// neighbours go through, its job ends in the dead-letter queue, a redrive makes it run, and left alone it comes back to
// its sender. And a bad deploy: relay throws on everything for an hour. On the runtime's own clock, with the
// synthesised template or a broken bundle in it.

import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetQueueAttributesCommand, SQSClient, StartMessageMoveTaskCommand } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readAssembly } from '#aws-local/cloudformation/template.ts';
import { checkConfig } from '#config/check.ts';
import type { Settings } from '#config/settings.ts';
import { synthesise } from '#infra/synthesise.ts';
import { boot, type Runtime } from '#local/runtime.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const folder = mkdtempSync(join(tmpdir(), 'everpost-poison-'));
const assemblyFolder = join(folder, 'cdk.out');
let server: Catcher;
let settings: Settings;
let runtime: Runtime | undefined;
let boots = 0;
/** What a person reads on the terminal, alarms among it. */
const shown: string[] = [];

beforeAll(async () => {
  server = await catcher({});
  const config = {
    domains: ['example.com'],
    nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' } },
    routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
    retry: { schedule: ['5m'], lifetime: '12h', delayNotice: '4h' },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
  };
  const checked = checkConfig(config, 'poison');
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  settings = checked.settings;
  await synthesise({ settings, outdir: assemblyFolder, validate: false });
});
afterEach(async () => {
  await runtime?.stop();
  server.caught.splice(0);
  shown.splice(0);
});
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function booted(assembly: string, dataFolder = join(folder, `data-${++boots}`)): Promise<Runtime> {
  runtime = await boot({
    ...{ settings, assemblyFolder: assembly, dataFolder, mxPort: 0, submissionPort: 0, consolePort: 0 },
    ...{ secretsFile: null, sweepEveryMs: null, timeScale: 1, demo: false, show: (line) => shown.push(line) },
  });
  return runtime;
}

/** The assembly with `before` in front of the relay function's own handler, which it may call as `real`. */
function withRelay(name: string, before: string, timeoutSeconds?: number): string {
  const changed = join(folder, name);
  cpSync(assemblyFolder, changed, { recursive: true });
  const assembly = readAssembly(changed);
  const relay = Object.entries(assembly.template.Resources).find(([id]) => id.startsWith('RelayFunction'))?.[1];
  const code = relay?.Properties?.Code as { S3Key: string };
  const bundle = assembly.asset(code.S3Key);
  if (timeoutSeconds !== undefined) {
    // A function's time is the machine's own, also on the virtual clock: twelve minutes would be twelve minutes.
    const file = readdirSync(changed).find((each) => each.endsWith('.template.json')) ?? '';
    const template = JSON.parse(readFileSync(join(changed, file), 'utf8')) as typeof assembly.template;
    const [id] = Object.keys(template.Resources).filter((each) => each.startsWith('RelayFunction'));
    const properties = template.Resources[id ?? '']?.Properties as { Timeout: number };
    properties.Timeout = timeoutSeconds;
    writeFileSync(join(changed, file), JSON.stringify(template));
  }
  renameSync(join(bundle, 'index.js'), join(bundle, 'real.cjs'));
  writeFileSync(join(bundle, 'index.js'), `const real = () => require('./real.cjs').handler;\n${before}`);
  return changed; // .cjs: whatever package.json stands above the folder for temporary files
}

/** Ends the function in the middle of an SMTP dialogue with `poison@…`, until the file `mended` is there. */
const poisonous = (way: string, mended: string) => `const { Socket } = require('node:net');
const write = Socket.prototype.write;
Socket.prototype.write = function (chunk, ...rest) {
  if (String(chunk).includes('RCPT TO:<poison@') && !require('node:fs').existsSync(${JSON.stringify(mended)})) { ${way}; }
  return write.call(this, chunk, ...rest);
};
exports.handler = (event, context) => real()(event, context);`;
const throwing = (mended: string) => `exports.handler = async (event, context) => {
  if (!require('node:fs').existsSync(${JSON.stringify(mended)})) throw new Error('a bad deploy');
  return real()(event, context);
};`;

const text = (to: string) =>
  Buffer.from(`From: ann@src.example\r\nTo: ${to}\r\nSubject: poison\r\nMessage-ID: <${to}>\r\n\r\nHello\r\n`);
async function send(to: string): Promise<void> {
  expect((await sendMail(runtime?.ports.mx ?? 0, 'ann@src.example', [to], text(to))).code).toBe(250);
}
/** In steps, so that a run of the sweep that takes long does not let hours pass at once. */
async function live(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 10 * MINUTE)
    await runtime?.emulators.clock.advance(Math.min(left, 10 * MINUTE));
}
const arrivals = (to: string) => server.caught.filter((each) => each.forwardPaths.includes(to));
const notices = () => arrivals('ann@src.example').map((each) => each.content);
const actions = () => notices().map((content) => /^Action: (\w+)/m.exec(content.toString('latin1'))?.[1]);
const alarmed = (name: string) => shown.some((line) => line.endsWith(`/Watch/${name}: ALARM`));

/** What an operator does in the console: Start DLQ redrive. */
async function redrive(): Promise<void> {
  if (runtime === undefined) throw new Error('nothing runs');
  const { front, keys, world } = runtime.emulators;
  const credentials = keys.issue({ kind: 'root' });
  const client = new SQSClient({ region: world.region, endpoint: front.endpoint, credentials });
  const QueueUrl = runtime.deployed.outputs.RelayDeadLettersUrl;
  const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
  const { Attributes } = await client.send(asked);
  expect(Number(Attributes?.ApproximateNumberOfMessages)).toBeGreaterThan(0);
  await client.send(new StartMessageMoveTaskCommand({ SourceArn: Attributes?.QueueArn }));
  client.destroy();
}

describe.each([
  ['is killed', 'process.exit(9)'],
  ['runs out of time', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'],
  ['runs out of memory', 'for (const held = []; ; ) held.push(new Array(1e6).fill(held.length))'],
])('a message on which relay %s', (name, way) => {
  it('spares its neighbours, ends among the dead letters, and goes through when it is mended and redriven', async () => {
    const mended = join(folder, `${name}.mended`);
    await booted(withRelay(name, poisonous(way, mended), name === 'runs out of time' ? 5 : undefined));
    const neighbours = Array.from({ length: 6 }, (_, index) => `u${index}@example.com`);
    await Promise.all([...neighbours.slice(0, 3), 'poison@example.com', ...neighbours.slice(3)].map(send));
    await live(HOUR);
    for (const each of neighbours) expect(arrivals(each).length, `${each} has arrived`).toBeGreaterThan(0);
    await live(7 * HOUR);
    expect(arrivals('poison@example.com')).toEqual([]);
    expect(alarmed('RelayDeadLetters')).toBe(true);
    expect(actions()).toEqual(['delayed']);

    writeFileSync(mended, '');
    await redrive();
    await live(20 * MINUTE);
    expect(arrivals('poison@example.com')).toHaveLength(1);
    expect(actions()).toEqual(['delayed']);
  });
});

it('a message that crashes relay, left alone, comes back at the end of its lifetime', async () => {
  await booted(withRelay('alone', poisonous('process.exit(9)', join(folder, 'never'))));
  await send('poison@example.com');
  await live(13 * HOUR);
  expect(actions()).toEqual(['delayed', 'failed']);
  const ndr = notices()[1] ?? Buffer.alloc(0);
  expect(judgeNotice(ndr)).toEqual([]);
  expect(ndr.toString('latin1')).toMatch(/^Status: 5\.3\.0\r$/m);
});

it('an hour of a bad deploy: nobody is told anything, the alarm names it, and all is relayed after the mend', async () => {
  const mended = join(folder, 'deploy.mended');
  await booted(withRelay('deploy', throwing(mended)));
  const all = Array.from({ length: 20 }, (_, index) => `u${index}@example.com`);
  await Promise.all(all.map(send));
  await live(HOUR);
  expect(server.caught).toEqual([]);
  expect(alarmed('RelayErrors')).toBe(true);
  writeFileSync(mended, '');
  await live(2 * HOUR);
  for (const each of all) expect(arrivals(each), each).toHaveLength(1);
  expect(notices()).toEqual([]);
});
