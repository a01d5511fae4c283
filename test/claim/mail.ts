// The mail of a plan: what SES and submitters hand over, as bytes in the spool and words in the ingest queue, and what
// was accepted thereby. Also what becomes of content meanwhile, and the reports that come back to our return paths.

import { createHash } from 'node:crypto';
import type { MemorySpool } from '#adapters/memory/spool.ts';
import type { Direction } from '#core/delivery/delivery.ts';
import { writeSubmissionEvent } from '#core/submission/stored-event.ts';
import { contentKeyOf, envelopeKeyOf, spoolIdOf, writeEnvelope } from '#core/submission/submission.ts';
import type { Transaction } from '#pipeline/ports.ts';
import { Chance, hashOf } from './chance.ts';
import type { Accepted } from './evidence.ts';
import { duesOf } from './expected.ts';
import { type MessagePlan, type Plan, START, type Trouble } from './plan.ts';
import type { Schedule } from './schedule.ts';
import type { Body, SimQueue } from './sim-queue.ts';

export type ComingBack = {
  readonly to: string;
  readonly about: MessagePlan;
  readonly target: string;
  readonly afterMs: number;
  readonly header: string;
};

export class Mail {
  private readonly plan: Plan;
  private readonly spool: MemorySpool;
  private readonly ingestQueue: SimQueue;
  readonly accepted: Accepted[] = [];
  /** By spool id. */
  readonly acceptedAt = new Map<string, { readonly at: number; readonly direction: Direction }>();
  private readonly plans = new Map<string, MessagePlan>();
  private readonly cameBack = new Set<string>();

  constructor(plan: Plan, spool: MemorySpool, ingestQueue: SimQueue) {
    this.plan = plan;
    this.spool = spool;
    this.ingestQueue = ingestQueue;
  }

  planOf(spoolId: string): MessagePlan | null {
    return this.plans.get(spoolId) ?? null;
  }

  /** SES says 250, or a submitter has stored its envelope. */
  arrive(message: MessagePlan, now: number): void {
    const spoolId = idOf(message);
    this.plans.set(spoolId, message);
    this.acceptedAt.set(spoolId, { at: now, direction: message.direction });
    const content = contentOf(this.plan.seed, message);
    this.accepted.push({
      spoolId,
      direction: message.direction,
      reversePath: message.reversePath,
      content,
      deliveries: duesOf(this.plan, message),
    });
    if (message.direction === 'inbound') this.receive(message, spoolId, content, now);
    else this.submit(message, content, now);
  }

  objectKeys(spoolId: string): readonly string[] {
    const message = this.plans.get(spoolId);
    if (message?.direction !== 'outbound') return [`in/${spoolId}`];
    const place = placeOf(message);
    return [contentKeyOf(place), envelopeKeyOf(place)];
  }

  /** Of a body of the ingest queue. */
  idsIn(body: Body): readonly string[] {
    const text = 'text' in body ? body.text : '';
    return this.accepted.flatMap(({ spoolId }) =>
      text.includes(`"${spoolId}"`) || this.objectKeys(spoolId).some((key) => text.includes(key)) ? [spoolId] : [],
    );
  }

  /**
   * A receipt of a message that has others, which name other recipients. Nothing else names them, so that nobody could
   * know of what a purge of the ingest queue takes here (docs/decisions/checked-from-outside.md). Likewise where the
   * content is taken away too.
   */
  isAllThereIs(body: Body): boolean {
    return this.idsIn(body).some((spoolId) => {
      const notifications = this.plans.get(spoolId)?.notifications ?? [];
      return new Set(notifications.map((part) => part.join())).size > 1 || this.losesContent(spoolId);
    });
  }

  /** No list shows its content, sooner or later. */
  losesContent(spoolId: string): boolean {
    const number = this.plans.get(spoolId)?.number;
    return this.plan.troubles.some(
      (trouble) =>
        trouble.kind === 'content' && trouble.message === number && ['hidden', 'removed'].includes(trouble.how),
    );
  }

