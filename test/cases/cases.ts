// Runs one case by its kind. A kind that is not known, and a case that cannot be read, fail with a line that says so.

import * as probes from './probe-cases.ts';
import { type Case, type Faults, readCase } from './read-case.ts';
import { liveSes } from './ses-case.ts';
import * as sockets from './socket-cases.ts';

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
};
/** Kinds that wait for something that is not built, and for what. */
const NOT_YET: Readonly<Record<string, string>> = {
  storm: 'one wrong password stops its whole next hop: DESIGN decision 30',
};

export type CaseResult =
  | { readonly name: string; readonly kind: string; readonly end: 'passed' }
  | { readonly name: string; readonly kind: string; readonly end: 'failed'; readonly faults: Faults }
  | { readonly name: string; readonly kind: string; readonly end: 'not yet'; readonly why: string };

export async function runCase(folder: string): Promise<CaseResult> {
  const name = folder.split('/').at(-1) ?? folder;
  let kind = '?';
  try {
    const it = readCase(folder);
    kind = it.kind;
    const why = Object.hasOwn(NOT_YET, kind) ? NOT_YET[kind] : undefined;
    if (why !== undefined) return { name, kind, end: 'not yet', why };
    const run = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
    if (run === undefined) throw new Error(`the runner does not know the kind ${kind}`);
    const faults = await run(it);
    return faults.length === 0 ? { name, kind, end: 'passed' } : { name, kind, end: 'failed', faults };
  } catch (error) {
    return { name, kind, end: 'failed', faults: [error instanceof Error ? error.message : String(error)] };
  }
}
