// Mail from our side, end to end: two objects written by a plain S3 client with a submitter's own policy and nothing
// more, the synthesised template between, and servers behind that keep exact bytes. What the policy refuses, and every
// way in which content cannot be read.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '#aws-local/world.ts';
import type { TraceJson } from '#cli/trace-json.ts';
import { checkConfig } from '#config/check.ts';
import { boot, type Runtime } from '#local/runtime.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { deviations, submittedFields } from './arrival.ts';
import { until } from './instance.ts';
import { type Postfix, postfix } from './postfix.ts';
import { type Catcher, type Caught, catcher } from './smtp.ts';
import { envelopeOf, submitter } from './submitting.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-submission-'));
let smart: Catcher;
let sesOut: Catcher;
let behind: Catcher;
let real: Postfix;
let runtime: Runtime;
let app: S3Client;
let Bucket: string;
let count = 0;

beforeAll(async () => {
  smart = await catcher({
    rcpt: (forwardPath) => (forwardPath.startsWith('gone') ? '550 5.1.1 no such user' : undefined),
  });
  sesOut = await catcher();
  behind = await catcher();
  real = await postfix({ relayPort: behind.port, login: { username: 'everpost', password: 'secret' } });
  const hop = (port: number) => ({ kind: 'smtp', host: '127.0.0.1', port, tls: 'off' });
  const outbound = (match: string, via: string) => ({ match, direction: 'outbound', to: [{ via }] });
  const checked = checkConfig(
    {
      domains: ['example.com'],
      nextHops: { smart: hop(smart.port), postfix: hop(real.ports.plain), ses: { kind: 'ses' } },
      routes: [
        { match: '*@example.com', to: [{ via: 'smart' }] },
        outbound('*@smart.example', 'smart'),
        outbound('*@postfix.example', 'postfix'),
        outbound('*@ses.example', 'ses'),
      ],
      submitters: {
        app: { secret: 'everpost/app', senderDomains: ['app.example'] },
        other: { secret: 'everpost/other', senderDomains: ['example.com', 'other.example'] },
      },
      retry: { schedule: ['1m'], lifetime: '10m', delayNotice: false },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'smart' },
    },
    'submission',
  );
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  runtime = await boot({
    settings: checked.settings,
    dataFolder: folder,
    mxPort: 0,
    submissionPort: 0,
    consolePort: 0,
    secretsFile: null,
    sweepEveryMs: null,
    timeScale: 1,
    demo: false,
    sesOut: `127.0.0.1:${sesOut.port}`,
    show: () => {},
  });
  Bucket = runtime.deployed.outputs.Bucket ?? '';
  app = submitter(runtime, 'SubmitterAppPolicyArn', 'app');
});
afterEach(() => runtime.emulators.faults.clear());
afterAll(async () => {
  app?.destroy();
  await runtime?.stop();
  await real?.discard();
  for (const each of [smart, sesOut, behind]) await each?.close();
  rmSync(folder, { recursive: true, force: true });
});

const put = (Key: string, Body: Uint8Array | string, more: object = { IfNoneMatch: '*' }) =>
  app.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));

function nextUlid(): string {
  count += 1;
  return `01JD${String(count).padStart(22, '0')}`;
}

/** As docs/interfaces.md says: the content, then the envelope that commits it. Returns the ULID. */
async function submit(to: readonly (string | object)[], content: Uint8Array, more: object = {}): Promise<string> {
  const ulid = nextUlid();
  await put(`out/app/${ulid}.eml`, content);
  await put(`out/app/${ulid}.envelope.json`, envelopeOf(to, content, more));
  return ulid;
}
function mail(from = 'Ann <ann@app.example>', more = ''): Buffer {
  return Buffer.from(
    `From: ${from}\r\nTo: you\r\nBcc: secret@far.example\r\n${more}Subject: Hi\r\nMessage-ID: <1@app.example>\r\n\r\nBytes: \x80\xff\x00\r\n.dot\r\n`,
    'latin1',
  );
}
function caught(by: Catcher, address: string): Caught[] {
  return by.caught.filter(({ forwardPaths }) => forwardPaths.includes(address));
}
async function arrives(by: Catcher, address: string): Promise<Caught> {
  const found = await until(() => caught(by, address)[0] ?? null, 30_000);
  if (found === null) throw new Error(`nothing came for ${address}\n${log().slice(-3000)}`);
  return found;
}
function log(): string {
  return readFileSync(join(folder, 'everpost.log'), 'utf8');
}
/** The trace of a submission, by the operator's own eyes: rows of the ledger. */
async function held(reason: string): Promise<void> {
  const found = await until(() => (new RegExp(`ingest\\.held.*"${reason}"`).test(log()) ? true : null), 30_000);
  expect(found, log().slice(-3000)).toBe(true);
}

