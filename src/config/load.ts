// Reads a configuration file, .ts, .js or .json, and checks it. npm start, synth, deploy, the gateway and the command
// line call it. A file that cannot be read is one line, like any other mistake. It runs the file's code, as its author
// intends, and nothing else.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { printable } from '#core/message/printable.ts';
import { type Checked, type CheckOptions, checkConfig } from './check.ts';
import { fileText } from './file-text.ts';
import { partOf } from './given.ts';
import { schema } from './schema.ts';
import { lineInJson, placeOfError } from './thrown.ts';

/** The exit code of `npm start`, synth and deploy for a wrong configuration (sysexits: EX_CONFIG). */
export const exitConfig = 78;
export const defaultConfigFile = 'everpost.config.ts';

const MODULES = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/** `file` as given on the command line, seen from the working folder. Each line begins with it. */
export async function loadConfig(
  file: string = defaultConfigFile,
  { builtIn }: Pick<CheckOptions, 'builtIn'> = {},
): Promise<Checked> {
  const source = printable(file);
  const wrong = (what: string, write: string, line: number | null = null): Checked => ({
    kind: 'wrong',
    problems: [`${source}${line === null ? '' : `:${line}`}: ${what}; write ${write}`],
  });
  const path = resolve(file);
  if (!existsSync(path)) return wrong('there is no such file', 'the path of a file that exists');
  if (statSync(path).isDirectory()) return wrong('it is a folder', 'the path of a file');
  const json = extname(path) === '.json';
  if (!json && !MODULES.includes(extname(path)))
    return wrong(
      'its name says neither TypeScript, JavaScript nor JSON',
      'a file whose name ends in .ts, .js or .json',
    );
  let input: unknown;
  try {
    const bytes = readFileSync(path);
    if (!json && isUtf16(bytes)) return wrong('it is UTF-16, which Node does not run', 'the file as UTF-8');
    input = json ? JSON.parse(fileText(bytes)) : await defaultExport(path);
  } catch (error) {
    const write = json ? 'one JSON object' : 'a module that exports the configuration by default';
    const { line, elsewhere } = json ? { line: jsonLine(path), elsewhere: null } : placeOfError(error, path);
    const where = elsewhere === null ? '' : ` (${printable(elsewhere)})`;
    return wrong(`it cannot be read: ${firstLine(error, path, source)}${where}`, write, line);
  }
  if (input === undefined)
    return wrong('it exports nothing by default', `export default ${partOf(schema).told.example}`);
  const certificate = (name: string): string | null => textOf(resolve(dirname(path), name));
  return checkConfig(input, source, { certificate, builtIn });
}

/** The warnings, as programs print them that go on. */
export function warningLines({ warnings, notDeployed }: Checked & { readonly kind: 'ok' }): readonly string[] {
  return warnings.map((line) => `${notDeployed.includes(line) ? 'deploy would refuse' : 'warning'}: ${line}`);
}

async function defaultExport(path: string): Promise<unknown> {
  const { default: exported } = (await import(pathToFileURL(path).href)) as { default?: unknown };
  return exported;
}

/** With a byte order mark, or as English text in UTF-16 looks: every other byte is 0. */
function isUtf16(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || first === 0 || second === 0;
}

function jsonLine(path: string): number | null {
  const text = textOf(path);
  return text === null ? null : lineInJson(text);
}

function textOf(path: string): string | null {
  try {
    return fileText(readFileSync(path));
  } catch {
    return null;
  }
}

function firstLine(error: unknown, path: string, source: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.split('\n')[0] ?? '';
  return printable(line.replaceAll(pathToFileURL(path).href, source).replaceAll(path, source)).slice(0, 200);
}
