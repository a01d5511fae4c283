// A configuration with `network` on the local runtime: it boots, says what of it is not simulated, relays byte for
// byte, and answers its hourly call without a trace. A public address behind port 25 is reported at the first attempt.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

let mailServer: Catcher;
let instance: Instance | undefined;

beforeAll(async () => {
  mailServer = await catcher();
  const server = { kind: 'smtp', tls: 'off' };
  instance = await start({
    config: {
      domains: ['example.com'],
      nextHops: {
        inside: { ...server, host: '127.0.0.1', port: mailServer.port },
        outside: { ...server, host: '192.0.2.1', port: 25 },
      },
      routes: [
        { match: 'out@example.com', to: [{ via: 'outside' }] },
        { match: '*@example.com', to: [{ via: 'inside' }] },
      ],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'inside' },
      network: { create: { zones: 3 } },
    },
  });
}, 120_000);
afterAll(async () => {
  await discard(instance);
  await mailServer.close();
});
const running = (): Instance => {
  if (instance === undefined) throw new Error('it did not start');
  return instance;
};
const message = Buffer.from('From: ann@src.example\r\nSubject: by way of a VPC\r\n\r\n.\r\nHello\r\n');

test('boots, and says by name what is not simulated', () => {
  expect(running().output).toMatch(/accepted and not simulated: AWS::EC2::EIP, .*VpcConfig of AWS::Lambda::Function;/);
});

test('relays a message byte for byte', async () => {
  expect(await sendMail(running().mx, 'ann@src.example', ['bob@example.com'], message)).toMatchObject({ code: 250 });
  const caught = await until(() => mailServer.caught[0] ?? null, 60_000);
  expect(caught?.forwardPaths).toEqual(['bob@example.com']);
  expect(caught?.content.subarray(-message.length)).toEqual(message);
});

test('names a public address behind port 25 at the first attempt, within a second, and calls the operator', async () => {
  await sendMail(running().mx, 'ann@src.example', ['out@example.com'], message);
  const [found] = await traced(running(), ['--forward-path', 'out@example.com'], ([first]) =>
    JSON.stringify(first ?? '').includes('DEFER'),
  );
  const text = JSON.stringify(found);
  expect(text).toContain('192.0.2.1 cannot be reached on port 25: AWS blocks port 25 to public addresses.');
  expect(text).toContain("ask AWS to lift the block and set `network.port25: 'unblocked'`");
  const deferred = found?.events.find(({ event }) => event === 'DEFER');
  expect(deferred?.latency?.totalMs).toBeLessThan(1_000);
  const raised = await until(async () => {
    const alarms = await tool<{ name: string; state: string }[]>(running(), 'GET', '/alarms');
    return alarms.find(({ name, state }) => name.endsWith('/OperatorFault') && state === 'ALARM') ?? null;
  }, 60_000);
  expect(raised).not.toBeNull();
});

test('is called every hour, and nothing comes of it', async () => {
  const before = mailServer.caught.length;
  await tool(running(), 'POST', '/clock', { advance: '61m' });
  const { used } = await tool<{ used: { action: string; resource: string }[] }>(running(), 'GET', '/permissions');
  expect(used).toContainEqual(
    expect.objectContaining({ action: 'lambda:InvokeFunction', resource: expect.stringContaining('RelayFunction') }),
  );
  const alarms = await tool<{ name: string; state: string }[]>(running(), 'GET', '/alarms');
  const on = alarms.filter(({ state }) => state === 'ALARM').map(({ name }) => name.split('/').at(-1));
  // The message of the test before still waits, by a fault of ours: these are its alarms.
  expect(on).toContain('NextHopDown');
  expect(
    on.filter((name) => !['OperatorFault', 'NextHopDown', 'WaitingLong', 'WaitsForPerson'].includes(name ?? '')),
  ).toEqual([]);
  expect(mailServer.caught.length).toBe(before);
});
