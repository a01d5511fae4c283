// The exit code of the process itself, by which cron, a mail program or a script knows whether it still has the message
// and whether to go on. 0 is the rarest of all errors to be noticed.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf } from '#cli/operate.ts';
import { verbs } from '#cli/verbs.ts';
import { readEnvelope } from '#core/submission/submission.ts';
import type { Operated } from '#pipeline/operate/operate.ts';
import { queued } from '#test/contract/rows.ts';
import { type Instance, openInstance, submitting } from './instance.ts';

const ROOT = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'everpost-exit-'));
let instance: Instance;
beforeAll(async () => {
  instance = await openInstance();
});
afterAll(async () => {
  await instance.close();
  rmSync(folder, { recursive: true, force: true });
});

async function everpost(args: readonly string[], input = '', env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['src/cli/everpost.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: folder, EVERPOST_SENDMAIL_CONFIG: empty, ...env },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  child.stdin.on('error', () => {}); // it may end before it has read all
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', (status) => resolve(status)));
  return { code, out, err };
}
const empty = join(folder, 'sendmail.json');
writeFileSync(empty, '{}');

it('a configuration of sendmail with a byte order mark is read like any other', async () => {
  const marked = join(folder, 'marked.json');
  for (const encoding of ['utf8', 'utf16le'] as const) {
    writeFileSync(marked, Buffer.from('\ufeff{"submitter": "No Such Name"}', encoding));
    const { code, err } = await everpost(['sendmail', 'ann@example.com'], 'x', { EVERPOST_SENDMAIL_CONFIG: marked });
    expect([code, err]).toEqual([78, expect.stringContaining('sendmail: "No Such Name" is no submitter\'s name')]);
  }
});

describe('everpost', () => {
  it('ends with 2 for a wrong call, and with 0 for help alone', async () => {
    const [nothing, help, odd, verbHelp, wrong] = await Promise.all(
      [[], ['--help'], ['relase'], ['trace', '--help'], ['trace', '--limit', 'x', '--data', instance.data]].map(
        (args) => everpost(args),
      ),
    );
    expect([nothing?.code, help?.code, odd?.code, verbHelp?.code, wrong?.code]).toEqual([2, 0, 2, 0, 2]);
    expect(odd?.err).toContain('there is no verb "relase"');
    for (const verb of verbs.keys()) expect(help?.out).toContain(`\n  ${verb}`);
  });
  it('shows the help that was accepted, of all verbs and of each, on standard output', async () => {
    for (const name of ['', ...verbs.keys()]) {
      const expected = readFileSync(join(ROOT, `test/fixtures/cli/${name || 'everpost'}.help.txt`), 'utf8');
      const asked =
        name === ''
          ? [['-h'], ['help'], ['help', '--help']]
          : [
              [name, '--help'],
              ['help', name],
            ];
      for (const { code, out, err } of await Promise.all(asked.map((args) => everpost(args))))
        expect([code, out, err]).toEqual([0, expected, '']);
    }
    const asked = ['release', '--state', 'held', '--yes', '--nevr', '-h', '--data', instance.data];
    expect(await everpost(asked)).toMatchObject({ code: 0, out: expect.stringMatching(/^everpost release /), err: '' });
  }, 120_000);
  it('says which version it is', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(await everpost(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });
  it('refuses by name what is not built yet, and what is no verb', async () => {
    const built = [...verbs.keys()].join(', ');
    for (const args of [['queue'], ['queue', '--help'], ['help', 'queue'], ['console'], ['sweep', '--yes']]) {
      const verb = args.find((word) => word !== 'help');
      const err = `everpost: '${verb}' is not built yet; write one of: ${built}\n`;
      expect(await everpost(args)).toEqual({ code: 2, out: '', err });
    }
    const odd = ['', 'Trace', 'constructor', '__proto__', 'toString', 'trace\n', 'x'.repeat(100_000)];
    for (const { code, out, err } of await Promise.all(odd.map((name) => everpost([name])))) {
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(/^everpost: there is no verb "[\s\S]{0,42}"; write one of: trace, .*\n$/);
    }
    for (const args of [['--data', instance.data, 'trace'], ['--json', 'trace'], ['-x'], ['--'], ['--verison']])
      expect(await everpost(args)).toMatchObject({
        code: 2,
        err: expect.stringContaining(`there is no verb "${args[0]}" (options stand after the verb)`),
      });
  }, 120_000);
  it('ends with 2 for a wrong word of every verb but sendmail, and says it on standard error', async () => {
    const ended = await Promise.all(
      ['trace', 'release', 'retry', 'hold', 'remove', 'resubmit', 'classify', 'gateway'].map((verb) =>
        everpost([verb, '--nevr']),
      ),
    );
    for (const { code, out, err } of ended)
      expect([code, out, err]).toEqual([2, '', expect.stringContaining("Unknown option '--nevr' (everpost ")]);
  }, 60_000);
  it('loads the argument library for the verbs that use it, and not for sendmail', async () => {
    const tell = join(folder, 'tell.mjs');
    const hook = 'resolve(a, b, next) { const it = next(a, b); process._rawDebug(it.url); return it; }';
    writeFileSync(tell, `import { registerHooks } from 'node:module';\nregisterHooks({ ${hook} });\n`);
    const loadedBy = async (args: readonly string[]) =>
      (await everpost(args, 'x', { NODE_OPTIONS: `--import=${tell}` })).err.split('\n');
    const library = (urls: readonly string[]) => urls.some((url) => url.includes('/node_modules/commander/'));
    expect(library(await loadedBy(['trace', '--help']))).toBe(true);
    for (const args of [
      ['sendmail', '--help'],
      ['sendmail', '--submitter', 'cron', '--data', instance.data, '-f', 'eve@bank.example', 'ann@x.example'],
      ['sendmail', '--submitter', 'cron', '--bucket', 'b', 'ann@x.example'],
    ]) {
      const urls = await loadedBy(args);
      expect(urls.some((url) => url.endsWith('/sendmail.ts'))).toBe(true);
      expect(library(urls)).toBe(false);
      // Nor the list of public suffixes: who may send is asked by names alone.
      expect(urls.filter((url) => url.includes('/node_modules/tldts/'))).toEqual([]);
    }
  }, 60_000);
  it('ends with 69 where the instance does not answer, with 78 where the configuration cannot work, and with 1 for what nobody thought of', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const config = join(folder, 'everpost.config.json');
    writeFileSync(config, submitting);
    const gateway = ['gateway', '--bucket', 'b', '--config', config, '--listen', `127.0.0.1:${port}`];
    const [away, broken, surprised] = await Promise.all([
      everpost(['trace', '--data', join(folder, 'nowhere')]),
      everpost(['gateway', '--config', join(folder, 'none.json')]),
      everpost(gateway, '', { AWS_REGION: 'eu-central-1' }),
    ]);
    taken.close();
    expect([away.code, broken.code, surprised.code]).toEqual([69, 78, 1]);
    expect(surprised.err).toContain(`the port ${port} is taken`);
  });
});

describe('codeOf', () => {
  const row = queued('m1');
  const [done, no] = [
    { kind: 'done', row },
    { kind: 'refused', row, why: 'no' },
  ] satisfies Operated[];
  const busy: Operated = { kind: 'refused', row, why: 'busy', tryAgain: true };
  it.each([
    [[done], 0],
    [[done, done], 0],
    [[], 1],
    [[no], 1],
    [[done, no], 1],
    [[no, done], 1],
    [[busy], 75],
    [[done, no, busy], 75],
  ] as [Operated[], number][])('%j: %i', (results, code) => {
    expect(codeOf(results)).toBe(code);
  });
});

describe('sendmail', () => {
  const MESSAGE = 'Subject: backup\n\nall is well, ünd ohne Zeilenende';
  const where = () => ['sendmail', '--submitter', 'cron', '--data', instance.data, '-f', 'cron@example.com'];
  const stored = async () => {
    const { Contents = [] } = await instance.s3.send(new ListObjectsV2Command({ Bucket: 'spool' }));
    return Contents.map(({ Key = '' }) => Key);
  };

  it('ends with 0 only when both objects are stored, as it was given them', async () => {
    const { code, out, err } = await everpost([...where(), 'ann@x.example', 'bob@x.example'], MESSAGE);
    expect([code, out, err]).toEqual([0, '', '']);
    const keys = await stored();
    expect(keys.map((key) => key.replace(/[0-9A-Z]{26}/, 'ULID'))).toEqual([
      'out/cron/ULID.eml',
      'out/cron/ULID.envelope.json',
    ]);
    const [content = '', text = ''] = await Promise.all(
      keys.map(async (Key) => {
        const { Body } = await instance.s3.send(new GetObjectCommand({ Bucket: 'spool', Key }));
        return Body?.transformToString();
      }),
    );
    expect(content).toMatch(/\r\nall is well, ünd ohne Zeilenende\r\n$/);
    const reading = readEnvelope(text);
    if (reading.kind !== 'envelope') throw new Error(reading.why);
    expect(reading.envelope.reversePath).toBe('cron@example.com');
    expect(reading.envelope.forwardPaths.map(({ address }) => address)).toEqual(['ann@x.example', 'bob@x.example']);
  });
  it('ends with 75 where nobody can say, and for what nobody thought of: the caller keeps the message', async () => {
    const before = await stored();
    const lost = { service: 's3', operation: 'PutObject', effect: 'deny', match: '.envelope.json' } as const;
    const [away, odd] = await Promise.all([
      everpost(['sendmail', '--submitter', 'cron', '--data', join(folder, 'nowhere'), 'ann@x.example'], MESSAGE),
      everpost(['sendmail', '--submitter', 'cron', '--stack', 'x', 'ann@x.example'], MESSAGE, {
        AWS_REGION: 'eu-central-1',
        AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
        AWS_ACCESS_KEY_ID: 'x',
        AWS_SECRET_ACCESS_KEY: 'y',
        AWS_MAX_ATTEMPTS: '1',
      }),
    ]);
    expect([away.code, odd.code]).toEqual([75, 75]);
    expect(away.err).toContain('no instance has run in');
    expect(await stored()).toEqual(before);
    instance.aws.faults.add({ ...lost, times: 1 });
    const denied = await everpost([...where(), 'ann@x.example'], MESSAGE);
    expect([denied.code, denied.err]).toEqual([77, expect.stringContaining('was not stored')]);
    const envelopes = (keys: readonly string[]) => keys.filter((key) => key.endsWith('.envelope.json'));
    expect(envelopes(await stored())).toEqual(envelopes(before));
  });
  it('ends with what sysexits has for a wrong call', async () => {
    const at = (submitter: string, domain: string) =>
      ['sendmail', '--submitter', submitter, '--data', instance.data, '--domain', domain] as const;
    const calls: readonly (readonly [readonly string[], number])[] = [
      [[...where()], 64],
      [[...where(), '-t'], 65],
      [[...where(), '-Z', 'ann@x.example'], 64],
      [[...where(), '-ba', 'ann@x.example'], 64],
      [[...where(), '-bx', 'ann@x.example'], 64],
      [[...where(), 'no one@'], 67],
      [[...where(), 'ann@x.example', '--bucket', 'evil'], 64],
      [[...where(), '-t', '--config=/tmp/evil'], 64],
      [[...where(), '-t', '--help'], 64],
      [[...where(), 'Ann :( <ann@x.example>'], 67],
      [[...where(), '-f', 'eve@bank.example', 'ann@x.example'], 77],
      [[...where(), '-f', 'MAILER-DAEMON@bank.example', 'ann@x.example'], 77],
      [[...at('cron', 'bank.example'), '-f', '<>', '-F', 'Cron', 'ann@x.example'], 77],
      [[...where(), '-f', 'a@example.com,b@example.com', 'ann@x.example'], 67],
      [[...at('nobody', 'example.com'), 'ann@x.example'], 78],
      [[...at('cron', 'web1'), 'ann@x.example'], 78],
      [[...at('cron', 'web1'), '-f', 'root', 'a@x.example'], 77],
      [['sendmail', 'ann@x.example'], 78],
      [['sendmail', '--submitter', 'NOT A NAME', '--bucket', 'b', 'ann@x.example'], 78],
      [['sendmail', '--submitter', 'cron', 'ann@x.example'], 78],
      [['sendmail', '--submitter', 'cron', '--bucket', 'b', 'ann@x.example'], 78],
    ];
    const before = await stored();
    const ended = await Promise.all(calls.map(([args]) => everpost(args, MESSAGE)));
    expect(ended.map(({ code }) => code)).toEqual(calls.map(([, code]) => code));
    for (const { err } of ended) expect(err).toMatch(/^sendmail: \S.*; the message is kept in \S+\/dead\.letter\n$/);
    expect(await stored()).toEqual(before);
    const kept = readFileSync(join(folder, 'dead.letter'), 'utf8');
    expect(kept.split(MESSAGE).length - 1).toBeGreaterThanOrEqual(calls.length);
    expect(kept).toMatch(/^From MAILER-DAEMON .*\nX-Everpost-Not-Sent: exit \d\d, \S+: /);
    expect(statSync(join(folder, 'dead.letter')).mode & 0o777).toBe(0o600);
  }, 120_000);
  it.each(['-bp', '-bv', '-bi', '-bd', '-tbp', '-bs'])('has no message in a mode that takes none: %s', async (mode) => {
    const home = mkdtempSync(join(folder, 'home-'));
    const ended = await everpost([...where(), mode, '-Z'], MESSAGE, { HOME: home });
    expect([ended.code, ended.err]).toEqual([64, expect.not.stringContaining('dead.letter')]);
    expect(readdirSync(home)).toEqual([]);
  });
  it('sends as cron calls it, from the default sender of its file alone', async () => {
    const file = join(folder, 'cron.json');
    const settings = { submitter: 'cron', data: instance.data, defaultSender: 'cron@cron.example' };
    writeFileSync(file, JSON.stringify(settings));
    const calls = [
      ['sendmail', '-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'root'], // Debian
      ['sendmail', '-FCronDaemon', '-i', '-odi', '-oem', '-oi', '-t', '-f', 'root'], // cronie
      ['sendmail', 'ops@x.example,dev@y.example'],
      ['sendmail', '-f', 'ann@example.com', 'Ann <ann@x.example>'],
    ];
    const text = 'From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@web1> true\n\nx\n';
    const envelopes: unknown[] = [];
    for (const args of calls) {
      const before = new Set(await stored());
      const { code, err } = await everpost(args, text, { EVERPOST_SENDMAIL_CONFIG: file });
      expect([code, err]).toEqual([0, '']);
      const Key = (await stored()).find((key) => !before.has(key) && key.endsWith('.envelope.json')) ?? '';
      const { Body } = await instance.s3.send(new GetObjectCommand({ Bucket: 'spool', Key }));
      const { reversePath, forwardPaths } = JSON.parse((await Body?.transformToString()) ?? '');
      envelopes.push([reversePath, forwardPaths.map(({ address }: { address: string }) => address)]);
    }
    expect(envelopes).toEqual([
      ['cron@cron.example', ['root@cron.example']],
      ['root@cron.example', ['root@cron.example']],
      ['cron@cron.example', ['ops@x.example', 'dev@y.example']],
      ['ann@example.com', ['ann@x.example']],
    ]);
  }, 120_000);
  it('refuses an author in a domain of ours that is not its submitter’s, whoever has it or nobody', async () => {
    const before = await stored();
    const by = (author: string) => `From: ${author}\nSubject: x\n\nHello\n`;
    const file = join(folder, 'bucket.json');
    const settings = { submitter: 'cron', bucket: 'spool', senderDomains: ['example.com'] };
    writeFileSync(file, JSON.stringify({ ...settings, ourDomains: ['inbound.example', 'web.example'] }));
    const byBucket = { EVERPOST_SENDMAIL_CONFIG: file, AWS_REGION: 'eu-west-1' };
    const words = ['sendmail', '-f', 'cron@example.com', 'ann@x.example'];
    const ended = await Promise.all([
      everpost([...where(), 'ann@x.example'], by('boss@web.example')),
      everpost([...where(), 'ann@x.example'], by('boss@inbound.example')),
      everpost([...where(), 'ann@x.example'], by('boss@sub.inbound.example')),
      everpost(words, by('boss@inbound.example'), byBucket),
    ]);
    for (const { code, err } of ended)
      expect([code, err]).toEqual([77, expect.stringContaining('cron may not send mail whose author is of')]);
    expect(await stored()).toEqual(before);
    const stranger = await everpost([...where(), 'ann@x.example'], by('eve@bank.example'));
    expect(stranger.code, 'a stranger’s mail is passed on').toBe(0);
  }, 120_000);
  it('speaks SMTP for the senders that it may use, and refuses others before they are held', async () => {
    const say = (from: string) => `EHLO c\r\nMAIL FROM:<${from}>\r\nQUIT\r\n`;
    const [own, foreign] = await Promise.all([
      everpost([...where(), '-bs'], say('ann@example.com')),
      everpost([...where(), '-bs'], say('eve@bank.example')),
    ]);
    expect(own.out).toContain('\r\n250 2.1.0 Sender ok\r\n');
    expect(foreign.out).toMatch(/\r\n550 5\.7\.1 cron may not send as bank\.example/);
  }, 60_000);
  it('keeps the message at 75 and 77 too, and a message above the limit to its last byte', async () => {
    const home = mkdtempSync(join(folder, 'home-'));
    const big = `${'x'.repeat(998)}\n`.repeat(43_000);
    const away = ['sendmail', '--submitter', 'cron', '--data', join(folder, 'nowhere'), 'ann@x.example'];
    expect((await everpost(away, MESSAGE, { HOME: home })).code).toBe(75);
    expect((await everpost([...where(), 'ann@x.example'], big, { HOME: home })).code).toBe(65);
    const kept = readFileSync(join(home, 'dead.letter'), 'utf8');
    expect(kept).toContain(MESSAGE);
    expect(kept.endsWith(`\n${big}\n`)).toBe(true);
  }, 60_000);
});
