// Virtual time: what is to happen at which instant, in its order. Whatever runs between two instants is memory alone,
// so that an instant is over once no microtask is left. It decides no interleaving: that lies in the instants that it
// is given.

type Entry = { readonly at: number; readonly order: number; readonly run: () => void };

export class Schedule {
  now: number;
  private readonly heap: Entry[] = [];
  private count = 0;

  /** `now` in milliseconds since the epoch. */
  constructor(now: number) {
    this.now = now;
  }

  /**
   * Runs `run` at the instant, or as soon as it can be where that is past; two of one instant in the order in which
   * they were given.
   */
  at(instant: number, run: () => void): void {
    this.count += 1;
    this.push({ at: Math.max(instant, this.now), order: this.count, run });
  }

  after(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.at(this.now + milliseconds, resolve));
  }

  /** Goes on until nothing is left, or nothing before `until`. */
  async run(until: number): Promise<void> {
    for (let next = this.heap[0]; next !== undefined && next.at <= until; next = this.heap[0]) {
      this.pop();
      this.now = next.at;
      next.run();
      await settled();
    }
  }

  get nextAt(): number | null {
    return this.heap[0]?.at ?? null;
  }

  private push(entry: Entry): void {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      if (left === undefined) break;
      const least = right !== undefined && before(right, left) ? 2 * at + 2 : 2 * at + 1;
      const below = heap[least];
      if (below === undefined || !before(below, last)) break;
      heap[at] = below;
      at = least;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** After every microtask. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
