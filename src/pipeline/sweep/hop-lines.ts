// The lines of jobs at next hops with a rate, or whose `concurrency` is taken, as one sweep knows them. Called by the
// other files of this folder. A job that waits there is not lost. A next hop is sent as many jobs as its rate takes
// until later sweeps, each with its place in line. It never changes a rate's instants: relay's gate does.

import type { Settings } from '#config/settings.ts';
import { leavesBySes } from '#core/delivery/destination.ts';
import { inLine, type SharedTurns, sesAccountTurns, withoutLine } from '#core/delivery/next-hop-turns.ts';
import type { HopTimes } from '#core/delivery/waiting.ts';
import { gateWaitMsMax } from '#core/limits.ts';
import type { Work } from '#pipeline/jobs.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';
import { TurnsRecord } from '#pipeline/relay/turns-record.ts';

export type LinePorts = {
  readonly settings: Pick<Settings, 'nextHops'>;
  readonly board: Pick<BoardView, 'readTurns' | 'writeTurns'>;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly hopTimes: Pick<HopTimes, 'sweepLineMs'>;
};
type Line = { readonly record: TurnsRecord; readonly rateOf: (turns: SharedTurns) => number | null };
/** A job, and how long it is until its place in line. */
export type Placed = Work & { readonly delayMs?: number };

export class Lines {
  readonly #ports: LinePorts;
  readonly #records = new Map<string, TurnsRecord>();

  constructor(ports: LinePorts) {
    this.#ports = ports;
  }

  /** Reads the records of these next hops, each once: a call for each. */
  async read(nextHops: Iterable<string>): Promise<void> {
    const names = new Set([...nextHops].flatMap((nextHop) => this.#names(nextHop)));
    await Promise.all([...names].filter((name) => !this.#records.has(name)).map((name) => this.#read(name)));
  }

  /** A job that was sent before this instant may stand in line. 0: none ever did. */
  endsAt(nextHop: string): number {
    return Math.max(0, ...this.#known(nextHop).map(({ turns }) => turns.lineEndsAt));
  }

  /** Jobs that found no place of `concurrency` are in a queue until this instant. 0: none ever was. */
  queuedUntil(nextHop: string): number {
    return Math.max(0, ...this.#known(nextHop).map(({ turns }) => turns.returnsUntil));
  }

  /** So many jobs its line takes now; null: it has no rate. */
  room(nextHop: string): number | null {
    const now = this.#ports.clock.now();
    const rooms = this.#linesOf(nextHop).flatMap(({ record: { turns }, rateOf }) => {
      const rate = rateOf(turns);
      if (rate === null) return [];
      const aheadMs = Math.max(0, turns.lineEndsAt - now);
      const jobs = Math.floor(((this.#ports.hopTimes.sweepLineMs - aheadMs) * rate) / 1_000);
      return [Math.max(jobs, aheadMs === 0 ? 1 : 0)];
    });
    return rooms.length === 0 ? null : Math.min(...rooms);
  }

  /** The same jobs, in order, each with its place in line. */
  async placed(nextHop: string, work: readonly Work[]): Promise<readonly Placed[]> {
    await this.read([nextHop]);
    const lines = this.#linesOf(nextHop).filter(({ record, rateOf }) => rateOf(record.turns) !== null);
    if (lines.length === 0) return work;
    let places = work.map(() => 0);
    for (const line of lines) {
      const own = await this.#places(line, work.length);
      places = places.map((ms, index) => Math.max(ms, own[index] ?? 0));
    }
    return work.map(({ job, group }, index) => {
      const delayMs = places[index] ?? 0;
      return { job: { ...job, inLine: true }, group, ...(delayMs > gateWaitMsMax ? { delayMs } : {}) };
    });
  }

  /** The next hop takes mail again: its line begins anew. */
  async drop(nextHop: string): Promise<void> {
    await this.read([nextHop]);
    for (const record of this.#known(nextHop))
      await record.change((turns) => {
        const dropped = withoutLine(turns, this.#ports.clock.now());
        return dropped === null ? null : { turns: dropped, made: null };
      });
  }

  async #read(name: string): Promise<void> {
    const record = new TurnsRecord(this.#ports, name);
    await record.read();
    this.#records.set(name, record);
  }

  async #places({ record, rateOf }: Line, jobs: number): Promise<readonly number[]> {
    const { clock, hopTimes } = this.#ports;
    const made = await record.change<readonly number[]>((turns) => {
      const rate = rateOf(turns);
      if (rate === null) return null;
      const spacingMs = 1_000 / rate;
      const now = clock.now();
      const line = inLine(turns, { spacingMs, jobs, leastMs: 0, longestMs: Number.POSITIVE_INFINITY }, now);
      if (line === null) return null;
      const { from } = line;
      const places = Array.from({ length: jobs }, (_, i) => Math.min(hopTimes.sweepLineMs, from - now + i * spacingMs));
      return { turns: line.turns, made: places };
    });
    return made === null || made === 'contended' ? [] : made;
  }

  #names(nextHop: string): readonly string[] {
    return leavesBySes(nextHop, this.#ports.settings) ? [nextHop, sesAccountTurns] : [nextHop];
  }

  #known(nextHop: string): readonly TurnsRecord[] {
    return this.#names(nextHop).flatMap((name) => this.#records.get(name) ?? []);
  }

  #linesOf(nextHop: string): readonly Line[] {
    const { nextHops } = this.#ports.settings;
    const given = Object.hasOwn(nextHops, nextHop) ? nextHops[nextHop] : undefined;
    const configured = (given !== undefined && 'messagesPerSecond' in given ? given.messagesPerSecond : null) ?? null;
    const [own, account] = this.#known(nextHop);
    const lines: Line[] = [];
    if (own !== undefined && configured !== null) lines.push({ record: own, rateOf: () => configured });
    if (account !== undefined) lines.push({ record: account, rateOf: ({ messagesPerSecond }) => messagesPerSecond });
    return lines;
  }
}
