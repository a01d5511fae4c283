// `npm run deploy [-- --config FILE] [cdk's options]`: asks what must hold, then runs `cdk deploy`. Exit 0: deployed.
// 69 or 78: something does not hold, nothing was deployed. Else the exit code of cdk, which goes on working without it.

import { spawn } from 'node:child_process';
import { resolverOf } from '#cli/dns-answers.ts';
import { exitCodes, NotReachable, Usage } from '#cli/exit.ts';
import { deploy } from './deploy-steps.ts';

function cdk(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('cdk', args, { stdio: 'inherit', shell: process.platform === 'win32' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

try {
  process.exitCode = await deploy(process.argv.slice(2), {
    cdk,
    say: (line) => console.error(line),
    ask: resolverOf(null),
  });
} catch (error) {
  console.error(`deploy: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode =
    error instanceof Usage
      ? exitCodes.usage
      : error instanceof NotReachable
        ? exitCodes.notReachable
        : exitCodes.failed;
}
