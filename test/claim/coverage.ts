// How often a run came by what its conditions are there for: so that what never occurs is seen. Counts alone.

export class Coverage {
  private readonly counts = new Map<string, number>();

  count(what: string, times = 1): void {
    if (times > 0) this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  get all(): ReadonlyMap<string, number> {
    return this.counts;
  }
}
