// What SES says after its 200, end to end: SMTP in, the synthesised template between, events by topic and queue, and
// the author's report out. One instance hands what SES sends to a server that refuses and defers; the other speaks to
// the mailbox simulator, and keeps Maildirs.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TraceJson } from '#cli/trace-json.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { discard, type Instance, start, stop, tool, traced, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

const SIMULATOR = 'simulator.amazonses.com';
let server: Catcher;
let served: Instance;
let simulated: Instance;

const configuration = (more: object) => ({
  domains: ['example.com'],
  nextHops: { ses: { kind: 'ses' } },
  retry: { delayNotice: false },
  notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
  ...more,
});

beforeAll(async () => {
  server = await catcher({
    rcpt: (forwardPath) =>
      forwardPath.startsWith('gone')
        ? '550 5.1.1 <gone@far.example>: no such user here'
        : forwardPath.startsWith('never')
          ? '451 4.3.2 not accepting mail'
          : undefined,
  });
  const away = (name: string) => ({
    match: `${name}@example.com`,
    to: [{ via: 'ses', address: `${name}@far.example` }],
  });
  const routes = ['bob', 'gone', 'never'].map(away);
  served = await start({
    config: configuration({ routes: [...routes, { match: '*@example.com', to: [{ via: 'ses' }] }] }),
    args: ['--ses-out', `127.0.0.1:${server.port}`],
  });
  const to = (name: string) => ({
    match: `${name}@example.com`,
    to: [{ via: 'ses', address: `${name}@${SIMULATOR}` }],
  });
  simulated = await start({
    config: configuration({
      feedback: { confirm: true },
      routes: [
        ...['success', 'bounce', 'ooto', 'complaint', 'suppressionlist'].map(to),
        { match: '*@example.com', to: [{ via: 'ses', address: 'away@far.example' }] },
      ],
    }),
  });
});
afterAll(async () => {
  await discard(served);
  await discard(simulated);
  await server?.close();
});

async function ends(
  instance: Instance,
  author: string,
  to: string,
  state: string,
  body = 'Hello\r\n',
): Promise<TraceJson> {
  await sendMail(instance.mx, author, [to], Buffer.from(`From: ${author}\r\nSubject: Hi\r\n\r\n${body}`));
  return became(instance, author, state);
}
async function became(instance: Instance, author: string, state: string): Promise<TraceJson> {
  const found = await traced(
    instance,
    ['--reverse-path', author],
    (messages) => messages[0]?.deliveries[0]?.state === state,
  );
  if (found[0] === undefined) throw new Error('no message');
  return found[0];
}
const eventsOf = (message: TraceJson) => message.events.map(({ event, reason }) => `${event} ${reason}`);
/** The report in the Maildir of whom SES sent it to. */
async function report(author: string): Promise<string> {
  const folder = join(simulated.data, 'ses-out', author, 'new');
  const text = await until(() => {
    try {
      const [name] = readdirSync(folder);
      return name === undefined ? null : readFileSync(join(folder, name), 'latin1');
    } catch {
      return null; // nothing yet
    }
  }, 30_000);
  if (text === null) throw new Error(`no report for ${author}\n${simulated.output.slice(-3000)}`);
  return text.replaceAll('=\r\n', '');
}

describe('a server that refuses what SES had taken from us', () => {
  it("comes back to the author with the server's own words, and without our routing", async () => {
    const message = await ends(served, 'ann@src.example', 'gone@example.com', 'returned');
    expect(message.deliveries[0]?.lastReply).toMatchObject({ code: 550, status: '5.1.1' });
    const caught = await until(
      () => server.caught.find((each) => each.forwardPaths.includes('ann@src.example')) ?? null,
      30_000,
    );
    const content = caught?.content ?? Buffer.alloc(0);
    expect(judgeNotice(content)).toEqual([]);
    expect(content.toString('latin1')).toMatch(/^Final-Recipient: rfc822; gone@example\.com\r$/m);
    expect(content.toString('latin1')).toMatch(/^Diagnostic-Code: smtp; 550 5\.1\.1 .*no such user here\r$/m);
    expect(content.toString('latin1')).not.toContain('gone@far.example');
  });

  it('for fourteen hours is told at their end; the delay stands in the trace', async () => {
    await ends(served, 'dan@src.example', 'never@example.com', 'relayed');
    const args = ['--reverse-path', 'dan@src.example'];
    const [waiting] = await traced(served, args, (found) =>
      eventsOf(found[0] as TraceJson).includes('DELAY delayed-general'),
    );
    expect(waiting?.deliveries[0]?.state).toBe('relayed');
    await tool(served, 'POST', '/clock', { advance: '15h' });
    const message = await became(served, 'dan@src.example', 'returned');
    expect(message.deliveries[0]?.lastReply?.text).toMatch(
      /expired: unable to deliver in 840 minutes.*not accepting mail/,
    );
    const caught = await until(
      () => server.caught.find((each) => each.forwardPaths.includes('dan@src.example')) ?? null,
      30_000,
    );
    expect(caught?.content.toString('latin1')).toMatch(/^Status: 4\.4\.7\r$/m);
  });

  it('is heard of although everything was killed in between', async () => {
    await tool(served, 'POST', '/faults', {
      service: 'sqs',
      operation: 'SendMessage',
      match: '-FeedbackQueue',
      effect: 'throttle',
    });
    await ends(served, 'eve@src.example', 'gone@example.com', 'relayed');
    await stop(served, 'SIGKILL');
    const config = JSON.parse(readFileSync(join(served.data, 'everpost.config.json'), 'utf8')) as object;
    served = await start({ config, data: served.data, args: ['--ses-out', `127.0.0.1:${server.port}`] });
    await became(served, 'eve@src.example', 'returned');
  });

  it('says nothing of what it took: that stays as it is, since confirmations are off', async () => {
    const message = await ends(served, 'fay@src.example', 'bob@example.com', 'relayed');
    expect(eventsOf(message).at(-1)).toMatch(/^SEND /);
  });
});

