// The board of next hops in the simulator: the one in memory, and what was written there for the counts of what a run
// came by. It decides nothing.

import { MemoryBoard } from '#adapters/memory/board.ts';
import type { Direction } from '#core/delivery/delivery.ts';
import type { Health } from '#core/delivery/next-hop-health.ts';
import type { Pause } from '#core/delivery/pause.ts';
import type { Coverage } from './coverage.ts';

export class WatchedBoard extends MemoryBoard {
  private readonly coverage: Coverage;
  private readonly states = new Map<string, Health>();
  private readonly configured = new Map<string, string>();
  writes = 0;

  constructor(coverage: Coverage) {
    super();
    this.coverage = coverage;
  }

  override async writeHealth(health: Health): Promise<'written' | 'lost'> {
    const written = await super.writeHealth(health);
    if (written === 'lost') return written;
    this.writes += 1;
    const before = this.states.get(health.nextHop);
    this.states.set(health.nextHop, health);
    if (health.state !== (before?.state ?? 'healthy')) this.coverage.count(`next hop became ${health.state}`);
    if (health.probe !== null && (before?.probe ?? null) === null) this.coverage.count('sweep: probe');
    return written;
  }

  override async writePause(pause: Pause): Promise<'written' | 'lost'> {
    const written = await super.writePause(pause);
    if (written === 'lost') return written;
    this.writes += 1;
    this.configured.set(pause.scope, pause.configured?.mode ?? 'normal');
    return written;
  }

  /** `transfer` of the configuration, as the sweep has written it down. */
  transferOf(direction: Direction): string {
    return this.configured.get(direction) ?? 'normal';
  }
}
