// The next hop by SMTP or LMTP, called by relay: hosts in order of preference, and connections kept for the next
// message. It never loses an attempt's result: every act of a server or network is a value. It throws only for a bug of
// ours, a path that no parser of ours lets through. core/reply/several-hosts.ts decides which answer leads to the next
// host, and which answer counts.

import type { LmtpSettings, SmtpSettings } from '#config/settings.ts';
import { smtpAddressAttemptMs, smtpOpeningMs, smtpTimeoutsMs } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import type { AttemptResult, Phase } from '#core/reply/reply.ts';
import { isHostTrouble } from '#core/reply/several-hosts.ts';
import type { Port25Reach } from '#core/routing/port-25.ts';
import type { NextHop, NextHopResult, Transaction } from '#pipeline/ports.ts';
import type { SmtpConnection, Transacted } from './connection.ts';
import { Hosts, type Lookup } from './hosts.ts';
import { Identity, type IdentityTerms, type Shown } from './identity.ts';
import { KeptConnections } from './kept.ts';
import type { HostHabits, SmtpServer, SmtpTimeouts } from './remote.ts';
import { Search, Turns } from './search.ts';

export type SmtpTerms = IdentityTerms & {
  /** Our name in EHLO. */
  readonly ehloName: string;
  /** The addresses that port 25 reaches from here; absent: nothing is known, and every address is tried. */
  readonly port25?: Port25Reach;
  /** The time that all hosts but the last one have together until they ask for the content. */
  readonly openingMs?: number;
  /** For tests: phases that shall end sooner, and a resolver of their own. */
  readonly timeoutsMs?: Partial<SmtpTimeouts>;
  readonly lookup?: Lookup;
};

const BEFORE_MAIL: ReadonlySet<Phase> = new Set(['connect', 'greeting', 'ehlo', 'starttls', 'auth']);

/** What ends an attempt, and what ends it before it has a connection that takes mail. */
type Signals = { readonly signal: AbortSignal; readonly opening: AbortSignal };

export class SmtpNextHop implements NextHop {
  readonly #settings: SmtpSettings | LmtpSettings;
  readonly #terms: SmtpTerms;
  readonly #timeouts: SmtpTimeouts;
  readonly #hosts: Hosts;
  readonly #kept = new KeptConnections();
  readonly #habits = new Map<string, HostHabits>();
  readonly #identity: Identity;

  constructor(settings: SmtpSettings | LmtpSettings, terms: SmtpTerms) {
    this.#settings = settings;
    this.#terms = terms;
    this.#identity = new Identity(settings, terms);
    this.#timeouts = { ...smtpTimeoutsMs, ...terms.timeoutsMs };
    this.#hosts = new Hosts(settings.hosts, settings.port, terms.port25, terms.lookup);
  }

