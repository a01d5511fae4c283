// A next hop accepts mail and loses it; an operator has it relayed again. By the command, as a person would, on the
// synthesised template: it is shown first, arrives once more byte for byte under its mark, and is refused where its
// content has left the spool.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deviations } from './arrival.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

const ROOT = join(import.meta.dirname, '../..');
const BOB = 'bob@example.com';
let server: Catcher;
let instance: Instance;

beforeAll(async () => {
  server = await catcher();
  instance = await start({
    config: {
      domains: ['example.com', 'away.example'],
      nextHops: {
        exchange: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' },
        ses: { kind: 'ses' },
      },
      routes: [
        { match: '*@example.com', to: [{ via: 'exchange' }] },
        { match: '*@away.example', to: [{ via: 'ses' }] },
      ],
      retry: { schedule: ['1m', '5m'], lifetime: '20m', delayNotice: false },
      retention: { spool: '12h' },
      notices: { from: 'mailer@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    },
  });
});
afterAll(async () => {
  await discard(instance);
  await server?.close();
});

type Line = {
  spoolId: string;
  forwardPath: string;
  state: string;
  done: boolean;
  why: string | null;
  relayedAt: string;
};

async function resubmit(...words: string[]): Promise<{ lines: Line[]; code: number; said: string }> {
  const args = ['src/cli/everpost.ts', 'resubmit', '--data', instance.data, '--json', ...words];
  const ended = await promisify(execFile)(process.execPath, args, { cwd: ROOT }).catch(
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
  const code = 'code' in ended ? ended.code : 0;
  return { lines: ended.stdout === '' ? [] : JSON.parse(ended.stdout), code, said: ended.stderr };
}
const relayed = (forwardPath: string, sends = 1) =>
  traced(instance, ['--forward-path', forwardPath], ([message]) => {
    const sent = message?.events.filter(({ event }) => event === 'SEND').length;
    return message?.deliveries[0]?.state === 'relayed' && sent === sends;
  });

it('what a next hop lost arrives again, the same bytes under the mark', async () => {
  const content = readFileSync(join(ROOT, 'test/fixtures/mail/03-bare-line-feeds.eml'));
  expect((await sendMail(instance.mx, 'ann@src.example', [BOB], content)).code).toBe(250);
  const [first] = await relayed(BOB);
  expect(server.caught).toHaveLength(1);
  server.caught.length = 0; // its disk is gone

  const words = ['--next-hop', 'exchange', '--since', '1h'];
  const shown = await resubmit(...words);
  expect(shown).toMatchObject({ code: 0, lines: [{ forwardPath: BOB, state: 'relayed', done: false }] });
  expect(shown.lines[0]?.why).toBe('only shown: add --yes to do it');
  expect(Date.parse(shown.lines[0]?.relayedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(first?.acceptedAt ?? ''));
  expect(await resubmit('--next-hop', 'ses', '--since', '1h')).toMatchObject({ code: 1, lines: [] });
  expect(server.caught).toEqual([]);

  const done = await resubmit(...words, '--limit', '1', '--yes');
  expect(done).toMatchObject({ code: 0, lines: [{ spoolId: first?.spoolId, state: 'queued', done: true, why: null }] });
  expect(done.said).toContain('1 is the limit');
  const arrived = await until(() => server.caught[0] ?? null, 20_000);
  expect(deviations(content, arrived?.content ?? Buffer.alloc(0))).toEqual([]);
  expect(arrived).toMatchObject({ reversePath: 'ann@src.example', forwardPaths: [BOB] });
  expect(arrived?.content.toString('latin1').replaceAll('\r\n\t', ' ')).toContain(
    'X-Everpost-Possible-Duplicate: it was relayed before, and is relayed again in case it was lost\r\n',
  );
  const [again] = await relayed(BOB, 2);
  expect(again?.deliveries[0]).toMatchObject({ attempts: 1, possibleDuplicate: true });
  expect(again?.events.map(({ event, reason }) => (event === 'RESUBMIT' ? reason : event))).toEqual([
    'RECEIVE',
    'SEND',
    'resubmitted-by-operator',
    'SEND',
  ]);
  expect(await resubmit(...words, '--yes'), 'the same words once more').toMatchObject({ code: 1, lines: [] });
  expect(await resubmit(...words, '--again')).toMatchObject({ code: 0, lines: [{ forwardPath: BOB }] });
});

it('says what went by SES, and what has left the spool', async () => {
  const mail = Buffer.from('From: ann@src.example\r\nTo: eve@away.example\r\nSubject: Hello\r\n\r\nHello\r\n');
  expect((await sendMail(instance.mx, 'ann@src.example', ['eve@away.example'], mail)).code).toBe(250);
  await relayed('eve@away.example');
  const bySes = await resubmit('--next-hop', 'ses', '--since', '1h');
  expect(bySes.lines).toMatchObject([{ why: expect.stringMatching(/^only shown: .*; it went by SES/) }]);

  await tool(instance, 'POST', '/clock', { advance: '25h' });
  const gone = await resubmit('--next-hop', 'exchange', '--since', '2d', '--forward-path', BOB, '--again', '--yes');
  expect(gone).toMatchObject({ code: 1, lines: [{ done: false, state: 'relayed' }] });
  expect(gone.lines[0]?.why).toContain('its content is not in the spool any more');
});

it('wants to be told which, and since when', async () => {
  expect(await resubmit('--since', '1h')).toMatchObject({ code: 2, said: expect.stringContaining('--next-hop') });
  expect(await resubmit('--next-hop', 'exchange', '--since', 'noon')).toMatchObject({ code: 2 });
});
