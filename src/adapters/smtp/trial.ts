// Tries a server without sending mail: greeting, TLS, login, then MAIL, RCPT and RSET. The command line's doctor calls
// it, for each host of a next hop. Every act of a server or network is a value, and no text in it holds a secret. It
// never sends DATA, so that no server has anything to deliver.

import type { LmtpSettings, SmtpSettings } from '#config/settings.ts';
import { smtpTimeoutsMs } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import type { AttemptResult } from '#core/reply/reply.ts';
import { Dialogue } from './dialogue.ts';
import { Hosts } from './hosts.ts';
import { Identity, type IdentityTerms, type Shown } from './identity.ts';
import type { Opened } from './opening.ts';
import type { SmtpServer } from './remote.ts';
import { accepted, answerResult } from './results.ts';
import type { ServerCertificate } from './wire.ts';

export type TrialPaths = { readonly reversePath: Mailbox; readonly forwardPath: Mailbox };
export type Tried = {
  readonly host: string;
  /** What the server did not do; null: it took MAIL and RCPT. */
  readonly failed: AttemptResult | null;
  /** What was found out on the way; null: there was no connection that takes mail. */
  readonly seen: {
    readonly tls: boolean;
    readonly certificate: ServerCertificate | null;
    /** It announces itself as Exchange Server or Exchange Online. */
    readonly isExchange: boolean;
  } | null;
};

export type TrialTerms = IdentityTerms & {
  readonly ehloName: string;
  /** No phase may take longer. */
  readonly phaseMs: number;
};

/** The hosts side by side, with one login: where the first is refused, the others are not made. */
export async function tryServer(
  settings: SmtpSettings | LmtpSettings,
  terms: TrialTerms,
  paths: TrialPaths,
  signal: AbortSignal,
): Promise<readonly Tried[]> {
  const identity = new Identity(settings, terms);
  const hosts = new Hosts(settings.hosts, settings.port, undefined);
  const of = { settings, terms, paths, identity, signal };
  return Promise.all(hosts.inOrder().map((host) => tryHost(host, hosts, of)));
}

type Trial = {
  readonly settings: SmtpSettings | LmtpSettings;
  readonly terms: TrialTerms;
  readonly paths: TrialPaths;
  readonly identity: Identity;
  readonly signal: AbortSignal;
};

/** The addresses in turn, until one takes the connection. */
async function tryHost(host: string, hosts: Hosts, trial: Trial): Promise<Tried> {
  const { identity, terms, signal } = trial;
  const none = (failed: AttemptResult): Tried => ({ host, failed, seen: null });
  const addresses = await hosts.addressesOf(host, terms.phaseMs, signal);
  if ('kind' in addresses) return none(addresses);
  const shown = await identity.show(host, signal);
  if ('kind' in shown) return none(shown);
  let last: Tried | null = null;
  for (const address of addresses) {
    const opened = await identity.open(serverAt(host, address, shown, trial), signal);
    if (opened.kind === 'open') return transaction(host, opened, trial);
    last = none(opened.result);
    if (!('phase' in opened.result) || opened.result.phase !== 'connect') break;
  }
  return last ?? none({ kind: 'network', phase: 'connect', fault: 'dns-not-found', detail: 'no address', host });
}

function serverAt(host: string, address: string, shown: Shown, { settings, terms }: Trial): SmtpServer {
  const names = Object.keys(smtpTimeoutsMs) as (keyof typeof smtpTimeoutsMs)[];
  const timeouts = Object.fromEntries(names.map((name) => [name, Math.min(smtpTimeoutsMs[name], terms.phaseMs)]));
  const { kind: protocol, port, tls } = settings;
  return {
    ...{ protocol, host, address, port, tls, ehloName: terms.ehloName, pipelining: false },
    ...shown,
    timeouts: timeouts as SmtpServer['timeouts'],
    habits: { dropsPipelined: false, login: null },
    answerBy: null,
  };
}

async function transaction(
  host: string,
  { connection, wire, features, greeting }: Extract<Opened, { kind: 'open' }>,
  { paths, terms }: Trial,
): Promise<Tried> {
  const seen = { tls: wire.tls, certificate: wire.certificate, isExchange: isExchange(greeting, features) };
  const dialogue = new Dialogue(wire, false, terms.phaseMs);
  const { reversePath, forwardPath } = paths;
  await dialogue.plan([`MAIL FROM:<${reversePath.address}>`, `RCPT TO:<${forwardPath.address}>`, 'RSET']);
  let failed: AttemptResult | null = null;
  for (const phase of ['mail', 'rcpt'] as const) {
    const answer = await dialogue.next(terms.phaseMs);
    if (accepted(answer)) continue;
    failed = answerResult(phase, answer, host, wire.tls);
    break;
  }
  if (failed === null) await dialogue.next(terms.phaseMs); // nothing depends on how RSET is answered
  await connection.close();
  return { host, failed, seen };
}

/** In its greeting, and by extensions that no other server has. */
function isExchange(greeting: string, features: ReadonlyMap<string, string>): boolean {
  return /\bMicrosoft ESMTP MAIL Service\b/i.test(greeting) || EXTENSIONS.some((name) => features.has(name));
}
const EXTENSIONS = ['X-EXPS', 'X-ANONYMOUSTLS', 'XEXCH50', 'XRDST', 'XSHADOWREQUEST'];
