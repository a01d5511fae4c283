// `everpost pause` and `resume` against a ledger: what stands on the board of next hops afterwards, what they said, and
// the exit code.

import { hostname, userInfo } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Usage } from '#cli/exit.ts';
import { pause, resume } from '#cli/pausing.ts';
import type { Verb } from '#cli/verb.ts';
import { neverPaused } from '#core/delivery/pause.ts';
import { type Instance, openInstance, said } from './instance.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let instance: Instance;
beforeAll(async () => {
  instance = await openInstance(DAY);
});
afterAll(() => instance.close());
const run = (verb: Verb, ...args: string[]) => said(() => verb.run([...args, '--data', instance.data]));
const pauses = async () => (await instance.board.read()).pauses;
const me = `${userInfo().username}@${hostname()}`;

it('pauses a next hop, says who did so and since when by the instance’s clock, and resumes it', async () => {
  expect(await run(pause)).toEqual({ code: 0, out: 'nothing is paused\n' });
  const done = await run(pause, 'exchange');
  expect(done.code).toBe(0);
  expect(done.out).toMatch(/^exchange {2}paused \(hold\) since \d{4}-\S+Z by \S+@\S+/);
  const [record] = await pauses();
  expect(record).toMatchObject({ scope: 'exchange', version: 1, mode: 'hold', ended: [] });
  expect(record?.by.startsWith(me)).toBe(true);
  expect(Math.abs((record?.since ?? 0) - Date.now() - DAY)).toBeLessThan(60_000);

  const again = await run(pause, 'exchange');
  expect([again.code, again.out]).toEqual([0, done.out.replace('exchange  ', 'exchange  is already ')]);
  expect((await pauses())[0]?.version).toBe(1);

  expect(await run(pause, 'exchange', '--drain')).toMatchObject({ code: 0, out: expect.stringContaining('(drain') });
  expect((await pauses())[0]).toMatchObject({ mode: 'drain', since: record?.since });

  const other = JSON.parse((await run(pause, 'all', '--json')).out);
  expect(other).toMatchObject({ scope: 'all', state: 'hold', changed: true, alsoPaused: [{ scope: 'exchange' }] });
  expect(JSON.parse((await run(resume, '--json')).out)).toMatchObject([{ scope: 'all' }, { scope: 'exchange' }]);

  const resumed = await run(resume, 'exchange');
  expect(resumed.code).toBe(0);
  expect(resumed.out).toMatch(/^exchange {2}is not paused any more\nalso paused: all {2}paused \(hold\) since /);
  expect(await run(resume, 'all')).toEqual({ code: 0, out: 'all  is not paused any more\n' });
  expect(await run(resume, 'all')).toEqual({ code: 0, out: 'all  is not paused\n' });
  expect(await run(pause)).toEqual({ code: 0, out: 'nothing is paused\n' });
});

it('ends a pause by the configuration too', async () => {
  const configured = { mode: 'hold', since: Date.now() - HOUR } as const;
  await instance.board.writePause({ ...neverPaused('inbound'), configured });
  expect((await run(pause)).out).toMatch(/^inbound {2}paused \(hold\) since \S+ by the configuration\n$/);
  expect(JSON.parse((await run(resume, 'inbound', '--json')).out)).toMatchObject({ state: 'normal', changed: true });
  expect((await pauses()).find(({ scope }) => scope === 'inbound')?.ended).toMatchObject([{ mode: 'hold' }]);
});

it('takes a name that the stack has, and one scope at a time', async () => {
  const before = await pauses();
  await expect(run(pause, 'exchnage')).rejects.toThrow(
    new Usage('no next hop is named "exchnage"; write one of: exchange, ses, inbound, outbound, all'),
  );
  await expect(run(pause, 'exchange', 'ses')).rejects.toThrow('one scope at a time');
  await expect(run(resume, 'exchange', '--drain')).rejects.toThrow('it is an option of pause');
  expect(await pauses()).toEqual(before);
});
