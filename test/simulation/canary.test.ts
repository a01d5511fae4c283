// The canary on the whole pipeline: it arrives and nobody hears of it; with its next hop down its alarm's level rises,
// and there is no NDR, no digest and no figure. Whatever only looks like one is ordinary mail, with its NDR.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import type { Settings } from '#config/settings.ts';
import { isCanary } from '#core/delivery/key.ts';
import { neverPaused } from '#core/delivery/pause.ts';
import { canaryLateAlarmMinutes, canaryWindowMs, expiryHourMs, lostJobAfterMs } from '#core/limits.ts';
import type { MetricName } from '#pipeline/metric-names.ts';
import { giveDigest } from '#pipeline/purge/digest-notice.ts';
import { boardOf } from '../kit/board.ts';
import { receiptOf, type Taken } from '../kit/canaries.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TO = 'canary@example.com';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const down = { code: 451, status: '4.3.2', text: 'not now', at: 'rcpt' } as const;
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const settings: Settings = {
  ...pipelineSettings,
  notices: { ...pipelineSettings.notices, copyPostmasterOn: ['*'] },
  retry: { ...pipelineSettings.retry, delayNoticeMs: 5 * MINUTE },
  canary: { everyMs: HOUR, to: TO },
};
/** Levels and runs; each says 0 where all is well. */
const OF_EACH_MINUTE: readonly MetricName[] = [
  ...(['SweepRun', 'FailureShare', 'NoMail', 'CanaryLate'] as const),
  ...([
    'WaitsForPerson',
    'WaitingLong',
    'NextHopDown',
    'PausedHours',
    'FrontDoor',
    'SesReceiving',
    'SesSending',
  ] as const),
];

class Scene {
  readonly pipeline: TestPipeline;
  /** How the MX brings what SES took; null: it never comes. */
  brings: ((taken: Taken) => Taken & { readonly recipients?: readonly string[] }) | null = (taken) => taken;
  #brought = 0;
  #stored = 0;

  constructor(script: Script, given = settings) {
    this.pipeline = new TestPipeline(script, new Interrupt(), given);
  }

  async minutes(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      await this.pipeline.minute();
      for (const taken of this.pipeline.canaries.taken.slice(this.#brought)) {
        this.#brought += 1;
        if (this.brings !== null) this.bring(this.brings(taken));
      }
      await this.pipeline.work();
    }
  }

  bring(
    { to, content, recipients = [to] }: Taken & { readonly recipients?: readonly string[] },
    receipt = true,
  ): string {
    const { clock, spool } = this.pipeline;
    this.#stored += 1;
    const spoolId = `m${this.#stored}`;
    const stored = `Return-Path: <bounce@eu-west-1.amazonses.com>\r\n${content}`;
    spool.put(`in/${spoolId}`, Buffer.from(stored, 'latin1'), clock.now());
    if (receipt) this.pipeline.notify(receiptOf(spoolId, recipients, stored, clock.now()));
    return spoolId;
  }

  get late(): readonly number[] {
    return this.pipeline.watch.counted.filter(({ metric }) => metric === 'CanaryLate').map(({ value = 1 }) => value);
  }
  /** All that was counted and is not 0, but the level of the canary. */
  get figures(): readonly string[] {
    const { watch } = this.pipeline;
    const names = new Set(watch.counted.map(({ metric }) => metric));
    const levels = watch.counted.filter(
      ({ metric, value }) => metric !== 'SweepRun' && metric !== 'CanaryLate' && value !== 0,
    );
    const counts = [...names].filter((name) => !OF_EACH_MINUTE.includes(name) && watch.total(name) > 0);
    return [...new Set([...counts, ...levels.map(({ metric }) => metric)])].sort();
  }
  get rows(): readonly string[] {
    return this.pipeline.ledger.all().map((row) => `${isCanary(row) ? 'canary' : row.kind} ${row.state}`);
  }
  async digests(): Promise<number> {
    const { pipeline } = this;
    pipeline.clock.advanceTo(pipeline.clock.now() + 24 * HOUR);
    const { ledger, clock, watch, relayQueue, board } = pipeline;
    await giveDigest({
      ...{ settings, ledger, clock, watch, waiting: new WaitingRows(ledger), relayQueue },
      ...{ board: boardOf(pipeline, board), sweepAgainMs: lostJobAfterMs, hourMs: expiryHourMs },
    });
    return ledger.all().filter(({ noticeKind }) => noticeKind === 'digest').length;
  }
}

