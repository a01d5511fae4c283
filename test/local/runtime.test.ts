// The synthesised stack on the local runtime: mail through the real bundles under the real policies, and what happens
// when a policy lacks something.

import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkConfig } from '#config/check.ts';
import type { Settings } from '#config/settings.ts';
import { synthesise } from '#infra/synthesise.ts';
import { openDemoNextHop } from '#local/demo-next-hop.ts';
import type { RuntimeOptions } from '#local/options.ts';
import { boot, type Runtime } from '#local/runtime.ts';
import { lacks } from '../e2e/grants.ts';

const folder = mkdtempSync(join(tmpdir(), 'runtime-'));
const mailboxes = join(folder, 'mailboxes');
const assembly = join(folder, 'cdk.out');
const closing: (() => Promise<void>)[] = [];
let settings: Settings;

beforeAll(async () => {
  const nextHop = await openDemoNextHop(mailboxes, 0);
  closing.push(nextHop.close);
  const checked = checkConfig(
    {
      domains: ['example.com'],
      nextHops: { mailboxes: { kind: 'smtp', host: '127.0.0.1', port: nextHop.port, tls: 'off' } },
      routes: [{ match: '*@example.com', to: [{ via: 'mailboxes' }] }],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'mailboxes' },
    },
    'test',
  );
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  settings = checked.settings;
  await synthesise({ settings, outdir: assembly, validate: false });
}, 120_000);

afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function booted(name: string, overrides: Partial<RuntimeOptions> = {}): Promise<Runtime> {
  const runtime = await boot({
    settings,
    dataFolder: join(folder, name),
    mxPort: 0,
    submissionPort: 0,
    consolePort: 0,
    secretsFile: null,
    sweepEveryMs: null,
    timeScale: 1,
    demo: false,
    show: () => {},
    assemblyFolder: assembly,
    ...overrides,
  });
  closing.push(runtime.stop);
  return runtime;
}

/** One message by SMTP; the reply to the final dot. */
function send(port: number, reversePath: string, forwardPath: string, content: string): Promise<string> {
  const lines = [
    'EHLO test.example',
    `MAIL FROM:<${reversePath}>`,
    `RCPT TO:<${forwardPath}>`,
    'DATA',
    `${content}\r\n.`,
    'QUIT',
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const replies: string[] = [];
    let text = '';
    socket.on('error', reject);
    socket.on('close', () => resolve(replies[5] ?? replies.at(-1) ?? ''));
    socket.on('data', (chunk) => {
      text += chunk.toString();
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (line.charAt(3) === '-') continue;
        replies.push(line);
        const next = lines.shift();
        if (next === undefined || line.startsWith('5')) socket.end();
        else socket.write(`${next}\r\n`);
      }
    });
  });
}

/** Ends at once where a policy refused something on the way: what it was is the finding. */
async function mailFor(runtime: Runtime, address: string): Promise<string> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    try {
      const [name] = readdirSync(join(mailboxes, address, 'new'));
      if (name !== undefined) return readFileSync(join(mailboxes, address, 'new', name), 'latin1');
    } catch {
      // not there yet
    }
    expect(lacks(runtime.emulators.iam.denials())).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no mail for ${address}`);
}

describe('the stack', () => {
  it('relays a message, returns another, and goes on after a restart', async () => {
    const first = await booted('whole');
    expect(await send(first.ports.mx, 'a@src.example', 'ann@example.com', 'Subject: one\r\n\r\nbody one')).toMatch(
      /^250 /,
    );
    expect(await send(first.ports.mx, 'b@src.example', 'refused@example.com', 'Subject: two\r\n\r\nbody two')).toMatch(
      /^250 /,
    );
    expect(await send(first.ports.mx, 'b@src.example', 'ann@elsewhere.example', '')).toMatch(/^550 /);
    expect(await mailFor(first, 'ann@example.com')).toMatch(
      /^Return-Path: <a@src\.example>\r\n(.|\r\n)*\r\n\r\nbody one\r\n$/,
    );
    expect(await mailFor(first, 'b@src.example')).toMatch(/^Return-Path: <>\r\n/);
    expect(first.emulators.iam.denials()).toEqual([]);

    const health = await fetch(`http://127.0.0.1:${first.ports.console}/health`);
    expect(await health.json()).toMatchObject({ status: 'ok' });
    await expect(booted('whole')).rejects.toThrow('is in use by process');
    await first.stop();

    const second = await booted('whole');
    expect(await send(second.ports.mx, 'a@src.example', 'bob@example.com', 'Subject: three\r\n\r\nbody three')).toMatch(
      /^250 /,
    );
    expect(await mailFor(second, 'bob@example.com')).toContain('body three');
    await second.stop();
  }, 180_000);

  it('does not start under a template in which a queue’s consumer may not receive', async () => {
    const poorer = join(folder, 'poorer');
    await synthesise({ settings, outdir: poorer, validate: false });
    const file = join(poorer, `${settings.stackName}.template.json`);
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"sqs:ReceiveMessage"', '"sqs:ListQueues"'));
    await expect(booted('poorer-data', { assemblyFolder: poorer })).rejects.toThrow('sqs:ReceiveMessage');
  }, 120_000);
});
