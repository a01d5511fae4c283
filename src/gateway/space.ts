// Space for messages while they are received and stored: small ones in memory, larger ones in a file that is unlinked
// at once, so that a kill leaves nothing behind. reception.ts uses it. All of them together have a limit. It never
// keeps a message: the store does that.

import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, mkdtemp, open, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { submissionHeldBytesMax, submissionSpaceBytesMax } from '#core/limits.ts';
import type { Storable } from '#pipeline/ports.ts';

/** All messages together have reached the bound: later there will be room. */
export class SpaceExhausted extends Error {}

export class SubmissionSpace {
  private readonly folder: string;
  private readonly limits: { readonly heldBytesMax: number; readonly spaceBytesMax: number };
  private used = 0;

  /**
   * `folder` is where temporary folders are made, as in the system's own: it is shared with strangers there. Made
   * itself when it is needed.
   */
  constructor(
    folder: string,
    limits = { heldBytesMax: submissionHeldBytesMax, spaceBytesMax: submissionSpaceBytesMax },
  ) {
    this.folder = folder;
    this.limits = limits;
  }

  open(): Intake {
    return new Intake(this.limits.heldBytesMax, () => this.file(), {
      take: (bytes) => {
        if (this.used + bytes > this.limits.spaceBytesMax)
          throw new SpaceExhausted(`messages in work have ${this.limits.spaceBytesMax} bytes already`);
        this.used += bytes;
      },
      give: (bytes) => {
        this.used -= bytes;
      },
    });
  }

  private async file(): Promise<FileHandle> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    // A folder of its own with a name that cannot be guessed, readable by its owner alone: a stranger can neither make
    // it first nor look into it.
    const own = await mkdtemp(join(this.folder, 'everpost-'));
    try {
      const path = join(own, 'content');
      const handle = await open(path, 'wx+', 0o600);
      await unlink(path); // the open handle keeps the bytes, and nothing else does
      return handle;
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }
}

/** One message's bytes: written once, then read as often as storing takes. */
export class Intake implements Storable {
  private readonly heldBytesMax: number;
  private readonly makeFile: () => Promise<FileHandle>;
  private readonly space: { take(bytes: number): void; give(bytes: number): void };
  private readonly hash = createHash('sha256');
  private digest: string | null = null;
  private held: Uint8Array[] = [];
  private file: FileHandle | null = null;
  private written = 0;

  constructor(
    heldBytesMax: number,
    makeFile: () => Promise<FileHandle>,
    space: { take(bytes: number): void; give(bytes: number): void },
  ) {
    this.heldBytesMax = heldBytesMax;
    this.makeFile = makeFile;
    this.space = space;
  }

  get bytes(): number {
    return this.written;
  }
  /** From the first call on nothing more is written. */
  get sha256(): string {
    this.digest ??= this.hash.digest('hex');
    return this.digest;
  }

  /** Takes the chunk over. Throws SpaceExhausted, or the file system's error. */
  async write(chunk: Uint8Array): Promise<void> {
    this.space.take(chunk.byteLength);
    this.written += chunk.byteLength;
    this.hash.update(chunk);
    if (this.file === null && this.written <= this.heldBytesMax) {
      this.held.push(chunk);
      return;
    }
    const file = this.file ?? (await this.spill());
    await file.writev([chunk]);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    if (this.file === null) {
      yield* this.held;
      return;
    }
    const buffer = Buffer.allocUnsafe(64 * 1024);
    for (let at = 0; at < this.written; ) {
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error(`a file ended after ${at} of ${this.written} bytes`);
      at += bytesRead;
      yield Buffer.from(buffer.subarray(0, bytesRead)); // a stream keeps chunks while it asks for more
    }
  }

  /** Gives the room back. Safe to call twice. */
  async close(): Promise<void> {
    const { file, written } = this;
    this.file = null;
    this.held = [];
    this.written = 0;
    this.space.give(written);
    await file?.close();
  }

  private async spill(): Promise<FileHandle> {
    const file = await this.makeFile();
    this.file = file;
    if (this.held.length > 0) await file.writev(this.held);
    this.held = [];
    return file;
  }
}