describe('two objects by a plain S3 client', () => {
  it('arrive by a smart host: envelope and bytes as they were, but for Bcc', async () => {
    const content = mail('Ann <ann@app.example>', 'X-SES-CONFIGURATION-SET: theirs\r\n');
    const shown = Buffer.from(content.toString('latin1').replace('Bcc: secret@far.example\r\n', ''), 'latin1');
    await submit(['bob@smart.example', 'eve@smart.example'], content);
    for (const address of ['bob@smart.example', 'eve@smart.example']) {
      const got = await arrives(smart, address);
      expect(got.reversePath).toBe('ann@app.example');
      expect(got.forwardPaths).toEqual([address]);
      expect(deviations(shown, got.content, [], submittedFields)).toEqual([]);
    }
  });

  it('arrive by a real Postfix, which is told what was asked for and reports it itself', async () => {
    const content = Buffer.from(
      'From: Ann <ann@app.example>\r\nTo: bob@postfix.example\r\nSubject: Hi\r\n\r\nHello\r\n',
    );
    await submit([{ address: 'bob@postfix.example', notify: ['SUCCESS'] }], content, { envid: 'Q1' });
    const got = await arrives(behind, 'bob@postfix.example');
    expect(got.reversePath).toBe('ann@app.example');
    expect(deviations(content, got.content, ['received'], submittedFields)).toEqual([]);
    const report = (await arrives(behind, 'ann@app.example')).content.toString('latin1');
    expect(report).toMatch(/Original-Envelope-Id: Q1[\s\S]*Action: relayed/);
    expect(report).toContain('Postfix');
    await runtime.emulators.clock.advance(0);
    expect(caught(smart, 'ann@app.example')).toEqual([]); // no second one of ours
  });

  it('arrive by SES: the author kept, Bcc and what would steer SES taken out, the body as it was', async () => {
    const steering =
      'X-SES-CONFIGURATION-SET: theirs\r\nX-SES-MESSAGE-TAGS: everpost=forged\r\nX-SES-SOURCE-ARN: arn:x\r\n';
    await submit(['bob@ses.example'], mail('Ann <ann@app.example>', steering));
    const text = (await arrives(sesOut, 'bob@ses.example')).content.toString('latin1');
    expect(text).toMatch(/^From: Ann <ann@app\.example>\r$/m);
    expect(text).not.toMatch(/secret@far|theirs|forged|SOURCE-ARN/i);
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe('Bytes: \x80\xff\x00\r\n.dot\r\n');
  });

  it("in a stranger's name: SES signs for nobody but who submitted", async () => {
    await submit(['forged@ses.example'], mail('Boss <boss@bank.example>'));
    const text = (await arrives(sesOut, 'forged@ses.example')).content.toString('latin1');
    expect(text).toMatch(/^From: "Boss \(boss@bank\.example\) via example\.com" <postmaster@example\.com>\r$/m);
    expect(text).toMatch(/^Reply-To: "Boss" <boss@bank\.example>\r$/m);
  });

  it('with the null reverse-path, as mail servers send reports', async () => {
    await submit(['null@smart.example', 'null@ses.example'], mail(), { reversePath: '' });
    expect((await arrives(smart, 'null@smart.example')).reversePath).toBe('');
    expect((await arrives(sesOut, 'null@ses.example')).reversePath).toMatch(/amazonses\.com$/);
  });

  it('a refusal comes back as an NDR, a success is told to who asked', async () => {
    await submit(['gone@smart.example', { address: 'told@smart.example', notify: ['SUCCESS'] }], mail(), {
      reversePath: 'asks@app.example',
      ret: 'HDRS',
    });
    await until(() => (caught(smart, 'asks@app.example').length === 2 ? true : null), 30_000);
    const notices = caught(smart, 'asks@app.example');
    for (const { content, reversePath } of notices) expect([reversePath, judgeNotice(content)]).toEqual(['', []]);
    const actions = notices.map(({ content }) => /^Action: (\w+)/m.exec(content.toString('latin1'))?.[1]).sort();
    expect(actions).toEqual(['failed', 'relayed']);
  });
});

