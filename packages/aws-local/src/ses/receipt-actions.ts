// Performs the actions of the receipt rules for accepted mail: S3 put, then SNS publish, for each rule by itself.
// Called by receiving.ts. It retries with back-off on the virtual clock for 36 hours. It removes the record when all
// rules are done, in the same commit as their last write.

import { link, open } from 'node:fs/promises';
import type { Caller, World } from '../world.ts';
import type { AcceptedMail, SesRecords } from './accepted-mail.ts';
import { remove } from './intake.ts';
import { HEADER_SECTION_BYTES_MAX, notification } from './receipt-notification.ts';
import type { RuleAction } from './rule-sets.ts';

/**
 * Puts a message into a bucket: its bytes, or a finished file, which is taken over by rename and stays on an error. The
 * object need not be committed yet when it resolves, only written to the store. Rejects with AwsError.
 */
export type Deposit = (by: Caller, bucket: string, key: string, content: Buffer | string) => Promise<unknown>;
/** Publishes to a topic; committed like a deposit. Rejects with AwsError. */
export type Announce = (by: Caller, topicArn: string, subject: string, message: string) => Promise<unknown>;
/** Where SES's own metrics go (namespace AWS/SES). */
export type Measure = (
  metric: { readonly namespace: string; readonly name: string; readonly dimensions: Readonly<Record<string, string>> },
  value: number,
  at: number,
) => void;

export const SUBJECT = 'Amazon SES Email Receipt Notification';

const LIFETIME_MS = 36 * 3_600_000; // SES gives up after 36 hours: metric PublishExpired
const BACKOFF_MS = [1_000, 5_000, 30_000, 120_000, 600_000, 1_800_000]; // SES's is not documented; the last one repeats
const PARALLEL_MAX = 16; // rules at work at one time: more would only wait for the disk

export type Dispatch = {
  /** `fresh`: just received, not begun again after a crash. */
  accept(mail: AcceptedMail, fresh: boolean): void;
  unfinished(): number;
  stop(): void;
};

type Job = {
  readonly mail: AcceptedMail;
  readonly position: number;
  /** The next action, and whether its object is stored already. */
  action: number;
  stored: boolean;
  failures: number;
};

