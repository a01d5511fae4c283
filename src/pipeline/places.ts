// The places of one invocation. Lambda keeps a function until the last job of its batch is done; without more, one
// attempt that waits ten minutes for a server would keep nine places idle. Therefore a function that is held takes
// further jobs from its queue itself, until the held ones are done. Called by lambdas/stage.ts. It knows no queue: the
// caller receives and deletes. It never begins a job whose time would be too short, and never ends one.
//
// | a place is free because                           | it is filled again                                         |
// | ------------------------------------------------- | ---------------------------------------------------------- |
// | its job was turned away without an attempt, while | at once, in the invocation's first seconds: else the jobs  |
// |   others of the batch are under way               |   of a sick next hop would take places from all others     |
// | its job is done, while another is held            | for as long as one is held                                 |
// | its job is done, and no other is held             | never: the invocation ends when its batch is done          |

import type { Finished } from './finished.ts';
import type { Clock, Timer } from './ports.ts';

export type PlacesTerms = {
  /** Jobs side by side, beside those that are held. */
  readonly places: number;
  /** With those that are held. */
  readonly underWayMax: number;
  /** A job that takes so long is held. */
  readonly heldAfterMs: number;
  /** Where the queue was empty, it is asked again after so long. */
  readonly askAgainMs: number;
  /** No job is begun later: it has its time until the function's end. */
  readonly until: number;
};

export type PlacesPorts<T> = {
  readonly clock: Clock;
  readonly timer: Timer;
  /** Null: the job was not done. Never rejects. */
  readonly work: (job: T) => Promise<Finished | null>;
  /** At most so many jobs, at once; none where the queue shows none. Never rejects. */
  readonly more: (max: number) => Promise<readonly T[]>;
};

/** Works on the jobs, and on those that it takes meanwhile. Resolves when all are done. */
export async function workOn<T>(jobs: readonly T[], ports: PlacesPorts<T>, terms: PlacesTerms): Promise<void> {
  await new Places(ports, terms).run(jobs);
}

/** Beside a job that is held, so many free places are worth a call to the queue. */
const FREE_AT_LEAST = 3;

class Places<T> {
  readonly #ports: PlacesPorts<T>;
  readonly #terms: PlacesTerms;
  readonly #beganAt: number;
  readonly #young = new Set<T>();
  readonly #held = new Set<T>();
  /** A job of the batch was turned away, so that the batch was smaller than it looked. */
  #turnedAway = false;
  /** The queue was empty: not asked again before. */
  #askAt = 0;
  #stopAsking = (): void => {};
  #wake = (): void => {};

  constructor(ports: PlacesPorts<T>, terms: PlacesTerms) {
    this.#ports = ports;
    this.#terms = terms;
    this.#beganAt = ports.clock.now();
  }

  async run(jobs: readonly T[]): Promise<void> {
    for (const job of jobs) this.#begin(job);
    while (this.#young.size + this.#held.size > 0) {
      const wanted = this.#wanted();
      if (wanted === 0) await this.#change();
      else await this.#take(wanted);
    }
    this.#stopAsking();
  }

  #begin(job: T): void {
    this.#young.add(job);
    const stop = this.#ports.timer.after(this.#terms.heldAfterMs, () => {
      if (this.#young.delete(job)) this.#held.add(job);
      this.#wake();
    });
    void this.#ports.work(job).then((ended) => {
      stop();
      this.#young.delete(job);
      this.#held.delete(job);
      if (ended?.turnedAway === true) this.#turnedAway = true;
      this.#wake();
    });
  }

  #wanted(): number {
    const now = this.#ports.clock.now();
    const { places, underWayMax, heldAfterMs, until } = this.#terms;
    const free = Math.min(places - this.#young.size, underWayMax - this.#young.size - this.#held.size);
    if (free <= 0 || now < this.#askAt || now > until) return 0;
    if (this.#held.size > 0) return free >= FREE_AT_LEAST || this.#young.size === 0 ? free : 0;
    return this.#turnedAway && now - this.#beganAt < heldAfterMs ? free : 0;
  }

  async #take(wanted: number): Promise<void> {
    const { clock, timer, more } = this.#ports;
    const taken = await more(wanted);
    for (const job of taken) this.#begin(job);
    if (taken.length > 0) return;
    this.#askAt = clock.now() + this.#terms.askAgainMs;
    this.#stopAsking();
    this.#stopAsking = timer.after(this.#terms.askAgainMs, () => {
      this.#askAt = 0; // the timer may end before the clock says so, and nothing else would ask
      this.#wake();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
