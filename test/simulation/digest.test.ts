// The digest of the quarantine in the town: once a day where anything was quarantined, by the postmaster's way, dying at any call,
// composed from what waits at the attempt. Its own failure is held, and never causes a further notice.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Accepted, Script } from '#adapters/memory/next-hop.ts';
import { digestEntriesMax, lostJobAfterMs } from '#core/limits.ts';
import { release, remove } from '#pipeline/operate/operate.ts';
import { giveDigest } from '#pipeline/purge/digest-notice.ts';
import { settingsOf } from './routed.ts';
import { Town } from './town.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const POSTMASTER = 'postmaster@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const settings = settingsOf({});

const portsOf = (town: Town, interrupt = new Interrupt()) => ({
  settings,
  ledger: interrupt.wrap('ledger', town.ledger),
  relayQueue: interrupt.wrap('relayQueue', town.relayQueue),
  clock: town.clock,
  watch: town.watch,
  sweepAgainMs: lostJobAfterMs,
});
const digestsIn = (town: Town) =>
  town.exchange.accepted.filter(({ forwardPath }) => forwardPath.address === POSTMASTER).map(received);
function received({ reversePath, content }: Accepted) {
  const whole = Buffer.from(content).toString('latin1');
  const end = whole.indexOf('\r\n\r\n');
  const decoded = whole.slice(end + 4).replace(/=\r\n/g, '');
  const text = decoded.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return { reversePath, fields: whole.slice(0, end + 2), text };
}
/** One of spam, one with a virus for two, one that is relayed; then the next day. */
async function aDay(script: Script = () => ok): Promise<Town> {
  const town = new Town(script, new Interrupt(), settings);
  town.receive('m1', ANN, [BOB], undefined, ['spam']);
  town.receive('m2', '', ['eve@example.com', BOB], undefined, ['virus']);
  town.receive('m3', ANN, [BOB]);
  await town.work();
  town.clock.advanceTo(Math.ceil(town.clock.now() / DAY) * DAY + HOUR);
  return town;
}
/** Minutes of work and sweeps, short of the end of any quarantine. */
const settle = (town: Town) => town.live(72);

