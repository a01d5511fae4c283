// One next hop of three is sick, on the local runtime with real sockets: how long mail for the other two takes, first
// alone, then beside as many messages for the sick one. Then that one is well again. Used by an e2e test and by
// `npm run bench -- sick`. It decides no bound: its callers do.

import { setTimeout as sleep } from 'node:timers/promises';
import { discard, type Instance, start } from './instance.ts';
import { addresses, fill, HopServer, numberOf, type Sickness } from './servers-of-three.ts';

export type Terms = {
  /** Messages for each next hop. */
  readonly each: number;
  /** Of the well ones, from the final dot to its reply. */
  readonly takesMs: number;
  readonly timeScale: number;
  /** `messagesPerSecond` of the sick ones. */
  readonly sickPerSecond: number;
};

const WELL = ['one.example', 'two.example'] as const;
const SOURCES = 10;
/** No message for so long: something is stuck. */
const stuckMs = 120_000;

export class OneSick {
  readonly #terms: Terms;
  readonly #well: readonly HopServer[];
  readonly #sick: ReadonlyMap<Sickness, HopServer>;
  #instance: Instance | undefined;
  #sent = 0;

  constructor(terms: Terms, ways: readonly Sickness[]) {
    this.#terms = terms;
    this.#well = WELL.map(() => new HopServer(terms.takesMs));
    this.#sick = new Map(ways.map((way) => [way, new HopServer(terms.takesMs)]));
  }

  async open(): Promise<void> {
    const sick = [...this.#sick.values()];
    await Promise.all([...this.#well, ...sick].map((server) => server.open()));
    const hop = ({ port }: HopServer) => ({ kind: 'smtp', host: '127.0.0.1', port, tls: 'off' });
    const limited = (server: HopServer) => ({ ...hop(server), messagesPerSecond: this.#terms.sickPerSecond });
    const named = (servers: readonly HopServer[], name: string, of: (server: HopServer) => object) =>
      Object.fromEntries(servers.map((server, index) => [`${name}${index}`, of(server)]));
    const routes = [
      ...WELL.map((domain, index) => ({ match: `*@${domain}`, to: [{ via: `well${index}` }] })),
      ...sick.map((_, index) => ({ match: `*@sick${index}.example`, to: [{ via: `sick${index}` }] })),
    ];
    this.#instance = await start({
      config: {
        domains: [...WELL, ...sick.map((_, index) => `sick${index}.example`)],
        nextHops: { ...named(this.#well, 'well', hop), ...named(sick, 'sick', limited) },
        routes,
        notices: { from: 'postmaster@one.example', postmaster: 'postmaster@one.example', via: 'well0' },
      },
      args: ['--time-scale', String(this.#terms.timeScale)],
    });
    // Warm, and none of them is new.
    await fill(this.#mx(), addresses([...WELL, ...sick.map((_, index) => `sick${index}.example`)], 0, 4), 4);
    await this.#until(() => [...this.#well, ...sick].every(({ took }) => took.length >= 4));
    this.#sent = 4;
  }

  async close(): Promise<void> {
    await discard(this.#instance);
    await Promise.all([...this.#well, ...this.#sick.values()].map((server) => server.close()));
  }

  /** Milliseconds until the two well ones have as many messages each as the terms say. */
  async alone(): Promise<number> {
    return this.#take(WELL);
  }

  /** The same beside as many for the sick one, which nobody knows to be sick. */
  async beside(way: Sickness): Promise<{ readonly firstMs: number; readonly sickTook: number }> {
    const server = this.#serverOf(way);
    await server.become(way);
    const before = server.took.length;
    const index = [...this.#sick.keys()].indexOf(way);
    const firstMs = await this.#take([`sick${index}.example`, ...WELL]);
    return { firstMs, sickTook: server.took.length - before };
  }

  /** The sick one is well again: what it then takes, by its own record. */
  async recover(way: Sickness) {
    const server = this.#serverOf(way);
    const before = server.took.length;
    await server.become(null);
    await this.#until(() => server.took.length - before >= this.#terms.each);
    const took = server.took.slice(before);
    // One attempt found it well; some seconds later the others follow.
    const [first, last] = [took[1]?.at ?? 0, took.at(-1)?.at ?? 0];
    const perSecond = ((took.length - 2) * 1_000) / (last - first);
    let [oldest, inOrder, most] = [-1, 0, 0];
    took.forEach((each, place) => {
      const number = numberOf(each);
      if (number >= oldest) inOrder += 1;
      oldest = Math.max(oldest, number);
      most = Math.max(most, took.slice(place).filter(({ at }) => at - each.at < 1_000).length);
    });
    const messages = new Set(took.map(({ forwardPath }) => forwardPath)).size;
    const places = took
      .map(numberOf)
      .map((number, place, all) => Math.max(0, Math.max(...all.slice(0, place)) - number));
    places.sort((a, b) => a - b);
    return {
      messages,
      copies: took.length,
      perSecond,
      most,
      inOrder,
      ninetieth: places[Math.floor(places.length * 0.9)] ?? 0,
    };
  }

  async #take(domains: readonly string[]): Promise<number> {
    const before = this.#well.map(({ took }) => took.length);
    const began = performance.now();
    const filled = fill(this.#mx(), addresses(domains, this.#sent, this.#terms.each), SOURCES);
    this.#sent += this.#terms.each;
    await this.#until(() =>
      this.#well.every(({ took }, index) => took.length - (before[index] ?? 0) >= this.#terms.each),
    );
    const tookMs = performance.now() - began;
    await filled;
    return tookMs;
  }

  async #until(isSo: () => boolean): Promise<void> {
    const sum = () => [...this.#well, ...this.#sick.values()].reduce((all, { took }) => all + took.length, 0);
    let [last, movedAt] = [-1, performance.now()];
    for (; !isSo(); await sleep(20)) {
      if (sum() !== last) [last, movedAt] = [sum(), performance.now()];
      else if (performance.now() - movedAt > stuckMs)
        throw new Error(`stuck:\n${this.#instance?.output.slice(-3_000)}`);
    }
  }

  #serverOf(way: Sickness): HopServer {
    const server = this.#sick.get(way);
    if (server === undefined) throw new Error(`no server for a next hop that ${way}`);
    return server;
  }

  #mx(): number {
    return this.#instance?.mx ?? 0;
  }
}