describe('the mailbox simulator', () => {
  it('confirms', async () => {
    const message = await ends(simulated, 'ann@src.example', 'success@example.com', 'confirmed');
    expect(message.deliveries[0]?.lastReply).toMatchObject({ code: 250, status: '2.6.0' });
  });
  it('bounces', async () => {
    await ends(simulated, 'bea@src.example', 'bounce@example.com', 'returned');
    expect(await report('bea@src.example')).toMatch(/^Diagnostic-Code: smtp; 550 5\.1\.1 user unknown\r$/m);
  });
  it('suppresses, and the author is told so', async () => {
    await ends(simulated, 'cleo@src.example', 'suppressionlist@example.com', 'returned');
    const text = await report('cleo@src.example');
    expect(text).toMatch(/list of addresses that refused mail before/);
    expect(text).not.toContain(SIMULATOR);
  });
  it('answers that somebody is away: the message arrived, and nobody is told otherwise', async () => {
    await ends(simulated, 'dora@src.example', 'ooto@example.com', 'confirmed');
    const args = ['--reverse-path', 'dora@src.example'];
    // SES's two events have no order: before the arrival is known, the answer may be a failure.
    const either = ['IGNORE automatic-answer', 'UNCERTAIN bounce-without-report'];
    const [message] = await traced(simulated, args, (found) =>
      eventsOf(found[0] as TraceJson).some((event) => either.includes(event)),
    );
    expect(message?.deliveries[0]).toMatchObject({ state: 'confirmed', notice: null });
    await tool(simulated, 'POST', '/clock', { advance: '1h' });
    const [later] = await traced(simulated, args, (found) => found.length > 0);
    expect(later?.deliveries[0]).toMatchObject({ state: 'confirmed', notice: null });
  });
  it('complains: recorded, counted, and nobody is told', async () => {
    await ends(simulated, 'ella@src.example', 'complaint@example.com', 'confirmed');
    const args = ['--reverse-path', 'ella@src.example'];
    const [message] = await traced(simulated, args, (found) =>
      eventsOf(found[0] as TraceJson).includes('COMPLAINT complaint-abuse'),
    );
    expect(message?.deliveries[0]?.notice).toBeNull();
  });
  it('is not needed for a virus: SES takes it, and rejects it', async () => {
    const eicar = `X5O!P%@AP[4\\PZX54(P^)7CC)7}${'$EICAR-STANDARD-'}ANTIVIRUS-TEST-FILE!$H+H*\r\n`;
    await tool(simulated, 'POST', '/verdicts', { reversePath: 'finn@src.example', virus: 'DISABLED' });
    await ends(simulated, 'finn@src.example', 'anybody@example.com', 'returned', eicar);
    const text = await report('finn@src.example');
    expect(text).toContain('refused the message for what is in it');
    expect(text).not.toContain('EICAR');
  });
});

it('nothing was denied, and no event was left behind', async () => {
  for (const instance of [served, simulated]) {
    const { denied } = await tool<{ denied: unknown[] }>(instance, 'GET', '/permissions');
    expect(denied).toEqual([]);
    const alarms = await tool<{ name: string; state: string }[]>(instance, 'GET', '/alarms');
    const up = alarms.filter(({ name, state }) => state === 'ALARM' && /Feedback|Event|Unknown/.test(name));
    expect(up).toEqual([]);
  }
});