describe('the digest', () => {
  it('tells once of what was quarantined, and how to release it', async () => {
    const town = await aDay();
    expect(await giveDigest(portsOf(town))).toBe('queued');
    expect(await giveDigest(portsOf(town))).toBe('nothing-due');
    await settle(town);
    const [digest, ...more] = digestsIn(town);
    expect(more).toEqual([]);
    expect(digest?.reversePath).toBeNull();
    expect(digest?.fields).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(digest?.fields).toMatch(/^X-Everpost-Notice: v1\./m);
    expect(digest?.fields).toMatch(/^Subject: Quarantine: 3 messages kept, 0 soon discarded\r$/m);
    expect(digest?.text).toContain('policy-spam');
    expect(digest?.text).toContain('From:      the null reverse-path');
    expect(digest?.text).toContain('Subject:   m1');
    expect(digest?.text).toContain(
      'npx everpost release --stack Everpost --spool-id m1 --forward-path bob@example.com --action 0',
    );
    expect(digest?.text).not.toContain('m3');
    const row = town.ledger.all().find(({ noticeKind }) => noticeKind === 'digest');
    expect(row).toMatchObject({ state: 'relayed', dueAt: null, kind: 'notice' });
  });

  it('is silent where nothing was quarantined, and comes again with the next', async () => {
    const town = await aDay();
    await giveDigest(portsOf(town));
    await settle(town);
    town.clock.advanceTo(town.clock.now() + DAY);
    expect(await giveDigest(portsOf(town))).toBe('nothing-quarantined');
    town.receive('m9', ANN, [BOB], undefined, ['spam']);
    await town.work();
    town.clock.advanceTo(town.clock.now() + 3 * DAY); // days without a run leave nothing out
    expect(await giveDigest(portsOf(town))).toBe('queued');
    await settle(town);
    const last = digestsIn(town).at(-1);
    expect(digestsIn(town)).toHaveLength(2);
    expect(last?.text).toContain('--spool-id m9');
    expect(last?.text).not.toContain('--spool-id m1');
    expect(last?.text).toContain('altogether: 4 messages, of which 0');
  });

  it('tells what waits when it is attempted, not what waited when it was written', async () => {
    const town = await aDay();
    await giveDigest(portsOf(town));
    const row = town.ledger.all().find(({ spoolId }) => spoolId === 'm1');
    if (row !== undefined)
      await release(
        { ...portsOf(town), bounceQueue: town.bounceQueue, feedbackQueue: town.feedbackQueue },
        row,
        48 * HOUR,
      );
    await settle(town);
    expect(digestsIn(town)[0]?.text).not.toContain('--spool-id m1');
    expect(digestsIn(town)[0]?.text).toContain('--spool-id m2');
  });

  it('does not tell what the index alone still shows', async () => {
    const town = await aDay();
    await giveDigest(portsOf(town));
    const { ledger } = town;
    const quarantined = ledger.quarantined.bind(ledger);
    const now = town.clock.now();
    const stale = await quarantined({ now, from: 0, until: now, max: 9, soonUntil: now });
    ledger.quarantined = async () => stale;
    const row = ledger.all().find(({ spoolId }) => spoolId === 'm1');
    if (row !== undefined)
      await release(
        { ...portsOf(town), bounceQueue: town.bounceQueue, feedbackQueue: town.feedbackQueue },
        row,
        48 * HOUR,
      );
    await settle(town);
    expect(digestsIn(town)[0]?.text.match(/--spool-id m\d/g)).toEqual(['--spool-id m2', '--spool-id m2']);
  });

  it('warns of what is soon discarded', async () => {
    const town = await aDay();
    town.clock.advanceTo(town.clock.now() + 25 * DAY);
    await giveDigest(portsOf(town)); // the first ever: it begins a day ago
    town.receive('m9', ANN, [BOB], undefined, ['spam']);
    await town.work();
    town.clock.advanceTo(town.clock.now() + DAY);
    await giveDigest(portsOf(town));
    await town.work();
    expect(digestsIn(town)[0]?.text).toContain('altogether: 4 messages, of which 4 will be discarded within a week');
  });

  it('may die at any of its calls: one digest all the same', async () => {
    const counting = new Interrupt();
    await giveDigest(portsOf(await aDay(), counting));
    expect(counting.calls.length).toBeGreaterThan(4);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const town = await aDay();
        await giveDigest(portsOf(town, Interrupt.at(k, when))).catch(() => null);
        await town.work();
        town.clock.advanceTo(town.clock.now() + 6 * HOUR);
        await giveDigest(portsOf(town));
        await settle(town);
        expect([k, when, digestsIn(town).length]).toEqual([k, when, 1]);
      }
    }
  });

  it('that can not be delivered is held, with an alarm, and nobody is told of it', async () => {
    const town = await aDay(() => noSuchUser);
    await giveDigest(portsOf(town));
    const before = town.watch.total('Held');
    await settle(town);
    expect(town.ledger.all().find(({ noticeKind }) => noticeKind === 'digest')).toMatchObject({ state: 'held' });
    expect(town.watch.total('Held')).toBeGreaterThan(before);
    expect(town.ledger.all().filter(({ spoolId }) => spoolId.startsWith('digest'))).toHaveLength(1);
  });

  it('that is held can be released, or removed, by an operator', async () => {
    for (const deed of ['release', 'remove'] as const) {
      let refused = true;
      const town = await aDay(() => (refused ? noSuchUser : ok));
      await giveDigest(portsOf(town));
      await settle(town);
      refused = false;
      const ports = { ...portsOf(town), bounceQueue: town.bounceQueue, feedbackQueue: town.feedbackQueue };
      const held = town.ledger.all().find(({ noticeKind }) => noticeKind === 'digest');
      if (held === undefined) throw new Error('no digest');
      await (deed === 'release' ? release(ports, held, 48 * HOUR) : remove(ports, held, true));
      await settle(town);
      const row = await town.ledger.read(held);
      expect([row?.state, row?.dueAt]).toEqual([deed === 'release' ? 'relayed' : 'removed', null]);
      expect(digestsIn(town)).toHaveLength(deed === 'release' ? 1 : 0);
    }
  });

  it('is bounded: the latest one by one, the rest by number', async () => {
    const town = await aDay();
    town.clock.advanceTo(town.clock.now() + 1);
    const recipients = Array.from({ length: digestEntriesMax + 7 }, (_, i) => `u${i}@example.com`);
    town.receive('flood', ANN, recipients, undefined, ['spam']);
    await town.work();
    town.clock.advanceTo(town.clock.now() + DAY);
    await giveDigest(portsOf(town));
    await town.work();
    expect(digestsIn(town)[0]?.text.match(/--spool-id /g)).toHaveLength(digestEntriesMax);
    expect(digestsIn(town)[0]?.text).toContain('And 7 more');
  });
});
