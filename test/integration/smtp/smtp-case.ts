// What the SMTP tests share: a next hop on a scripted server, an envelope, and one attempt that is checked to end in
// values. It adds nothing to what is under test.

import type { SmtpTerms } from '#adapters/smtp/next-hop.ts';
import { SmtpNextHop } from '#adapters/smtp/next-hop.ts';
import type { LmtpSettings, SmtpSettings } from '#config/settings.ts';
import type { Mailbox } from '#core/message/address.ts';
import type { NextHopResult, Transaction } from '#pipeline/ports.ts';
import { type ScriptedServer, scriptedServer } from '#test/smtp-dialogue.ts';

export function mailbox(address: string, domainKey?: string): Mailbox {
  const at = address.lastIndexOf('@');
  const domain = address.slice(at + 1);
  return { address, localPart: address.slice(0, at), domain, domainKey: domainKey ?? domain.toLowerCase() };
}

export function message(over: Partial<Transaction> & { body?: string | readonly string[] } = {}): Transaction {
  const chunks = typeof over.body === 'string' ? [over.body] : (over.body ?? ['Subject: x\r\n\r\nhello\r\n']);
  return {
    reversePath: mailbox('ann@src.example'),
    forwardPaths: [mailbox('bob@dest.example')],
    bytes: chunks.join('').length,
    content: chunksOf(chunks),
    ...over,
  };
}

/** Each chunk's memory is spoiled as soon as the next one is asked for, as the port's contract allows. */
export async function* chunksOf(chunks: readonly string[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) {
    const bytes = Buffer.from(chunk, 'latin1');
    yield bytes;
    bytes.fill('!');
  }
}

export type Settings = Omit<SmtpSettings, 'kind'> & { readonly kind: (SmtpSettings | LmtpSettings)['kind'] };

export function settings(over: Partial<Settings>): Settings {
  const plain = { kind: 'smtp', hosts: ['127.0.0.1'], port: 0, tls: 'off', ca: null, auth: null, helo: null } as const;
  return { ...plain, clientCertificate: null, pipelining: true, concurrency: null, messagesPerSecond: null, ...over };
}

/** Short enough for a test, long enough for a busy machine; the phase under test is given less. */
export const patient = { quit: 50, drain: 100, connect: 5_000, tls: 5_000, greeting: 5_000, ehlo: 5_000, kept: 5_000 };

export async function withServer<T>(
  scripts: readonly string[],
  over: Partial<Settings> & { terms?: Partial<SmtpTerms> },
  work: (hop: SmtpNextHop, server: ScriptedServer) => Promise<T>,
): Promise<T> {
  const server = await scriptedServer(...scripts);
  const { terms, ...rest } = over;
  const given = {
    ehloName: 'our.example',
    credentials: null,
    ...terms,
    timeoutsMs: { ...patient, ...terms?.timeoutsMs },
  };
  const hop = new SmtpNextHop(settings({ port: server.port, ...rest }), given);
  try {
    return await work(hop, server);
  } finally {
    await hop.close();
    await server.close();
  }
}

export const never = () => new AbortController().signal;

/** One attempt at one forward-path. */
export async function attemptOne(
  scripts: readonly string[],
  over: Partial<Settings> & { terms?: Partial<SmtpTerms> } = {},
  transaction: Transaction = message(),
): Promise<{ result: NextHopResult; server: ScriptedServer }> {
  return withServer(scripts, over, async (hop, server) => {
    const results = await hop.attempt(transaction, never());
    const [result] = results;
    if (result === undefined || results.length !== transaction.forwardPaths.length)
      throw new Error('not one result each');
    return { result, server };
  });
}
