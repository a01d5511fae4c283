// One execution environment, seen by the Lambda host: a worker thread with the function's variables, its role's key and
// its memory limit. Called by lambda.ts. It runs one invocation at a time and ends at the timeout, or when the thread
// ends. An ended environment is never used again.

import { randomUUID } from 'node:crypto';
import type { EventLoopUtilization } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import type { FunctionDefinition, HostOptions, Invocation, IssuedKey } from './invocation.ts';
import type { WorkerReport, WorkerStart } from './worker.ts';

/** Lambda gives initialisation ten seconds of its own before the timeout counts; a crowded machine gets more. */
const INIT_MS = 30_000;
/** The reason that is not worth a log line. */
export const STOPPED = 'the host has stopped';

export type Environment = {
  /** One at a time. Never throws: whatever ends the environment is a function error. */
  invoke(payload: string): Promise<Invocation>;
  usable(): boolean;
  /** True while its invocation mostly waits for others: then it needs none of our processors. */
  waits(): boolean;
  /** Ends the environment, and an invocation in it as a function error that says `why`. */
  end(why: string): Promise<void>;
};

/** Sources run as they are; the published package is JavaScript. */
const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/** `ended` is called once, when the environment cannot be used any more. */
export function startEnvironment(
  definition: FunctionDefinition,
  options: HostOptions,
  ended: (it: Environment) => void,
): Environment {
  const { world } = options;
  let current: { readonly requestId: string; settle: (result: Invocation) => void } | null = null;
  let usable = true;
  let began: EventLoopUtilization = { idle: 0, active: 0, utilization: 0 };

  const key = options.issueKey({ kind: 'role', arn: definition.roleArn, functionName: definition.name }, () =>
    fail('Runtime.ExitError', 'killed'),
  );
  const start: WorkerStart = {
    folder: definition.folder,
    handler: definition.handler,
    functionName: definition.name,
    functionArn: definition.arn,
    memoryMb: definition.memoryMb,
    clockOffset: options.clockOffset,
  };
  const worker = new Worker(WORKER, {
    workerData: start,
    env: environmentVariables(definition, options, key),
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: definition.memoryMb },
    stdout: true,
    stderr: true,
    name: definition.name,
  });
  worker.stdout.resume(); // output that the worker's capture does not see; undrained, it would grow
  worker.stderr.resume();
  const lines = lineSplitter((line) => options.onLine?.(definition.name, line));

  let ready: () => void = () => {};
  const readiness = new Promise<void>((settle) => {
    ready = settle;
  });

  worker.on('message', (report: WorkerReport) => {
    if ('log' in report && report.log !== '') lines.write(report.log);
    if (report.kind === 'log') lines.write(report.text);
    else if (report.kind === 'ready') ready();
    else if (report.kind === 'unloadable') fail(...errorOf(report.payload), report.payload);
    else if (current?.requestId === report.requestId)
      finish(
        report.kind === 'returned'
          ? { kind: 'returned', payload: report.payload }
          : functionError(...errorOf(report.payload), report.payload),
      );
  });
  worker.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY')
      fail('Runtime.OutOfMemory', `${error.message} (${definition.memoryMb} MB)`);
    else fail(error.name === 'Error' ? 'Runtime.UnhandledError' : error.name, error.message);
  });
  worker.on('exit', (code) => {
    fail('Runtime.ExitError', `the environment exited with code ${code}`);
    lines.end();
    key.revoke();
  });

  /** Ends the environment; an invocation in it ends as a function error. Its error has the first reason given. */
  function fail(errorType: string, errorMessage: string, payload?: string): void {
    if (usable) {
      usable = false;
      ended(environment);
      if (errorMessage !== STOPPED) world.log(`${definition.name}: ${errorType}: ${errorMessage}`);
      void worker.terminate();
    }
    finish(functionError(errorType, errorMessage, payload));
    ready();
  }

  function finish(result: Invocation): void {
    const ended = current;
    current = null;
    ended?.settle(result);
  }

  const environment: Environment = {
    usable: () => usable,
    waits: () =>
      usable &&
      worker.performance.eventLoopUtilization(worker.performance.eventLoopUtilization(), began).utilization < 0.5,
    async end(why) {
      fail('Runtime.ExitError', why);
      await worker.terminate();
    },
    invoke(payload) {
      const requestId = randomUUID();
      began = worker.performance.eventLoopUtilization();
      return new Promise<Invocation>((resolve) => {
        const expire = (what: string, ms: number): NodeJS.Timeout =>
          setTimeout(
            () => fail('Sandbox.Timedout', `${requestId} ${what} after ${(ms / 1000).toFixed(2)} seconds`),
            ms,
          );
        let timer = expire('Initialisation timed out', INIT_MS);
        current = {
          requestId,
          settle: (result) => {
            clearTimeout(timer);
            resolve(result);
          },
        };
        void readiness.then(() => {
          if (current?.requestId !== requestId) return;
          clearTimeout(timer);
          timer = expire('Task timed out', definition.timeoutMs);
          worker.postMessage({ requestId, payload, timeoutMs: definition.timeoutMs });
        });
        if (!usable) finish(functionError('Runtime.ExitError', 'the environment has ended'));
      });
    },
  };
  return environment;
}

/** Exactly what a function finds in Lambda and may rely on: nothing of this process's environment. */
function environmentVariables(
  definition: FunctionDefinition,
  { world, endpoint, variables }: HostOptions,
  key: IssuedKey,
): Record<string, string> {
  return {
    ...variables,
    ...definition.environment,
    AWS_REGION: world.region,
    AWS_DEFAULT_REGION: world.region,
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_SESSION_TOKEN: key.sessionToken,
    AWS_ENDPOINT_URL: endpoint(),
    AWS_LAMBDA_FUNCTION_NAME: definition.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(definition.memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${definition.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'local',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    LAMBDA_TASK_ROOT: definition.folder,
    _HANDLER: definition.handler,
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
  };
}

export function functionError(errorType: string, errorMessage: string, payload?: string): Invocation {
  return { kind: 'error', errorType, errorMessage, payload: payload ?? JSON.stringify({ errorType, errorMessage }) };
}

function errorOf(payload: string): readonly [string, string] {
  const { errorType, errorMessage } = JSON.parse(payload) as { errorType: string; errorMessage: string };
  return [errorType, errorMessage];
}

function lineSplitter(each: (line: string) => void): { write(text: string): void; end(): void } {
  let rest = '';
  return {
    write(text) {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) if (line !== '') each(line);
    },
    end() {
      if (rest !== '') each(rest);
      rest = '';
    },
  };
}
