// Runs one case by its kind. A kind that is not known, and a case that cannot be read, fail with a line that says so.

import * as probes from './probe-cases.ts';
import { type Case, type Faults, readCase } from './read-case.ts';
import { liveSes } from './ses-case.ts';
import * as sockets from './socket-cases.ts';
import { storm } from './storm-case.ts';

const KINDS: Readonly<Record<string, (it: Case) => Faults | Promise<Faults>>> = {
  server: sockets.server,
  gateway: sockets.gateway,
  'gateway-bcc': sockets.gatewayBcc,
  leak: sockets.leak,
  'live-ses': liveSes,
  'header-recipients': probes.headerRecipients,
  argument: probes.argument,
  dsn: probes.dsn,
  'ses-header': probes.header,
  replies: probes.replies,
  rcpt: probes.rcptLine,
  storm,
};
export type CaseResult =
  | { readonly name: string; readonly kind: string; readonly end: 'passed' }
  | { readonly name: string; readonly kind: string; readonly end: 'failed'; readonly faults: Faults };

export async function runCase(folder: string): Promise<CaseResult> {
  const name = folder.split('/').at(-1) ?? folder;
  let kind = '?';
  try {
    const it = readCase(folder);
    kind = it.kind;
    const run = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
    if (run === undefined) throw new Error(`the runner does not know the kind ${kind}`);
    const faults = await run(it);
    return faults.length === 0 ? { name, kind, end: 'passed' } : { name, kind, end: 'failed', faults };
  } catch (error) {
    return { name, kind, end: 'failed', faults: [error instanceof Error ? error.message : String(error)] };
  }
}
