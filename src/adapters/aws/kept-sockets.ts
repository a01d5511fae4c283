// Decides which kept HTTP connections the SDK's own handler may use again. It drops those that were idle for twenty
// seconds of wall clock, and all of them after a call that broke off. It changes nothing else of the handler, and knows
// no service.

import type { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import { turnOfTheLoop } from '#adapters/loop-turn.ts';
import { keptSocketIdleMs } from '#core/limits.ts';

/**
 * By the wall clock: timers stand still while Lambda freezes the function. A clock that went back says nothing, so the
 * answer is no.
 */
export function isFresh(idleSince: number): boolean {
  const idle = Date.now() - idleSince;
  return idle >= 0 && idle < keptSocketIdleMs;
}

/** The SDK's NodeHttpHandler, as far as it is used here: its agents are there once it has been called. */
type Handler = {
  handle(...given: never[]): Promise<unknown>;
  httpHandlerConfigs(): { readonly httpAgent?: unknown; readonly httpsAgent?: unknown };
};

/** An extension of the SDK's clients (their setting `extensions`). */
export const keptSocketsThatLive = {
  configure(client: { httpHandler(): unknown }): void {
    const handler = client.httpHandler() as Handler;
    const handle = handler.handle.bind(handler) as (...given: unknown[]) => Promise<unknown>;
    const kept = new KeptSockets(handler);
    handler.handle = async (...given: unknown[]) => {
      await kept.endStale();
      try {
        const answer = await handle(...given);
        kept.watch();
        return answer;
      } catch (error) {
        // Another try, by the SDK or by its caller, takes a fresh connection. If we aborted the call, no connection is
        // at fault.
        if ((error as { readonly name?: unknown }).name !== 'AbortError') kept.end(() => true);
        throw error;
      }
    };
  },
};

class KeptSockets {
  private readonly handler: Handler;
  private readonly watched = new WeakSet<Agent>();
  private readonly idleSince = new WeakMap<Duplex, number>();

  constructor(handler: Handler) {
    this.handler = handler;
  }

  /**
   * Notes when a connection becomes idle. The answer's body has not been read yet: its own connection is not idle
   * before.
   */
  watch(): void {
    for (const agent of this.agents()) {
      if (this.watched.has(agent)) continue;
      this.watched.add(agent);
      const keep = agent.keepSocketAlive.bind(agent);
      agent.keepSocketAlive = (socket) => {
        this.idleSince.set(socket, Date.now());
        return keep(socket);
      };
    }
  }

  /** Ends connections that are too old, and notices those that the other side has ended. */
  async endStale(): Promise<void> {
    if (!this.agents().some((agent) => Object.keys(agent.freeSockets).length > 0)) return;
    this.end((socket) => !isFresh(this.idleSince.get(socket) ?? 0));
    await turnOfTheLoop(); // the agent forgets them when they have closed
  }

  end(which: (socket: Duplex) => boolean): void {
    for (const agent of this.agents())
      for (const sockets of Object.values(agent.freeSockets))
        for (const socket of sockets ?? []) if (which(socket)) socket.destroy();
  }

  private agents(): readonly Agent[] {
    const { httpAgent, httpsAgent } = this.handler.httpHandlerConfigs();
    return [httpAgent, httpsAgent].filter((agent) => agent !== undefined) as Agent[];
  }
}
