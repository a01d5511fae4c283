// What is counted of each fate, exactly: alarms stand on these metrics, so that one that is not counted calls nobody,
// and one that is counted too often calls for nothing. The sweep's own, which count each minute, are left out.

import { describe, expect, it } from 'vitest';
import { Crash, Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { Settings } from '#config/settings.ts';
import type { MetricName } from '#pipeline/metric-names.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { forwarded, settings as forwarding, reportOf, reverseOf } from './returning.ts';
import { settingsOf } from './routed.ts';
import { bySes, say } from './ses-events.ts';
import { EML, pipelineOf, settings as submitting, ULID } from './submitting.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
const annTakes =
  (script: Script): Script =>
  (to, attempt, transaction) =>
    to.address === ANN ? ok : script(to, attempt, transaction);
const once =
  (first: ReturnType<Script>): Script =>
  (_to, attempt) =>
    attempt === 1 ? first : ok;
const short: Settings = { ...pipelineSettings, retry: { ...pipelineSettings.retry, lifetimeMs: 2 * HOUR } };

const OF_EACH_MINUTE: readonly MetricName[] = [
  ...(['SweepRun', 'OrphanSweepRun'] as const),
  ...(['WaitsForPerson', 'WaitingLong', 'NextHopDown', 'PausedHours', 'FrontDoor'] as const),
  ...(['SesReceiving', 'SesSending'] as const),
];
function counted(pipeline: TestPipeline): Partial<Record<MetricName, number>> {
  const names = new Set(
    pipeline.watch.counted.map(({ metric }) => metric).filter((name) => !OF_EACH_MINUTE.includes(name)),
  );
  const totals = [...names].map((name) => [name, pipeline.watch.total(name)] as const).filter(([, total]) => total > 0);
  return Object.fromEntries(totals.sort());
}
async function lived(
  script: Script,
  settings = pipelineSettings,
  more: Partial<{ from: string; to: string[]; failed: 'spam'[]; spoil: true; interrupt: Interrupt }> = {},
) {
  const pipeline = new TestPipeline(script, more.interrupt ?? new Interrupt(), settings, { second: () => ok });
  pipeline.receive('m1', more.from ?? ANN, more.to ?? [BOB], undefined, more.failed ?? []);
  if (more.spoil) pipeline.spool.spoil('in/m1', 'denied');
  await pipeline.live(24 * 7);
  return pipeline;
}
const deadly: Script = () => {
  throw new Error('this message ends its function');
};
/** Relay dies once, when the next hop has answered. */
function dying(): Interrupt {
  return new Interrupt(({ port, method, when }) => {
    if (port === 'nextHop' && method === 'attempt' && when === 'after') throw new Crash('at the next hop');
  });
}

describe('of mail that comes in is counted', () => {
  it.each([
    ['relayed', () => lived(() => ok), { Accepted: 1, Relayed: 1 }],
    [
      'two recipients',
      () => lived(() => ok, pipelineSettings, { to: [BOB, 'eve@example.com'] }),
      { Accepted: 2, Relayed: 2 },
    ],
    [
      'deferred twice, then relayed',
      () => lived((_to, attempt) => (attempt < 3 ? later : ok)),
      { Accepted: 1, Deferred: 2, Relayed: 1 },
    ],
    ['refused, and returned', () => lived(annTakes(() => no)), { Accepted: 1, Failed: 1, Relayed: 1, Returned: 1 }],
    [
      'refused, and nobody to tell',
      () => lived(() => no, pipelineSettings, { from: '' }),
      { Accepted: 1, Failed: 1, Unreturnable: 1 },
    ],
    ['refused, and its NDR too', () => lived(() => no), { Accepted: 1, Failed: 2, Held: 1 }],
    [
      'expired, and returned',
      () =>
        lived(
          annTakes(() => later),
          short,
        ),
      { Accepted: 1, Deferred: 5, Expired: 1, Relayed: 1, Returned: 1 },
    ],
    [
      'expired, and relayed by the fallback',
      () =>
        lived(
          annTakes(() => later),
          { ...settingsOf({ fallback: true }), retry: short.retry },
        ),
      { Accepted: 1, Deferred: 5, Expired: 1, Redirected: 1, Relayed: 1 },
    ],
    [
      'discarded by its route',
      () => lived(() => ok, settingsOf({ to: [{ via: 'sink' }] })),
      { Accepted: 1, Discarded: 1 },
    ],
    [
      'refused by its route',
      () => lived(() => ok, settingsOf({ to: [{ via: 'gone' }] })),
      { Accepted: 1, Failed: 1, Relayed: 1, Returned: 1 },
    ],
    [
      'taken by no route',
      () => lived(() => ok, { ...pipelineSettings, routes: [] }),
      { Accepted: 1, Failed: 1, Relayed: 1, Returned: 1 },
    ],
    [
      'quarantined, and discarded in time',
      () =>
        lived(
          () => ok,
          { ...pipelineSettings, retentionMs: { ...pipelineSettings.retentionMs, quarantine: HOUR } },
          { failed: ['spam'] },
        ),
      { Accepted: 1, Discarded: 1, Quarantined: 1 },
    ],
    [
      'refused by policy',
      () => lived(() => ok, settingsOf({ spam: 'refuse' }), { failed: ['spam'] }),
      { Accepted: 1, Failed: 1, Relayed: 1, Returned: 1 },
    ],
    [
      'unreadable, and returned',
      () =>
        lived(
          annTakes(() => ok),
          short,
          { spoil: true },
        ),
      { Accepted: 1, ContentUnreadable: 6, Deferred: 5, Expired: 1, OperatorFault: 5, Relayed: 1, Returned: 1 },
    ],
    [
      'put off by our own fault, then relayed',
      () => lived(once({ code: 535, status: '5.7.8', text: 'login', at: 'auth' })),
      { Accepted: 1, Deferred: 1, OperatorFault: 1, Relayed: 1 },
    ],
    [
      'put off by a reply that nobody knows, then relayed',
      () => lived(once({ code: 299, text: 'what', at: 'rcpt' })),
      { Accepted: 1, Deferred: 1, Relayed: 1, UnknownReply: 1 },
    ],
    [
      'taken, and the answer lost',
      () => lived(once({ fault: 'connection-lost', at: 'final-dot', accepted: true })),
      { Accepted: 1, Deferred: 1, PossibleDuplicate: 1, Relayed: 1 },
    ],
    [
      'taken, and our own death after it',
      () => lived(() => ok, pipelineSettings, { interrupt: dying() }),
      { Accepted: 1, LostJob: 1, PossibleDuplicate: 1, Relayed: 1 },
    ],
    [
      'deadly to relay at each attempt',
      () => lived(annTakes(deadly), short),
      { Accepted: 1, Expired: 1, LostJob: 4, Poison: 1, PossibleDuplicate: 7, Relayed: 1, Returned: 1 },
    ],
  ] as [string, () => Promise<TestPipeline>, object][])('%s', async (_name, live, wanted) => {
    expect(counted(await live())).toEqual(wanted);
  });
});

describe('of mail from our side is counted', () => {
  const submitted = async (
    given: Parameters<TestPipeline['submit']>[2],
    script: Script = () => ok,
    act: (pipeline: TestPipeline) => void = () => {},
  ) => {
    const pipeline = pipelineOf(script);
    pipeline.submit('exchange', ULID, given);
    act(pipeline);
    await pipeline.live(24 * 7);
    return pipeline;
  };
  it.each([
    ['relayed', () => submitted({}), { Accepted: 1, Relayed: 1 }],
    ['refused, and returned', () => submitted({}, () => no), { Accepted: 1, Failed: 1, Relayed: 1, Returned: 1 }],
    [
      'an envelope that cannot be used',
      () => submitted({ text: '{' }),
      { Accepted: 1, Held: 1, SubmissionMalformed: 1 },
    ],
    [
      'a reverse-path that is not the submitter’s',
      () => submitted({ envelope: { reversePath: 'x@foreign.example' } }),
      { Accepted: 1, Held: 1 },
    ],
    [
      'content that is not what was committed',
      () =>
        submitted(
          {},
          () => ok,
          (pipeline) => pipeline.spool.put(EML, Buffer.from('other')),
        ),
      { Accepted: 1, ContentUnreadable: 6, Deferred: 6, Expired: 1, OperatorFault: 6, Relayed: 1, Returned: 1 },
    ],
    [
      'an envelope that cannot be read',
      () =>
        submitted(
          {},
          () => ok,
          (pipeline) => pipeline.spool.spoil(EML.replace('.eml', '.envelope.json'), 'denied'),
        ),
      { Accepted: 1, ContentUnreadable: 5, Held: 5 },
    ],
  ] as [string, () => Promise<TestPipeline>, object][])('%s', async (_name, live, wanted) => {
    expect(counted(await live())).toEqual(wanted);
  });
  it('content without an envelope', async () => {
    const pipeline = pipelineOf(() => ok, new Interrupt(), submitting);
    pipeline.spool.put(EML, Buffer.from('Subject: x\r\n\r\n'), pipeline.clock.now());
    pipeline.clock.advance(3 * HOUR);
    await pipeline.lookForOrphans();
    expect(counted(pipeline)).toEqual({ EnvelopeMissing: 1 });
  });
});

describe('of what is said afterwards is counted', () => {
  it.each([
    ['delivery', { Accepted: 1, Confirmed: 1, Relayed: 1 }],
    ['bounce', { Accepted: 1, Failed: 1, Relayed: 2, Returned: 1 }],
    ['complaint', { Accepted: 1, Complained: 1, Relayed: 1 }],
    ['delay', { Accepted: 1, Relayed: 1 }],
  ] as const)('by SES: a %s', async (said, wanted) => {
    let tag = '';
    const pipeline = new TestPipeline(
      (_to, _attempt, transaction) => {
        tag ||= transaction.tag ?? '';
        return ok;
      },
      new Interrupt(),
      bySes(),
    );
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.work();
    pipeline.tell(say(said, tag));
    pipeline.tell(say(said, tag)); // SNS may bring it twice
    await pipeline.live(24 * 7);
    expect(counted(pipeline)).toEqual(wanted);
  });
  it('of a delivery that is not there', async () => {
    const pipeline = new TestPipeline(() => ok);
    pipeline.tell(say('bounce', 'nobody-abcdefghijklmnop'));
    await pipeline.live(1);
    expect(counted(pipeline)).toEqual({ UnknownDelivery: 1 });
  });
  it.each([
    ['a failure', 'token', {}, { Accepted: 1, Discarded: 1, Failed: 1, Relayed: 1, Returned: 1 }],
    ['a delay', 'token', { action: 'delayed', status: '4.4.1' }, { Accepted: 1, Discarded: 1 }],
    ['a failure to an SRS path', 'srs', {}, { Accepted: 1, Discarded: 1, Failed: 1, Relayed: 1, Returned: 1 }],
  ] as const)('by a report: %s', async (_name, path, said, wanted) => {
    const pipeline = await forwarded(path);
    const before = counted(pipeline);
    pipeline.receive('r1', '', [reverseOf(pipeline)], reportOf(pipeline, said));
    await pipeline.live(24 * 7);
    const after = Object.entries(counted(pipeline)).map(([name, total]) => [
      name,
      total - (before[name as MetricName] ?? 0),
    ]);
    expect(Object.fromEntries(after.filter(([, total]) => total !== 0))).toEqual(wanted);
  });
  it('by a person at a return path that never was', async () => {
    const pipeline = new TestPipeline(() => ok, new Interrupt(), forwarding('token'));
    pipeline.receive('r1', ANN, ['nobody@bounces.example.com']);
    await pipeline.live(24);
    expect(counted(pipeline)).toEqual({ Accepted: 1, Discarded: 1 }); // nobody is answered there
  });
});

describe('of what stands still is counted', () => {
  it('an object without a receipt, each hour until somebody looks', async () => {
    const pipeline = new TestPipeline(() => ok);
    pipeline.spool.put('in/orphan', Buffer.from('Subject: x\r\n\r\n'), pipeline.clock.now());
    pipeline.clock.advance(3 * HOUR);
    await pipeline.lookForOrphans();
    expect(counted(pipeline)).toEqual({ Held: 1, ReceiptMissing: 1 });
  });
  it('a job that was lost', async () => {
    const pipeline = new TestPipeline(() => ok);
    pipeline.receive('m1', ANN, [BOB]);
    const send = pipeline.relayQueue.send.bind(pipeline.relayQueue);
    pipeline.relayQueue.send = async () => {
      pipeline.relayQueue.send = send;
    };
    await pipeline.live(24);
    expect(counted(pipeline)).toEqual({ Accepted: 1, LostJob: 1, Relayed: 1 });
  });
});
