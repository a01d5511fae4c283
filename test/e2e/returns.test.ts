// Return paths end to end, in the local runtime from the synthesised template: mail is forwarded under a token or under
// SRS, the remote bounces it later to the front door, and its sender hears of it once, from us, without the address it
// was forwarded to. What is no report goes to the postmaster.

import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeNotice } from '../judges/rfc3464.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

const TARGET = 'hidden.box7@target.example';
let smart: Catcher;
let instance: Instance;

beforeAll(async () => {
  smart = await catcher();
  const forward = (returnPath?: string) => [{ via: 'smart', address: TARGET, ...(returnPath ? { returnPath } : {}) }];
  const config = {
    domains: ['example.com'],
    nextHops: { smart: { kind: 'smtp', host: '127.0.0.1', port: smart.port, tls: 'off' } },
    routes: [
      { match: 'token@example.com', to: forward() },
      { match: 'srs@example.com', to: forward('srs') },
      { match: 'keep@example.com', to: forward('keep') },
      { match: '*@example.com', to: [{ via: 'smart' }] },
    ],
    notices: { from: 'notices@example.com', postmaster: 'postmaster@example.com', via: 'smart' },
  };
  instance = await start({ config });
});
afterAll(async () => {
  await discard(instance);
  await smart?.close();
});

let sequence = 0;
const next = (name: string) => `${name}${++sequence}@src.example`;

async function caught(that: (each: Caught) => boolean): Promise<Caught> {
  const found = await until(() => smart.caught.find(that) ?? null, 30_000);
  if (found === null) throw new Error(`it never came\n${instance.output.slice(-3000)}`);
  return found;
}
/** Sends one and waits for what the remote got. */
async function forwarded(sender: string, to: string): Promise<Caught> {
  const content = Buffer.from(`From: <${sender}>\r\nSubject: Hello\r\nMessage-ID: <${sender}>\r\n\r\nHello\r\n`);
  expect((await sendMail(instance.mx, sender, [to], content)).code).toBe(250);
  return caught(({ content: each }) => each.includes(`Message-ID: <${sender}>`) && each.includes('X-Everpost-Pass'));
}

function bounceOf(sent: Caught): Buffer {
  const header = sent.content.toString('latin1').split('\r\n\r\n')[0] ?? '';
  return Buffer.from(
    [
      'From: MAILER-DAEMON@mx.target.example',
      'Subject: Undelivered Mail Returned to Sender',
      `Message-ID: <${++sequence}@mx.target.example>`,
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b1',
      '',
      '--b1',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.target.example',
      '',
      `Final-Recipient: rfc822; ${TARGET}`,
      'Action: failed',
      'Status: 5.2.2',
      `Diagnostic-Code: smtp; 552 5.2.2 <${TARGET}>: mailbox full`,
      '--b1',
      'Content-Type: text/rfc822-headers',
      '',
      header,
      '--b1--',
      '',
    ].join('\r\n'),
    'latin1',
  );
}
const messageIdOf = (content: Buffer) => /^Message-ID: *(\S+)/im.exec(content.toString('latin1'))?.[1] ?? '';

/** The message that came back, once its row is settled. */
async function settled(content: Buffer, state: string) {
  const [message] = await traced(
    instance,
    ['--message-id', messageIdOf(content)],
    ([first]) => first?.deliveries[0]?.state === state,
  );
  return message;
}

describe.each([
  ['token', 'token@example.com', /^b\+[a-z2-7]{26}@bounces\.example\.com$/],
  ['srs', 'srs@example.com', /^SRS0=.{8}=..=src\.example=\w+@bounces\.example\.com$/],
])('a forward by %s', (_, address, returnPath) => {
  it('that bounces later comes back to its sender: once, from us, without the target', async () => {
    const sender = next('ann');
    const sent = await forwarded(sender, address);
    expect(sent.reversePath).toMatch(returnPath);
    const bounce = bounceOf(sent);
    expect((await sendMail(instance.mx, '', [sent.reversePath], bounce)).code).toBe(250);
    const notice = await caught(({ forwardPaths }) => forwardPaths.includes(sender));
    expect(notice.reversePath).toBe('');
    expect(judgeNotice(notice.content)).toEqual([]);
    const said = notice.content.toString('latin1');
    expect(said).toContain(`Final-Recipient: rfc822; ${address}`);
    expect(said).toContain('Status: 5.2.2');
    expect(said).not.toMatch(/hidden\.box7/i);
    const back = await settled(bounce, 'discarded');
    expect(back?.events.map(({ event }) => event)).toEqual(['RECEIVE', 'DROP']);
    // A second one, and a late one, are ignored.
    const again = Buffer.from(
      bounce.toString('latin1').replace(/^Message-ID: .*$/m, `Message-ID: <again${sequence}@x.example>`),
    );
    expect((await sendMail(instance.mx, '', [sent.reversePath], again)).code).toBe(250);
    await settled(again, 'discarded');
    expect(smart.caught.filter(({ forwardPaths }) => forwardPaths.includes(sender))).toHaveLength(1);
    const [message] = await traced(
      instance,
      ['--message-id', `<${sender}>`],
      ([first]) => first?.deliveries[0]?.state === 'returned',
    );
    expect(message?.events.map(({ event }) => event)).toContain('IGNORE');
    expect(message?.events.find(({ event }) => event === 'SEND')?.reason).toBe(`return path ${sent.reversePath}`);
  });
});

