// A next hop that never accepted a message and refuses everything in words that no rule knows: nobody's mail is
// returned, an alarm stands, and what waits is delivered once an operator has mended it. In virtual time.

import { describe, expect, it } from 'vitest';
import type { ScriptedReply } from '#adapters/memory/next-hop.ts';
import { TestPipeline } from '../kit/pipeline.ts';

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const strange = (at: 'rcpt' | 'final-dot'): ScriptedReply => ({ code: 550, status: '5.0.0', text: 'Nope', at });

describe('a next hop that never accepted anything', () => {
  it.each(['rcpt', 'final-dot'] as const)(
    'refuses all in strange words (%s): nobody is told of a failure',
    async (at) => {
      let mended = false;
      const pipeline = new TestPipeline(() => (mended ? ok : strange(at)));
      for (let i = 0; i < 30; i += 1) pipeline.receive(`m${i}`, ANN, [`r${i}@example.com`]);
      await pipeline.live(12);
      expect(pipeline.ledger.all().map(({ kind, state }) => `${kind} ${state}`)).toEqual(
        Array(30).fill('delivery deferred'),
      );
      expect(pipeline.ledger.all()[0]).toMatchObject({
        lastReason: 'unrecognised-by-new-next-hop',
        lastStatus: '4.0.0',
        lastReply: { code: 550, text: 'Nope' },
      });
      expect(pipeline.watch.total('OperatorFault')).toBeGreaterThanOrEqual(30);
      const health = (await pipeline.board.read()).healths.get('exchange');
      expect(health).toMatchObject({
        firstAcceptedAt: null,
        lastFailure: { reason: 'unrecognised-by-new-next-hop', waitsFor: 'operator' },
      });
      expect(health?.failingSince).not.toBeNull(); // NextHopDown reads it
      mended = true;
      await pipeline.live(12);
      expect(new Set(pipeline.exchange.accepted.map(({ forwardPath }) => forwardPath.address)).size).toBe(30);
      expect(pipeline.exchange.accepted).toHaveLength(30);
    },
  );

  it('returns it at the end of the lifetime, once, with the reply', async () => {
    const pipeline = new TestPipeline((to) => (to.address === ANN ? strange('rcpt') : strange('rcpt')));
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.live(49);
    const row = pipeline.ledger.all().find(({ kind }) => kind === 'delivery');
    expect(row).toMatchObject({ state: 'expired', lastReply: { code: 550, text: 'Nope' } });
  });

  it('returns at once what a rule knows', async () => {
    const pipeline = new TestPipeline((to) =>
      to.address === ANN ? ok : { code: 550, status: '5.1.1', text: 'No such user', at: 'rcpt' },
    );
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.live(1);
    expect(pipeline.exchange.accepted.map(({ forwardPath }) => forwardPath.address)).toEqual([ANN]);
  });

  it('is new no more once it accepted a message: what is strange then is returned', async () => {
    const pipeline = new TestPipeline((to) => (to.address === 'bob@example.com' ? strange('rcpt') : ok));
    pipeline.receive('m1', ANN, ['carol@example.com']);
    await pipeline.live(1);
    pipeline.receive('m2', ANN, ['bob@example.com']);
    await pipeline.live(1);
    const row = pipeline.ledger.all().find(({ spoolId, kind }) => spoolId === 'm2' && kind === 'delivery');
    expect(row).toMatchObject({ state: 'returned', lastStatus: '5.0.0', unrecognised: true });
  });
});
