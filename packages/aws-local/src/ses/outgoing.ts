// The mail that SES has accepted for sending. Called by ses.ts. It stores a message before it answers, then gives it to
// an SMTP server, or writes it into Maildirs. It retries as SES does, also after a kill, until the configuration set's
// limit, and reports the outcome as events. Mail without a configuration set causes no events.

import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '../world.ts';
import { type ConfigurationSets, DELIVERY_SECONDS_MAX } from './configuration-sets.ts';
import { remove } from './intake.ts';
import { folderName } from './mailbox-folder.ts';
import { delayed, delivered, expired, refusedBy, simulated, suppressed, type Telling } from './mailbox-simulator.ts';
import type { Events, OutgoingMail } from './sending-events.ts';
import { handOver } from './smtp-send.ts';
import { scanner } from './verdicts.ts';

export type Outgoing = {
  /** Resolves when it outlives the process. */
  accept(mail: OutgoingMail, content: Uint8Array): Promise<void>;
  /** Starts again the work that a crash interrupted. */
  resume(): void;
  waiting(): number;
  stop(): void;
};
export type SesOut = { readonly host: string; readonly port: number } | { readonly folder: string };
/** Without them no event is published, as without an event destination. */
export type Told = { readonly sets: ConfigurationSets; readonly events: Events };

const RETRY_MS = [1_000, 5_000, 30_000, 300_000, 1_800_000];

/** One recipient's end, or that it is to be tried again. */
type Handed =
  | { readonly ended: true; readonly tell: readonly Telling[] }
  | { readonly ended: false; readonly reply: string };

