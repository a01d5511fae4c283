// A pipeline that forwards, and what comes back to it: the settings, a remote's report, and what every test of return
// paths asks afterwards. Nothing here knows how a report is read.

import { expect } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { ReturnPathMode, Settings } from '#config/settings.ts';
import { isFinal } from '#core/delivery/delivery.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';

export const ANN = 'ann@src.example';
export const TARGET = 'kept.secret7@target.example';
export const BOB = 'bob@example.com';
export const DAY = 86_400_000;
export const ok: Script = () => ({ code: 250, status: '2.0.0', text: 'Ok' });

export function settings(returnPath: ReturnPathMode): Settings {
  const [all] = pipelineSettings.routes;
  const forward = { via: 'exchange', address: TARGET, copy: false, returnPath };
  return {
    ...pipelineSettings,
    routes: [
      { match: [BOB], direction: 'inbound', to: [forward], fallback: null },
      ...(all === undefined ? [] : [all]),
    ],
  };
}

export type Said = {
  readonly action?: string;
  readonly status?: string;
  readonly words?: string;
  readonly original?: boolean;
};

/** A remote's report in Postfix's form, about the message that it was handed. */
export function reportOf(pipeline: TestPipeline, said: Said = {}): string {
  const { action = 'failed', status = '5.1.1', original = true } = said;
  const words = said.words ?? `550 5.1.1 <${TARGET}>: no such user (kept.secret7@inner.target.example)`;
  const [sent] = pipeline.exchange.accepted.filter((each) => each.forwardPath.address === TARGET);
  const content = Buffer.from(sent?.content ?? []).toString('latin1');
  const header = content.slice(0, content.indexOf('\r\n\r\n') + 2);
  return [
    'From: MAILER-DAEMON@mx.target.example (Mail Delivery System)',
    'Subject: Undelivered Mail Returned to Sender',
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain',
    '',
    `<${TARGET}>: ${words}`,
    '--b1',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.target.example',
    '',
    `Final-Recipient: rfc822; ${TARGET}`,
    `Action: ${action}`,
    `Status: ${status}`,
    'Remote-MTA: dns; mx.target.example',
    `Diagnostic-Code: smtp; ${words}`,
    ...(original ? ['--b1', 'Content-Type: text/rfc822-headers', '', header] : []),
    '--b1--',
    '',
  ].join('\r\n');
}

export const row = (pipeline: TestPipeline, spoolId: string) =>
  pipeline.ledger.all().find((each) => each.spoolId === spoolId && each.kind === 'delivery');
export const reverseOf = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted.find((each) => each.forwardPath.address === TARGET)?.reversePath?.address ?? '';
export const noticesToAnn = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted.filter((each) => each.forwardPath.address === ANN);
export const toPostmaster = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted.filter((each) => each.forwardPath.address === 'postmaster@example.com');
export const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1');

export async function forwarded(
  returnPath: ReturnPathMode,
  interrupt = new Interrupt(),
  script = ok,
): Promise<TestPipeline> {
  const pipeline = new TestPipeline(script, interrupt, settings(returnPath));
  pipeline.receive('m1', ANN, [BOB]);
  await pipeline.live(1);
  return pipeline;
}

/** Nothing is under way, and no message went anywhere but to its target, its sender and the postmaster. */
export function requireQuiet(pipeline: TestPipeline): void {
  for (const each of pipeline.ledger.all()) {
    expect(isFinal(each.state) || each.state === 'quarantined', `${each.spoolId} is ${each.state}`).toBe(true);
    expect(each.leaseUntil).toBeNull();
  }
  const dead = [pipeline.relayQueue, pipeline.bounceQueue, pipeline.feedbackQueue].flatMap(
    (queue) => queue.deadLetters,
  );
  expect(dead).toEqual([]);
  const known = new Set([TARGET, ANN, 'postmaster@example.com']);
  expect(pipeline.exchange.accepted.filter((each) => !known.has(each.forwardPath.address))).toEqual([]);
}
