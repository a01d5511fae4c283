// Stores one message that is being received: SES's own header fields, then the exact bytes. Called by receiving.ts. A
// small message stays in memory until its record is written; a large one streams to a file. It never answers 250:
// receiving.ts does, after the record. A file outlives the process, not a power cut.

import { close, open, unlink, write, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { Envelope, Peer } from './inbound-smtp.ts';
import { scanner, type VerdictStatus, type Verdicts } from './verdicts.ts';

const HELD_BYTES_MAX = 256 * 1024; // in memory for one session, before it streams
const files = {
  open: promisify(open),
  close: promisify(close),
  unlink: promisify(unlink),
  write: promisify(write),
  writev: promisify(writev),
};

export type HeaderFacts = {
  readonly sesMessageId: string;
  readonly envelope: Envelope;
  readonly peer: Peer;
  readonly verdicts: Verdicts;
  readonly region: string;
  /** Virtual instant, in milliseconds. */
  readonly at: number;
};
export type StoredMessage = {
  readonly bytes: number;
  readonly verdicts: Verdicts;
  /** The whole message; null where it is in the file. */
  readonly content: Buffer | null;
};
export type MessageFile = {
  write(chunk: Buffer): Promise<void> | undefined;
  /** The message is complete; `verdicts` hold the findings of the scan. */
  finish(): Promise<StoredMessage>;
  abort(): Promise<void>;
};

/** @param scan whether any rule that takes the message has scanning on */
export function openMessageFile(path: string, facts: HeaderFacts, scan: boolean): MessageFile {
  const scanned = scan ? scanner() : null;
  const { block, spamAt, virusAt } = headerBlock(facts);
  let held: Buffer[] = [block];
  let heldBytes = block.length;
  let bytes = 0;
  let file: number | null = null;
  let spill: Promise<void> | null = null;

  async function writeHeld(): Promise<void> {
    file ??= await files.open(path, 'wx');
    const buffers = held;
    const expected = heldBytes;
    held = [];
    heldBytes = 0;
    const { bytesWritten } = await files.writev(file, buffers);
    bytes += bytesWritten;
    if (bytesWritten !== expected) throw new Error(`short write to ${path}`);
  }
  async function patch(at: number, status: VerdictStatus): Promise<void> {
    if (file !== null) await files.write(file, Buffer.from(status), 0, status.length, at);
  }
  async function discard(): Promise<void> {
    await spill?.catch(() => undefined);
    if (file === null) return;
    await files.close(file);
    file = null;
    await files.unlink(path);
  }

  return {
    write(chunk) {
      scanned?.look(chunk);
      held.push(chunk);
      heldBytes += chunk.length;
      if (heldBytes <= HELD_BYTES_MAX) return undefined;
      spill = writeHeld();
      return spill;
    },
    async finish() {
      const verdicts = found(facts.verdicts, scanned?.findings ?? new Set());
      if (file === null) {
        block.write(verdicts.spam, spamAt, 'latin1');
        block.write(verdicts.virus, virusAt, 'latin1');
        return { bytes: heldBytes, verdicts, content: Buffer.concat(held, heldBytes) };
      }
      try {
        await patch(spamAt, verdicts.spam);
        await patch(virusAt, verdicts.virus);
        if (heldBytes > 0) await writeHeld();
        await files.close(file);
        file = null;
      } catch (error) {
        await discard().catch(() => undefined);
        throw error;
      }
      return { bytes, verdicts, content: null };
    },
    abort: discard,
  };
}

/** The scan's verdict replaces the one that `set` names. Both have four letters, so the block's length stays. */
function found(verdicts: Verdicts, findings: ReadonlySet<string>): Verdicts {
  const status = (told: VerdictStatus, finding: string): VerdictStatus =>
    findings.has(finding) && (told === 'PASS' || told === 'GRAY') ? 'FAIL' : told;
  return { ...verdicts, spam: status(verdicts.spam, 'spam'), virus: status(verdicts.virus, 'virus') };
}

export async function remove(path: string): Promise<void> {
  await files.unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

const WORDS: Readonly<Record<VerdictStatus, string>> = {
  PASS: 'pass',
  FAIL: 'fail',
  GRAY: 'none',
  PROCESSING_FAILED: 'temperror',
  DISABLED: 'none',
};

/** The fields that SES writes before a message, in the order of a real sample. */
function headerBlock(facts: HeaderFacts): { block: Buffer; spamAt: number; virusAt: number } {
  const { sesMessageId, envelope, peer, verdicts, region } = facts;
  const domain = envelope.reversePath.slice(envelope.reversePath.lastIndexOf('@') + 1) || peer.helo;
  const date = `${new Date(facts.at).toUTCString().replace('GMT', '+0000')} (UTC)`;
  const spf =
    `${WORDS[verdicts.spf]} (spfCheck: domain of ${domain}) client-ip=${peer.address}; ` +
    `envelope-from=${envelope.reversePath}; helo=${peer.helo};`;
  const before =
    `Return-Path: <${envelope.reversePath}>\r\n` +
    `Received: from ${peer.helo} (${peer.helo} [${peer.address}])\r\n by inbound-smtp.${region}.amazonaws.com with SMTP` +
    ` id ${sesMessageId}\r\n for ${envelope.forwardPaths[0] ?? ''};\r\n ${date}\r\n` +
    'X-SES-Spam-Verdict: ';
  const between = `${verdicts.spam}\r\nX-SES-Virus-Verdict: `;
  const after =
    `${verdicts.virus}\r\nReceived-SPF: ${spf}\r\n` +
    `Authentication-Results: amazonses.com;\r\n spf=${spf}\r\n` +
    ` dkim=${WORDS[verdicts.dkim]} header.i=@${domain};\r\n dmarc=${WORDS[verdicts.dmarc]} header.from=${domain};\r\n` +
    `X-SES-RECEIPT: ${Buffer.from(`emulated ${sesMessageId}`).toString('base64')}\r\n` +
    'X-SES-DKIM-SIGNATURE: a=rsa-sha256; q=dns/txt; d=amazonses.com; s=emulated; v=1; c=relaxed/simple; h=From:To:Subject:Date; bh=; b=;\r\n';
  const spamAt = Buffer.byteLength(before);
  return { block: Buffer.from(before + between + after), spamAt, virusAt: spamAt + Buffer.byteLength(between) };
}
