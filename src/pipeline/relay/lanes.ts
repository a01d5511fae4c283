// What relay does with a job before it claims the row: a job whose next hop takes nothing now is finished, and its row
// waits; a job whose next hop is slow goes to the slow lane (DESIGN decision 31). Called by relay.ts. It asks the board
// as this function knows it, so that it costs no ledger call. It never touches a row: what is finished here stays due.

import type { DeliveryRef } from '#core/delivery/delivery.ts';
import { type Health, isProbe, probeReturned } from '#core/delivery/next-hop-health.ts';
import { isKept, mayRun, pausesOf } from '#core/delivery/pause.ts';
import { type Finished, turnedAway } from '#pipeline/finished.ts';
import type { Job } from '#pipeline/ports.ts';
import type { RelayPorts } from './relay-ports.ts';

/** `slow`: the lane of next hops that are slow or take nothing, with few functions of its own. */
export type Lane = 'fast' | 'slow';

export type Standing = 'ready' | 'paused' | 'slow' | 'open' | 'credentials-unchanged';

/** Whether an attempt at the next hop may be made here and now. */
export async function standingOf(ports: RelayPorts, job: Job, nextHop: string, lane: Lane): Promise<Standing> {
  if (await isPaused(ports, { ...job, nextHop })) return 'paused';
  const health = await ports.board.health(nextHop);
  if (health.state === 'slow' && lane === 'fast') return 'slow';
  if (health.state !== 'open') return 'ready';
  if (job.probe !== true || !isProbe(await asItIs(ports, nextHop, health, job), job)) return 'open';
  return (await hasNoNewCredentials(ports, nextHop)) ? 'credentials-unchanged' : 'ready';
}

/** Finishes a job that is not attempted here; the row stays as it is, and the sweep finds it. */
export async function turnAway(
  ports: RelayPorts,
  job: Job,
  nextHop: string,
  standing: Exclude<Standing, 'ready'>,
): Promise<Finished> {
  if (standing === 'slow') await toSlowLane(ports, job, nextHop);
  if (job.probe === true && standing !== 'slow') await giveProbeBack(ports, job, nextHop);
  return turnedAway(standing === 'slow' ? 'to-the-slow-lane' : `next-hop-${standing}`);
}

/** A pause keeps it. Under a drain its row is read: it keeps newer mail alone. */
async function isPaused(ports: RelayPorts, job: Job & { readonly nextHop: string }): Promise<boolean> {
  const { pauses: records } = await ports.board.board();
  const pauses = pausesOf(records, ports.settings, ports.clock.now());
  const may = mayRun(job, pauses);
  if (may !== 'by-age') return may === 'no';
  const row = await ports.ledger.read(job);
  return row !== null && isKept({ ...row, nextHop: job.nextHop }, pauses);
}

export async function toSlowLane(ports: RelayPorts, job: Job, nextHop: string): Promise<void> {
  await ports.slowRelayQueue.send([{ job: { ...job, nextHop }, group: nextHop }]);
}

/** The probe is over, whatever came of it: the sweep may send another. Never rejects: it has an end of its own too. */
export async function giveProbeBack(ports: RelayPorts, job: Job, nextHop: string): Promise<void> {
  try {
    await ports.board.changeHealth(nextHop, (health) => probeReturned(health, job));
  } catch (error) {
    ports.watch.error('next-hop.health-not-written', { nextHop, error: String(error) });
  }
}

/** The sweep has written the probe a moment ago, after this function's last look at the board. */
async function asItIs(ports: RelayPorts, nextHop: string, known: Health, ref: DeliveryRef): Promise<Health> {
  if (isProbe(known, ref)) return known;
  await ports.board.readAgain();
  return ports.board.health(nextHop);
}

/**
 * Refused credentials are shown again at their instants alone, and at once where the secret has another version: the
 * sweep sends a probe in each run, and here it is given back.
 */
async function hasNoNewCredentials(ports: RelayPorts, nextHop: string): Promise<boolean> {
  const { opened, lastFailure } = await ports.board.health(nextHop);
  const refused = lastFailure?.secretVersion;
  if (opened === null || ports.clock.now() >= opened.nextProbeAt || refused === undefined) return false;
  return (await ports.nextHop(nextHop)?.credentialsVersion?.()) === refused;
}