  async attempt(transaction: Transaction, signal: AbortSignal): Promise<readonly NextHopResult[]> {
    for (const path of [transaction.reversePath, ...transaction.forwardPaths]) demandSafe(path);
    const search = new Search(transaction);
    // Until a connection takes mail, the attempt ends with its patience too: MAIL is sent at once on it.
    const opening = transaction.patience === undefined ? signal : AbortSignal.any([signal, transaction.patience]);
    let connection = await this.#kept.take(opening);
    try {
      if (connection !== null) connection = await this.#onKept(connection, search, signal);
      if (!search.over) connection = await this.#fresh(connection, search, { signal, opening });
      return search.results().map((result) => this.#withSecretVersion(result));
    } finally {
      this.#kept.done(connection);
    }
  }

  credentialsVersion(): Promise<string | null> {
    return this.#identity.freshVersion();
  }

  invocationEnded(): Promise<void> {
    return this.#kept.invocationEnded();
  }

  closeIdle(): Promise<void> {
    return this.#kept.closeIdle();
  }

  close(): Promise<void> {
    return this.#kept.close();
  }

  /**
   * A kept connection may be stale: it was idle, or has reached the server's limit of messages. Where it refuses MAIL,
   * or gives no answer at all, no attempt has failed, and the caller opens a fresh one: null. A later answer is this
   * host's.
   */
  async #onKept(kept: SmtpConnection, search: Search, signal: AbortSignal): Promise<SmtpConnection | null> {
    const { server } = kept;
    const said = await kept.transact(search.transaction, signal, { firstReplyMs: this.#timeouts.kept, answerBy: null });
    const stale = said.untouched && said.results.every((word) => 'phase' in word && word.phase === 'mail');
    if ((!stale && !said.dropped) || signal.aborted) {
      search.heard(said);
      this.#learn(server, said.results);
      search.asked(server);
      return kept;
    }
    void kept.close();
    if (said.results.some(isHostTrouble)) await this.#kept.closeIdle(); // the other idle connections are as old
    return null;
  }

  /** Asks the hosts in turn until the search is over; the connection that is left of it, or null. */
  async #fresh(kept: SmtpConnection | null, search: Search, signals: Signals): Promise<SmtpConnection | null> {
    const { opening } = signals;
    let shown: Shown | AttemptResult | undefined;
    const hosts = this.#hosts.inOrder();
    const turns = new Turns(this.#terms.openingMs ?? smtpOpeningMs);
    let left = kept;
    for (const [i, host] of hosts.entries()) {
      const others = hosts.length - i - 1;
      const addresses = await this.#hosts.addressesOf(host, turns.share(others + 1), opening);
      if ('kind' in addresses) {
        search.failed(addresses);
        this.#hosts.failed(host, null);
        if (search.over) return left;
        continue;
      }
      for (const [j, address] of addresses.entries()) {
        if (search.wasAsked(host, address)) continue;
        shown ??= await this.#identity.show(host, opening);
        if ('kind' in shown) {
          search.failed(shown);
          return left;
        }
        if (!(await search.ready())) return left;
        if (left !== null) void left.close();
        const more = addresses.length - j - 1;
        const answerBy = turns.end(more + 1, others);
        left = await this.#ask(this.#server(host, address, more > 0, shown, answerBy), search, signals);
        this.#hosts.settle(host, addresses);
        if (search.over) return left;
      }
    }
    return left;
  }

  /** One host at one address; the connection that is left of it, or null. */
  async #ask(server: SmtpServer, search: Search, { signal, opening }: Signals): Promise<SmtpConnection | null> {
    const opened = await this.#identity.open(server, opening);
    if (opened.kind === 'failed') {
      this.#learn(server, [opened.result]);
      search.failed(opened.result);
      return null;
    }
    let { connection } = opened;
    let said = await this.#transact(connection, search, signal);
    // Once more on another connection, one by one, where the server dropped pipelined commands: no content was sent.
    if (said.dropped && !signal.aborted) {
      void connection.close();
      const again = await this.#identity.open(server, signal);
      if (again.kind === 'open') {
        connection = again.connection;
        said = await this.#transact(connection, search, signal);
      }
    }
    this.#learn(server, said.results);
    search.heard(said);
    return connection;
  }

  #transact(connection: SmtpConnection, search: Search, signal: AbortSignal): Promise<Transacted> {
    const { answerBy } = connection.server;
    return connection.transact(search.transaction, signal, { firstReplyMs: this.#timeouts.mail, answerBy });
  }

  #learn({ host, address }: SmtpServer, results: readonly NextHopResult[]): void {
    if (results.some(isHostTrouble)) this.#hosts.failed(host, address);
    else if (!results.every(isAborted)) this.#hosts.answered(host, address);
  }

  /** Where the credentials may be at fault, whoever mends them changes the secret. */
  #withSecretVersion(result: NextHopResult): NextHopResult {
    const isAsked = result.kind === 'capability' || ('phase' in result && BEFORE_MAIL.has(result.phase));
    const secretVersion = isAsked ? this.#identity.secretVersion() : null;
    return secretVersion === null ? result : { ...result, secretVersion };
  }

  #server(host: string, address: string, hasMore: boolean, shown: Shown, answerBy: number | null): SmtpServer {
    const { kind: protocol, port, tls } = this.#settings;
    const connect = hasMore ? Math.min(this.#timeouts.connect, smtpAddressAttemptMs) : this.#timeouts.connect;
    return {
      protocol,
      host,
      address,
      port,
      tls,
      ehloName: this.#terms.ehloName,
      pipelining: this.#settings.pipelining !== false,
      ...shown,
      timeouts: { ...this.#timeouts, connect },
      habits: this.#habitsOf(host),
      answerBy,
    };
  }

  #habitsOf(host: string): HostHabits {
    const habits = this.#habits.get(host) ?? { dropsPipelined: false, login: null };
    this.#habits.set(host, habits);
    return habits;
  }
}

// Nothing that could end the command or the path early: a control character, or outside quotes a space or angle
// bracket.
const SAFE_PATH =
  /^(?:[^\u0000-\u0020\u007f<>"]+|"(?:[^\u0000-\u001f\u007f"\\]|\\[^\u0000-\u001f\u007f])*"@[^\u0000-\u0020\u007f<>"]+)$/u;

/** Our own time was up, which says nothing of the host. */
function isAborted(said: NextHopResult): boolean {
  return said.kind === 'network' && said.fault === 'aborted';
}

function demandSafe(path: Mailbox | null): void {
  if (path !== null && !SAFE_PATH.test(path.address))
    throw new Error(`not a path for SMTP: ${JSON.stringify(path.address)}`);
}
