// The main job, end to end: SMTP in, the synthesised template between, SMTP out to a server that keeps exact bytes.
// Nothing between the two is mocked, and nothing here calls a function of the product.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeNotice, parseNotice } from '../judges/rfc3464.ts';
import { deviations } from './arrival.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

const refusals: Readonly<Record<string, string>> = {
  'unknown@example.com': '550 5.1.1 <unknown@example.com>: no such user',
  'later@example.com': '451 4.3.0 come back later',
};

let server: Catcher;
let instance: Instance;

beforeAll(async () => {
  server = await catcher({ rcpt: (forwardPath) => refusals[forwardPath] });
  instance = await start({ config: configFor(server.port) });
});
afterAll(async () => {
  await discard(instance);
  await server?.close();
});

function configFor(port: number, more: object = {}): object {
  return {
    domains: ['example.com'],
    nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' } },
    routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    ...more,
  };
}

/** What came for an address. */
function caughtFor(address: string): Caught[] {
  return server.caught.filter((each) => each.forwardPaths.includes(address));
}

describe('a message that is accepted', () => {
  const folder = join(import.meta.dirname, '../fixtures/mail');
  it.each(readdirSync(folder).filter((name) => name.endsWith('.eml')))('arrives byte for byte: %s', async (name) => {
    const content = readFileSync(join(folder, name));
    const address = `${name.replace(/\W/g, '-')}@example.com`;
    expect((await sendMail(instance.mx, 'ann@src.example', [address], content)).code).toBe(250);
    const arrived = await until(() => caughtFor(address)[0] ?? null, 20_000);
    expect(arrived, instance.output.slice(-3000)).not.toBeNull();
    const got = arrived?.content ?? Buffer.alloc(0);
    expect(deviations(content, got)).toEqual([]);
    expect(arrived?.reversePath).toBe('ann@src.example');
  });
});

it('traces bare line endings that left as CRLF', async () => {
  const address = '03-bare-line-feeds-eml@example.com';
  const [message] = await traced(
    instance,
    ['--forward-path', address],
    (found) => found[0]?.deliveries[0]?.state === 'relayed',
  );
  expect(message?.events.find((event) => event.event === 'SEND')?.reason).toMatch(
    /^\d+ bare line endings left as CRLF$/,
  );
});

const hello = Buffer.from(
  'From: Ann <ann@src.example>\r\nTo: you@example.com\r\nSubject: Hello\r\nMessage-ID: <hello@src.example>\r\n\r\nHello\r\n',
);

describe('a message that is refused', () => {
  it('comes back to its sender as one NDR with a null reverse-path', async () => {
    expect((await sendMail(instance.mx, 'ann@src.example', ['unknown@example.com'], hello)).code).toBe(250);
    const [message] = await traced(
      instance,
      ['--forward-path', 'unknown@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'returned',
    );
    expect(message?.deliveries[0]).toMatchObject({
      attempts: 1,
      lastReply: { code: 550, status: '5.1.1' },
      notice: { kind: 'ndr', state: 'relayed', to: 'ann@src.example' },
    });
    const notices = caughtFor('ann@src.example');
    expect(notices.map((each) => each.reversePath)).toEqual(['']);
    expect(judgeNotice(notices[0]?.content ?? Buffer.alloc(0))).toEqual([]);
    const recipient = parseNotice(notices[0]?.content ?? Buffer.alloc(0));
    expect(JSON.stringify(recipient)).toContain('unknown@example.com');
    expect(notices[0]?.content.toString('latin1')).toMatch(/^Status: 5\.1\.1\r$/m);
  });

  it('with a null reverse-path is never answered, and the trace says why', async () => {
    const before = server.caught.length;
    expect((await sendMail(instance.mx, '', ['unknown@example.com'], hello)).code).toBe(250);
    const [message] = await traced(
      instance,
      ['--reverse-path', ''],
      (found) => found[0]?.deliveries[0]?.state === 'unreturnable',
    );
    expect(message?.deliveries[0]?.notice).toMatchObject({
      kind: 'ndr',
      state: 'unreturnable',
      reason: 'null-reverse-path',
    });
    expect(message?.events.map((event) => event.event)).toEqual(['RECEIVE', 'FAIL', 'SUPPRESSED']);
    expect(server.caught.length).toBe(before);
  });
});

describe('a message that is deferred', () => {
  it('is tried again on the schedule, told of once, and comes back at its lifetime with the last status', async () => {
    await sendMail(instance.mx, 'dave@src.example', ['later@example.com'], hello);
    const [first] = await traced(
      instance,
      ['--forward-path', 'later@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'deferred',
    );
    expect(first?.deliveries[0]?.lastReply).toMatchObject({ code: 451, status: '4.3.0' });
    await tool(instance, 'POST', '/clock', { advance: '49h' });
    const [last] = await traced(
      instance,
      ['--forward-path', 'later@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'returned',
    );
    expect(last?.deliveries[0]?.attempts).toBeGreaterThan(10);
    const notices = caughtFor('dave@src.example');
    expect(notices.map((each) => judgeNotice(each.content))).toEqual([[], []]);
    const actions = notices.map((each) => /^Action: (\w+)\r\nStatus: (\S+)\r$/m.exec(each.content.toString('latin1')));
    expect(actions.map((action) => action?.slice(1))).toEqual([
      ['delayed', '4.3.0'],
      ['failed', '4.3.0'],
    ]);
  });
});

describe('the front door', () => {
  it('refuses an unknown domain while the sender is on the line', async () => {
    expect((await sendMail(instance.mx, 'ann@src.example', ['bob@other.example'], hello)).code).toBe(550);
  });
  it('says on the submission port that submission is not built yet', async () => {
    const reply = await sendMail(instance.submission, 'ann@example.com', ['bob@far.example'], hello);
    expect(reply.code).toBe(554);
  });
});

describe('permissions', () => {
  it('none was missing in any of this', async () => {
    const { denied } = await tool<{ denied: unknown[] }>(instance, 'GET', '/permissions');
    expect(denied).toEqual([]);
  });
});
