// Wraps ports so that the process "dies" before or after the k-th call. Crash-everywhere tests and the simulation stop
// a stage by it. After the crash every wrapped call throws, because a dead process makes no more calls, and a finally
// block must not repair anything. Only the ports' own methods count, because they alone have an effect outside the
// process. A fake's controls are not wrapped.

import type { NextHopBoard } from '#pipeline/next-hop-board.ts';
import type {
  BounceService,
  EventQueue,
  JobQueue,
  Ledger,
  NextHop,
  Spool,
  SpoolInventory,
  SubmissionStore,
} from '#pipeline/ports.ts';
import type { FailureStore } from '#pipeline/relay/failure-counts.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';

/** `close`, `closeIdle` and `invocationEnded` end connections, which a crash ends too; `heldPerByte` is a number. */
type PortMethod = Exclude<
  | keyof BounceService
  | keyof EventQueue
  | keyof FailureStore
  | keyof JobQueue
  | keyof Ledger
  | keyof NextHop
  | keyof NextHopBoard
  | keyof Spool
  | keyof SpoolInventory
  | keyof SubmissionStore
  | keyof WaitingIndex,
  'close' | 'closeIdle' | 'invocationEnded' | 'heldPerByte'
>;
/** The compiler asks for every method of the ports, and for no other. */
const PORT_METHODS: Readonly<Record<PortMethod, true>> = {
  attempt: true,
  bookmark: true,
  claim: true,
  countExpiry: true,
  countOnce: true,
  countUpTo: true,
  create: true,
  credentialsVersion: true,
  depth: true,
  due: true,
  dueBetween: true,
  enqueued: true,
  failureCount: true,
  findToken: true,
  forgetMessage: true,
  head: true,
  heldCount: true,
  heldWithoutInstant: true,
  keepToken: true,
  list: true,
  look: true,
  message: true,
  open: true,
  put: true,
  read: true,
  readTurns: true,
  remove: true,
  rowKeys: true,
  send: true,
  sendBounce: true,
  sendEvent: true,
  setBookmark: true,
  trace: true,
  walk: true,
  write: true,
  writeFailureCount: true,
  writeHealth: true,
  writePause: true,
  writeTurns: true,
};

/** The same port, with `around` in place of each call of a port's method; a fake's controls pass untouched. */
export function aroundCalls<T extends object>(
  inner: T,
  around: (method: string, args: readonly unknown[], run: () => unknown) => Promise<unknown>,
): T {
  return new Proxy(inner, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      if (typeof property !== 'string' || !Object.hasOwn(PORT_METHODS, property)) return member.bind(target);
      return (...args: unknown[]) => around(property, args, () => member.apply(target, args));
    },
  });
}

export class Crash extends Error {
  constructor(where: string) {
    super(`crashed ${where}`);
    this.name = 'Crash';
  }
}

export type PortCall = {
  readonly index: number;
  readonly port: string;
  readonly method: string;
  readonly when: 'before' | 'after';
};

/** Called around each port call; may throw. `index` counts from 1 over all ports of the same interrupt. */
export type PortHook = (call: PortCall, args: readonly unknown[]) => void;

export class Interrupt {
  private readonly hook: PortHook;
  private died: Crash | null = null;
  /** The calls that began, in order: `ledger.claim`. */
  readonly calls: string[] = [];

  constructor(hook: PortHook = () => {}) {
    this.hook = hook;
  }

  /** Crashes before or after call `index`, counted from 1. */
  static at(index: number, when: 'before' | 'after'): Interrupt {
    return new Interrupt((call) => {
      if (call.index === index && call.when === when)
        throw new Crash(`${when} call ${index}, ${call.port}.${call.method}`);
    });
  }

  get crashed(): boolean {
    return this.died !== null;
  }

  /** The same port, with the hook around each call. */
  wrap<T extends object>(port: string, inner: T): T {
    return aroundCalls(inner, (method, args, run) => this.call(port, method, args, run));
  }

  private async call(port: string, method: string, args: readonly unknown[], run: () => unknown): Promise<unknown> {
    if (this.died !== null) throw this.died;
    const index = this.calls.push(`${port}.${method}`);
    this.around({ index, port, method, when: 'before' }, args);
    const result = await run();
    if (this.died !== null) throw this.died;
    this.around({ index, port, method, when: 'after' }, args);
    return result;
  }

  private around(call: PortCall, args: readonly unknown[]): void {
    try {
      this.hook(call, args);
    } catch (error) {
      if (error instanceof Crash) this.died = error;
      throw error;
    }
  }
}