describe('what is refused', () => {
  const key = 'out/app/01JD9999999999999999999999.eml';

  it("by S3: another's prefix, another place, reading, listing, overwriting, and writing without a condition", async () => {
    const denied = { name: 'AccessDenied' };
    await expect(put('out/other/01JD0000000000000000000000.eml', 'x')).rejects.toMatchObject(denied);
    await expect(put('in/forged', 'x')).rejects.toMatchObject(denied);
    await expect(put('out/app', 'x')).rejects.toMatchObject(denied);
    await expect(put(key, 'x', {})).rejects.toMatchObject(denied);
    await put(key, 'x');
    await expect(put(key, 'y', {})).rejects.toMatchObject(denied);
    await expect(put(key, 'y')).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await expect(app.send(new GetObjectCommand({ Bucket, Key: key }))).rejects.toMatchObject(denied);
    await expect(app.send(new ListObjectsV2Command({ Bucket }))).rejects.toMatchObject(denied);
  });

  it('by us: a foreign sender is held, and nobody is told', async () => {
    await submit(['victim@smart.example'], mail(), { reversePath: 'eve@bank.example' });
    await held('foreign-sender');
    expect(caught(smart, 'victim@smart.example').concat(caught(smart, 'eve@bank.example'))).toEqual([]);
  });

  it("by us: another submitter's author is held with an alarm; released, SES still signs for nobody but who submitted", async () => {
    const ways = ['signed@ses.example', 'signed@smart.example'];
    const content = mail('Boss <boss@other.example>');
    const spoolId = `app-${await submit(ways, content, { reversePath: 'borrows@app.example' })}`;
    await held('foreign-author');
    expect(await alarmed('WaitsForPerson')).toBe(true);
    const rows = await everpost('trace', '--json', '--spool-id', spoolId);
    const [{ deliveries, events }] = JSON.parse(rows) as [TraceJson];
    expect(deliveries.map(({ forwardPath, state, attempts }) => [forwardPath, state, attempts]).sort()).toEqual(
      ways.map((each) => [each, 'held', 0]),
    );
    expect(deliveries.map(({ notice }) => notice)).toEqual([null, null]);
    expect(events.map(({ event, reason }) => [event, reason])).toContainEqual([
      'HOLD',
      'foreign-author: app may not send mail whose author is of other.example',
    ]);
    await runtime.emulators.clock.advance(3_600_000); // the lifetime is ten minutes
    for (const at of [smart, sesOut])
      for (const address of [...ways, 'borrows@app.example', 'boss@other.example'])
        expect(caught(at, address), address).toEqual([]);

    await everpost('release', '--spool-id', spoolId);
    const text = (await arrives(sesOut, 'signed@ses.example')).content.toString('latin1');
    expect(text).toMatch(/^From: "Boss \(boss@other\.example\) via example\.com" <postmaster@example\.com>\r$/m);
    const shown = Buffer.from(content.toString('latin1').replace('Bcc: secret@far.example\r\n', ''), 'latin1');
    const got = await arrives(smart, 'signed@smart.example');
    expect(deviations(shown, got.content, [], submittedFields)).toEqual([]);
    expect(caught(smart, 'borrows@app.example')).toEqual([]);
  });

  it('by us: relaying for a foreign domain comes back', async () => {
    await submit(['x@elsewhere.example'], mail(), { reversePath: 'relays@app.example' });
    const notice = await arrives(smart, 'relays@app.example');
    expect(notice.content.toString('latin1')).toMatch(/^Status: 5\.7\.1\r$/m);
  });

  it('by us: a malformed envelope is told to its reverse-path', async () => {
    await submit(['x@smart.example'], mail(), { reversePath: 'clumsy@app.example', sha256: 'none' });
    const notice = await arrives(smart, 'clumsy@app.example');
    expect(judgeNotice(notice.content)).toEqual([]);
    expect(notice.content.toString('latin1')).toMatch(/^Status: 5\.6\.0\r$/m);
    expect(await alarmed('SubmissionMalformed')).toBe(true);
  });
});

