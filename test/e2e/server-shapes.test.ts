// Servers that say less, more, or sooner than they should, each behind its own next hop of one running instance: what
// becomes of a message, what the server has of it, and whether it is doubted. The servers run in this process; nothing
// of Everpost does.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CaseServer, openCaseServer, type ServerSpec } from '../cases/case-server.ts';
import { deviations } from './arrival.ts';
import { discard, type Instance, start, traced } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

type Expected = { readonly state: string; readonly took: number; readonly code?: number };
type Shape = { readonly server: ServerSpec; readonly auth?: string; readonly expect: Expected };
const PIPES = '250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 60000000';
const relayed = { state: 'relayed', took: 1 };
const deferred = { state: 'deferred', took: 0 };
const base64 = (text: string) => Buffer.from(text).toString('base64');
const LONG = 'p'.repeat(2_000);

const shapes: Readonly<Record<string, Shape>> = {
  'blank-line': { server: { greet: '220 mx.test ESMTP\r\n\r\n', ehlo: PIPES }, expect: relayed },
  'no-codes': { server: { ehlo: '250 mx.test greets you\r\n8BITMIME\r\nSIZE 20000000\r\n' }, expect: relayed },
  'old-auth': {
    server: {
      ehlo: '250-mx.test\r\n250-AUTH=LOGIN PLAIN\r\n250-AUTH GSSAPI NTLM\r\n250 HELP',
      rules: [['^AUTH PLAIN', '235 2.7.0 ok']],
    },
    auth: 'short',
    expect: relayed,
  },
  'takes-login': {
    server: {
      ehlo: '250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n250 HELP',
      rules: [
        ['^AUTH PLAIN', '504 5.7.4 Unrecognized authentication type'],
        ['^AUTH LOGIN$', '334 VXNlcm5hbWU6'],
        [`^${base64('u')}$`, '334 UGFzc3dvcmQ6'],
        [`^${base64('p')}$`, '235 2.7.0 ok'],
      ],
    },
    auth: 'short',
    expect: relayed,
  },
  'long-secret': {
    server: {
      ehlo: '250-mx.test\r\n250-AUTH PLAIN\r\n250 HELP',
      rules: [
        ['^AUTH PLAIN .{499}', '500 5.5.2 line too long'],
        ['^AUTH PLAIN$', '334 '],
        [`^${base64(`\0u\0${LONG}`).replaceAll('+', '\\+')}$`, '235 2.7.0 ok'],
      ],
    },
    auth: 'long',
    expect: relayed,
  },
  flushes: { server: { ehlo: PIPES, flush: true }, expect: relayed },
  'long-acceptance': { server: { dot: `${'250-2.0.0 and on\r\n'.repeat(6_000)}250 2.0.0 Ok` }, expect: relayed },
  'long-refusal': {
    server: { rcpt: `${'550-5.1.1 and on\r\n'.repeat(6_000)}550 5.1.1 no such user` },
    expect: { state: 'returned', took: 0, code: 550 },
  },
  'early-acceptance': { server: { ehlo: PIPES, data: '354 go\r\n250 2.0.0 taken' }, expect: deferred },
  'early-everything': {
    server: { greet: '220 mx\r\n250 mx\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 taken', ehlo: PIPES },
    expect: deferred,
  },
  'early-refusal': { server: { mail: '250 ok\r\n550 5.1.1 no such user' }, expect: deferred },
};

const servers = new Map<string, CaseServer>();
let mailbox: Catcher;
let instance: Instance;

beforeAll(async () => {
  mailbox = await catcher();
  for (const [name, { server }] of Object.entries(shapes)) servers.set(name, await openCaseServer(server));
  const hop = (port: number) => ({ kind: 'smtp', host: '127.0.0.1', port, tls: 'off' });
  const nextHops = Object.entries(shapes).map(([name, { auth }]) => [
    name,
    { ...hop(servers.get(name)?.port ?? 0), ...(auth === undefined ? {} : { auth: { secret: auth } }) },
  ]);
  const names = Object.keys(shapes);
  instance = await start({
    config: {
      domains: names.map((name) => `${name}.example`),
      nextHops: { mailbox: hop(mailbox.port), ...Object.fromEntries(nextHops) },
      routes: names.map((name) => ({ match: `*@${name}.example`, to: [{ via: name }] })),
      retry: { schedule: ['1h'], lifetime: '1d', delayNotice: false },
      notices: { from: `postmaster@${names[0]}.example`, postmaster: `postmaster@${names[0]}.example`, via: 'mailbox' },
    },
    secrets: { short: { username: 'u', password: 'p' }, long: { username: 'u', password: LONG } },
  });
  for (const name of names) {
    const sent = await sendMail(instance.mx, 'ann@src.example', [`bob@${name}.example`], mail);
    expect(sent.code).toBe(250);
  }
});
afterAll(async () => {
  await discard(instance);
  await mailbox?.close();
  for (const server of servers.values()) await server.close();
});

const mail = Buffer.from(
  'From: Ann <ann@src.example>\r\nSubject: Hello\r\nMessage-ID: <1@src.example>\r\n\r\nHello\r\n.dot\r\n',
);

describe.each(Object.entries(shapes))('%s', (name, shape) => {
  it(`ends ${shape.expect.state}, after one attempt and without a doubt`, async () => {
    const [message] = await traced(
      instance,
      ['--forward-path', `bob@${name}.example`],
      ([found]) => found?.deliveries[0]?.state === shape.expect.state && found.deliveries[0].attempts > 0,
    );
    const [delivery] = message?.deliveries ?? [];
    expect(delivery).toMatchObject({ attempts: 1, possibleDuplicate: false });
    if (shape.expect.code !== undefined) expect(delivery?.lastReply).toMatchObject({ code: shape.expect.code });
    const { took = [] } = servers.get(name) ?? {};
    expect(took).toHaveLength(shape.expect.took);
    for (const { content } of took) expect(deviations(mail, content)).toEqual([]);
  });
});

it('nobody but the sender of the refused message was told anything', () => {
  expect(mailbox.caught.map(({ forwardPaths }) => forwardPaths)).toEqual([['ann@src.example']]);
});
