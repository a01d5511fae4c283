// The log of the runtime and its functions. Everything goes into one file of the data folder. The terminal gets the
// runtime's own lines, and a function's warnings and errors. It makes strangers' text fit for a terminal, in the file
// too, because people read the file in one. Mail does not depend on it: where the disk refuses the log, the lines are
// lost, and their number is reported.

import { createWriteStream, existsSync, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { printable, printableJson } from '#core/message/printable.ts';

export type FunctionLog = {
  runtime(line: string): void;
  ofFunction(functionName: string, line: string): void;
  close(): Promise<void>;
};

const FILE_BYTES_MAX = 20_000_000; // one older file is kept: at most twice this on disk between two starts

/** How long lines of functions are gathered into one write: a write costs a turn through the thread pool. */
const GATHER_MS = 100;
/** How long the disk is left alone after it refused a line. */
const REST_MS = 2_000;

/** `show` writes one line to the terminal. */
export function openLog(dataFolder: string, show: (line: string) => void): FunctionLog {
  mkdirSync(dataFolder, { recursive: true });
  const path = join(dataFolder, 'everpost.log');
  if (existsSync(path) && statSync(path).size > FILE_BYTES_MAX) renameSync(path, `${path}.1`);
  const file = openFile(path, show);
  let waiting = '';
  let timer: NodeJS.Timeout | null = null;
  const write = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (waiting !== '') file.write(waiting);
    waiting = '';
  };
  return {
    runtime(line) {
      const shown = printable(line);
      waiting += `${shown}\n`;
      write();
      show(shown);
    },
    ofFunction(functionName, line) {
      waiting += `${functionName} ${printableJson(line)}\n`; // JSON in most cases, and then it stays JSON
      timer ??= setTimeout(write, GATHER_MS).unref();
      const worth = worthShowing(line);
      if (worth !== null) show(`${functionName}: ${printable(worth)}`);
    },
    close: () => {
      write();
      return file.end();
    },
  };
}

type LogFile = { write(text: string): void; end(): Promise<void> };

/** Opened anew after a refusal: a stream that failed once takes nothing more. */
function openFile(path: string, show: (line: string) => void): LogFile {
  let refusedAt = Number.NEGATIVE_INFINITY;
  let lost = 0;
  let stream: WriteStream | null = open();

  function open(): WriteStream {
    const opened = createWriteStream(path, { flags: 'a', mode: 0o600 });
    opened.on('error', (error) => {
      if (lost === 0) show(`${path}: ${error.message}`);
      refusedAt = performance.now();
      if (stream === opened) stream = null;
    });
    return opened;
  }

  return {
    write(text) {
      const lines = text.split('\n').length - 1;
      if (stream === null && performance.now() - refusedAt < REST_MS) {
        lost += lines;
        return;
      }
      stream ??= open();
      const told = lost;
      if (told > 0) stream.write(`log: ${told} lines before this one are missing: the disk refused them\n`);
      stream.write(text, (error) => {
        lost = error ? lost + lines : lost - told;
      });
    },
    end: () =>
      new Promise((resolve) => {
        if (stream === null || stream.destroyed) return resolve();
        stream.once('close', resolve);
        stream.end();
      }),
  };
}

/** A warning or an error of the structured log, in one line; null for any other line. */
function worthShowing(line: string): string | null {
  if (!/"level":"(WARN|ERROR|CRITICAL)"/.test(line)) return null;
  try {
    const { level, message, error, spoolId, forwardPath } = JSON.parse(line) as Record<string, unknown>;
    const first = typeof error === 'string' ? error.split('\n')[0] : undefined;
    return [level, message, spoolId, forwardPath, first].filter((it) => typeof it === 'string').join(' ');
  } catch {
    return null;
  }
}