  spoil(trouble: Extract<Trouble, { kind: 'content' }>, schedule: Schedule): void {
    const message = this.plan.messages.find(({ number }) => number === trouble.message);
    if (message === undefined) return;
    const key = message.direction === 'inbound' ? `in/${idOf(message)}` : contentKeyOf(placeOf(message));
    const from = START + Math.max(trouble.from, message.at + 1);
    schedule.at(from, () => {
      if (trouble.how === 'hidden') this.spool.hide(key);
      else if (trouble.how === 'removed') this.spool.lose(key);
      else if (trouble.how === 'damaged') this.spool.breakAfter(key, Math.floor(message.bytes / 2));
      else this.spool.spoil(key, 'denied');
    });
    if (trouble.until === null) return;
    schedule.at(Math.max(from, START + trouble.until), () => {
      this.spool.spoil(key, null);
      this.spool.breakAfter(key, null);
    });
  }

  private receive(message: MessagePlan, spoolId: string, content: Uint8Array, now: number): void {
    const path = `Return-Path: <${message.reversePath}>\r\n`;
    this.spool.put(`in/${spoolId}`, Buffer.concat([Buffer.from(path), content]), now);
    for (const part of message.notifications) {
      const recipients = part.flatMap((index) => message.recipients[index]?.address ?? []);
      this.ingestQueue.put({
        text: receipt({
          spoolId,
          reversePath: message.reversePath,
          recipients,
          now,
          verdicts: message,
        }),
      });
    }
  }

  private submit(message: MessagePlan, content: Uint8Array, now: number): void {
    const place = placeOf(message);
    this.spool.put(contentKeyOf(place), content, now);
    const forwardPaths = message.recipients.map(({ address, notify }) => ({ address, notify, orcpt: null }));
    const sha256 = createHash('sha256').update(content).digest('hex');
    const envelope = {
      version: 1,
      reversePath: message.reversePath,
      forwardPaths,
      ret: message.ret,
      envid: message.envid,
      bytes: content.length,
      sha256,
    } as const;
    const objectKey = envelopeKeyOf(place);
    this.spool.put(objectKey, Buffer.from(writeEnvelope(envelope)), now);
    for (const _ of message.notifications)
      this.ingestQueue.put({ text: writeSubmissionEvent({ objectKey, storedAt: now }) });
  }

  // ── Reports that come back ──

  /** Once for each target of a message that left under a return path of ours. */
  reportFor(nextHop: string, transaction: Transaction): ComingBack | null {
    const to = transaction.reversePath?.address ?? '';
    const target = transaction.forwardPaths[0]?.address ?? '';
    if (nextHop !== 'exchange' || !to.endsWith(`@${this.plan.settings.returnPathDomain}`)) return null;
    const spoolId = (transaction.tag ?? '').replace(/-[a-z2-7]{16}$/, '');
    const about = this.plans.get(spoolId);
    if (about === undefined || about.reportAfterMs === null || this.cameBack.has(`${spoolId} ${target}`)) return null;
    this.cameBack.add(`${spoolId} ${target}`);
    return { to, about, target, afterMs: about.reportAfterMs, header: '' };
  }

  comeBack({ to, about, target }: ComingBack, now: number): void {
    const spoolId = `back${about.number}x${this.cameBack.size}x${now}`;
    const content = Buffer.from(remoteReport(spoolId, target));
    this.acceptedAt.set(spoolId, { at: now, direction: 'inbound' });
    const postmaster = { nextHop: 'exchange', address: this.plan.settings.notices.postmaster };
    this.accepted.push({
      spoolId,
      direction: 'inbound',
      reversePath: '',
      content,
      deliveries: [
        {
          forwardPath: to,
          action: 0,
          copy: false,
          ways: [postmaster],
          ends: ['discarded: *', 'handed-on', 'unreturnable: null-reverse-path', ...this.plan.alsoEnds],
        },
      ],
    });
    this.spool.put(`in/${spoolId}`, Buffer.concat([Buffer.from('Return-Path: <>\r\n'), content]), now);
    this.ingestQueue.put({
      text: receipt({ spoolId, reversePath: '', recipients: [to], now, verdicts: SOUND }),
    });
  }
}

