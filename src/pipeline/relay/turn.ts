// A job's turn at its next hop: relay makes the attempt inside it, from before the claim to the end. A job whose turn
// comes late goes to the slow-relay queue with a delay, so that it holds no function and no other next hop's job. Where
// the line is longer than a queue can delay, the job is finished, and its row waits for the sweep. No row is touched.
// Called by relay.ts. It decides no limit: the gate does.

import { gateDelayMsMax } from '#core/limits.ts';
import { type Finished, finished } from '#pipeline/finished.ts';
import type { Job } from '#pipeline/ports.ts';
import { giveProbeBack } from './lanes.ts';
import type { Entry } from './next-hop-gate.ts';
import type { RelayPorts } from './relay-ports.ts';

/** Runs `attempt` while the job has its turn. A job of an older version names no next hop: its attempt asks later. */
export async function inTurn(
  ports: RelayPorts,
  job: Job,
  signal: AbortSignal,
  attempt: () => Promise<Finished>,
): Promise<Finished> {
  if (job.nextHop === undefined) return attempt();
  // A probe has no place in a line: those that stand in it were given back, and wait for its answer.
  const entry = await ports.gate.enter(job.nextHop, signal, job.inLine === true || job.probe === true);
  if ('laterMs' in entry) return comeAgain(ports, job, job.nextHop, entry);
  try {
    return await attempt();
  } finally {
    entry.leave();
  }
}

export type Later = Extract<Entry, { readonly laterMs: unknown }>;

/** SQS keeps the job until its turn. The probe of an open next hop is given back: the sweep sends another. */
export async function comeAgain(
  ports: RelayPorts,
  { inLine: _had, ...job }: Job,
  nextHop: string,
  { laterMs, inLine }: Later,
): Promise<Finished> {
  if (job.probe === true) await giveProbeBack(ports, job, nextHop);
  else if (laterMs !== null) {
    const again: Job = { ...job, nextHop, ...(inLine ? { inLine } : {}) };
    const delayMs = Math.min(Math.ceil(laterMs), gateDelayMsMax);
    await ports.slowRelayQueue.send([{ job: again, group: nextHop, delayMs }]);
  }
  return finished('waits-for-its-turn');
}