describe('where mail comes through', () => {
  it('each canary arrives, is never late, and counts nowhere', async () => {
    const scene = new Scene(() => ok);
    await scene.minutes(130);
    expect(scene.rows).toEqual(['canary relayed', 'canary relayed', 'canary relayed']);
    expect(Math.max(...scene.late)).toBeLessThanOrEqual(1);
    expect(scene.late).toHaveLength(130);
    expect(scene.figures).toEqual([]);
    expect(await scene.pipeline.figures.accepted.between('inbound', 0, 1e9)).toEqual([]);
    expect(await scene.digests()).toBe(0);
  });
  it('none is sent where none is configured, and no level is published', async () => {
    const scene = new Scene(() => ok, { ...settings, canary: null });
    await scene.minutes(5);
    expect([scene.late, scene.pipeline.canaries.taken, scene.rows]).toEqual([[], [], []]);
  });
});

describe('with its next hop down', () => {
  it.each([
    ['deferred', down],
    ['refused', no],
  ])('(%s) the level reaches the alarm within 15 minutes; no NDR, no digest, no figure', async (_how, reply) => {
    let answers: ReturnType<Script> = reply;
    const scene = new Scene(() => answers);
    await scene.minutes(1 + canaryLateAlarmMinutes);
    expect(scene.late.at(-1)).toBe(canaryLateAlarmMinutes);
    await scene.minutes(150);
    expect(scene.late.at(-1)).toBe(150 + canaryLateAlarmMinutes);
    expect(scene.figures).toEqual([]);
    expect(scene.pipeline.exchange.accepted).toEqual([]);
    expect(new Set(scene.rows)).toEqual(
      new Set(['canary unreturnable', ...(reply === down ? ['canary deferred'] : [])]),
    );
    expect(scene.pipeline.watch.logged('sweep.canary-late').length).toBeGreaterThan(100);
    answers = ok;
    await scene.minutes(61);
    expect(scene.late.at(-1)).toBeLessThanOrEqual(1);
    expect(scene.pipeline.ledger.all().every(isCanary)).toBe(true);
    expect(await scene.digests()).toBe(0);
  });
  it('figures and NDRs of other mail are what they are without a canary', async () => {
    const seen = [];
    for (const given of [settings, { ...settings, canary: null }]) {
      const scene = new Scene(() => down, given);
      scene.pipeline.receive('bob', 'ann@src.example', [BOB]);
      await scene.pipeline.work();
      await scene.minutes(100);
      const { watch, ledger } = scene.pipeline;
      const last = (metric: MetricName) => watch.counted.findLast((each) => each.metric === metric)?.value;
      const levels = OF_EACH_MINUTE.filter((name) => name !== 'CanaryLate').map((name) => [name, last(name)]);
      const counts = scene.figures.map((name) => [name, watch.total(name as MetricName)]);
      const rows = ledger.all().filter((row) => !isCanary(row));
      seen.push({ levels, counts, rows: rows.map(({ kind, state, noticeKind }) => [kind, state, noticeKind]) });
    }
    expect(seen[0]).toEqual(seen[1]);
    expect(JSON.stringify(seen[0])).toContain('NextHopDown');
  });
});

