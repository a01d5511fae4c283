// A next hop that follows a script and keeps what it accepted. Tests compare this server's view with the ledger's. It
// reads content where a server would: after 354, and never for a refusal before it.

import type { Mailbox, ReversePath } from '#core/message/address.ts';
import type { AttemptResult, CapabilityFault, NetworkFault, Phase } from '#core/reply/reply.ts';
import { parseStatus } from '#core/reply/status.ts';
import { ContentUnreadable, type NextHop, type NextHopResult, type Transaction } from '#pipeline/ports.ts';

/** The course of one attempt at one forward-path. */
export type ScriptedReply =
  /** A reply; at 'final-dot' by default, so that the content is read first. A 2yz there keeps the message. */
  | {
      readonly code: number;
      readonly status?: string;
      readonly text?: string;
      readonly at?: Phase;
      readonly dsnTaken?: true;
      /** It says that it does not take the message, and keeps it. */
      readonly kept?: true;
    }
  /**
   * The connection ends. With `accepted` at 'final-dot' the server has the message although the client got no answer.
   */
  | { readonly fault: NetworkFault; readonly at: Phase; readonly accepted?: boolean }
  | { readonly capability: CapabilityFault; readonly sizeMax?: number };

export type Accepted = {
  readonly reversePath: ReversePath;
  readonly forwardPath: Mailbox;
  readonly content: Uint8Array;
  /** Its answer: an acceptance, a refusal, or none that reached the client. */
  readonly answer: 'accepted' | 'refused' | 'unheard';
};

export type Script = (forwardPath: Mailbox, attempt: number, transaction: Transaction) => ScriptedReply;

const HOST = 'memory.next-hop.example';
const AFTER_354: readonly Phase[] = ['content', 'final-dot'];

export class MemoryNextHop implements NextHop {
  private readonly script: Script;
  private readonly seen = new Map<string, number>();
  readonly accepted: Accepted[] = [];
  closed = false;

  /** `attempt` counts from 1 for each forward-path. Without a script everything is accepted. */
  constructor(script: Script = () => ({ code: 250, status: '2.0.0', text: 'Ok' })) {
    this.script = script;
  }

  async attempt(transaction: Transaction, signal: AbortSignal): Promise<readonly NextHopResult[]> {
    if (signal.aborted) {
      return transaction.forwardPaths.map(() => network('aborted', 'connect'));
    }
    const replies = transaction.forwardPaths.map((forwardPath) => {
      const attempt = (this.seen.get(forwardPath.address) ?? 0) + 1;
      this.seen.set(forwardPath.address, attempt);
      return this.script(forwardPath, attempt, transaction);
    });
    if (!replies.some(wantsContent)) return replies.map(resultOf);

    const content = await collect(transaction.content);
    if (content instanceof ContentUnreadable) {
      const { cause, message } = content;
      return replies.map((reply) =>
        wantsContent(reply) ? { kind: 'content', cause, detail: message } : resultOf(reply),
      );
    }
    replies.forEach((reply, index) => {
      const forwardPath = transaction.forwardPaths[index];
      if (keeps(reply) && forwardPath)
        this.accepted.push({ reversePath: transaction.reversePath, forwardPath, content, answer: answerOf(reply) });
    });
    return replies.map(resultOf);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

function wantsContent(reply: ScriptedReply): boolean {
  if ('capability' in reply) return false;
  return AFTER_354.includes(reply.at ?? 'final-dot');
}

function keeps(reply: ScriptedReply): boolean {
  if ('capability' in reply) return false;
  if ('fault' in reply) return reply.at === 'final-dot' && reply.accepted === true;
  return wantsContent(reply) && (isPositive(reply.code) || reply.kept === true);
}

function answerOf(reply: ScriptedReply): Accepted['answer'] {
  if (!('code' in reply)) return 'unheard';
  return isPositive(reply.code) ? 'accepted' : 'refused';
}

function isPositive(code: number): boolean {
  return code >= 200 && code < 300;
}

function resultOf(reply: ScriptedReply): AttemptResult & { readonly dsnTaken?: boolean } {
  if ('capability' in reply) {
    const sizeMax = reply.sizeMax === undefined ? {} : { sizeMax: reply.sizeMax };
    return { kind: 'capability', fault: reply.capability, detail: 'scripted', host: HOST, ...sizeMax };
  }
  if ('fault' in reply) return network(reply.fault, reply.at);
  const status = reply.status === undefined ? null : parseStatus(reply.status);
  const said = { code: reply.code, status, text: reply.text ?? 'scripted', host: HOST };
  return {
    kind: 'reply',
    phase: reply.at ?? 'final-dot',
    reply: said,
    tls: true,
    ...(reply.dsnTaken ? { dsnTaken: true } : {}),
  };
}

function network(fault: NetworkFault, phase: Phase): AttemptResult {
  return { kind: 'network', phase, fault, detail: 'scripted', host: HOST };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array | ContentUnreadable> {
  const parts: Uint8Array[] = [];
  try {
    // A chunk is valid only until the next one is asked for, so each is copied.
    for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
  } catch (error) {
    if (error instanceof ContentUnreadable) return error;
    throw error;
  }
  return Buffer.concat(parts);
}
