// The pipeline of a case: everything of the product but AWS, on memory ports, with a next hop that is reached over a
// real socket. Messages come in as SES's receipts do, or through the submission server. It decides nothing; it reads
// the end from the ledger and the mailboxes.

import type { SecretMembers } from '#adapters/secret-text.ts';
import { certificateIn } from '#adapters/smtp/client-certificate.ts';
import type { Credentials } from '#adapters/smtp/login.ts';
import { SmtpNextHop, type SmtpTerms } from '#adapters/smtp/next-hop.ts';
import type { NextHopSettings, Settings, TlsMode } from '#config/settings.ts';
import { smtpTimeoutsMs } from '#core/limits.ts';
import { writeSubmissionEvent } from '#core/submission/stored-event.ts';
import type { NextHop } from '#pipeline/ports.ts';
import { Client, openGateway } from '#test/integration/submission/gateway.ts';
import { pipelineSettings, TestPipeline } from '#test/kit/pipeline.ts';
import { ACCEPTED_AT } from '#test/simulation/notification.ts';
import { testCa } from '#test/smtp-dialogue.ts';
import { type CaseServer, openCaseServer, type ServerSpec } from './case-server.ts';

export type HopTerms = {
  readonly tls: TlsMode;
  readonly lmtp: boolean;
  /** With a login: `u` and `p`, or one of its own, or one that somebody may change. */
  readonly auth: boolean | Credentials | (() => Credentials);
  /** The secret of a client certificate. Null or absent: without one. */
  readonly certificate?: SecretMembers | null;
};
/** Of each phase; tests see in seconds what takes minutes outside. */
const PHASE_MS = 1_500;
const HOURS = 6;

export function caseSettings(mx: NextHopSettings, address: string | null = null): Settings {
  const to = [{ via: 'mx', address, copy: false, returnPath: 'keep' as const }];
  return {
    ...pipelineSettings,
    domains: ['in.test'],
    host: 'in.test',
    nextHops: { ...pipelineSettings.nextHops, mx },
    routes: [
      { match: ['*@in.test'], direction: 'inbound', to, fallback: null },
      { match: ['*'], direction: 'outbound', to, fallback: null },
    ],
    notices: { ...pipelineSettings.notices, from: 'postmaster@in.test', postmaster: 'postmaster@in.test' },
    returnPathDomain: 'bounces.in.test',
    submitters: { exchange: { secret: 's', senderDomains: ['in.test'] } },
  };
}

export class CasePipeline {
  readonly pipeline: TestPipeline;

  constructor(settings: Settings, hop: NextHop) {
    this.pipeline = new TestPipeline(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), undefined, settings);
    this.pipeline.served.set('mx', hop);
  }

  /** By SES's receipt. */
  receive(content: Uint8Array, from: string, to: readonly string[], spoolId = 'case'): void {
    this.pipeline.receive(spoolId, from, to, Buffer.from(content).toString('latin1'));
    const stored = Buffer.concat([Buffer.from(`Return-Path: <${from}>\r\n`), content]);
    this.pipeline.spool.put(`in/${spoolId}`, stored, ACCEPTED_AT);
  }

  /** Through the submission server; `opts` stand behind the path in MAIL. Throws where it refuses. */
  async submit(content: Uint8Array, from: string, to: readonly string[], opts: string): Promise<void> {
    await withGateway(async (client, store) => {
      const commands = [`MAIL FROM:<${from}>${opts}`, ...to.map((path) => `RCPT TO:<${path}>`), 'DATA'];
      for (const command of commands) demandTaken(command, await client.ask(command));
      client.write(stuffed(content));
      demandTaken('the content', await client.ask('.'));
      for (const [objectKey, bytes] of store) {
        this.pipeline.spool.put(objectKey, bytes, ACCEPTED_AT);
        if (objectKey.endsWith('.envelope.json'))
          this.pipeline.notify(writeSubmissionEvent({ objectKey, storedAt: ACCEPTED_AT }));
      }
    });
  }

  /** Until nothing is under way, or for some virtual hours. */
  async live(hours = HOURS): Promise<void> {
    await this.pipeline.live(hours);
  }

  deliveries() {
    return this.pipeline.ledger.all().filter((row) => row.kind === 'delivery');
  }

  /** The notices that somebody got, as octets. */
  noticesTo(address: string): readonly string[] {
    return this.pipeline.exchange.accepted
      .filter(({ forwardPath }) => forwardPath.address === address)
      .map(({ content }) => Buffer.from(content).toString('latin1'));
  }
}

/** A pipeline whose next hop is the case's server. */
export async function withServer<T>(
  spec: ServerSpec,
  { tls, lmtp, auth, certificate = null }: HopTerms,
  address: string | null,
  work: (pipeline: CasePipeline, server: CaseServer) => Promise<T>,
): Promise<T> {
  const server = await openCaseServer(spec);
  const mx = {
    hosts: ['127.0.0.1'],
    port: server.port,
    tls,
    ca: testCa,
    auth: auth === false ? null : { secret: 'mx' },
    helo: null,
    pipelining: true,
    clientCertificate: certificate && { secret: 'mx-certificate' },
    concurrency: null,
    messagesPerSecond: null,
    kind: lmtp ? ('lmtp' as const) : ('smtp' as const),
  };
  const short = Object.keys(smtpTimeoutsMs).map((phase) => [phase, phase === 'quit' ? 50 : PHASE_MS]);
  const hop = new SmtpNextHop(mx, {
    ehloName: 'in.test',
    ...loginTerms(auth),
    refusalKeptMs: 0, // the clock is virtual
    certificate: certificate && (async () => certificateIn(certificate)),
    timeoutsMs: Object.fromEntries(short),
  });
  try {
    return await work(new CasePipeline(caseSettings(mx, address), hop), server);
  } finally {
    await hop.close();
    await server.close();
  }
}

function loginTerms(auth: HopTerms['auth']): Pick<SmtpTerms, 'credentials' | 'secretVersion' | 'freshVersion'> {
  if (auth === false) return { credentials: null };
  const current = typeof auth === 'function' ? auth : () => (auth === true ? { username: 'u', password: 'p' } : auth);
  const version = () => JSON.stringify(current());
  let read = version();
  return {
    async credentials() {
      read = version();
      return current();
    },
    secretVersion: () => read,
    freshVersion: async () => version(),
  };
}

/** A client that has said EHLO and logged in, unless it shall begin by itself. */
export async function withGateway<T>(
  work: (client: Client, store: ReadonlyMap<string, Buffer>) => Promise<T>,
  greeted = true,
): Promise<T> {
  const submitters = { exchange: { secret: 's', senderDomains: ['in.test'] } };
  const gateway = await openGateway({ settings: { host: 'in.test', domains: ['in.test'], submitters } });
  const client = greeted ? await Client.ready(gateway.port) : Client.tcp(gateway.port);
  try {
    return await work(client, gateway.store.objects);
  } finally {
    client.destroy();
    await gateway.close();
  }
}

export function stuffed(content: Uint8Array): Buffer {
  const lines = Buffer.from(content).toString('latin1').replace(/\r?\n/g, '\r\n');
  const ended = lines.endsWith('\r\n') ? lines : `${lines}\r\n`;
  return Buffer.from(ended.replace(/^\./, '..').replace(/\r\n\./g, '\r\n..'), 'latin1');
}

function demandTaken(what: string, reply: string): void {
  if (!/^[23]/.test(reply)) throw new Error(`the submission server answers ${what} with ${reply.trim()}`);
}
