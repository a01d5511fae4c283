// How the simulator wires each stage: the production functions on the world's ports, as lambdas/ wires them on AWS.
// What an execution environment keeps between invocations is kept here too: the budget of bytes.

import { healthTerms } from '#core/delivery/next-hop-health.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import * as limits from '#core/limits.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { feedback } from '#pipeline/feedback/feedback.ts';
import { feedbackJob } from '#pipeline/feedback/feedback-job.ts';
import { takeIn } from '#pipeline/ingest/ingest-job.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import { orphans } from '#pipeline/orphans/orphans.ts';
import type { Job } from '#pipeline/ports.ts';
import { giveDigest } from '#pipeline/purge/digest-notice.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import type { NextHopGate } from '#pipeline/relay/next-hop-gate.ts';
import { relay } from '#pipeline/relay/relay.ts';
import { RestoreView } from '#pipeline/restore-record.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { acceptedOf, failuresOf, gateOf, outcomesOf } from '../kit/board.ts';
import { rightSes } from '../kit/right-ses.ts';
import type { Caller } from './hop-record.ts';
import type { Stage } from './plan.ts';
import type { Invocation } from './process.ts';
import { checkRemoval } from './seen-as-it-runs.ts';
import type { Body, SimQueue } from './sim-queue.ts';
import { WarmRelay } from './warm-relay.ts';
import type { World } from './world.ts';

export type QueueStage = 'ingest' | 'relay' | 'slowRelay' | 'bounce' | 'feedback';
export type ScheduledStage = Exclude<Stage, QueueStage>;

export const TIMEOUTS_MS: Readonly<Record<Stage, number>> = {
  ingest: limits.ingestTimeoutMs,
  relay: limits.relayTimeoutMs,
  slowRelay: limits.relayTimeoutMs,
  bounce: limits.feedbackTimeoutMs,
  feedback: limits.feedbackTimeoutMs,
  sweep: limits.sweepTimeoutMs,
  orphans: limits.orphanSweepTimeoutMs,
  purge: limits.purgeTimeoutMs,
};
export const VISIBILITY_MS: Readonly<Record<QueueStage, number>> = {
  ingest: limits.ingestVisibilityMs,
  relay: limits.relayVisibilityMs,
  slowRelay: limits.relayVisibilityMs,
  bounce: limits.feedbackVisibilityMs,
  feedback: limits.feedbackVisibilityMs,
};

/** As infra/stages.ts has them. Bounce's jobs are in feedback's queue. */
export const RECEIVES_MAX: Readonly<Record<QueueStage, number>> = {
  ingest: limits.ingestReceivesMax,
  relay: limits.maxReceiveCount,
  slowRelay: limits.maxReceiveCount,
  bounce: limits.feedbackReceivesMax,
  feedback: limits.feedbackReceivesMax,
};

/** Less than the largest message, so that one is over it and others wait for each other. */
const BUDGET_BYTES = 100_000;
const MARK_KEY = 'key';

/** What a warm function keeps. */
export type Environment = { readonly budget: ReturnType<typeof byteBudget>; readonly warm: WarmRelay | null };
/** `holder` names the function instance; null: it keeps nothing but its budget. */
export function environment(world: World, holder: string | null): Environment {
  return { budget: byteBudget(BUDGET_BYTES), warm: holder === null ? null : new WarmRelay(world, holder) };
}

export async function runJob(
  world: World,
  kept: Environment,
  stage: QueueStage,
  invocation: Invocation,
  body: Body,
): Promise<void> {
  const { signal } = invocation;
  kept.warm?.begin(invocation);
  if (stage === 'ingest') return void (await takeIn(ingestPorts(world, invocation), textOf(body), signal));
  if (stage === 'feedback' && 'text' in body) return void (await feedback(bouncePorts(world, invocation), body.text));
  if (!('job' in body)) throw new Error('not a job');
  // As lambdas/stage.ts reads it: how often it was claimed is for the batch alone.
  const { claims: _, ...job } = body.job;
  if (stage === 'relay' || stage === 'slowRelay') await relayJob(world, kept, invocation, job, stage);
  else {
    const ports = { ...returnedPorts(world, invocation), canaryMail: noCanaries };
    await feedbackJob(ports, job, stage === 'bounce' ? 'bounce' : 'returned', signal);
  }
}

