// kill -9 under a stream of mail, several times, and the same command again: for every message that was given a 250 the
// claim holds, asked of its sender and its next hop, and there are no more duplicates than attempts were in flight.
// SEED=n plays one run again.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Sent as Accepted, dueFor, findingsAt } from './evidence.ts';
import { discard, type Given, type Instance, start, stop, tool, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6));
const KILLS = 4;
const CLIENTS = 8;
/** Relay environments × jobs in a batch: attempts that one kill can cut off. */
const IN_FLIGHT_MAX = 2 * 10;

let server: Catcher;
let instance: Instance;
let given: Given;
const accepted = new Map<string, Accepted>();

beforeAll(async () => {
  server = await catcher({ rcpt: (path) => (path.startsWith('gone-') ? '550 5.1.1 gone' : undefined) });
  const config = {
    domains: ['example.com'],
    nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' } },
    routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
  };
  given = { config };
  instance = await start(given);
});
afterAll(async () => {
  await discard(instance);
  await server?.close();
});

it(`loses nothing (SEED=${SEED})`, async () => {
  const chance = random(SEED);
  for (let kill = 1; kill <= KILLS; kill++) {
    const streaming = stream(kill, 400 + chance() * 2_500);
    await streaming.until;
    await stop(instance, 'SIGKILL');
    await streaming.ended;
    instance = await start({ ...given, data: instance.data });
  }
  expect(accepted.size, 'there was a stream to kill').toBeGreaterThan(20);
  // Leases, visibility timeouts and sweeps all run on the virtual clock.
  await tool(instance, 'POST', '/clock', { advance: '3h' });
  await until(() => ([...accepted.keys()].every((id) => copies(id) > 0) ? true : null), 60_000);

  expect(await findingsAt(instance, [...accepted.values()], server.caught), `SEED=${SEED}`).toEqual([]);
  const twice = [...accepted.keys()].filter((id) => copies(id) > 1);
  expect(twice.length).toBeLessThanOrEqual(KILLS * IN_FLIGHT_MAX);
});

/** How often the next hop has it: the message itself, or its NDR. */
function copies(id: string): number {
  const gone = accepted.get(id)?.deliveries[0]?.ends[0] === 'returned';
  return server.caught.filter((each) =>
    gone ? each.forwardPaths[0] === `${id}@src.example` : each.content.includes(`Message-ID: <${id}@src.example>`),
  ).length;
}

/** Clients that send until the connection breaks; a message counts once it was given its 250. */
function stream(kill: number, forMs: number): { until: Promise<void>; ended: Promise<unknown> } {
  const end = Date.now() + forMs;
  const client = async (number: number) => {
    for (let i = 0; ; i++) {
      const id = `k${kill}c${number}n${i}`;
      const gone = i % 5 === 4;
      const to = gone ? `gone-${id}@example.com` : `${id}@example.com`;
      const content = `From: ${id}@src.example\r\nTo: ${to}\r\nSubject: ${id}\r\nMessage-ID: <${id}@src.example>\r\n\r\n${'x'.repeat(60)}\r\n`;
      const reply = await sendMail(instance.mx, `${id}@src.example`, [to], Buffer.from(content)).catch(() => null);
      if (reply === null) return;
      const deliveries = [dueFor(to, gone ? 'returned' : 'relayed')];
      const messageIdField = `<${id}@src.example>`;
      if (reply.code === 250)
        accepted.set(id, {
          messageIdField,
          reversePath: `${id}@src.example`,
          content: Buffer.from(content),
          deliveries,
        });
    }
  };
  return {
    until: new Promise((resolve) => setTimeout(resolve, end - Date.now())),
    ended: Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number))),
  };
}

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
