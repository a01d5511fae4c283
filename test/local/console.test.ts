// The console's tool endpoints: who may ask, and what is answered.
// A real socket each time: Host and Origin are what a browser would send.

import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type Console, type ConsoleParts, openConsole } from '#local/console.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function served(overrides: Partial<ConsoleParts> = {}): Promise<Console> {
  const it = await openConsole(0);
  closing.push(() => it.close());
  it.serve({
    health: () => ({ status: 'ok' }),
    faults: {
      list: () => ['a fault'],
      add: (posted) => {
        if ((posted as { effect?: string }).effect === undefined) throw new Error('effect must be one of deny');
        return posted;
      },
      clear: () => {},
    },
    verdicts: (posted) => posted,
    sesAccount: (posted) => posted,
    advance: async (ms) => ({ now: ms }),
    alarms: () => [{ name: 'it', state: 'OK', since: '2026-11-01T00:00:00.000Z', raisedAt: null }],
    permissions: () => ({ denied: [], used: [] }),
    endpoint: () => {
      throw new Error('not asked for here');
    },
    ...overrides,
  });
  return it;
}

type Reply = { status: number; body: unknown };
function ask(
  port: number,
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string } = {},
): Promise<Reply> {
  const headers = options.headers ?? (method === 'POST' ? { 'content-type': 'application/json' } : {});
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(body) as unknown }));
    });
    sent.on('error', reject);
    sent.end(options.body);
  });
}

