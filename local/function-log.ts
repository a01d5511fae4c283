// What the runtime and its functions write: everything into one file of the data folder, and to the terminal only what a person
// should see there: the runtime's own lines, and a function's warnings and errors.

import { createWriteStream, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type FunctionLog = {
  runtime(line: string): void;
  ofFunction(functionName: string, line: string): void;
  close(): Promise<void>;
};

const FILE_BYTES_MAX = 20_000_000; // one older file is kept: at most twice this on disk between two starts

/** How long lines of functions are gathered into one write: a write costs a turn through the thread pool. */
const GATHER_MS = 100;

/** `show` writes one line to the terminal. */
export function openLog(dataFolder: string, show: (line: string) => void): FunctionLog {
  mkdirSync(dataFolder, { recursive: true });
  const path = join(dataFolder, 'everpost.log');
  if (existsSync(path) && statSync(path).size > FILE_BYTES_MAX) renameSync(path, `${path}.1`);
  let waiting = '';
  let timer: NodeJS.Timeout | null = null;
  const write = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (waiting !== '') file.write(waiting);
    waiting = '';
  };
  const file = createWriteStream(path, { flags: 'a' });
  file.on('error', (error) => show(`${path}: ${error.message}`)); // mail goes on without its log
  return {
    runtime(line) {
      waiting += `${line}\n`;
      write();
      show(line);
    },
    ofFunction(functionName, line) {
      waiting += `${functionName} ${line}\n`;
      timer ??= setTimeout(write, GATHER_MS).unref();
      const worth = worthShowing(line);
      if (worth !== null) show(`${functionName}: ${worth}`);
    },
    close: () => {
      write();
      return new Promise((resolve) => file.end(() => resolve()));
    },
  };
}

/** A warning or an error of the structured log, in one line; null for the rest, and for what is no such line. */
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
