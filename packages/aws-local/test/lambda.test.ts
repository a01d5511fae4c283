// The Lambda host: what a function sees, and what becomes of an environment that ends badly.
// Real worker threads, driven by packages/aws-local/test/fixtures/handlers/probe.cjs.

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { FunctionDefinition, Invocation } from '../src/lambda/invocation.ts';
import { type LambdaHost, lambdaHost } from '../src/lambda/lambda.ts';
import type { Principal } from '../src/world.ts';
import { bareWorld } from './bare-world.ts';

const folder = fileURLToPath(new URL('./fixtures/handlers', import.meta.url));
const hosts: LambdaHost[] = [];
afterEach(() => Promise.all(hosts.splice(0).map((it) => it.stop())));

function probeHost(
  overrides: Partial<FunctionDefinition> = {},
  parallel = 2,
  idleMs?: { surplus: number; last: number; look: number },
) {
  const world = bareWorld();
  const lines: string[] = [];
  const revoked: string[] = [];
  const kills: (() => void)[] = [];
  const principals: Principal[] = [];
  const host = lambdaHost({
    world,
    clockOffset: world.clock.offset,
    endpoint: () => 'http://127.0.0.1:9',
    issueKey: (principal, kill) => {
      principals.push(principal);
      kills.push(kill);
      const accessKeyId = `ASIA${kills.length}`;
      return { accessKeyId, secretAccessKey: 's', sessionToken: 't', revoke: () => revoked.push(accessKeyId) };
    },
    variables: { EVERPOST_PROBE: 'not this', OF_THE_HOST: 'yes' },
    onLine: (_, line) => lines.push(line),
    parallel,
    ...(idleMs === undefined ? {} : { idleMs }),
  });
  hosts.push(host);
  host.define({
    name: 'probe',
    arn: 'arn:aws:lambda:eu-west-1:000000000000:function:probe',
    roleArn: 'arn:aws:iam::000000000000:role/probe',
    folder,
    handler: 'probe.handler',
    memoryMb: 128,
    timeoutMs: 20_000,
    environment: { EVERPOST_PROBE: 'yes' },
    reservedConcurrency: null,
    ...overrides,
  });
  const ask = (event: unknown): Promise<Invocation> => host.invoke('probe', JSON.stringify(event));
  return { host, world, lines, revoked, kills, principals, ask };
}

const payload = (it: Invocation): never => JSON.parse(it.kind === 'returned' ? it.payload : '{}') as never;

describe('an invocation', () => {
  it('carries the event in and the result out, and keeps its environment warm', async () => {
    const { ask, kills } = probeHost();
    const first = await ask({ do: 'echo', text: 'ä' });
    expect(payload(first)).toMatchObject({ echo: { do: 'echo', text: 'ä' }, calls: 1 });
    const { remaining } = payload(first) as { remaining: number };
    expect(remaining).toBeGreaterThan(10_000);
    expect(remaining).toBeLessThanOrEqual(20_000);
    expect(payload(await ask({ do: 'echo' }))).toMatchObject({ calls: 2 });
    expect(kills.length).toBe(1);
  });

  it('leaves no environment behind that nobody needs: surplus ones go soon, the last one later', async () => {
    const { ask, kills, revoked, lines } = probeHost({}, undefined, { surplus: 300, last: 1_500, look: 50 });
    await Promise.all([ask({ do: 'wait', ms: 300 }), ask({ do: 'wait', ms: 300 })]);
    expect(kills.length).toBe(2);
    await sleep(900);
    expect(revoked.length).toBe(1);
    expect(payload(await ask({ do: 'echo' }))).toMatchObject({ calls: 2 });
    await sleep(2_500);
    expect(revoked.length).toBe(2);
    expect(lines).toEqual([]);
    expect(payload(await ask({ do: 'echo' }))).toMatchObject({ calls: 1 });
  });

  it('keeps no environment that has worked off a backlog: its heap has grown', async () => {
    const { ask, revoked } = probeHost({}, undefined, { surplus: 300, last: 60_000, look: 50 });
    for (let n = 0; n < 150; n += 1) await ask({ do: 'echo' });
    await sleep(900);
    expect(revoked.length).toBe(0);
    for (let n = 0; n < 100; n += 1) await ask({ do: 'echo' });
    await sleep(900);
    expect(revoked.length).toBe(1);
  });

  it('returns null for undefined', async () => {
    expect(await probeHost().ask({ do: 'nothing' })).toEqual({ kind: 'returned', payload: 'null' });
  });

  it('hands on what is written, as whole lines', async () => {
    const { ask, lines } = probeHost();
    await ask({ do: 'log' });
    expect(lines).toEqual(['one line', 'half and half']);
  });

  it('runs concurrent ones in environments of their own', async () => {
    const { ask, kills } = probeHost();
    await Promise.all([ask({ do: 'wait', ms: 200 }), ask({ do: 'wait', ms: 200 })]);
    expect(kills.length).toBe(2);
  });

  it('waits for a seat beyond the processors, and gets one once the others only wait', async () => {
    const { ask } = probeHost({}, 1);
    const order: string[] = [];
    await Promise.all([
      ask({ do: 'wait', ms: 2_500 }).then(() => order.push('slow')),
      ask({ do: 'wait', ms: 1 }).then(() => order.push('quick')),
    ]);
    expect(order).toEqual(['quick', 'slow']);
  });

  it('is throttled beyond the reserved concurrency', async () => {
    const { ask } = probeHost({ reservedConcurrency: 1 });
    const [first, second] = await Promise.all([ask({ do: 'wait', ms: 100 }), ask({ do: 'wait', ms: 100 })]);
    expect([first?.kind, second?.kind]).toEqual(['returned', 'refused']);
  });
});

