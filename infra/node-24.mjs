// Runs before every npm script: everything here needs Node 24, which `npm ci` brings along where the registry has it
// for the platform. Plain JavaScript, because an older Node must be able to read it.

import process from 'node:process';

const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `everpost needs Node 24; this is ${process.version}.\n` +
      `npm ci installs Node 24 on Linux (x64, arm64) and Windows (x64) as an optional dependency: run "npm ci" without --omit=optional.\n` +
      `On other platforms install Node 24 yourself, from nodejs.org or with a version manager.\n`,
  );
  process.exit(1);
}