describe('on its way', () => {
  it('one that SES takes and the MX never gets is late, until a later one arrives', async () => {
    const scene = new Scene(() => ok);
    scene.brings = null;
    await scene.minutes(40);
    expect(scene.late.at(-1)).toBe(39);
    scene.brings = (taken) => taken;
    await scene.minutes(22);
    expect(scene.late.at(-1)).toBe(0);
    expect(scene.pipeline.watch.logged('sweep.canary-late')[0]?.fields).toMatchObject({ state: 'not received' });
  });
  it('one whose receipt is lost is no orphan: its row ends, and no alarm of the search is raised', async () => {
    const scene = new Scene(() => ok);
    scene.brings = null;
    await scene.minutes(1);
    const [taken] = scene.pipeline.canaries.taken;
    scene.bring(taken as Taken, false);
    await scene.pipeline.lookForOrphans();
    expect(scene.pipeline.ledger.all().map(({ state, stateReason }) => [state, stateReason])).toEqual([
      ['discarded', 'canary'],
    ]);
    expect(scene.figures.filter((name) => name !== 'OrphanSweepRun')).toEqual([]);
    scene.bring(taken as Taken, false);
    await scene.pipeline.lookForOrphans();
    expect(scene.figures).toContain('ReceiptMissing');
    expect(scene.rows).toContain('delivery held');
  });
  it('none is sent and none is late while a pause keeps its way, and the next one is measured after it', async () => {
    for (const scope of ['exchange', 'inbound', 'all', 'outbound']) {
      const scene = new Scene(() => down);
      await scene.minutes(20);
      const { board, clock, canaries } = scene.pipeline;
      const paused = { ...neverPaused(scope), mode: 'hold' as const, since: clock.now(), by: 'ann' };
      await board.writePause(paused);
      const before = canaries.taken.length;
      await scene.minutes(70);
      const isKept = scope !== 'outbound';
      expect([scope, scene.late.at(-1), canaries.taken.length]).toEqual([
        scope,
        isKept ? 0 : 89,
        before + (isKept ? 0 : 1),
      ]);
    }
  });
  it('a job that comes twice sends one, and one of another day or configuration sends none', async () => {
    const scene = new Scene(() => ok);
    await scene.minutes(1);
    const { canaries, watch } = scene.pipeline;
    const id = String(watch.logged('sweep.canary')[0]?.fields.canary);
    const job = { version: 1, spoolId: id, deliveryKey: 'canary' } as const;
    await canaries.queue.send([{ job, group: 'canary' }]);
    await scene.pipeline.work();
    expect(canaries.taken).toHaveLength(1);
    await canaries.queue.send([{ job: { ...job, spoolId: id.replace(/^./, 'a') }, group: 'canary' }]);
    scene.pipeline.deploy({ ...settings, canary: null });
    await canaries.queue.send([{ job: { ...job, spoolId: id.replace(/.$/, '1') }, group: 'canary' }]);
    await scene.pipeline.work();
    expect(canaries.taken).toHaveLength(1);
    expect(
      watch
        .logged('feedback.canary-not-sent')
        .map(({ fields }) => fields.why)
        .sort(),
    ).toEqual(['canary-not-configured', 'canary-not-configured', 'canary-sent-already']);
  });
});

describe('what only looks like a canary is ordinary mail: it is counted, and its sender has an NDR', () => {
  const copies: readonly [string, (taken: Taken) => Taken & { readonly recipients?: readonly string[] }][] = [
    ['another body', (taken) => ({ ...taken, content: `${taken.content}Pay here.\r\n` })],
    ['another subject', (taken) => ({ ...taken, content: taken.content.replace('Everpost canary', 'Invoice') })],
    ['another recipient', (taken) => ({ ...taken, recipients: [BOB] })],
    ['a further recipient', (taken) => ({ ...taken, recipients: [TO, BOB] })],
    ['a signature that is none', (taken) => ({ ...taken, content: taken.content.replace(/sig=.{5}/, 'sig=AAAAA') })],
    ['more bytes than it has', (taken) => ({ ...taken, content: `X-Fill: ${'x'.repeat(40_000)}\r\n${taken.content}` })],
  ];
  it.each(copies)('with %s', async (_what, changed) => {
    const scene = new Scene((to) => (to.address === 'bounce@eu-west-1.amazonses.com' ? ok : no));
    scene.brings = changed;
    await scene.minutes(2);
    expect(scene.rows).toContain('delivery returned');
    expect(scene.rows).not.toContain('canary unreturnable');
    expect(scene.figures).toEqual(expect.arrayContaining(['Accepted', 'Failed', 'Returned']));
  });
  it('the same message a second time, also after the first arrived', async () => {
    const scene = new Scene(() => ok);
    await scene.minutes(1);
    const [taken] = scene.pipeline.canaries.taken;
    scene.bring(taken as Taken);
    await scene.pipeline.work();
    expect([...scene.rows].sort()).toEqual(['canary relayed', 'delivery relayed']);
    expect(scene.pipeline.watch.total('Accepted')).toBe(1);
  });
  it('its receipt a second time is no second message', async () => {
    const scene = new Scene(() => ok);
    await scene.minutes(1);
    const { pipeline } = scene;
    const [taken] = pipeline.canaries.taken;
    pipeline.notify(receiptOf('m1', [TO], String(taken?.content), pipeline.clock.now()));
    await pipeline.work();
    expect(scene.rows).toEqual(['canary relayed']);
  });
  it('the same message a day later, or where the canary is not configured any more', async () => {
    for (const change of ['late', 'gone']) {
      const scene = new Scene(() => ok);
      scene.brings = null;
      await scene.minutes(1);
      const [taken] = scene.pipeline.canaries.taken;
      if (change === 'late') scene.pipeline.clock.advanceTo(scene.pipeline.clock.now() + canaryWindowMs + MINUTE);
      else scene.pipeline.deploy({ ...settings, canary: null });
      scene.bring(taken as Taken);
      await scene.pipeline.work();
      expect(scene.rows).toEqual(['delivery relayed']);
      expect(scene.pipeline.watch.total('Accepted')).toBe(1);
    }
  });
});
