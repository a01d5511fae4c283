// Finds where in a configuration file an error came from: the line of a module that threw or that Node cannot parse,
// and of invalid JSON. load.ts calls it. It runs no code of the file. It may let Node parse a module once more, without
// running it.

import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The line in the file itself, or the place in another one that the file imports. */
export type Place = { readonly line: number | null; readonly elsewhere: string | null };

export function placeOfError(error: unknown, path: string): Place {
  const stack = stackOf(error);
  const found = firstPlace(stack) ?? (isSyntaxError(error) ? firstPlace(nodesReading(path)) : null);
  if (found === null) return { line: null, elsewhere: null };
  if (found.file === path) return { line: found.line, elsewhere: null };
  return { line: null, elsewhere: `${basename(found.file)}:${found.line}` };
}

/** Without the message, which may be of any form. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return '';
  const { stack, message } = error;
  const at = message === '' ? -1 : stack.indexOf(message);
  return at === -1 ? stack : `${stack.slice(0, at)}\n${stack.slice(at + message.length)}`;
}

/**
 * `/a/c.ts:3` alone on a line, as Node says where the syntax is wrong; else the first call in a file that is no
 * package's and not Node's.
 */
function firstPlace(stack: string): { readonly file: string; readonly line: number } | null {
  for (const line of stack.split('\n', 200)) {
    const [, file, number] =
      /^((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/]).{0,1000}):(\d+)$/.exec(line) ??
      /^ {4}at (?:.{0,1000}\()?((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/]).{0,1000}):(\d+):\d+\)?$/.exec(line) ??
      [];
    if (file === undefined || file.includes('node_modules')) continue;
    return { file: file.startsWith('file:') ? fileURLToPath(file) : file, line: Number(number) };
  }
  return null;
}

function isSyntaxError(error: unknown): boolean {
  return error instanceof Error && error.name === 'SyntaxError';
}

/**
 * For a module that JavaScript cannot parse the error has no place. Node gives the place where it only checks the file.
 */
function nodesReading(path: string): string {
  return spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: 10_000 }).stderr ?? '';
}

/**
 * The line at which a text stops being JSON. The parser says `Unexpected token` from there on, and of no shorter part
 * of the text; so the place is found by halving.
 */
export function lineInJson(text: string): number | null {
  const message = jsonError(text);
  if (message === null) return null;
  const position = / at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return lineAt(text, Number(position));
  if (!message.startsWith('Unexpected token')) return lineAt(text, text.length);
  let [right, wrong] = [0, text.length];
  while (wrong - right > 1) {
    const middle = (right + wrong) >> 1;
    if (jsonError(text.slice(0, middle))?.startsWith('Unexpected token')) wrong = middle;
    else right = middle;
  }
  return lineAt(text, right);
}

function jsonError(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}
