// The next hop that is SES, by v2 SendEmail with raw content: one recipient a call, the author kept or written so that people can read
// him (core/ses-edit.ts), the body's bytes as they are. SES replaces Message-ID and Date and knows no null envelope sender.
// It holds the content once, and the client's request some more (`heldPerByte`); it never sends one call twice.

import { type SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import type { Mailbox } from '#core/address.ts';
import { needsSmtputf8 } from '#core/address.ts';
import { asciiAddressOf } from '#core/author.ts';
import { sesHeldPerByte, sesMessageBytesMax } from '#core/limits.ts';
import { type SesEdit, sesEdit } from '#core/ses-edit.ts';
import { deliveryTag, sesHost } from '#core/ses-use.ts';
import { statusOf } from '#core/status.ts';
import { ContentUnreadable, type NextHop, type NextHopResult, type Transaction } from '#pipeline/ports.ts';
import { neverSent, resultOfFailure } from './ses-errors.ts';

export type SesNextHopTerms = {
  /** Verified for us in SES; sub-domains are too. */
  readonly domains: readonly string[];
  /** `notices.from`: what authors of other domains are written over, and the envelope sender where the reverse-path is null. */
  readonly noticesFrom: string;
  readonly region: string;
  /** Its events tell what becomes of the mail. */
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
    // Before a byte is read: v1 and v2 of its API alike refuse what is longer, after all of it was sent.
    if (transaction.bytes !== null && transaction.bytes > sesMessageBytesMax)
      return forwardPaths.map(() => tooLarge(this.host));
    if (signal.aborted) return forwardPaths.map(() => neverSent(this.host));
    const collected = await collect(transaction);
    if ('kind' in collected) return forwardPaths.map(() => collected);
    const { bytes, start } = collected;
    if (bytes.length - start > sesMessageBytesMax) return forwardPaths.map(() => tooLarge(this.host));
    const { domains, noticesFrom } = this.terms;
    const edit = sesEdit(bytes.subarray(start), {
      domains: transaction.authorDomains ?? domains,
      noticesFrom,
      authorDoubted: transaction.authorDoubted === true,
    });
    const raw = spliced(bytes, start, edit);
    const results: NextHopResult[] = [];
    for (const forwardPath of forwardPaths) results.push(await this.send(raw, edit, forwardPath, transaction, signal));
    return results;
  }

  async close(): Promise<void> {
    this.client.destroy();
  }

  private get host(): string {
    return sesHost(this.terms.region);
  }

  private async send(
    raw: Uint8Array,
    edit: SesEdit,
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
      // Its bounces go there: a null reverse-path, which SES can not say, means ours.
      FromEmailAddress: reversePath === null ? noticesFrom : edit.from,
      Destination: { ToAddresses: [asciiAddressOf(forwardPath)] },
      Content: { Raw: { Data: raw } },
      ...(tag === undefined ? {} : { EmailTags: [{ Name: deliveryTag, Value: tag }] }),
      ConfigurationSetName: configurationSet,
    });
    try {
      const { MessageId } = await this.client.send(command, { abortSignal: signal });
      return accepted(MessageId ?? '', this.host);
    } catch (error) {
      return resultOfFailure(error, this.host, signal);
    }
  }
}

/** SES's 200 as the reply that it stands for; its message id is what its events will name. */
export function accepted(sesMessageId: string, host: string): NextHopResult {
  const reply = { code: 250, status: statusOf('2.0.0'), text: `Ok ${sesMessageId}`.trim(), host };
  return { kind: 'reply', phase: 'final-dot', reply, tls: true };
}

function tooLarge(host: string): NextHopResult {
  const detail = 'the message is larger than SES takes';
  return { kind: 'capability', fault: 'size-exceeded', detail, host, sizeMax: sesMessageBytesMax };
}

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

/** The new header section written right before the body, where it fits: the body stays where it is. */
function spliced(bytes: Uint8Array, start: number, { header, bodyStart }: SesEdit): Uint8Array {
  const body = start + bodyStart;
  if (header.length > body) return Buffer.concat([header, bytes.subarray(body)]);
  bytes.set(header, body - header.length);
  return bytes.subarray(body - header.length);
}
