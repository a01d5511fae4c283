// Where the checks of a first account run: an account of AWS in which this run has deployed its own stack, or the local
// runtime in a process of its own. first-account.ts opens it; the checks ask it for clients, mail and traces.

import { execFile, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import nodemailer from 'nodemailer';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { dynamoFor, type Instance } from '#cli/find-instance.ts';
import { queryOf } from '#cli/trace.ts';
import { type TraceJson, traceJson } from '#cli/trace-json.ts';
import type { Config } from '#config/schema.ts';

export const ROOT = new URL('../..', import.meta.url).pathname;
export const STACK = 'EverpostFirstAccount';
export const SUBMITTER = 'trial';
/** Of the gateway, which the trial does not run. */
export const SECRET = 'everpost/first-account';
export const LOGIN = { username: 'trial', password: 'nobody logs in by it' };

/** Everything goes to SES's mailbox simulator, which takes mail of an account in the sandbox too. */
export function trialConfig(domain: string, subDomain: string | null): Config {
  const to = (address: string) => [{ via: 'ses', address: `${address}@simulator.amazonses.com` }];
  return {
    stackName: STACK,
    domains: [domain],
    nextHops: { ses: { kind: 'ses' }, sink: { kind: 'discard' } },
    routes: [
      { match: `bounced@${domain}`, to: to('bounce') },
      { match: `suppressed@${domain}`, to: to('suppressionlist') },
      { match: `taken@${domain}`, to: to('success') },
      { match: `large@${domain}`, to: to('success') },
      { match: [`${NOTICED}@${domain}`, `postmaster@${domain}`], to: [{ via: 'sink' }] },
      { match: '*', direction: 'outbound', to: [{ via: 'ses' }] },
    ],
    submitters: {
      [SUBMITTER]: { secret: SECRET, senderDomains: [domain, ...(subDomain === null ? [] : [subDomain])] },
    },
    feedback: { confirm: true },
    notices: { from: `mailer-daemon@${domain}`, postmaster: `postmaster@${domain}` },
  } as Config;
}
/** Whoever writes the trial's mail; notices come back to it. */
export const NOTICED = 'author';

export type AccountPlace = {
  readonly local: boolean;
  readonly domain: string;
  /** Verified at SES, below `domain`; null where the engineer has none. */
  readonly subDomain: string | null;
  readonly region: string;
  readonly instance: Instance;
  /** What every SDK client is made with. */
  readonly client: { readonly region: string; readonly endpoint?: string; readonly credentials?: never };
  readonly outputs: Readonly<Record<string, string | undefined>>;
  /** Where SES receives; null where port 25 is closed to this machine. */
  readonly door: { readonly host: string; readonly port: number } | null;
  /** `--stack NAME` or `--data DIR`, for the verbs. */
  readonly where: readonly string[];
  /** How long something may take that SES or a queue does. */
  readonly patienceMs: number;
};

export function output({ outputs }: AccountPlace, name: string): string {
  const value = outputs[name];
  if (value === undefined) throw new Error(`the stack has no output ${name}`);
  return value;
}

/** Can this machine speak to that port? Most networks close 25 to the outside. */
export async function isOpen(host: string, port: number, withinMs = 10_000): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true)).once('error', () => resolve(false));
      setTimeout(() => resolve(false), withinMs).unref();
    });
  } finally {
    socket.destroy();
  }
}

/** By SMTP to where SES receives. The reply, a refusal too. */
export async function sendByDoor(
  { door }: AccountPlace,
  envelope: { readonly from: string; readonly to: readonly string[] },
  raw: Buffer,
): Promise<string> {
  if (door === null) throw new Error('port 25 is closed to this machine');
  const transport = nodemailer.createTransport({ ...door, ignoreTLS: true, name: 'trial.example' });
  try {
    const { response } = await transport.sendMail({ envelope: { from: envelope.from, to: [...envelope.to] }, raw });
    return response;
  } catch (error) {
    const { response } = error as { response?: string };
    if (response === undefined) throw error;
    return response;
  } finally {
    transport.close();
  }
}

/** A verb of the command line, as the engineer would type it. */
export async function everpost(place: AccountPlace, words: readonly string[], input = ''): Promise<string> {
  const [verb = '', ...rest] = words;
  const run = promisify(execFile)(process.execPath, ['src/cli/everpost.ts', verb, ...place.where, ...rest], {
    cwd: ROOT,
    maxBuffer: 64 << 20,
  });
  run.child.stdin?.end(input);
  return (await run).stdout;
}

type Delivery = TraceJson['deliveries'][number];

/** The newest delivery to the address that was accepted since then, once `enough` is true of it. */
export async function awaitDelivery(
  place: AccountPlace,
  address: string,
  since: number,
  enough: (delivery: Delivery, message: TraceJson) => boolean,
): Promise<{ readonly message: TraceJson; readonly delivery: Delivery } | null> {
  const end = Date.now() + place.patienceMs;
  const { instance } = place;
  const ledger = new DynamoLedger(dynamoFor(instance), instance.table, { ledgerRetentionMs: 0, search: true });
  for (;;) {
    const found = await ledger.trace(queryOf({ 'forward-path': address }, Date.now()));
    for (const message of found.map(traceJson))
      for (const delivery of message.deliveries)
        if (
          delivery.forwardPath === address &&
          Date.parse(message.acceptedAt ?? '') > since - CLOCKS_MS &&
          enough(delivery, message)
        )
          return { message, delivery };
    if (Date.now() > end) return null;
    await pause(place.local ? 300 : 5_000);
  }
}

/** How far two clocks may differ. */
const CLOCKS_MS = 5_000;

/** A command of the clone, shown to the engineer as it runs; its exit code. */
export function show(command: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(command, words, { cwd: ROOT, stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
  return new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('exit', (code) => resolve(code ?? 1));
  });
}
