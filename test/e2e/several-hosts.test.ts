// A next hop of several hosts on the local runtime: the first is down, or is busy, and the second takes the message.
// The trace names the first, and the server heard the configured name and one command at a time.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ScriptedServer, scriptedServerAt } from '../smtp-dialogue.ts';
import { discard, type Instance, start, traced } from './instance.ts';
import { sendMail } from './smtp.ts';

const TAKE =
  'C: MAIL *\nquiet: 20\nS: 250 ok\nC: RCPT *\nquiet: 20\nS: 250 ok\nC: DATA\nquiet: 20\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const OPEN = 'S: 220 mx\nC: EHLO mail.example.com\nS: 250-mx\nS: 250 PIPELINING';
let second: ScriptedServer;
let busy: ScriptedServer;
let instance: Instance | undefined;

beforeAll(async () => {
  second = await scriptedServerAt('127.0.0.1', 0, `${OPEN}\n${TAKE}\nC: QUIT\nS: 221 bye`);
  busy = await scriptedServerAt('127.0.1.2', second.port, 'S: 421 4.3.2 busy');
  const server = { kind: 'smtp', tls: 'off', port: second.port, helo: 'mail.example.com', pipelining: false };
  instance = await start({
    config: {
      domains: ['example.com'],
      nextHops: {
        exchange: { ...server, host: ['127.0.1.1', '127.0.1.2', '127.0.0.1'] },
      },
      routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    },
  });
}, 120_000);
afterAll(async () => {
  await discard(instance);
  await Promise.all([second.close(), busy.close()]);
});

test('the host that is up takes the message at the first attempt, and the trace names the others', async () => {
  if (instance === undefined) throw new Error('it did not start');
  const message = Buffer.from('From: ann@src.example\r\nSubject: several hosts\r\n\r\nHello\r\n');
  expect(await sendMail(instance.mx, 'ann@src.example', ['bob@example.com'], message)).toMatchObject({ code: 250 });
  const [found] = await traced(instance, ['--forward-path', 'bob@example.com'], ([first]) =>
    JSON.stringify(first ?? '').includes('SEND'),
  );
  const sent = found?.events.find(({ event }) => event === 'SEND') as { readonly detail?: string } | undefined;
  expect(sent?.detail).toMatch(/^also tried: 127\.0\.1\.1 refused .*; 127\.0\.1\.2 \(greeting\): 421 4\.3\.2 busy$/);
  expect(found?.events.map(({ event }) => event)).not.toContain('DEFER');
  expect(second.sessions.flatMap(({ contents }) => contents.map(String))).toEqual([
    expect.stringMatching(/Subject: several hosts\r\n\r\nHello\r\n$/),
  ]);
  expect(second.sessions[0]?.said.at(-1)).toBe('QUIT');
  expect([second.mismatches, busy.mismatches]).toEqual([[], []]);
});