export async function runScheduled(world: World, stage: ScheduledStage, invocation: Invocation): Promise<void> {
  const { signal } = invocation;
  if (stage === 'sweep') {
    const ports = sweepPorts(world, invocation);
    await sweep(ports, signal);
    return publishLevels({ ...ports, waiting: waitingOf(world, invocation) }, signal);
  }
  if (stage === 'orphans') return void (await orphans(orphanPorts(world, invocation), signal));
  const ports = purgePorts(world, invocation);
  const results = await Promise.allSettled([giveDigest(ports), purge(ports, signal)]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

const noCanaries = { send: () => Promise.reject(new Error('no canary is configured here')) };

function textOf(body: Body): string {
  return 'text' in body ? body.text : JSON.stringify(body.job);
}

function common(world: World, invocation: Invocation) {
  return {
    settings: world.operator.settings,
    clock: invocation.clock,
    watch: invocation.watch,
    ledger: invocation.port('ledger', 'ledger', world.ledger.port),
    sweepAgainMs: limits.lostJobAfterMs,
  };
}

function boardOf(world: World, invocation: Invocation) {
  const { clock, watch } = invocation;
  return new BoardView({ board: invocation.port('board', 'ledger', world.board), clock, watch }, limits.boardEveryMs);
}

function queueOf(world: World, invocation: Invocation, name: QueueStage) {
  return invocation.port(`${name}Queue`, 'queues', world.queues[name]);
}

function spoolOf(world: World, invocation: Invocation) {
  return invocation.port('spool', 'spool', world.spool);
}

function ingestPorts(world: World, invocation: Invocation) {
  const ports = common(world, invocation);
  return {
    ...ports,
    accepted: acceptedOf(invocation),
    restores: new RestoreView(ports),
    routes: compileRoutes(world.plan.settings.routes),
    spool: spoolOf(world, invocation),
    relayQueue: queueOf(world, invocation, 'relay'),
    bounceQueue: queueOf(world, invocation, 'bounce'),
    feedbackQueue: queueOf(world, invocation, 'feedback'),
    markKey: MARK_KEY,
    orphanAfterMs: limits.orphanAfterMs,
  };
}

function waitingOf(world: World, invocation: Invocation) {
  return invocation.port('waiting', 'ledger', world.ledger.waiting);
}

async function relayJob(
  world: World,
  kept: Environment,
  invocation: Invocation,
  job: Job,
  stage: 'relay' | 'slowRelay',
): Promise<void> {
  const caller: Caller = { died: invocation.died, givenAt: world.schedule.now, turns: new Map() };
  const ports = relayPorts(world, kept, invocation, caller);
  const { became } = await relay(ports, job, invocation.signal, stage === 'relay' ? 'fast' : 'slow');
  if (/slow-lane|next-hop-|waits-for/.test(became)) world.coverage.count(`relay: ${became}`);
}

function relayPorts(world: World, kept: Environment, invocation: Invocation, caller: Caller) {
  const { settings } = world.plan;
  return {
    ...common(world, invocation),
    waiting: waitingOf(world, invocation),
    board: kept.warm?.board ?? boardOf(world, invocation),
    spool: spoolOf(world, invocation),
    slowRelayQueue: queueOf(world, invocation, 'slowRelay'),
    bounceQueue: queueOf(world, invocation, 'bounce'),
    gate: noting(world, kept.warm?.gate ?? coldGate(world, invocation), caller),
    health: healthTerms(1),
    timer: invocation.timer,
    bounceService: settings.notices.via === null ? invocation.port('bounces', 'bounce-service', world.bounces) : null,
    nextHop: (name: string) => {
      const known = name === 'ses-report' || settings.nextHops[name] !== undefined;
      return known ? invocation.port(name, 'next-hops', world.hops.of(name, caller)) : null;
    },
    entropy: world.entropy,
    budget: kept.budget,
    markKey: MARK_KEY,
    srsSecrets: async () => ['tops3cr3t'],
    leaseMs: limits.smtpLeaseMs,
    outcomes: outcomesOf(invocation),
    failures: kept.warm?.failures ?? failuresOf(invocation, invocation.port('failures', 'ledger', world.failures)),
  };
}

function coldGate(world: World, invocation: Invocation): NextHopGate {
  const { clock, timer, watch } = invocation;
  const { settings } = world.plan;
  return gateOf({ settings, clock, timer, watch, board: invocation.port('board', 'ledger', world.board) });
}

/** When the gate let the job in: the next hop's record has it beside the attempt. */
function noting(world: World, gate: NextHopGate, { turns }: Caller): NextHopGate {
  const enter: NextHopGate['enter'] = async (...given) => {
    const entry = await gate.enter(...given);
    if ('leave' in entry) turns.set(given[0], world.schedule.now);
    return entry;
  };
  return new Proxy(gate, {
    get: (_, property) => {
      if (property === 'enter') return enter;
      const member: unknown = Reflect.get(gate, property, gate);
      return typeof member === 'function' ? member.bind(gate) : member;
    },
  });
}

function bouncePorts(world: World, invocation: Invocation) {
  return {
    ...common(world, invocation),
    outcomes: outcomesOf(invocation),
    relayQueue: queueOf(world, invocation, 'relay'),
    bounceQueue: queueOf(world, invocation, 'bounce'),
  };
}

function returnedPorts(world: World, invocation: Invocation) {
  return {
    ...bouncePorts(world, invocation),
    routes: compileRoutes(world.plan.settings.routes),
    spool: spoolOf(world, invocation),
    entropy: world.entropy,
    markKey: MARK_KEY,
    srsSecrets: async () => ['tops3cr3t'],
    leaseMs: limits.feedbackLeaseMs,
  };
}

function sweepPorts(world: World, invocation: Invocation) {
  return {
    ...bouncePorts(world, invocation),
    board: boardOf(world, invocation),
    feedbackQueue: queueOf(world, invocation, 'feedback'),
    lostAnywayMs: limits.lostAnywayAfterMs,
    hourMs: limits.expiryHourMs,
    slowRelayQueue: queueOf(world, invocation, 'slowRelay'),
    hopTimes: hopTimes(1),
    queues: watchedQueues(world),
    ...rightSes,
  };
}

/** Without faults of their own: a level is no message's account. */
function watchedQueues({ queues }: World) {
  const dead = ({ deadLetters }: SimQueue) => ({ depth: async () => ({ visible: deadLetters.length, inFlight: 0 }) });
  const { ingest, ...others } = queues;
  return { ingest, entry: [dead(ingest)], work: Object.values(others).map(dead) };
}

function orphanPorts(world: World, invocation: Invocation) {
  const spool = spoolOf(world, invocation);
  return {
    ...common(world, invocation),
    ingestQueue: queueOf(world, invocation, 'ingest'),
    inventory: spool,
    spool,
    markKey: MARK_KEY,
    orphanAfterMs: limits.orphanAfterMs,
    everyMs: limits.orphanSweepEveryMs,
  };
}

function purgePorts(world: World, invocation: Invocation) {
  const spool = {
    list: (...given: Parameters<typeof world.spool.list>) => world.spool.list(...given),
    remove: (...given: Parameters<typeof world.spool.remove>) => {
      checkRemoval(world, given[0]);
      return world.spool.remove(...given);
    },
  };
  return {
    ...bouncePorts(world, invocation),
    board: boardOf(world, invocation),
    waiting: waitingOf(world, invocation),
    inventory: invocation.port('inventory', 'spool', spool),
  };
}