function idOf(message: MessagePlan): string {
  return message.direction === 'inbound' ? `m${message.number}` : spoolIdOf(placeOf(message));
}

function placeOf({ number }: MessagePlan) {
  return { submitter: 'app', ulid: `01HZZZZZZZZZZZZZZZZZZ${String(number).padStart(5, '0')}` };
}

/** As many bytes as the plan says; 0: nothing at all below SES's own field. */
function contentOf(seed: number, message: MessagePlan): Uint8Array {
  const { number, bytes, reversePath, direction } = message;
  if (bytes === 0 && direction === 'inbound') return new Uint8Array();
  const from = direction === 'outbound' && reversePath === '' ? 'app@example.com' : reversePath || 'nobody@src.example';
  const head = `From: <${from}>\r\nSubject: message ${number}\r\nMessage-ID: <${number}.${seed}@sim.example>\r\n\r\n`;
  const chance = new Chance(hashOf(seed, `content ${number}`));
  const line = Array.from({ length: 70 }, () => chance.whole(33, 126));
  const body = Buffer.alloc(bytes, Buffer.from([...line, 13, 10]));
  return Buffer.concat([Buffer.from(head), body]);
}

type Receipt = {
  readonly spoolId: string;
  readonly reversePath: string;
  readonly recipients: readonly string[];
  readonly now: number;
  readonly verdicts: Pick<MessagePlan, 'spam' | 'virus' | 'spf' | 'dmarcReject'>;
};
const SOUND = { spam: false, virus: false, spf: 'PASS', dmarcReject: false } as const;

function receipt({ spoolId, reversePath, recipients, now, verdicts }: Receipt): string {
  const { spam, virus, spf, dmarcReject } = verdicts;
  const failing = (fails: boolean) => ({ status: fails ? 'FAIL' : 'PASS' });
  const dmarc = dmarcReject ? 'FAIL' : spf === 'PASS' ? 'PASS' : 'GRAY';
  const timestamp = new Date(now).toISOString();
  return JSON.stringify({
    notificationType: 'Received',
    receipt: {
      timestamp,
      recipients,
      spamVerdict: failing(spam),
      virusVerdict: failing(virus),
      spfVerdict: { status: spf },
      dkimVerdict: failing(false),
      dmarcVerdict: { status: dmarc },
      ...(dmarcReject ? { dmarcPolicy: 'reject' } : {}),
      action: { type: 'S3', bucketName: 'spool', objectKeyPrefix: 'in/', objectKey: `in/${spoolId}` },
    },
    mail: {
      timestamp,
      source: reversePath,
      messageId: spoolId,
      headersTruncated: false,
      headers: [
        { name: 'From', value: `<${reversePath}>` },
        { name: 'Subject', value: spoolId },
        { name: 'Message-ID', value: `<${spoolId}@sim.example>` },
      ],
    },
  });
}

/** A remote's report of a failure, in Postfix's form. */
function remoteReport(id: string, target: string): string {
  return [
    'From: MAILER-DAEMON@mx.far.example (Mail Delivery System)',
    `Subject: Undelivered Mail Returned to Sender (${id})`,
    `Message-ID: <${id}@mx.far.example>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain',
    '',
    `<${target}>: 550 5.1.1 no such user`,
    '--b1',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.far.example',
    '',
    `Final-Recipient: rfc822; ${target}`,
    'Action: failed',
    'Status: 5.1.1',
    'Diagnostic-Code: smtp; 550 5.1.1 no such user',
    '--b1--',
    '',
  ].join('\r\n');
}