export function openDispatch(parts: {
  readonly world: World;
  readonly records: SesRecords;
  readonly deposit: Deposit;
  readonly announce: Announce;
  readonly measure?: Measure;
}): Dispatch {
  const { world, records } = parts;
  const { clock } = world;
  const open = new Map<string, number>(); // rules not yet done, by message
  const waiting: Job[] = [];
  const timers = new Set<() => void>();
  let running = 0;
  let stopped = false;

  function start(job: Job): void {
    const done = clock.busy('SES, a receipt rule');
    waiting.push(job);
    pump();
    done();
  }
  function pump(): void {
    while (running < PARALLEL_MAX && !stopped) {
      const job = waiting.shift();
      if (job === undefined) return;
      running += 1;
      const done = clock.busy(`SES, receipt rule ${ruleOf(job).Name}`);
      void attempt(job).finally(() => {
        running -= 1;
        pump();
        done();
      });
    }
  }

  async function attempt(job: Job): Promise<void> {
    try {
      for (
        const actions = ruleOf(job).Actions ?? [];
        job.action < actions.length;
        job.action += 1, job.stored = false
      ) {
        await carryOut(job, actions[job.action] ?? {});
      }
    } catch (error) {
      if (!stopped) failed(job, error);
      return;
    }
    count(job, 'PublishSuccess');
    await finished(job);
  }

  async function carryOut(job: Job, action: RuleAction): Promise<void> {
    const { sesMessageId } = job.mail;
    const rule = ruleOf(job);
    const arn = `arn:${world.partition}:ses:${world.region}:${world.account}:receipt-rule-set/${job.mail.ruleSet}:receipt-rule/${rule.Name}`;
    const by = caller(world, arn, action.S3Action?.IamRoleArn);
    if (action.S3Action && !job.stored) {
      const { BucketName: bucket, ObjectKeyPrefix: prefix = '' } = action.S3Action;
      const content = records.contentOf(job.mail);
      if (content !== null) await parts.deposit(by, bucket, prefix + sesMessageId, content);
      else await depositFile(job, (copy) => parts.deposit(by, bucket, prefix + sesMessageId, copy));
      job.stored = true;
    }
    const topicArn = action.S3Action?.TopicArn ?? action.StopAction?.TopicArn;
    if (topicArn !== undefined) {
      await parts.announce(by, topicArn, SUBJECT, JSON.stringify(await notificationOf(job, action, topicArn)));
    }
  }

  /** S3 takes over another name of the same bytes: further rules need them too. */
  async function depositFile({ mail, position }: Job, put: (copy: string) => Promise<unknown>): Promise<void> {
    const copy = `${records.fileOf(mail.sesMessageId)}.${position}.put`;
    await remove(copy);
    await link(records.fileOf(mail.sesMessageId), copy);
    try {
      await put(copy);
    } finally {
      await remove(copy);
    }
  }

  async function notificationOf({ mail, position }: Job, action: RuleAction, topicArn: string): Promise<unknown> {
    const matched = mail.rules[position];
    return notification(
      {
        sesMessageId: mail.sesMessageId,
        reversePath: mail.envelope.reversePath,
        recipients: matched?.recipients ?? [],
        verdicts: mail.verdicts,
        scanEnabled: matched?.rule.ScanEnabled === true,
        acceptedAt: mail.acceptedAt,
        now: clock.now(),
      },
      { ...(action.S3Action ? { S3Action: action.S3Action } : {}), topicArn },
      headOf(records.contentOf(mail)) ?? (await readHead(records.fileOf(mail.sesMessageId))),
    );
  }

  function failed(job: Job, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    world.log(`ses: rule ${ruleOf(job).Name} failed for ${job.mail.sesMessageId}: ${reason}`);
    count(job, 'PublishFailure');
    records.rest(job.mail);
    const delay = BACKOFF_MS[Math.min(job.failures, BACKOFF_MS.length - 1)] ?? 0;
    job.failures += 1;
    if (clock.now() + delay > job.mail.acceptedAt + LIFETIME_MS) {
      count(job, 'PublishExpired');
      world.log(`ses: rule ${ruleOf(job).Name} gave up ${job.mail.sesMessageId} after 36 hours`);
      const done = clock.busy('SES, a receipt rule');
      void finished(job).finally(done);
      return;
    }
    const cancel = clock.at(clock.now() + delay, () => {
      timers.delete(cancel);
      start(job);
    });
    timers.add(cancel);
  }

  async function finished({ mail }: Job): Promise<void> {
    const left = (open.get(mail.sesMessageId) ?? 1) - 1;
    open.set(mail.sesMessageId, left);
    if (left > 0) return;
    open.delete(mail.sesMessageId);
    await records.forget(mail).catch((error: unknown) => {
      world.log(`ses: ${mail.sesMessageId} could not be cleared away: ${String(error)}`);
    });
  }

  function count(job: Job, name: 'Received' | 'PublishSuccess' | 'PublishFailure' | 'PublishExpired'): void {
    const { ruleSet } = job.mail;
    const all: readonly Readonly<Record<string, string>>[] = [
      { RuleSetName: ruleSet, RuleName: ruleOf(job).Name },
      { RuleSetName: ruleSet },
      { RuleSetName: '[Active]' },
    ];
    for (const dimensions of all) {
      parts.measure?.({ namespace: 'AWS/SES', name, dimensions }, 1, clock.now());
    }
  }

  const ruleOf = ({ mail, position }: Job) => mail.rules[position]?.rule ?? { Name: '' };

  return {
    accept(mail, fresh) {
      const jobs = mail.rules.map(
        (_rule, position): Job => ({ mail, position, action: 0, stored: false, failures: 0 }),
      );
      open.set(mail.sesMessageId, Math.max(1, jobs.length));
      for (const job of jobs) {
        if (fresh) count(job, 'Received');
        start(job);
      }
      if (jobs.length === 0) void finished({ mail, position: 0, action: 0, stored: false, failures: 0 });
    },
    unfinished: () => open.size,
    stop() {
      stopped = true;
      for (const cancel of timers) cancel();
    },
  };
}

/** So much of the message as holds its header section. */
function headOf(content: Buffer | null): Buffer | null {
  if (content === null || content.length <= FIRST_READ) return content;
  const first = content.subarray(0, FIRST_READ);
  return endsHeader(first) ? first : content.subarray(0, HEADER_SECTION_BYTES_MAX);
}
async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(FIRST_READ), 0, FIRST_READ, 0);
    if (bytesRead < FIRST_READ || endsHeader(buffer)) return buffer.subarray(0, bytesRead);
    const whole = await file.read(Buffer.allocUnsafe(HEADER_SECTION_BYTES_MAX), 0, HEADER_SECTION_BYTES_MAX, 0);
    return whole.buffer.subarray(0, whole.bytesRead);
  } finally {
    await file.close();
  }
}
const FIRST_READ = 16 * 1024; // most header sections end within it
const endsHeader = (bytes: Buffer): boolean => /\r?\n\r?\n/.test(bytes.toString('latin1'));

/** SES acts in its own name and tells which rule made it act, or takes the rule's role. */
export function caller(world: World, ruleArn: string, roleArn: string | undefined): Caller {
  return {
    principal: roleArn
      ? { kind: 'role', arn: roleArn, functionName: null }
      : { kind: 'service', name: 'ses.amazonaws.com' },
    context: { 'aws:sourceaccount': world.account, 'aws:sourcearn': ruleArn },
  };
}
