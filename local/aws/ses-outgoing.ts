// What the emulated SES has accepted for sending: written down before the caller hears of it, then handed to the server of --ses-out by
// SMTP, or laid into Maildir folders. It tries again as SES does, for fourteen hours, also after a kill.
// What a server refuses is logged; no event goes out for it yet.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderName } from '#local/demo-next-hop.ts';
import { handOver } from '#local/smtp-send.ts';
import type { World } from '#local/world.ts';
import { remove } from './ses-intake.ts';

export type OutgoingMail = {
  readonly sesMessageId: string;
  /** '' is the null one, which only SendBounce has. */
  readonly reversePath: string;
  readonly forwardPaths: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly acceptedAt: number;
};
export type Outgoing = {
  /** Resolves when it outlives the process. */
  accept(mail: OutgoingMail, content: Uint8Array): Promise<void>;
  /** Begins again what a crash interrupted. */
  resume(): void;
  waiting(): number;
  stop(): void;
};
export type SesOut = { readonly host: string; readonly port: number } | { readonly folder: string };

const RETRY_MS = [1_000, 5_000, 30_000, 300_000, 1_800_000];
const GIVE_UP_MS = 14 * 3_600_000;

/** @param suppressed recipients that SES accepts and then skips without a word (docs/aws-contracts.md §2.6) */
export function openOutgoing(
  world: World,
  out: SesOut,
  suppressed: (address: string) => boolean = () => false,
): Outgoing {
  const folder = join(world.dataFolder, 'ses', 'outgoing');
  mkdirSync(folder, { recursive: true });
  const timers = new Set<() => void>();
  let waiting = 0;
  let stopped = false;
  const place = (id: string, ending: 'eml' | 'json') => join(folder, `${id}.${ending}`);

  async function work(mail: OutgoingMail, tries: number): Promise<void> {
    const done = world.clock.busy();
    try {
      const content = await readFile(place(mail.sesMessageId, 'eml'));
      const left: string[] = [];
      for (const forwardPath of mail.forwardPaths) {
        const ended = suppressed(forwardPath) ? skipped(mail, forwardPath) : await hand(mail, forwardPath, content);
        if (!ended) left.push(forwardPath);
      }
      if (left.length > 0 && world.clock.now() - mail.acceptedAt < GIVE_UP_MS)
        return again({ ...mail, forwardPaths: left }, tries);
      for (const forwardPath of left) world.log(`ses: ${mail.sesMessageId} for ${forwardPath} was given up`);
      await remove(place(mail.sesMessageId, 'json'));
      await remove(place(mail.sesMessageId, 'eml'));
      waiting -= 1;
    } catch (error) {
      world.log(
        `ses: ${mail.sesMessageId} could not be sent: ${error instanceof Error ? error.message : String(error)}`,
      );
      again(mail, tries);
    } finally {
      done();
    }
  }

  function again(mail: OutgoingMail, tries: number): void {
    if (stopped) return;
    const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 0;
    const forget = () => timers.delete(cancel);
    const cancel: () => void = world.clock.at(world.clock.now() + wait, () => {
      forget();
      void work(mail, tries + 1);
    });
    timers.add(cancel);
  }

  function skipped(mail: OutgoingMail, forwardPath: string): boolean {
    world.log(`ses: ${mail.sesMessageId} is not sent: ${forwardPath} is suppressed`);
    return true;
  }

  /** True when it has come to an end: taken, or refused for good. */
  async function hand(mail: OutgoingMail, forwardPath: string, content: Buffer): Promise<boolean> {
    if ('folder' in out) {
      await intoMaildir(out.folder, mail, forwardPath, content);
      return true;
    }
    const helo = `a1-1.smtp-out.${world.region}.amazonses.com`;
    const handed = await handOver({ ...out, helo }, { reversePath: mail.reversePath, forwardPath, content });
    if (handed.code >= 200 && handed.code < 300) return true;
    world.log(`ses: ${mail.sesMessageId} for ${forwardPath}: ${handed.text}`);
    return handed.code >= 500;
  }

  return {
    async accept(mail, content) {
      await writeFile(place(mail.sesMessageId, 'eml'), content);
      // The record appears whole or not at all, after its content: so a kill leaves no half of one.
      const unfinished = `${place(mail.sesMessageId, 'json')}.tmp`;
      await writeFile(unfinished, JSON.stringify(mail));
      await rename(unfinished, place(mail.sesMessageId, 'json'));
      waiting += 1;
      void work(mail, 0);
    },
    resume() {
      for (const name of readdirSync(folder)) {
        if (!name.endsWith('.json')) continue;
        const mail = JSON.parse(readFileSync(join(folder, name), 'utf8')) as OutgoingMail;
        waiting += 1;
        void work(mail, 0);
      }
    },
    waiting: () => waiting,
    stop() {
      stopped = true;
      for (const cancel of timers) cancel();
      timers.clear();
    },
  };
}

/** With Return-Path, as a final delivery has it (RFC 5321 §4.4). */
async function intoMaildir(root: string, mail: OutgoingMail, forwardPath: string, content: Buffer): Promise<void> {
  const mailbox = join(root, folderName(forwardPath));
  for (const part of ['tmp', 'new', 'cur']) mkdirSync(join(mailbox, part), { recursive: true });
  const name = `${mail.acceptedAt}.${mail.sesMessageId}.localhost`;
  const temporary = join(mailbox, 'tmp', name);
  await writeFile(temporary, Buffer.concat([Buffer.from(`Return-Path: <${mail.reversePath}>\r\n`), content]));
  await rename(temporary, join(mailbox, 'new', name));
}
