// The inside of one execution environment: a worker thread that loads one bundle and runs one invocation at a time, as
// Lambda's Node runtime does. Started by environment.ts. `Date` follows the virtual clock before the bundle is loaded.
// It knows no AWS service, and never sees the environment variables of the process that started it.

import { existsSync, readFileSync } from 'node:fs';
import { Module } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';

export type WorkerStart = {
  readonly folder: string;
  /** As in the template: file.export. */
  readonly handler: string;
  readonly functionName: string;
  readonly functionArn: string;
  readonly memoryMb: number;
  /**
   * The virtual clock's (virtual-clock.ts): a BigInt64Array's buffer with the milliseconds to add to the
   * machine's time.
   */
  readonly clockOffset: SharedArrayBuffer;
};
export type WorkerRequest = { readonly requestId: string; readonly payload: string; readonly timeoutMs: number };
export type WorkerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'log'; readonly text: string }
  /** `log` is the output since the last report. */
  | { readonly kind: 'returned'; readonly requestId: string; readonly payload: string; readonly log: string }
  | { readonly kind: 'threw'; readonly requestId: string; readonly payload: string; readonly log: string }
  | { readonly kind: 'unloadable'; readonly payload: string };

type Handler = (event: unknown, context: unknown) => unknown;

if (parentPort !== null) await run(parentPort, workerData as WorkerStart);

async function run(port: NonNullable<typeof parentPort>, start: WorkerStart): Promise<void> {
  const report = (it: WorkerReport): void => port.postMessage(it);
  followClock(new BigInt64Array(start.clockOffset));
  const output = captureOutput((text) => report({ kind: 'log', text }));
  let handler: Handler;
  try {
    handler = await loadHandler(start.folder, start.handler);
  } catch (error) {
    output.send();
    report({ kind: 'unloadable', payload: errorPayload(error, 'Runtime.ImportModuleError') });
    return;
  }
  port.on('message', (request: WorkerRequest) => void answer(request));
  report({ kind: 'ready' });

  async function answer({ requestId, payload, timeoutMs }: WorkerRequest): Promise<void> {
    // the machine's time: a jump of the virtual clock takes no time from a handler
    const ends = performance.now() + timeoutMs;
    const context = {
      functionName: start.functionName,
      functionVersion: '$LATEST',
      invokedFunctionArn: start.functionArn,
      memoryLimitInMB: String(start.memoryMb),
      awsRequestId: requestId,
      logGroupName: `/aws/lambda/${start.functionName}`,
      logStreamName: 'local',
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => Math.max(0, Math.round(ends - performance.now())),
    };
    try {
      const result = await handler(JSON.parse(payload), context);
      report({ kind: 'returned', requestId, payload: JSON.stringify(result) ?? 'null', log: output.take() });
    } catch (error) {
      report({ kind: 'threw', requestId, payload: errorPayload(error, 'Error'), log: output.take() });
    }
  }
}

/** Replaces `Date` by one whose present is the virtual clock's. Dates given explicitly are untouched. */
function followClock(offset: BigInt64Array): void {
  const MachineDate = Date;
  const now = (): number => MachineDate.now() + Number(Atomics.load(offset, 0));
  const VirtualDate = function (this: unknown, ...given: unknown[]): unknown {
    if (new.target === undefined) return new MachineDate(now()).toString();
    return Reflect.construct(MachineDate, given.length === 0 ? [now()] : given, new.target);
  };
  Object.defineProperties(VirtualDate, {
    name: { value: 'Date' },
    length: { value: 7 },
    prototype: { value: MachineDate.prototype, writable: false },
    now: { value: now, configurable: true, writable: true },
    parse: { value: MachineDate.parse, configurable: true, writable: true },
    UTC: { value: MachineDate.UTC, configurable: true, writable: true },
  });
  Object.defineProperty(MachineDate.prototype, 'constructor', {
    value: VirtualDate,
    configurable: true,
    writable: true,
  });
  Object.defineProperty(globalThis, 'Date', { value: VirtualDate, configurable: true, writable: true });
}

/**
 * How long output may wait for the answer that takes it along, in milliseconds: a message to the main thread costs both
 * of us.
 */
const OUTPUT_WAITS_MS = 100;

/**
 * Output goes to the host as text, with the answer, or by itself when that is far or the thread ends: much cheaper on
 * the main thread than the worker's own streams. Where the thread is ended from outside, output of the last moment is
 * lost.
 */
function captureOutput(emit: (text: string) => void): { take(): string; send(): void } {
  let text = '';
  let timer: NodeJS.Timeout | null = null;
  const take = (): string => {
    const taken = text;
    text = '';
    if (timer !== null) clearTimeout(timer);
    timer = null;
    return taken;
  };
  const send = (): void => {
    const taken = take();
    if (taken !== '') emit(taken);
  };
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = ((chunk: unknown, encoding?: unknown, done?: unknown): boolean => {
      text += typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString();
      timer ??= setTimeout(send, OUTPUT_WAITS_MS).unref();
      const callback = typeof encoding === 'function' ? encoding : done;
      if (typeof callback === 'function') queueMicrotask(() => callback());
      return true;
    }) as typeof stream.write;
  }
  process.on('exit', send); // an exit of the function's own, and an uncaught error
  return { take, send };
}

/** Lambda tries .js, .mjs and .cjs, in this order. */
async function loadHandler(folder: string, spec: string): Promise<Handler> {
  const dot = spec.lastIndexOf('.');
  const [file, name] = [spec.slice(0, dot), spec.slice(dot + 1)];
  const path = ['.js', '.mjs', '.cjs'].map((it) => join(folder, file + it)).find((it) => existsSync(it));
  if (path === undefined) throw new Error(`Cannot find module '${file}' in ${folder}`);
  const exported = path.endsWith('.mjs') ? await import(pathToFileURL(path).href) : loadCommonJs(path);
  const handler = (exported as Record<string, unknown>)[name];
  if (typeof handler !== 'function') throw new Error(`${spec} is undefined or not exported`);
  return handler as Handler;
}

/**
 * Compiles the file as CommonJS whatever package.json stands above it (in Lambda none does), and without any
 * node_modules in reach: a bundle that forgot a dependency must fail here as it would fail there.
 */
function loadCommonJs(path: string): unknown {
  const module = new Module(path) as Module & { _compile(source: string, filename: string): void };
  module.filename = path;
  module.paths = [];
  module._compile(readFileSync(path, 'utf8'), path);
  return module.exports;
}

/** An error as Lambda's Node runtime writes it. */
function errorPayload(error: unknown, fallbackType: string): string {
  if (error instanceof Error)
    return JSON.stringify({
      errorType: error.name === 'Error' ? fallbackType : error.name,
      errorMessage: error.message,
      trace: (error.stack ?? '').split('\n'),
    });
  return JSON.stringify({
    errorType: typeof error,
    errorMessage: typeof error === 'string' ? error : inspect(error),
    trace: [],
  });
}
