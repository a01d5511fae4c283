// The next hop SES, called by relay: v2 SendEmail with raw content, one recipient a call. The author is kept, or
// written so that people can read it (core/message/ses-edit.ts). The body keeps its bytes unless a line is too long
// (core/message/reencode.ts). SES replaces Message-ID and Date and knows no null envelope sender. It holds the content
// once, and the client's request some more (`heldPerByte`). It never sends one call twice.

import { type SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { lineOctetsMax, sesHeldPerByte, sesMessageBytesMax } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import { needsSmtputf8 } from '#core/message/address.ts';
import { noEvidence } from '#core/message/author-trust.ts';
import { asciiAddressOf } from '#core/message/authors.ts';
import { headerSection } from '#core/message/header.ts';
import { mendLines } from '#core/message/reencode.ts';
import { type SesEdit, sesEdit } from '#core/message/ses-edit.ts';
import { deliveryTag, sesHost } from '#core/message/ses-use.ts';
import { statusOf } from '#core/reply/status.ts';
import { ContentUnreadable, type NextHop, type NextHopResult, type Transaction } from '#pipeline/ports.ts';
import { neverSent, resultOfFailure, withoutId } from './ses-errors.ts';

export type SesNextHopTerms = {
  /** Verified for us in SES; sub-domains are too. */
  readonly domains: readonly string[];
  /**
   * `notices.from`: the address that replaces authors of other domains, and the envelope sender where the reverse-path
   * is null.
   */
  readonly noticesFrom: string;
  readonly region: string;
  /** Its events report the mail's further results. */
  readonly configurationSet: string;
};

/** Left free before the content, so that a longer header section fits without moving the body. */
const headroomBytes = 16_384;

export class SesNextHop implements NextHop {
  readonly heldPerByte = sesHeldPerByte;
  private readonly client: SESv2Client;
  private readonly terms: SesNextHopTerms;

  constructor(client: SESv2Client, terms: SesNextHopTerms) {
    this.client = client;
    this.terms = terms;
  }

  async attempt(transaction: Transaction, signal: AbortSignal): Promise<readonly NextHopResult[]> {
    const { forwardPaths } = transaction;
    // Before a byte is read: v1 and v2 of SES's API refuse a longer message only after all of it was sent.
    if (transaction.bytes !== null && transaction.bytes > sesMessageBytesMax)
      return forwardPaths.map(() => tooLarge(this.host));
    if (signal.aborted) return forwardPaths.map(() => neverSent(this.host));
    const outgoing = await this.outgoing(transaction);
    if ('kind' in outgoing) return forwardPaths.map(() => outgoing);
    const results: NextHopResult[] = [];
    for (const forwardPath of forwardPaths) results.push(await this.send(outgoing, forwardPath, transaction, signal));
    return results;
  }

  async close(): Promise<void> {
    this.client.destroy();
  }

  /**
   * The message as it goes to SES. The original bytes are released here, so that they are not held beside a body that
   * was encoded anew.
   */
  private async outgoing(transaction: Transaction): Promise<Outgoing | NextHopResult> {
    const collected = await collect(transaction);
    if ('kind' in collected) return collected;
    const { bytes, start } = collected;
    if (bytes.length - start > sesMessageBytesMax) return tooLarge(this.host);
    const message = bytes.subarray(start);
    const section = headerSection(message);
    const mend = mendLines(message, section);
    if (mend.kind === 'impossible') return unconvertible(mend.why, this.host);
    const { domains, noticesFrom } = this.terms;
    const terms = { domains, noticesFrom, evidence: transaction.author ?? noEvidence };
    const edit = sesEdit(message, terms, section, mend.kind === 'none' ? null : mend.change);
    const raw = mend.kind === 'none' ? spliced(bytes, start, edit) : joined(edit.header, mend.chunks);
    if (raw === null || raw.length > sesMessageBytesMax) return tooLarge(this.host);
    return { raw, from: edit.from, author: edit.why, reencoded: mend.kind === 'mended' };
  }

  private get host(): string {
    return sesHost(this.terms.region);
  }

  private async send(
    { raw, from, author, reencoded }: Outgoing,
    forwardPath: Mailbox,
    { reversePath, tag }: Transaction,
    signal: AbortSignal,
  ): Promise<NextHopResult> {
    if (signal.aborted) return neverSent(this.host); // while the content was collected
    if (needsSmtputf8(forwardPath)) {
      const detail = 'its addresses are ASCII';
      return { kind: 'capability', fault: 'smtputf8-not-offered', detail, host: this.host };
    }
    const { configurationSet, noticesFrom } = this.terms;
    const command = new SendEmailCommand({
      // Its bounces go there: a null reverse-path, which SES cannot say, means ours.
      FromEmailAddress: reversePath === null ? noticesFrom : from,
      Destination: { ToAddresses: [asciiAddressOf(forwardPath)] },
      Content: { Raw: { Data: raw } },
      ...(tag === undefined ? {} : { EmailTags: [{ Name: deliveryTag, Value: tag }] }),
      ConfigurationSetName: configurationSet,
    });
    try {
      const { MessageId } = await this.client.send(command, { abortSignal: signal });
      if (!MessageId) return withoutId(this.host);
      return { ...accepted(MessageId, this.host), author, ...(reencoded ? { reencoded } : {}) };
    } catch (error) {
      return resultOfFailure(error, this.host, signal);
    }
  }
}

/** SES's 200 as an SMTP reply; SES's events will name its message id. */
export function accepted(sesMessageId: string, host: string): Extract<NextHopResult, { readonly kind: 'reply' }> {
  const reply = { code: 250, status: statusOf('2.0.0'), text: `Ok ${sesMessageId}`.trim(), host };
  return { kind: 'reply', phase: 'final-dot', reply, tls: true };
}

function tooLarge(host: string): NextHopResult {
  const detail = 'the message is larger than SES takes';
  return { kind: 'capability', fault: 'size-exceeded', detail, host, sizeMax: sesMessageBytesMax };
}

const UNCONVERTIBLE = {
  signed: 'what is signed may not be changed (RFC 1847)',
  encrypted: 'what is encrypted may not be changed (RFC 1847)',
  structure: 'it has more parts, or deeper ones, than can be encoded anew',
  encoding: 'the part with such lines allows no other encoding (RFC 2045 §6.4)',
} as const;

function unconvertible(why: keyof typeof UNCONVERTIBLE, host: string): NextHopResult {
  const fault = why === 'signed' || why === 'encrypted' ? 'conversion-prohibited' : 'conversion-impossible';
  const detail = `it takes no lines of more than ${lineOctetsMax} octets, and ${UNCONVERTIBLE[why]}`;
  return { kind: 'capability', fault, detail, host };
}

type Outgoing = {
  readonly raw: Uint8Array;
  readonly from: string;
  readonly author: SesEdit['why'];
  readonly reencoded: boolean;
};
type Collected = { readonly bytes: Uint8Array; readonly start: number };

/** The content behind some free room, or why it could not be read to its end. */
async function collect({ bytes: expected, content }: Transaction): Promise<Collected | NextHopResult> {
  let held = Buffer.allocUnsafe(headroomBytes + (expected ?? 65_536));
  let end = headroomBytes;
  try {
    for await (const chunk of content) {
      if (end + chunk.length > held.length) {
        const larger = Buffer.allocUnsafe(Math.max(end + chunk.length, held.length * 2));
        held.copy(larger, 0, 0, end);
        held = larger;
      }
      held.set(chunk, end);
      end += chunk.length;
      if (end - headroomBytes > sesMessageBytesMax + headroomBytes) break; // refused by its caller
    }
  } catch (error) {
    if (error instanceof ContentUnreadable) return { kind: 'content', cause: error.cause, detail: error.message };
    return { kind: 'content', cause: 'unavailable', detail: String(error).slice(0, 300) };
  }
  return { bytes: held.subarray(0, end), start: headroomBytes };
}

/**
 * The new header section and the new body, measured first: one buffer of the right size. Null where SES takes no
 * message of that size.
 */
function joined(header: Uint8Array, chunks: () => Iterable<Uint8Array>): Uint8Array | null {
  let size = header.length;
  for (const chunk of chunks()) {
    size += chunk.length;
    if (size > sesMessageBytesMax) return null;
  }
  const raw = Buffer.allocUnsafe(size);
  raw.set(header);
  let at = header.length;
  for (const chunk of chunks()) {
    raw.set(chunk, at);
    at += chunk.length;
  }
  return raw;
}

/** The new header section written right before the body, where it fits: the body stays where it is. */
function spliced(bytes: Uint8Array, start: number, { header, bodyStart }: SesEdit): Uint8Array {
  const body = start + bodyStart;
  if (header.length > body) return Buffer.concat([header, bytes.subarray(body)]);
  bytes.set(header, body - header.length);
  return bytes.subarray(body - header.length);
}
