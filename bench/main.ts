// npm run bench -- NAME [--quick]: dispatches to one benchmark. Each prints what it measured beside its goal; none
// knows a figure beforehand. Exit codes: 0 goals met, 1 a goal missed, 2 usage, 69 something needed is not installed.

import { exitUnavailable, localBenchmark } from './local.ts';
import { memoryBenchmark } from './memory.ts';
import { relayBenchmark } from './relay.ts';
import { sickBenchmark } from './sick.ts';

const help = `usage: npm run bench -- NAME [--quick]

  relay    CPU a message of the relay function, beside aws-lambda-ses-forwarder (installed from npm into node_modules/.cache)
  memory   its peak memory at 36 MB beside 4 KB
  local    the local runtime's relayed messages a second, beside a private Postfix (needs Debian's postfix)
  sick     how much longer mail for two next hops takes beside a third one that is sick, on the local runtime

  --quick  fewer sizes and rounds: some minutes at most
`;

const benchmarks: Readonly<Record<string, (quick: boolean) => Promise<boolean | 'unavailable'>>> = {
  relay: relayBenchmark,
  memory: memoryBenchmark,
  local: localBenchmark,
  sick: sickBenchmark,
};

const args = process.argv.slice(2);
const names = args.filter((arg) => !arg.startsWith('-'));
const benchmark = benchmarks[names[0] ?? ''];
const unknown = args.filter((arg) => arg.startsWith('-') && arg !== '--quick' && arg !== '--help');
if (args.includes('--help')) process.stdout.write(help);
else if (names.length !== 1 || benchmark === undefined || unknown.length > 0) {
  process.stderr.write(help);
  process.exitCode = 2;
} else {
  const met = await benchmark(args.includes('--quick'));
  process.exitCode = met === 'unavailable' ? exitUnavailable : met ? 0 : 1;
}
