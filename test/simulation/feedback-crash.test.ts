// Crash everywhere, with SES's later word: die before and after every port call of each path, start again, and require
// that the delivery ends as SES said, and that its author is told once. SES speaks of every copy that it took.

import { describe, expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { type DeliveryState, isFinal, isSettled } from '#core/delivery/delivery.ts';
import { findingsIn } from '../claim/pipeline-evidence.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { bySes, FAILURES, type Said, say } from './ses-events.ts';

const ANN = 'ann@src.example';

type Path = {
  readonly name: string;
  readonly says: readonly Said[];
  /** Of the notice too, where that goes by SES. */
  readonly saysOfNotice?: readonly Said[];
  readonly reversePath?: string;
  readonly ends: DeliveryState;
  readonly notices: number;
};
const paths: readonly Path[] = [
  { name: 'bounced, one NDR', says: ['bounce'], ends: 'returned', notices: 1 },
  { name: 'confirmed', says: ['delay', 'delivery'], ends: 'confirmed', notices: 0 },
  { name: 'confirmed, then bounced', says: ['delivery', 'bounce'], ends: 'returned', notices: 1 },
  { name: 'delayed, then bounced, all twice', says: ['delay', 'delay', 'full', 'full'], ends: 'returned', notices: 1 },
  { name: 'suppressed', says: ['suppressed'], ends: 'returned', notices: 1 },
  { name: 'rejected', says: ['reject'], ends: 'returned', notices: 1 },
  { name: 'complained about', says: ['delivery', 'complaint'], ends: 'confirmed', notices: 0 },
  { name: 'answered by an absence notice', says: ['delivery', 'answer'], ends: 'confirmed', notices: 0 },
  { name: 'bounced without a report, one warning', says: ['answer'], ends: 'relayed', notices: 1 },
  {
    name: 'bounced without a report, null reverse-path',
    says: ['answer'],
    reversePath: '',
    ends: 'relayed',
    notices: 0,
  },
  { name: 'bounced without a report, then with one', says: ['answer', 'bounce'], ends: 'returned', notices: 1 },
  { name: 'bounced, null reverse-path', says: ['bounce'], reversePath: '', ends: 'unreturnable', notices: 0 },
  { name: 'bounced, the notice confirmed', says: ['bounce'], saysOfNotice: ['delivery'], ends: 'returned', notices: 1 },
  { name: 'bounced, and its notice too', says: ['bounce'], saysOfNotice: ['bounce'], ends: 'held', notices: 1 },
];

async function run(path: Path, interrupt: Interrupt): Promise<TestPipeline> {
  const settings = bySes(path.saysOfNotice === undefined ? {} : { via: null });
  const busy = new MemoryBounceService(() => 'busy');
  const pipeline: TestPipeline = new TestPipeline(
    (_to, _attempt, { tag = '' }) => {
      const says = tag.endsWith('-ndr') ? (path.saysOfNotice ?? []) : path.says;
      for (const said of says) pipeline.tell(say(said, tag));
      return { code: 250, status: '2.0.0', text: 'Ok 0102' };
    },
    interrupt,
    settings,
    {},
    busy,
  );
  pipeline.receive('m1', path.reversePath ?? ANN, ['bob@example.com']);
  await pipeline.live(24 * 7);
  return pipeline;
}

function requireAccounted(pipeline: TestPipeline, path: Path, lives: number): void {
  const rows = pipeline.ledger.all();
  expect(rows.find((row) => row.kind === 'delivery')?.state).toBe(path.ends);
  const mayFailLater = path.says.some((said) => FAILURES.includes(said));
  expect(findingsIn(pipeline, [{ forwardPath: 'bob@example.com', state: path.ends, mayFailLater }])).toEqual([]);
  for (const row of rows) {
    expect(isFinal(row.state) || row.state === 'held', `${row.deliveryKey} is ${row.state}`).toBe(true);
    expect([row.leaseUntil, row.dueAt === null], row.deliveryKey).toEqual([null, isSettled(row)]);
  }
  const notices = pipeline.exchange.accepted.filter((each) => each.forwardPath.address === ANN);
  expect(notices.length).toBeGreaterThanOrEqual(path.notices);
  expect(notices.length, 'a second copy only where a result was lost').toBeLessThanOrEqual(
    path.notices + (path.notices > 0 ? lives : 0),
  );
  expect(pipeline.lostNotifications).toEqual([]);
  expect(pipeline.relayQueue.deadLetters.concat(pipeline.bounceQueue.deadLetters)).toEqual([]);
  expect(pipeline.watch.total('UnknownDelivery')).toBe(0);
}

describe.each(paths)('$name', (path) => {
  it('ends well', async () => {
    requireAccounted(await run(path, new Interrupt()), path, 0);
  });

  it('ends well after a crash before or after any port call', async () => {
    const counting = new Interrupt();
    await run(path, counting);
    expect(counting.calls).toContain('ledger.write');
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await run(path, Interrupt.at(k, when));
        try {
          requireAccounted(pipeline, path, 1);
        } catch (error) {
          const where = `crash ${when} call ${k} (${counting.calls[k - 1]})`;
          throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
        }
      }
    }
  });
});
