// Queues that hand a job over the instant it is sent, as SQS may: whatever a job needs must stand by then. With them
// one notification comes to its end in one call, and no sweep has to find anything. A stage that sends its jobs before
// its rows is found here.

import { describe, expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop, type Script } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Settings } from '#config/settings.ts';
import {
  batchBytesMax,
  expiryHourMs,
  feedbackLeaseMs,
  lostAnywayAfterMs,
  lostJobAfterMs,
  orphanAfterMs,
  smtpLeaseMs,
} from '#core/limits.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { namedRecipientsBody } from '#core/spool/named-recipients.ts';
import { writeSubmissionEvent } from '#core/submission/stored-event.ts';
import { contentKeyOf, envelopeKeyOf, writeEnvelope } from '#core/submission/submission.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import type { BouncePorts } from '#pipeline/bounce/bounce-ports.ts';
import { type ReturnedPorts, returned } from '#pipeline/feedback/returned.ts';
import { takeIn } from '#pipeline/ingest/ingest-job.ts';
import type { IngestPorts } from '#pipeline/ingest/ingest-ports.ts';
import { hold, release, remove, resubmit } from '#pipeline/operate/operate.ts';
import { type OrphanPorts, orphans } from '#pipeline/orphans/orphans.ts';
import type { Job, JobQueue } from '#pipeline/ports.ts';
import { giveDigest } from '#pipeline/purge/digest-notice.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { relay } from '#pipeline/relay/relay.ts';
import type { RelayPorts } from '#pipeline/relay/relay-ports.ts';
import { RestoreView } from '#pipeline/restore-record.ts';
import { type SweepPorts, sweep } from '#pipeline/sweep/sweep.ts';
import { acceptedOf, relayBeside, sweepBeside } from '../kit/board.ts';
import { pipelineSettings } from '../kit/pipeline.ts';
import { ACCEPTED_AT, notification } from './notification.ts';
import { settingsOf } from './routed.ts';
import { committed } from './submitted.ts';
import { recipient, settings as submitting, ULID } from './submitting.ts';

const NEVER = new AbortController().signal;
const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
const toAnnAlone: Script = (to) => (to.address === ANN ? ok : no);

type Ports = IngestPorts & RelayPorts & BouncePorts & ReturnedPorts & SweepPorts & OrphanPorts;

function eager(script: Script, settings: Settings = pipelineSettings) {
  const clock = new MemoryClock(ACCEPTED_AT + 1_000);
  const [ledger, spool, watch, nextHop] = [
    new MemoryLedger(),
    new MemorySpool(),
    new MemoryWatch(),
    new MemoryNextHop(script),
  ];
  const atOnce = (run: (job: Job) => Promise<unknown>): JobQueue => ({
    send: async (jobs) => {
      for (const { job } of jobs) await run(job);
    },
    depth: async () => ({ visible: 0, inFlight: 0 }),
  });
  const ports: Ports = {
    ...{
      settings,
      routes: compileRoutes(settings.routes),
      clock,
      ledger,
      restores: new RestoreView({ ledger, clock }),
      spool,
      watch,
      inventory: spool,
      markKey: 'key',
    },
    ...sweepBeside({ clock, watch }),
    ...relayBeside({ clock, watch }),
    accepted: acceptedOf({ watch }),
    ...{ entropy: new MemoryEntropy(1), budget: byteBudget(batchBytesMax), bounceService: new MemoryBounceService() },
    ...{
      sweepAgainMs: lostJobAfterMs,
      orphanAfterMs,
      everyMs: HOUR,
      lostAnywayMs: lostAnywayAfterMs,
      hourMs: expiryHourMs,
    },
    ...{ nextHop: () => nextHop, srsSecrets: async () => ['s'], leaseMs: smtpLeaseMs, ingestQueue: null },
    relayQueue: atOnce((job) => relay(ports, job, NEVER)),
    bounceQueue: atOnce((job) => bounce(ports, job)),
    feedbackQueue: atOnce((job) => returned({ ...ports, leaseMs: feedbackLeaseMs }, job, NEVER)),
  };
  const receive = (recipients: readonly string[], failed: readonly 'spam'[] = []) => {
    spool.put('in/m1', Buffer.from(`Subject: m1\r\n\r\nHello\r\n`), clock.now());
    return takeIn(ports, notification('m1', ANN, recipients, failed), NEVER);
  };
  const delivery = () => {
    const row = ledger.all().find(({ kind }) => kind === 'delivery');
    if (row === undefined) throw new Error('no delivery');
    return row;
  };
  const states = () =>
    ledger
      .all()
      .map(({ kind, state }) => `${kind} ${state}`)
      .sort();
  const arrived = () => nextHop.accepted.map(({ forwardPath }) => forwardPath.address);
  const noJobWasInVain = () => {
    const early = watch.entries.filter(({ event }) => /row-missing|failed$/.test(event) && event !== 'relay.failed');
    expect(early).toEqual([]);
    expect(watch.total('LostJob')).toBe(0);
  };
  return { ports, clock, ledger, spool, receive, delivery, states, arrived, noJobWasInVain };
}

