// The local runtime beside a private Postfix on the same machine: relayed messages a second at 4 KB, from Postfix's own
// smtp-source with 20 sessions to one sink, in turns. Everpost is `npm start` as a person has it: the synthesised
// template, the real bundles, state on disk before the 250.

import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { discard, start } from '#test/e2e/instance.ts';
import { startSink } from './plant.ts';
import { postfixMissing, privatePostfix } from './private-postfix.ts';
import { median, table } from './table.ts';

const goal = 0.2;
const sessions = 20;
const messageBytes = 4_096;
/** No message for so long: something is stuck. */
const stuckMs = 30_000;

export const exitUnavailable = 69;

/** Prints a table; the result says whether the goal is met, or that Postfix is not here. */
export async function localBenchmark(quick: boolean): Promise<boolean | 'unavailable'> {
  const missing = postfixMissing();
  if (missing !== null) {
    console.error(missing);
    return 'unavailable';
  }
  const rounds = quick ? 3 : 5;
  const counts = quick ? { everpost: 400, postfix: 1_200 } : { everpost: 1_000, postfix: 3_000 };
  const sink = await startSink();
  const postfix = await privatePostfix(sink.port);
  const everpost = await start({ config: configFor(sink.port), args: ['--sweep-every', '60s'] });
  const rates: { everpost: number[]; postfix: number[] } = { everpost: [], postfix: [] };
  try {
    await relayed(everpost.mx, 40, sink.messages); // both warm: bundles loaded, processes forked
    await relayed(postfix.port, 200, sink.messages);
    for (let round = 0; round < rounds; round++) {
      rates.everpost.push(await relayed(everpost.mx, counts.everpost, sink.messages));
      rates.postfix.push(await relayed(postfix.port, counts.postfix, sink.messages));
    }
  } finally {
    await discard(everpost);
    await postfix.stop();
    sink.end();
  }
  const ratio = median(rates.everpost) / median(rates.postfix);
  const row = (name: string, all: readonly number[]) => [
    name,
    median(all).toFixed(0),
    `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)}`,
  ];
  console.log(
    `local: relayed messages a second, ${messageBytes} bytes, ${sessions} sessions, medians of ${rounds} rounds in turns\n`,
  );
  console.log(
    table([
      ['', 'messages/s', 'spread', 'ratio', 'goal', ''],
      [
        ...row('Everpost, local runtime', rates.everpost),
        ratio.toFixed(3),
        `≥ ${goal}`,
        ratio >= goal ? 'met' : 'MISSED',
      ],
      [...row('Postfix', rates.postfix), '', '', ''],
    ]),
  );
  return ratio >= goal;
}

function configFor(port: number): object {
  return {
    domains: ['example.com'],
    nextHops: { sink: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' } },
    routes: [{ match: '*@example.com', to: [{ via: 'sink' }] }],
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'sink' },
  };
}

/** Messages a second, from the first connection of the source until the sink has them all. */
async function relayed(port: number, count: number, taken: () => Promise<number>): Promise<number> {
  const before = await taken();
  const beganAt = performance.now();
  const args = [
    '-s',
    String(sessions),
    '-m',
    String(count),
    '-l',
    String(messageBytes),
    '-d',
    '-f',
    'a@src.example',
    '-t',
    'b@example.com',
    `127.0.0.1:${port}`,
  ];
  const source = spawn('/usr/sbin/smtp-source', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => source.once('exit', resolve));
  let last = before;
  for (let movedAt = beganAt; last - before < count; await sleep(20)) {
    const now = await taken();
    if (now !== last) movedAt = performance.now();
    else if (performance.now() - movedAt > stuckMs)
      throw new Error(`the sink has ${last - before} of ${count} messages, and no more come`);
    last = now;
  }
  const seconds = (performance.now() - beganAt) / 1_000;
  if ((await ended) !== 0) throw new Error('smtp-source was refused');
  return count / seconds;
}