/** An operator's command, as a person would run it. */
async function everpost(...words: string[]): Promise<string> {
  const args = ['src/cli/everpost.ts', ...words, '--data', folder];
  return (await promisify(execFile)(process.execPath, args, { cwd: join(import.meta.dirname, '../..') })).stdout;
}

/** Whether it rises in the next minutes: one count rises for a minute, and falls again. */
async function alarmed(name: string): Promise<boolean> {
  for (let i = 0; i < 6; i++) {
    await runtime.emulators.clock.advance(30_000);
    const response = await fetch(`http://127.0.0.1:${runtime.ports.console}/alarms`);
    const alarms = (await response.json()) as { name: string; state: string }[];
    if (alarms.some((each) => each.name.endsWith(`/${name}`) && each.state === 'ALARM')) return true;
  }
  return false;
}

// Microsoft KB Q157684, its outbound half: no event was logged, and the sender got no NDR.
describe('content that cannot be opened (Q157684)', () => {
  type Way = readonly [string, Omit<Fault, 'id'> | null, (content: Buffer) => Buffer];
  const same = (content: Buffer) => content;
  const read = { service: 's3', operation: 'GetObject', match: '.eml' } as const;
  const ways: readonly Way[] = [
    ['denied', { ...read, effect: 'deny' }, same],
    ['throttled', { ...read, effect: 'throttle' }, same],
    ['removed', { ...read, effect: 'remove' }, same],
    ['cut off', { ...read, effect: 'truncate' }, same],
    ['corrupted', { ...read, effect: 'corrupt' }, same],
    ['empty', null, () => Buffer.alloc(0)],
    ['another length', null, (content) => content.subarray(0, -1)],
    ['other bytes', null, (content) => Buffer.from(content.map((byte, i) => (i === 90 ? byte ^ 1 : byte)))],
  ];
  it.each(ways)('%s: an event, an alarm, an NDR', async (name, fault, stored) => {
    const content = mail();
    const who = `${name.replaceAll(' ', '-')}@app.example`;
    const bob = `${name.replaceAll(' ', '-')}@smart.example`;
    const before = log().length;
    if (fault !== null) runtime.emulators.faults.add(fault);
    const ulid = nextUlid();
    await put(`out/app/${ulid}.eml`, stored(content));
    await put(`out/app/${ulid}.envelope.json`, envelopeOf([bob], content, { reversePath: who }));
    const deferred = await until(
      () =>
        log()
          .slice(before)
          .split('\n')
          .some((line) => line.includes('relay.deferred') && line.includes(ulid) && line.includes('content-unreadable'))
          ? true
          : null,
      30_000,
    );
    expect(deferred, log().slice(before).slice(-3000)).toBe(true);
    expect(await alarmed('ContentUnreadable')).toBe(true);
    await runtime.emulators.clock.advance(15 * 60_000);
    const notice = await arrives(smart, who);
    expect(judgeNotice(notice.content)).toEqual([]);
    expect(notice.content.toString('latin1')).toMatch(/^Status: 5\.3\.0\r$/m);
    expect(caught(smart, who)).toHaveLength(1);
    expect(caught(smart, bob)).toEqual([]);
  });

  it('and an envelope that cannot be read: held, alarmed, dead-lettered, and relayed after all once it can', async () => {
    const { faults, queues, clock } = runtime.emulators;
    faults.add({ service: 's3', operation: 'GetObject', match: '.envelope.json', effect: 'deny' });
    await submit(['late@smart.example'], mail());
    await held('envelope-unreadable');
    await clock.advance(3 * 3_600_000); // ingest tries 25 times, each six minutes apart
    const ingest = queues.all().find(({ spec }) => spec.name.includes('IngestDeadLetters'));
    expect(queues.counts(ingest?.arn ?? '').visible).toBe(1);
    expect(await alarmed('IngestDeadLetters')).toBe(true);
    faults.clear();
    const source = queues.all().find(({ spec }) => spec.name.includes('-IngestQueue'));
    await runtime.emulators.moves.start(
      { principal: { kind: 'root' } },
      { sourceArn: ingest?.arn ?? '', destinationArn: source?.arn ?? null, perSecondMax: null },
    );
    await clock.advance(60_000);
    await arrives(smart, 'late@smart.example');
  });
});
