// Reads a configuration file, .ts, .js or .json, and checks it. A file that can not be read is a mistake like any other: one line.
// It runs the file's code, as its author means it to, and nothing else.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Checked, checkConfig } from '#config/check.ts';
import { fileText } from '#config/file-text.ts';

/** What `npm start`, synth and deploy end with when the configuration is wrong (sysexits: EX_CONFIG). */
export const exitConfig = 78;
export const defaultConfigFile = 'everpost.config.ts';

/** `file` as given on the command line, seen from the working folder. */
export async function loadConfig(file: string = defaultConfigFile): Promise<Checked> {
  const source = basename(file);
  const unreadable = (wrong: string, write: string): Checked => ({
    kind: 'wrong',
    problems: [`${source}: ${wrong}; write ${write}`],
  });
  const path = resolve(file);
  if (!existsSync(path)) return unreadable('there is no such file', 'the path of a file that exists');
  let input: unknown;
  try {
    input = extname(path) === '.json' ? JSON.parse(fileText(await readFile(path))) : await defaultExport(path);
  } catch (error) {
    const write = extname(path) === '.json' ? 'one JSON object' : 'a module that exports the configuration by default';
    return unreadable(`it can not be read: ${firstLine(error, path)}`, write);
  }
  if (input === undefined) return unreadable('it exports nothing by default', 'export default { domains: […], … }');
  return checkConfig(await withCertificates(input, dirname(path)), source);
}

async function defaultExport(path: string): Promise<unknown> {
  const { default: exported } = (await import(pathToFileURL(path).href)) as { default?: unknown };
  return exported;
}

function firstLine(error: unknown, path: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.split('\n')[0] ?? '';
  return line.replaceAll(pathToFileURL(path).href, basename(path)).replaceAll(path, basename(path)).slice(0, 200);
}

/** `ca` may be a file's path: replaced by its text. What can not be read stays, and the check says so. */
async function withCertificates(input: unknown, folder: string): Promise<unknown> {
  const hops = isObject(input) ? input.nextHops : undefined;
  if (!isObject(input) || !isObject(hops)) return input;
  const read = await Promise.all(
    Object.entries(hops).map(async ([name, hop]) => {
      if (!isObject(hop) || typeof hop.ca !== 'string' || hop.ca.includes('-----BEGIN')) return [name, hop];
      const pem = await readFile(resolve(folder, hop.ca)).then(fileText, () => hop.ca);
      return [name, { ...hop, ca: pem }];
    }),
  );
  return { ...input, nextHops: Object.fromEntries(read) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