describe('the environment', () => {
  it('holds the function’s own variables and nothing of ours', async () => {
    process.env.EVERPOST_SECRET_OF_THE_TEST = 'x';
    const { ask, principals } = probeHost();
    const seen = payload(await ask({ do: 'environment' })) as Record<string, string>;
    expect(seen).toMatchObject({
      EVERPOST_PROBE: 'yes',
      OF_THE_HOST: 'yes',
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'ASIA1',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
      AWS_LAMBDA_FUNCTION_NAME: 'probe',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
    });
    expect(
      Object.keys(seen).filter((it) => it === 'PATH' || it === 'HOME' || it.startsWith('EVERPOST_SECRET')),
    ).toEqual([]);
    expect(principals).toEqual([{ kind: 'role', arn: 'arn:aws:iam::000000000000:role/probe', functionName: 'probe' }]);
  });

  it('has a Date that follows the virtual clock', async () => {
    const { ask, world } = probeHost();
    const day = 86_400_000;
    await world.clock.advance(400 * day);
    const seen = payload(await ask({ do: 'date' })) as Record<string, number | string | boolean>;
    for (const it of [seen.now, seen.constructed]) expect(Math.abs(Number(it) - world.clock.now())).toBeLessThan(5_000);
    expect(seen).toMatchObject({
      given: 5,
      called: 'string',
      isDate: true,
      sameConstructor: true,
      utc: Date.UTC(2026, 0, 1),
    });
  });

  it('reaches Node’s own modules and no node_modules', async () => {
    const { ask } = probeHost();
    expect(payload(await ask({ do: 'require', name: 'node:fs' }))).toBe('object');
    expect(await ask({ do: 'require', name: 'esbuild' })).toMatchObject({
      kind: 'error',
      errorMessage: expect.stringContaining('Cannot find module'),
    });
  });
});

describe('a function error', () => {
  it('of a handler that throws leaves the environment warm', async () => {
    const { ask, kills } = probeHost();
    expect(await ask({ do: 'throw' })).toMatchObject({
      kind: 'error',
      errorType: 'TypeError',
      errorMessage: 'as asked',
    });
    await ask({ do: 'echo' });
    expect(kills.length).toBe(1);
  });

  it.each([
    ['an exception nobody caught', { do: 'crash' }, 'Runtime.UnhandledError', 'nobody catches this'],
    ['an exit', { do: 'exit' }, 'Runtime.ExitError', 'code 3'],
    ['exhausted memory', { do: 'fill' }, 'Runtime.OutOfMemory', '32 MB'],
    ['the timeout, even in an endless loop', { do: 'spin' }, 'Sandbox.Timedout', 'Task timed out after 1.50 seconds'],
  ])('of %s replaces the environment', async (_, event, errorType, message) => {
    const { ask, kills, revoked } = probeHost({ timeoutMs: event.do === 'fill' ? 20_000 : 1_500, memoryMb: 32 });
    expect(await ask(event)).toMatchObject({
      kind: 'error',
      errorType,
      errorMessage: expect.stringContaining(message),
    });
    expect(payload(await ask({ do: 'echo' }))).toMatchObject({ calls: 1 });
    expect(kills.length).toBe(2);
    expect(revoked).toEqual(['ASIA1']);
  });

  it('of a bundle that cannot be loaded says why', async () => {
    const { ask } = probeHost({ handler: 'unloadable.handler' });
    expect(await ask({})).toMatchObject({
      kind: 'error',
      errorType: 'Runtime.ImportModuleError',
      errorMessage: 'broken at the top',
    });
    const missing = probeHost({ handler: 'probe.absent' });
    expect(await missing.ask({})).toMatchObject({
      kind: 'error',
      errorMessage: 'probe.absent is undefined or not exported',
    });
  });

  it('of a killed environment ends its invocation', async () => {
    const { ask, kills } = probeHost();
    const running = ask({ do: 'wait', ms: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    kills[0]?.();
    expect(await running).toMatchObject({ kind: 'error', errorType: 'Runtime.ExitError' });
  });
});