describe('the console', () => {
  it('answers its endpoints', async () => {
    const { port } = await served();
    expect(await ask(port, 'GET', '/health')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await ask(port, 'GET', '/faults')).toEqual({ status: 200, body: ['a fault'] });
    expect(await ask(port, 'POST', '/faults', { body: '{"effect":"deny"}' })).toEqual({
      status: 201,
      body: { effect: 'deny' },
    });
    expect(await ask(port, 'DELETE', '/faults')).toEqual({ status: 200, body: [] });
    expect(await ask(port, 'POST', '/verdicts', { body: '{"spam":"FAIL"}' })).toEqual({
      status: 200,
      body: { spam: 'FAIL' },
    });
    expect(await ask(port, 'POST', '/ses-account', { body: '{"maxSendRate":1}' })).toEqual({
      status: 200,
      body: { maxSendRate: 1 },
    });
    expect(await ask(port, 'POST', '/clock', { body: '{"advance":"15m"}' })).toEqual({
      status: 200,
      body: { now: new Date(15 * 60_000).toISOString() },
    });
    expect((await ask(port, 'GET', '/alarms')).body).toHaveLength(1);
  });

  it('an advance of nothing is one too: what is due now fires', async () => {
    const { port } = await served();
    const reply = await ask(port, 'POST', '/clock', { body: '{"advance":"0s"}' });
    expect(reply).toEqual({ status: 200, body: { now: new Date(0).toISOString() } });
  });

  it.each([
    ['POST', '/faults', '{}', 'effect must be one of deny'],
    ['POST', '/clock', '{"advance":"soon"}', 'advance must be a duration such as "15m"'],
    ['POST', '/clock', '{}', 'advance must be a duration such as "15m"'],
    ['POST', '/clock', 'no json', 'JSON'],
  ])('%s %s %s is a mistake of the caller', async (method, path, body, error) => {
    const { port } = await served();
    const reply = await ask(port, method, path, { body });
    expect(reply.status).toBe(400);
    expect((reply.body as { error: string }).error).toContain(error);
  });

  it('knows no other path', async () => {
    const { port } = await served();
    expect((await ask(port, 'GET', '/')).status).toBe(404);
    expect((await ask(port, 'PUT', '/custom-resource/unknown', { body: '{}' })).status).toBe(404);
  });

  it.each([
    ['a rebound name', { host: 'evil.example:8025' }, 403],
    ['a name that only begins like ours', { host: '127.0.0.1.evil.example' }, 403],
    ['a page of another origin', { host: '127.0.0.1', origin: 'https://evil.example' }, 403],
    ['localhost', { host: 'localhost:8025' }, 200],
    ['our own page', { host: '127.0.0.1:8025', origin: 'http://127.0.0.1:8025' }, 200],
  ])('under %s', async (_, headers, status) => {
    const { port } = await served();
    expect((await ask(port, 'GET', '/health', { headers })).status).toBe(status);
  });

  const JSON_TYPE = { 'content-type': 'application/json' };
  it.each<[string, Record<string, string>, number]>([
    ['nothing that tells it from a form', {}, 403],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 403],
    ['a form with a file', { 'content-type': 'multipart/form-data; boundary=x' }, 403],
    ['text, as a page may send it without asking', { 'content-type': 'text/plain;charset=UTF-8' }, 403],
    ['text that names JSON too', { 'content-type': 'text/plain; application/json' }, 403],
    ['JSON', JSON_TYPE, 201],
    ['JSON with a charset', { 'content-type': 'Application/JSON; charset=utf-8' }, 201],
    ['JSON of our own page', { ...JSON_TYPE, host: '127.0.0.1:8025', origin: 'http://127.0.0.1:8025' }, 201],
    [
      'JSON of another port of this machine',
      { ...JSON_TYPE, host: '127.0.0.1:8025', origin: 'http://127.0.0.1:3000' },
      403,
    ],
    [
      'JSON of another name of this machine',
      { ...JSON_TYPE, host: '127.0.0.1:8025', origin: 'http://localhost:8025' },
      403,
    ],
    ['JSON of a page by TLS', { ...JSON_TYPE, host: '127.0.0.1:8025', origin: 'https://127.0.0.1:8025' }, 403],
    ['JSON of a page that hides where it is from', { ...JSON_TYPE, origin: 'null' }, 403],
    ['JSON under a rebound name', { ...JSON_TYPE, host: 'evil.example:8025', origin: 'http://evil.example:8025' }, 403],
  ])('a POST as %s', async (_, headers, status) => {
    let added = 0;
    const { port } = await served({
      faults: { list: () => [], add: () => ++added, clear: () => {} },
    });
    const reply = await ask(port, 'POST', '/faults', { headers, body: '{"effect":"deny"}' });
    expect([reply.status, added]).toEqual([status, status === 201 ? 1 : 0]);
  });

  it('tells what the clock still waits for, and where it stands', async () => {
    const { port } = await served({ advance: async () => ({ now: 0, waitsFor: ['function relay (60 s)'] }) });
    expect(await ask(port, 'POST', '/clock', { body: '{"advance":"1h"}' })).toEqual({
      status: 503,
      body: {
        error: 'the clock stands at 1970-01-01T00:00:00.000Z and still waits for function relay (60 s)',
        now: '1970-01-01T00:00:00.000Z',
        waitsFor: ['function relay (60 s)'],
      },
    });
  });

  it('answers nothing else while the disk refuses writes, and then goes on', async () => {
    const it = await served();
    it.suspend({ status: 'storage-failed', error: 'ENOSPC' });
    for (const [method, path] of [
      ['GET', '/health'],
      ['GET', '/endpoint'],
      ['POST', '/clock'],
    ] as const)
      expect(await ask(it.port, method, path, { ...(method === 'POST' ? { body: '{"advance":"0s"}' } : {}) })).toEqual({
        status: 503,
        body: { status: 'storage-failed', error: 'ENOSPC' },
      });
  });

  it('says that it is starting until it has something to say', async () => {
    const it = await openConsole(0);
    closing.push(() => it.close());
    expect(await ask(it.port, 'GET', '/health')).toEqual({
      status: 503,
      body: { status: 'starting', error: 'starting' },
    });
  });

  it('refuses a port that is taken', async () => {
    const { port } = await served();
    await expect(openConsole(port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
