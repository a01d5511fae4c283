// The hosts of one next hop: the order in which they are tried, and their addresses. The next hop calls it. A host or
// address that failed is tried last for some minutes, in this function's memory. A name is resolved once for each
// connection, and we connect to exactly the addresses that were checked. It opens no connection.

import dns from 'node:dns';
import { isIP } from 'node:net';
import { smtpAddressesMax, smtpAsideMs, smtpLookupMs } from '#core/limits.ts';
import type { AttemptResult, NetworkFault } from '#core/reply/reply.ts';
import { type Port25Reach, reachableAt25 } from '#core/routing/port-25.ts';

/** All addresses of a name, in the order in which they are to be tried. Rejects as `dns.lookup` does. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export class Hosts {
  readonly #hosts: readonly string[];
  readonly #port25: Port25Reach | undefined;
  readonly #lookup: Lookup;
  /** Until when a host, or an address of it, is asked last. */
  readonly #aside = new Map<string, number>();
  /** Lookups under way: the messages of a batch share them, because the resolver has few threads. */
  readonly #underWay = new Map<string, Promise<readonly string[]>>();

  constructor(hosts: readonly string[], port: number, port25: Port25Reach | undefined, lookup?: Lookup) {
    this.#hosts = hosts;
    this.#port25 = port === 25 ? port25 : undefined;
    // Addresses that are judged are all wanted; else IPv6 alone is left out where this machine has none.
    this.#lookup = lookup ?? systemLookup(this.#port25 === undefined ? dns.ADDRCONFIG : 0);
  }

  /** Each once, those that failed lately behind the others. */
  inOrder(): readonly string[] {
    return this.#lastlyFailedLast([...new Set(this.#hosts)], (host) => host);
  }

  /** Where a host listens, or why nothing can be connected to. At most `smtpAddressesMax` addresses. */
  async addressesOf(host: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[] | AttemptResult> {
    const found = isIP(host) === 0 ? await this.#resolve(host, Math.min(timeoutMs, smtpLookupMs), signal) : [host];
    if ('kind' in found) return found;
    let addresses = found;
    if (this.#port25 !== undefined) {
      const reachable = reachableAt25(host, found, this.#port25);
      if (reachable.kind === 'none')
        return { kind: 'capability', fault: 'port-25-blocked', detail: reachable.why, host };
      addresses = reachable.addresses;
    }
    return this.#lastlyFailedLast(addresses, (address) => keyOf(host, address)).slice(0, smtpAddressesMax);
  }

  /** `address` null: the host has none that could be asked. */
  failed(host: string, address: string | null): void {
    this.#aside.set(keyOf(host, address), Date.now() + smtpAsideMs);
  }

  /** A host whose addresses all failed has failed. */
  settle(host: string, addresses: readonly string[]): void {
    if (addresses.every((address) => this.#isAside(keyOf(host, address)))) this.failed(host, null);
  }

  answered(host: string, address: string): void {
    this.#aside.delete(keyOf(host, null));
    this.#aside.delete(keyOf(host, address));
  }

  #lastlyFailedLast(names: readonly string[], key: (name: string) => string): readonly string[] {
    const isAside = (name: string) => this.#isAside(key(name));
    return [...names.filter((name) => !isAside(name)), ...names.filter(isAside)];
  }

  #isAside(key: string): boolean {
    const left = (this.#aside.get(key) ?? 0) - Date.now();
    return left > 0 && left <= smtpAsideMs; // the clock may go back
  }

  async #resolve(host: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[] | AttemptResult> {
    const given = Promise.withResolvers<'late' | 'aborted'>();
    const timer = setTimeout(() => given.resolve('late'), timeoutMs);
    const onAbort = () => given.resolve('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const found = await Promise.race([this.#shared(host), given.promise]);
      if (found === 'aborted') return failedLookup(host, 'aborted', 'stopped by its deadline');
      if (found === 'late') return failedLookup(host, 'dns-temporary', `nothing within ${timeoutMs / 1_000} s`);
      return found.length === 0 ? failedLookup(host, 'dns-not-found', 'no address') : [...new Set(found)];
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return failedLookup(host, code === 'ENOTFOUND' ? 'dns-not-found' : 'dns-temporary', message);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #shared(host: string): Promise<readonly string[]> {
    const standing = this.#underWay.get(host);
    if (standing !== undefined) return standing;
    const begun = this.#lookup(host).finally(() => this.#underWay.delete(host));
    this.#underWay.set(host, begun);
    begun.catch(() => {}); // all that wait for it may have given up
    return begun;
  }
}

function keyOf(host: string, address: string | null): string {
  return address === null ? host : `${host} ${address}`;
}

function failedLookup(host: string, fault: NetworkFault, why: string): AttemptResult {
  return { kind: 'network', phase: 'connect', fault, detail: `looking it up: ${why}`.slice(0, 300), host };
}

/** The operating system's resolver: /etc/hosts and RFC 6724's order are its own. */
function systemLookup(hints: number): Lookup {
  return async (host) => {
    const found = await new Promise<readonly dns.LookupAddress[]>((resolve, reject) => {
      dns.lookup(host, { all: true, hints }, (error, given) => (error === null ? resolve(given) : reject(error)));
    });
    return found.map(({ address }) => address);
  };
}
