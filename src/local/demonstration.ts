// The demonstration: it sends four messages through an Everpost and prints the result of each. `npm start` calls it
// once for each data folder. It starts an instance of its own, in its own process and folder: it never touches the
// user's mail, clock, ports or faults. It prints only what it read from that instance's trace and alarms.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { handOver } from '#aws-local/ses/smtp-send.ts';
import { openDemoNextHop } from './demo-next-hop.ts';

const ROOT = join(import.meta.dirname, '../..');
const SENDER = 'you@src.example';
const START_MS = 120_000;
const SETTLE_MS = 90_000;
/**
 * The second attempt comes within seconds. The lifetime is longer than the demonstration waits for the first three
 * messages (3 * SETTLE_MS), so that none of them expires on a busy machine; for the fourth the clock is advanced.
 */
const RETRY = { schedule: ['2s', '1h'], lifetime: '5m', delayNotice: false };

export type Demonstration = {
  /** The data folder; the demonstration's files are in its `demonstration`. */
  readonly data: string;
  readonly show: (line: string) => void;
  readonly signal: AbortSignal;
};

/** Whether it is still to be shown in this data folder. */
export function isUnseen(data: string): boolean {
  return !existsSync(join(data, 'demonstration', 'seen'));
}

/** Shows it, once. Never throws: a failure is one line, and the instance beside it goes on. */
export async function demonstrate({ data, show, signal }: Demonstration): Promise<void> {
  const folder = join(data, 'demonstration');
  const closers: (() => unknown)[] = [];
  try {
    rmSync(folder, { recursive: true, force: true }); // one that was interrupted
    mkdirSync(folder, { recursive: true });
    const mailboxes = await openDemoNextHop(join(folder, 'mailboxes'), 0);
    closers.push(mailboxes.close);
    const stage = await startStage(folder, mailboxes.port, signal);
    closers.push(stage.stop);
    await play(stage, show);
    show(`  No message was lost. The notices are in ${join(folder, 'mailboxes', SENDER)}/new.`);
    writeFileSync(join(folder, 'seen'), '');
  } catch (error) {
    if (!signal.aborted)
      show(`  The demonstration broke off: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function play(stage: Stage, show: (line: string) => void): Promise<void> {
  show(
    `A demonstration, shown once, on an instance of its own that tries again after 2 s. Four messages from ${SENDER}:`,
  );
  for (const user of ['ann', 'greylisted', 'refused']) await stage.send(`${user}@example.com`);
  for (const user of ['ann', 'greylisted', 'refused']) tell(show, await stage.settled(`${user}@example.com`));

  // Now the bucket denies every read, as it does where its policy is wrong.
  await stage.post('/faults', { service: 's3', operation: 'GetObject', effect: 'deny' });
  await stage.send('bob@example.com');
  await stage.deferred('bob@example.com');
  await stage.post('/clock', { advance: '1m' }); // an alarm looks at whole minutes
  const alarms = (await stage.get('/alarms')) as readonly { readonly name: string; readonly state: string }[];
  const raised = alarms.find(({ name, state }) => state === 'ALARM' && name.includes('ContentUnreadable'));
  await stage.post('/clock', { advance: RETRY.lifetime });
  tell(show, await stage.settled('bob@example.com'));
  if (raised !== undefined) show(`${INDENT}and the alarm ${raised.name} calls the operator`);
}

const INDENT = ' '.repeat(29);

/** The result of one message, in one to three lines. */
function tell(show: (line: string) => void, message: Message): void {
  const [delivery] = message.deliveries;
  if (delivery === undefined) return;
  const lines = message.events.filter(({ forwardPath }) => forwardPath === delivery.forwardPath).flatMap(wordsFor);
  const { notice } = delivery;
  if (delivery.state === 'returned' && notice !== null)
    lines.push(`the sender was told: ${delivery.notice?.kind === 'ndr' ? 'an NDR' : 'a notice'} is with ${notice.to}`);
  lines.forEach((line, index) => {
    show(`${(index === 0 ? `  ${delivery.forwardPath}` : '').padEnd(INDENT.length)}${line}`);
  });
}

/** Deferrals after the first say nothing new; the attempt that ends them has their number. */
function wordsFor({ event, attempt, reply, reason, status }: Event): string[] {
  switch (event) {
    case 'SEND':
      return [attempt === 1 ? `relayed: "${reply}"` : `relayed at attempt ${attempt}: "${reply}"`];
    case 'DEFER':
      if (attempt !== 1) return [];
      return [reason === 'content-unreadable' ? 'deferred: its content cannot be opened' : `deferred: "${reply}"`];
    case 'FAIL':
      return [`refused: "${reply}"`];
    case 'EXPIRE':
      return [`expired, with ${status}: ${reason}`];
    default:
      return [];
  }
}

type Event = {
  readonly event: string;
  readonly forwardPath: string;
  readonly attempt: number | null;
  readonly reply: string | null;
  readonly reason: string | null;
  readonly status: string | null;
};
type Message = {
  readonly deliveries: readonly {
    readonly forwardPath: string;
    readonly state: string;
    readonly notice: { readonly kind: string; readonly to: string | null } | null;
  }[];
  readonly events: readonly Event[];
};

type Stage = {
  send(forwardPath: string): Promise<void>;
  /** Waits for the first deferral of the delivery to this address. */
  deferred(forwardPath: string): Promise<Message>;
  /** Waits for the end of the delivery to this address. */
  settled(forwardPath: string): Promise<Message>;
  get(path: string): Promise<unknown>;
  post(path: string, body: object): Promise<unknown>;
  stop(): Promise<void>;
};

/** `npm start` as a person would type it, on free ports, with mailboxes at `nextHopPort`. */
async function startStage(folder: string, nextHopPort: number, signal: AbortSignal): Promise<Stage> {
  const config = join(folder, 'everpost.config.json');
  writeFileSync(config, JSON.stringify(configFor(nextHopPort), null, 1));
  const data = join(folder, 'data');
  const ports = ['--mx-port', '0', '--submission-port', '0', '--console-port', '0'];
  const args = ['src/local/main.ts', '--config', config, '--data', data, ...ports, '--no-demo', '--sweep-every', '1s'];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore', 'ipc'], signal });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.on('error', () => {}); // an abort; `ended` reports it
  const [mxPort, console] = await readyLine(child, ended);
  const ask = async (path: string, init?: RequestInit): Promise<unknown> => {
    const response = await fetch(`${console}${path}`, { ...init, signal });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  };
  const seen = async (forwardPath: string, reached: (message: Message) => boolean): Promise<Message> => {
    const trace = ['src/cli/everpost.ts', 'trace', '--data', data, '--forward-path', forwardPath, '--json'];
    for (const end = Date.now() + SETTLE_MS; Date.now() < end; await sleep(500, null, { signal })) {
      const { stdout } = await promisify(execFile)(process.execPath, trace, { cwd: ROOT, signal });
      const [message] = JSON.parse(stdout) as readonly Message[];
      if (message !== undefined && reached(message)) return message;
    }
    throw new Error(`after ${SETTLE_MS / 1000} s the message to ${forwardPath} was still under way`);
  };
  return {
    async send(forwardPath) {
      const content = Buffer.from(
        `From: ${SENDER}\r\nTo: ${forwardPath}\r\nSubject: Hello\r\n\r\nHello ${forwardPath}!\r\n`,
      );
      const to = { host: '127.0.0.1', port: mxPort, helo: 'src.example' };
      const handed = await handOver(to, { reversePath: SENDER, forwardPath, content });
      if (handed.code !== 250) throw new Error(`the front door answered ${handed.code} ${handed.text}`);
    },
    deferred: (forwardPath) => seen(forwardPath, ({ events }) => events.some(({ event }) => event === 'DEFER')),
    settled: (forwardPath) =>
      seen(forwardPath, ({ deliveries }) =>
        deliveries.every(({ state }) => state === 'relayed' || state === 'returned'),
      ),
    get: (path) => ask(path),
    post: (path, body) =>
      ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function configFor(nextHopPort: number): object {
  return {
    domains: ['example.com'],
    nextHops: { mailboxes: { kind: 'smtp', host: '127.0.0.1', port: nextHopPort, tls: 'off' } },
    routes: [{ match: '*@example.com', to: [{ via: 'mailboxes' }] }],
    retry: RETRY,
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'mailboxes' },
  };
}

async function readyLine(child: ChildProcess, ended: Promise<void>): Promise<[number, string]> {
  let said = '';
  const ready = new Promise<[number, string]>((resolve) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const found = /^ready mx=127\.0\.0\.1:(\d+) .*console=(\S+)/m.exec(said);
      if (found !== null) resolve([Number(found[1]), found[2] ?? '']);
    });
  });
  const first = await Promise.race([ready, ended, sleep(START_MS, undefined, { ref: false })]);
  if (first !== undefined) return first;
  child.kill('SIGKILL');
  throw new Error('its instance did not start');
}