it('a forward that keeps its return path is left alone', async () => {
  const sender = next('ann');
  expect((await forwarded(sender, 'keep@example.com')).reversePath).toBe(sender);
});

it.each([
  ['a forged token', `b+${'a'.repeat(26)}@bounces.example.com`],
  ['a foreign SRS address', 'SRS0=abcd=AB=far.example=joe@bounces.example.com'],
  ['an address that is none', 'joe@bounces.example.com'],
])('%s: a report to it ends there, with its reason', async (_, address) => {
  const bounce = bounceOf(await forwarded(next('ann'), 'token@example.com'));
  expect((await sendMail(instance.mx, '', [address], bounce)).code).toBe(250);
  const back = await settled(bounce, 'discarded');
  expect(back?.events.at(-1)?.reason).toMatch(/^return-path-/);
  expect(smart.caught.filter(({ forwardPaths }) => forwardPaths.some((to) => /joe@/.test(to)))).toEqual([]);
});

it('a hundred invented addresses at the return path domain: all end in the trace, and the reverse-path hears nothing', async () => {
  const victim = next('victim');
  const invented = Array.from({ length: 100 }, (_, index) => `x${index}@bounces.example.com`);
  const body = 'a line of the body, as long as they are in mail\r\n'.repeat(1_160);
  const mail = Buffer.from(`From: <${victim}>\r\nSubject: hi\r\nMessage-ID: <${victim}>\r\n\r\n${body}`);
  expect((await sendMail(instance.mx, victim, invented, mail)).code).toBe(250);
  const [message] = await traced(
    instance,
    ['--message-id', `<${victim}>`],
    ([first]) => first?.deliveries.length === 100 && first.deliveries.every(({ state }) => state === 'discarded'),
  );
  expect(message?.events.filter(({ reason }) => reason === 'return-path-unknown')).toHaveLength(100);
  expect(message?.deliveries.every(({ notice }) => notice === null)).toBe(true);
  expect(smart.caught.filter(({ forwardPaths }) => forwardPaths.includes(victim))).toEqual([]);
});

it('what nobody can read goes to the postmaster, whole; so does what a person writes to a return path', async () => {
  const sent = await forwarded(next('ann'), 'token@example.com');
  for (const reversePath of ['', next('joe')]) {
    const odd = Buffer.from(`Message-ID: <${++sequence}@odd.example>\r\nSubject: hm\r\n\r\nnothing to read\r\n`);
    expect((await sendMail(instance.mx, reversePath, [sent.reversePath], odd)).code).toBe(250);
    const came = await caught(({ content }) => content.includes(messageIdOf(odd)));
    expect(came.forwardPaths).toEqual(['postmaster@example.com']);
    expect(came.reversePath).toBe(reversePath);
    expect(came.content.subarray(-odd.length).equals(odd)).toBe(true);
  }
});

it('spam to a token is quarantined', async () => {
  const sent = await forwarded(next('ann'), 'token@example.com');
  const spam = Buffer.from(
    `Message-ID: <${++sequence}@spam.example>\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n`,
  );
  expect((await sendMail(instance.mx, '', [sent.reversePath], spam)).code).toBe(250);
  await settled(spam, 'quarantined');
});

it('an automatic answer to a notice ends there, and a person who answers one is heard', async () => {
  const away = Buffer.from(`Message-ID: <${++sequence}@away.example>\r\nSubject: Out of office: re\r\n\r\nAway\r\n`);
  expect((await sendMail(instance.mx, '', ['notices@example.com'], away)).code).toBe(250);
  await settled(away, 'discarded');
  const why = Buffer.from(`Message-ID: <${++sequence}@why.example>\r\nSubject: why?\r\n\r\nWhy?\r\n`);
  expect((await sendMail(instance.mx, next('joe'), ['notices@example.com'], why)).code).toBe(250);
  expect((await caught(({ content }) => content.includes(messageIdOf(why)))).forwardPaths).toEqual([
    'notices@example.com',
  ]);
});

it("SRS's secret is the stack's own, and a rotation lets the old one be good for what it signed", async () => {
  const sender = next('ann');
  const sent = await forwarded(sender, 'srs@example.com');
  const endpoint = await tool<{
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
    outputs: Record<string, string>;
  }>(instance, 'GET', '/endpoint');
  const SecretId = endpoint.outputs.SrsSecret ?? '';
  const client = new SecretsManagerClient({ ...endpoint, maxAttempts: 1 });
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }));
  expect(SecretString).toMatch(/^[A-Za-z0-9]{64}$/);
  await client.send(new PutSecretValueCommand({ SecretId, SecretString: 'another one' }));
  const before = await client.send(new GetSecretValueCommand({ SecretId, VersionStage: 'AWSPREVIOUS' }));
  expect(before.SecretString).toBe(SecretString);
  client.destroy();
  await tool(instance, 'POST', '/clock', { advance: '10m' }); // what functions keep of the secret is old by then
  expect((await forwarded(next('eve'), 'srs@example.com')).reversePath).toMatch(/^SRS0=/);
  expect((await sendMail(instance.mx, '', [sent.reversePath], bounceOf(sent))).code).toBe(250);
  await caught(({ forwardPaths }) => forwardPaths.includes(sender));
});