describe('a job that runs the instant it is sent finds what it needs', () => {
  it('of a receipt: relayed', async () => {
    const { receive, states, arrived, noJobWasInVain } = eager(() => ok);
    await receive([BOB, 'carol@example.com']);
    expect(states()).toEqual(['delivery relayed', 'delivery relayed']);
    expect(arrived()).toEqual([BOB, 'carol@example.com']);
    noJobWasInVain();
  });
  it('of a receipt that is refused: returned, with one NDR', async () => {
    const { receive, states, arrived, noJobWasInVain } = eager(toAnnAlone);
    await receive([BOB]);
    expect(states()).toEqual(['delivery returned', 'notice relayed']);
    expect(arrived()).toEqual([ANN]);
    noJobWasInVain();
  });
  it('of a receipt that no route takes: returned without an attempt', async () => {
    const { receive, states, arrived } = eager(() => ok, { ...pipelineSettings, routes: [] });
    await receive([BOB, 'carol@example.com']);
    expect(states()).toEqual(['delivery returned', 'delivery returned', 'notice relayed', 'notice relayed']);
    expect(arrived()).toEqual([ANN, ANN]);
  });
  it('of a receipt whose NDR is refused too: held', async () => {
    const { receive, states } = eager(() => no);
    await receive([BOB]);
    expect(states()).toEqual(['delivery held', 'notice held']);
  });
  it('of a failure whose postmaster wants a copy: both are sent', async () => {
    const notices = { ...pipelineSettings.notices, copyPostmasterOn: ['5.1.1'] };
    const { receive, arrived } = eager((to) => (to.address === BOB ? no : ok), { ...pipelineSettings, notices });
    await receive([BOB]);
    expect(arrived()).toEqual([notices.postmaster, ANN]);
  });
  it('of an envelope: relayed', async () => {
    const { ports, spool, arrived, states, clock } = eager(() => ok, submitting);
    const place = { submitter: 'exchange', ulid: ULID };
    const content = Buffer.from('From: ann@example.com\r\n\r\nHello\r\n');
    spool.put(contentKeyOf(place), content, clock.now());
    const forwardPaths = ['bob@far.example', 'eve@far.example'].map((address) => recipient(address));
    spool.put(envelopeKeyOf(place), Buffer.from(writeEnvelope({ ...committed(content), forwardPaths })), clock.now());
    await takeIn(ports, writeSubmissionEvent({ objectKey: envelopeKeyOf(place), storedAt: clock.now() }), NEVER);
    expect(states()).toEqual(['delivery relayed', 'delivery relayed']);
    expect(arrived()).toEqual(['bob@far.example', 'eve@far.example']);
  });
  it('of an envelope whose submitter wants to hear of a success: he hears it at once', async () => {
    const { ports, spool, arrived, clock } = eager(() => ok, submitting);
    const place = { submitter: 'exchange', ulid: ULID };
    const content = Buffer.from('From: ann@example.com\r\n\r\nHello\r\n');
    spool.put(contentKeyOf(place), content, clock.now());
    const forwardPaths = [recipient('bob@far.example', { notify: ['SUCCESS'] })];
    spool.put(envelopeKeyOf(place), Buffer.from(writeEnvelope({ ...committed(content), forwardPaths })), clock.now());
    await takeIn(ports, writeSubmissionEvent({ objectKey: envelopeKeyOf(place), storedAt: clock.now() }), NEVER);
    expect(arrived()).toEqual(['bob@far.example', 'ann@example.com']);
  });
  it('of a notice that SES confirms before we know that it took it: its delivery is returned', async () => {
    let ledger: MemoryLedger | null = null;
    const pipeline = eager((to) => {
      const notice = ledger?.all().find(({ kind }) => kind === 'notice');
      if (to.address === ANN && ledger !== null && notice !== undefined)
        void ledger.write({ ...notice, state: 'confirmed', dueAt: null, leaseUntil: null }, []);
      return to.address === ANN ? ok : no;
    });
    ({ ledger } = pipeline);
    await pipeline.receive([BOB]);
    expect(pipeline.states()).toEqual(['delivery returned', 'notice confirmed']);
  });
  it('of an orphan whose recipients are named: relayed', async () => {
    const { ports, spool, clock, arrived, noJobWasInVain } = eager(() => ok);
    spool.put('in/orphan', Buffer.from('Subject: lost\r\n\r\nHello\r\n'), clock.now());
    clock.advance(3 * HOUR);
    await orphans(ports, NEVER);
    const word = { spoolId: 'orphan', recipients: [BOB, 'carol@example.com'], lifetimeMs: 48 * HOUR };
    await takeIn(ports, namedRecipientsBody(word), NEVER);
    expect(arrived()).toEqual([BOB, 'carol@example.com']);
    noJobWasInVain();
  });
  it('of an operator: released, resubmitted, removed with a notice', async () => {
    let says: Script = () => later;
    const { ports, receive, delivery, arrived } = eager((...given) => says(...given), settingsOf({}));
    await receive([BOB]);
    await hold(ports, delivery());
    says = () => ok;
    await release(ports, delivery(), 48 * HOUR);
    expect([delivery().state, arrived()]).toEqual(['relayed', [BOB]]);
    await resubmit(ports, delivery(), 48 * HOUR, NEVER);
    expect([delivery().state, arrived()]).toEqual(['relayed', [BOB, BOB]]);

    const quiet = eager(() => later);
    await quiet.receive([BOB]);
    await hold(quiet.ports, quiet.delivery());
    await remove(quiet.ports, quiet.delivery(), true);
    expect(quiet.delivery().state).toBe('failed'); // its notice is put off, by the same next hop
    expect(quiet.ledger.all().find(({ kind }) => kind === 'notice')).toMatchObject({ state: 'deferred', attempts: 1 });
  });
  it('of the sweep: attempted again, and expired to the fallback', async () => {
    let says: Script = () => later;
    const { ports, clock, receive, delivery, arrived } = eager(
      (...given) => says(...given),
      settingsOf({ fallback: true }),
    );
    await receive([BOB]);
    clock.advanceTo(delivery().nextAttemptAt);
    await sweep(ports, NEVER);
    expect(delivery()).toMatchObject({ state: 'deferred', attempts: 2, claims: 0 });
    says = () => ok;
    clock.advanceTo(delivery().expiresAt + HOUR);
    await sweep(ports, NEVER);
    expect([delivery().state, delivery().nextHop, arrived()]).toEqual(['relayed', 'second', [BOB]]);
  });
  it('of the sweep: expired, and returned', async () => {
    const { ports, clock, receive, delivery, states, arrived } = eager(
      (to) => (to.address === ANN ? ok : later),
      settingsOf({}),
    );
    await receive([BOB]);
    clock.advanceTo(delivery().expiresAt);
    await sweep(ports, NEVER);
    expect(states()).toEqual(['delivery returned', 'notice relayed']);
    expect(arrived()).toEqual([ANN]);
  });
  it('of a failure whose NDR is put off while the postmaster has his copy: that copy answers for nothing', async () => {
    const notices = { ...pipelineSettings.notices, copyPostmasterOn: ['5.1.1'] };
    const script: Script = (to) => (to.address === BOB ? no : to.address === ANN ? later : ok);
    const { receive, delivery, arrived } = eager(script, { ...pipelineSettings, notices });
    await receive([BOB]);
    expect(arrived()).toEqual([notices.postmaster]);
    expect(delivery().state).toBe('failed');
  });
  it('of the sweep: a notice of the delay', async () => {
    const settings = { ...pipelineSettings, retry: { ...pipelineSettings.retry, delayNoticeMs: HOUR } };
    const { ports, clock, receive, arrived } = eager((to) => (to.address === ANN ? ok : later), settings);
    await receive([BOB]);
    for (let minutes = 0; minutes < 90; minutes++, clock.advance(60_000)) await sweep(ports, NEVER);
    expect(arrived()).toEqual([ANN]);
  });
  it('of the digest: sent', async () => {
    const { ports, ledger, clock, receive, arrived } = eager(() => ok);
    await receive([BOB], ['spam']);
    clock.advance(30 * HOUR);
    expect(await giveDigest({ ...ports, waiting: new WaitingRows(ledger) })).toBe('queued');
    expect(arrived()).toEqual([pipelineSettings.notices.postmaster]);
  });
});
