// Pauses and the failure limit as an operator has them on `npm start`: the commands of the runbook's articles, run in a
// shell against the instance, and what next hops and senders got. A pause outlasts the lifetime and a purge.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AlarmWatch, MINUTE } from './alarm-watch.ts';
import { deviations } from './arrival.ts';
import { articleIn, commandOf, runCommand } from './article-commands.ts';

let watch: AlarmWatch;

beforeAll(async () => {
  watch = await AlarmWatch.open((port) => {
    const hop = { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' };
    return {
      domains: ['example.com'],
      nextHops: { exchange: hop, other: hop },
      routes: [
        { match: 'other@example.com', to: [{ via: 'other' }] },
        { match: '*@example.com', to: [{ via: 'exchange' }] },
      ],
      retry: { schedule: ['1m'], lifetime: '30m', delayNotice: '10m' },
      retention: { spool: '40m' },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'other' },
    };
  }, {});
});
afterEach(() => {
  watch.behaviour.manners = {};
});
afterAll(() => watch?.close());

const caught = (from: string) => watch.server.caught.filter(({ reversePath }) => reversePath === from);
const toldTo = (author: string) =>
  watch.server.caught
    .filter(({ forwardPaths }) => forwardPaths.includes(author))
    .map(({ content }) => /^Action: (\w+)/m.exec(content.toString('latin1'))?.[1]);
const stateOf = async (from: string) => (await watch.messageOf(from)).deliveries[0]?.state;

/** Once, byte for byte. */
function arrived(from: string): void {
  const [mail, ...more] = caught(from);
  expect(more).toEqual([]);
  expect(deviations(watch.sent.get(from) ?? Buffer.alloc(0), mail?.content ?? Buffer.alloc(0))).toEqual([]);
}

/** A command of an article, as it stands there. */
function follow(file: string, meant: RegExp, filled: Readonly<Record<string, string>> = {}): Promise<string> {
  const place = { runtime: watch.runtime, dataFolder: watch.folder };
  return runCommand(place, commandOf(articleIn(file), meant), filled);
}

describe('a pause', () => {
  it('of a next hop keeps its mail beyond its lifetime and a purge, tells the sender once, and ends by resume', async () => {
    await follow('next-hop-down.md', /^npx everpost pause NAME/, { NAME: 'exchange' });
    expect(await follow('paused.md', /^npx everpost pause --stack/)).toMatch(/exchange/);
    await watch.advance(MINUTE); // so that every function knows of it
    const kept = await watch.send('ann@example.com');
    const beside = await watch.send('other@example.com');
    await watch.advance(60 * MINUTE);
    arrived(beside);
    await watch.runFunction('PurgeFunction');
    expect(['queued', 'deferred']).toContain(await stateOf(kept));
    expect(caught(kept)).toEqual([]);
    expect(toldTo(kept)).toEqual(['delayed']);
    await follow('paused.md', /^npx everpost resume NAME/, { NAME: 'exchange' });
    await watch.advance(3 * MINUTE);
    arrived(kept);
    expect(await stateOf(kept)).toBe('relayed');
    expect(toldTo(kept)).toEqual(['delayed']);
    expect(await follow('paused.md', /^npx everpost pause --stack/)).not.toMatch(/exchange/);
  });

  it('with --drain delivers what was accepted before, and keeps newer mail', async () => {
    watch.behaviour.manners = { rcpt: (to) => (to.startsWith('ann') ? '451 4.3.2 not now' : undefined) };
    const older = await watch.send('ann@example.com');
    await watch.advance(0);
    expect(await stateOf(older)).toBe('deferred');
    await watch.run('npx everpost pause inbound --drain --stack $STACK');
    await watch.advance(MINUTE);
    watch.behaviour.manners = {};
    const newer = await watch.send('ann@example.com');
    await watch.advance(5 * MINUTE);
    arrived(older);
    expect(caught(newer)).toEqual([]);
    await watch.run('npx everpost resume inbound --stack $STACK');
    await watch.advance(3 * MINUTE);
    arrived(newer);
  });
});

describe('a next hop that refuses everybody in words that no rule knows', () => {
  /** Ten are returned, and the next two are held: their reverse-paths. */
  async function turned(words: string): Promise<readonly string[]> {
    watch.behaviour.manners = { rcpt: (to) => (to.endsWith('@src.example') ? undefined : `550 5.0.0 ${words}`) };
    const all: string[] = [];
    for (let index = 0; index < 12; index += 1) {
      all.push(await watch.send(`r${index}@example.com`));
      await watch.advance(0);
    }
    await watch.advance(2 * MINUTE);
    for (const from of all.slice(0, 10)) expect(toldTo(from)).toEqual(['failed']);
    const held = all.slice(10);
    for (const from of held) expect(await stateOf(from)).toBe('held');
    expect(watch.on()).toContain('WaitsForPerson');
    return held;
  }

  it('is corrected, and `retry` of the article sends what was held', async () => {
    const held = await turned('The licence of this server has ended');
    expect(await follow('failure-limit.md', /^npx everpost retry --stack \S+ --state held$/)).toMatch(/failure-limit/);
    watch.behaviour.manners = {};
    await follow('failure-limit.md', /^npx everpost retry .* --yes$/, { NAME: 'exchange' });
    await watch.advance(3 * MINUTE);
    for (const from of held) arrived(from);
    for (const from of held) expect(toldTo(from)).toEqual([]);
    expect(watch.on()).not.toContain('WaitsForPerson');
  });

  it('is right, and `release` of the article returns what was held', async () => {
    const held = await turned('Nobody of that name works here');
    await follow('failure-limit.md', /^npx everpost release .* --yes$/);
    await watch.advance(3 * MINUTE);
    for (const from of held) expect(await stateOf(from)).toBe('returned');
    for (const from of held) expect(toldTo(from)).toEqual(['failed']);
    expect(watch.on()).not.toContain('WaitsForPerson');
  });
});

it('no permission was missing in any of this', () => {
  expect(watch.runtime.emulators.iam.denials()).toEqual([]);
});