/** @param isSuppressed recipients that SES accepts and then skips (docs/aws-contracts.md §2.6) */
export function openOutgoing(
  world: World,
  out: SesOut,
  told: Told | null = null,
  isSuppressed: (address: string) => boolean = () => false,
): Outgoing {
  const folder = join(world.dataFolder, 'ses', 'outgoing');
  mkdirSync(folder, { recursive: true });
  const timers = new Set<() => void>();
  let waiting = 0;
  let stopped = false;
  const place = (id: string, ending: 'eml' | 'json') => join(folder, `${id}.${ending}`);
  const setOf = (mail: OutgoingMail) =>
    mail.configurationSet === null ? null : told?.sets.find(mail.configurationSet);
  const patienceMs = (mail: OutgoingMail) => (setOf(mail)?.maxDeliverySeconds ?? DELIVERY_SECONDS_MAX) * 1000;
  const termsOf = (mail: OutgoingMail, forwardPath: string) => ({
    forwardPath,
    now: world.clock.now(),
    acceptedAt: mail.acceptedAt,
    feedbackId: `${mail.sesMessageId.slice(0, 16)}-${randomUUID()}-000000`,
    region: world.region,
  });

  async function work(mail: OutgoingMail, tries: number): Promise<void> {
    const done = world.clock.busy(`SES, sending ${mail.sesMessageId}`);
    try {
      const content = await readFile(place(mail.sesMessageId, 'eml'));
      const left = carriesVirus(content) ? await rejected(mail, content) : await round(mail, content, tries);
      if (left.length > 0) return again({ ...mail, forwardPaths: left }, tries);
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

  /** SES accepts the recipient and drops it; only an event says so (docs/aws-contracts.md §3.2). */
  async function rejected(mail: OutgoingMail, content: Buffer): Promise<readonly string[]> {
    world.log(`ses: ${mail.sesMessageId} carries a virus and is rejected`);
    await told?.events.publish(mail, content, 'reject', { reject: { reason: 'Bad content' } });
    return [];
  }

  /** One try for each recipient; those to be tried again. */
  async function round(mail: OutgoingMail, content: Buffer, tries: number): Promise<readonly string[]> {
    const expiresAt = mail.acceptedAt + patienceMs(mail);
    const left: string[] = [];
    for (const forwardPath of mail.forwardPaths) {
      const handed = await attempt(mail, forwardPath, content);
      let tell = handed.ended ? handed.tell : [];
      if (!handed.ended && world.clock.now() >= expiresAt) {
        world.log(`ses: ${mail.sesMessageId} for ${forwardPath} was given up`);
        tell = [expired(termsOf(mail, forwardPath), patienceMs(mail) / 1000, handed.reply)];
      } else if (!handed.ended) {
        left.push(forwardPath);
        if (tries === 0) tell = [delayed(termsOf(mail, forwardPath), expiresAt, handed.reply)];
      }
      for (const [type, part] of tell) await told?.events.publish(mail, content, type, part);
    }
    return left;
  }

  async function attempt(mail: OutgoingMail, forwardPath: string, content: Buffer): Promise<Handed> {
    const terms = () => termsOf(mail, forwardPath);
    const simulation = simulated(terms());
    if (simulation !== null) return { ended: true, tell: simulation };
    if (isSuppressed(forwardPath) && setOf(mail)?.suppresses !== false) {
      world.log(`ses: ${mail.sesMessageId} is not sent: ${forwardPath} is suppressed`);
      return { ended: true, tell: [suppressed(terms(), 'OnAccountSuppressionList')] };
    }
    if (setOf(mail)?.validates && neverExists(forwardPath)) {
      world.log(`ses: ${mail.sesMessageId} is not sent: ${forwardPath} does not pass Auto Validation`);
      return { ended: true, tell: [suppressed(terms(), 'EmailValidationSuppressed')] };
    }
    if ('folder' in out) {
      await intoMaildir(out.folder, mail, forwardPath, content);
      return { ended: true, tell: [delivered(terms(), '250 2.6.0 Message received')] };
    }
    const helo = `a1-1.smtp-out.${world.region}.amazonses.com`;
    const handed = await handOver({ ...out, helo }, { reversePath: mail.reversePath, forwardPath, content });
    if (handed.code >= 200 && handed.code < 300) return { ended: true, tell: [delivered(terms(), handed.text)] };
    world.log(`ses: ${mail.sesMessageId} for ${forwardPath}: ${handed.text}`);
    if (handed.code >= 500) return { ended: true, tell: [refusedBy(terms(), handed.text)] };
    return { ended: false, reply: handed.text };
  }

  function again(mail: OutgoingMail, tries: number): void {
    if (stopped) return;
    const now = world.clock.now();
    const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 0;
    const left = mail.acceptedAt + patienceMs(mail) - now; // the last try is when the time is over
    const forget = () => timers.delete(cancel);
    const cancel: () => void = world.clock.at(now + (left > 0 ? Math.min(wait, left) : wait), () => {
      forget();
      void work(mail, tries + 1);
    });
    timers.add(cancel);
  }

  return {
    async accept(mail, content) {
      // The record appears whole or not at all, after its content: so a kill leaves no half of one.
      const unfinished = `${place(mail.sesMessageId, 'json')}.tmp`;
      try {
        await writeFile(place(mail.sesMessageId, 'eml'), content);
        await writeFile(unfinished, JSON.stringify(mail));
        await rename(unfinished, place(mail.sesMessageId, 'json'));
        await told?.events.publish(mail, content, 'send', { send: {} });
      } catch (error) {
        // The caller hears that it was refused: then it is not sent at the next start either.
        for (const path of [place(mail.sesMessageId, 'json'), unfinished, place(mail.sesMessageId, 'eml')])
          await remove(path);
        throw error;
      }
      waiting += 1;
      void work(mail, 0);
    },
    resume() {
      const names = new Set(readdirSync(folder));
      for (const name of names) {
        if (!name.endsWith('.json')) {
          // Never answered for: its record is not there, or was never finished.
          const record = name.endsWith('.eml') ? name.replace(/eml$/, 'json') : null;
          if (record === null || !names.has(record)) rmSync(join(folder, name), { force: true });
          continue;
        }
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

/** SES judges addresses by rules of its own. Here a domain that cannot exist is the invalid one (RFC 2606 §2). */
function neverExists(address: string): boolean {
  return /\.invalid$/i.test(address);
}

function carriesVirus(content: Uint8Array): boolean {
  const scanned = scanner();
  scanned.look(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
  return scanned.findings.has('virus');
}

/** With Return-Path, as a final delivery has it (RFC 5321 §4.4). */
async function intoMaildir(root: string, mail: OutgoingMail, forwardPath: string, content: Buffer): Promise<void> {
  const mailbox = join(root, folderName(forwardPath));
  for (const part of ['tmp', 'new', 'cur']) mkdirSync(join(mailbox, part), { recursive: true });
  const name = `${mail.acceptedAt}.${mail.sesMessageId}.localhost`;
  const temporary = join(mailbox, 'tmp', name);
  try {
    await writeFile(temporary, Buffer.concat([Buffer.from(`Return-Path: <${mail.reversePath}>\r\n`), content]));
    await rename(temporary, join(mailbox, 'new', name));
  } catch (error) {
    await remove(temporary);
    throw error;
  }
}
