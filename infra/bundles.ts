// Bundles each deployed function with everything that it uses, the AWS SDK included, so that the same bytes run here
// and in AWS. Called by synthesise.ts and app.ts. It writes config.json, the validated settings, beside the code: a
// deploy is also their version (DESIGN §2.18). It never puts source maps into a bundle.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';
import type { Settings } from '#config/settings.ts';

/** The deployed functions: lambdas/<name>.ts each. `configured` ones get config.json. */
export const deployedFunctions = [
  { name: 'ingest', configured: true },
  { name: 'relay', configured: true },
  { name: 'feedback', configured: true },
  { name: 'sweep', configured: true },
  { name: 'orphans', configured: true },
  { name: 'purge', configured: true },
  { name: 'activate', configured: false },
] as const;

export type Bundle = { readonly name: string; readonly bytes: number; readonly gzipBytes: number };

/**
 * Writes dist/<name>/index.js and config.json, and dist/maps/<name>.js.map. Throws esbuild's error where a function
 * does not build.
 */
export async function bundleFunctions(options: {
  readonly dist: string;
  readonly settings: Settings;
  /** Where <name>.ts lies; the repository's own by default. */
  readonly lambdas?: string;
}): Promise<readonly Bundle[]> {
  const lambdas = options.lambdas ?? join(repository, 'lambdas');
  await rm(options.dist, { recursive: true, force: true });
  await mkdir(join(options.dist, 'maps'), { recursive: true });
  const { outputFiles } = await build({
    entryPoints: deployedFunctions.map(({ name }) => ({ in: join(lambdas, `${name}.ts`), out: `${name}/index` })),
    outdir: options.dist,
    absWorkingDir: repository,
    write: false,
    bundle: true,
    minify: true,
    keepNames: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    mainFields: ['module', 'main'],
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: 'external',
    logLevel: 'silent',
    plugins: [unusedIsLeftOut, evidenceIsLeftOut],
  });
  for (const file of outputFiles) {
    const name = dirname(file.path).split('/').at(-1) ?? '';
    const path = file.path.endsWith('.map')
      ? join(options.dist, 'maps', `${name}.js.map`)
      : join(options.dist, name, 'index.js');
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.contents);
  }
  const config = JSON.stringify(options.settings);
  return Promise.all(
    deployedFunctions.map(async ({ name, configured }) => {
      if (configured) await writeFile(join(options.dist, name, 'config.json'), config);
      const code = await readFile(join(options.dist, name, 'index.js'));
      return { name, bytes: code.length, gzipBytes: gzipSync(code).length };
    }),
  );
}

/**
 * tldts is not marked as free of side effects, so esbuild would keep its list of 98 kB in each function that never
 * calls it.
 */
const unusedIsLeftOut: Plugin = {
  name: 'unused-is-left-out',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^tldts$/ }, async ({ path, pluginData, importer, resolveDir, kind }) => {
      if (pluginData === unusedIsLeftOut.name) return undefined;
      const found = await resolve(path, { importer, resolveDir, kind, pluginData: unusedIsLeftOut.name });
      return { ...found, sideEffects: false };
    });
  },
};

/**
 * Of a reply rule's row a function needs the condition and the consequence. Example reply, stage and source are for
 * readers, tests and docs/replies.md, and are most of the row's bytes. Of the example the class stays, because fit.ts
 * reads it.
 */
const evidenceIsLeftOut: Plugin = {
  name: 'evidence-is-left-out',
  setup({ onLoad }) {
    onLoad({ filter: /\/core\/reply\/rules\/[a-z-]+\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const contents = text
        .replace(/^( +seen:)\s+(['"])([45]).*\2,$/gm, "$1 '$3',")
        .replace(/^ +(?:source|stage):\s+.*,$/gm, '');
      return { contents, loader: 'ts' };
    });
  },
};

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
