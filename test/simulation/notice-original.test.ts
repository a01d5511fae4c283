// How much of the original an NDR returns: all of a small one; its header section where it is large, where it was
// refused for what it is, and where its sender wanted no more. Asked of the notice that arrived.

import { expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { ScriptedReply } from '#adapters/memory/next-hop.ts';
import { acceptedBefore } from '../kit/board.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import type { Check, More } from './notification.ts';
import { lived, noticesTo, ANN as OURS } from './submitting.ts';

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = (status: string): ScriptedReply => ({ code: 550, status, text: 'no', at: 'rcpt' });
const BODY = 'the very words of the body';

/** The NDR about content of this length. */
async function noticeOf(status: string, bytes = 100): Promise<string> {
  const pipeline = new TestPipeline((to) => (to.address === ANN ? ok : no(status)));
  await acceptedBefore(pipeline);
  pipeline.receive(
    'm1',
    ANN,
    ['bob@example.com'],
    `Subject: m1\r\n\r\n${BODY}\r\n${'x\r\n'.repeat(bytes / 3)}the end\r\n`,
  );
  await pipeline.live(24);
  const [notice] = pipeline.exchange.accepted.filter(({ forwardPath }) => forwardPath.address === ANN);
  return Buffer.from(notice?.content ?? []).toString();
}

it('a small one comes back whole', async () => {
  const notice = await noticeOf('5.1.1');
  expect(notice).toMatch(/Content-Type: message\/(rfc822|global)/);
  expect(notice).toContain(`${BODY}\r\n`);
  expect(notice).toContain('the end');
});
it.each([
  ['of more than 64 KiB', '5.1.1', 70_000],
  ['that was refused as spam', '5.7.1', 100],
  ['that was refused for its content', '5.6.0', 100],
  ['that was refused for its size', '5.3.4', 100],
  ['that was too long for the mailbox', '5.2.3', 100],
])('one %s: its header section, and nothing of its body', async (_name, status, bytes) => {
  const notice = await noticeOf(status, bytes);
  expect(notice).toContain('Content-Type: text/rfc822-headers');
  expect(notice).toContain('Subject: m1');
  expect(notice).not.toContain('the end');
  expect(notice).not.toMatch(/^x$/m);
});

const small = `Subject: m1\r\n\r\n${BODY}\r\nthe end\r\n`;
/** What each mailbox got about small content that bob's server refuses. */
async function given(reply: ScriptedReply, more: More, failed: readonly Check[] = []): Promise<Map<string, string>> {
  const policy = { ...pipelineSettings.policy, virus: 'relay', spam: 'relay' } as const;
  const settings = { ...pipelineSettings, policy, notices: { ...pipelineSettings.notices, copyPostmasterOn: ['*'] } };
  const pipeline = new TestPipeline((to) => (to.address === 'bob@example.com' ? reply : ok), new Interrupt(), settings);
  await acceptedBefore(pipeline);
  pipeline.receive('m1', ANN, ['bob@example.com'], small, failed, more);
  await pipeline.live(24);
  expect(pipeline.exchange.accepted).toHaveLength(2);
  return new Map(
    pipeline.exchange.accepted.map((each) => [each.forwardPath.address, Buffer.from(each.content).toString()]),
  );
}

it.each([
  ['SPF none, and no DMARC', { gray: ['spf', 'dmarc'] }, false],
  ['SPF none, and DMARC PASS of the author, who is the sender', { gray: ['spf'] }, true],
  ['SPF PASS', { gray: ['dmarc'] }, true],
] as const)('%s: the body goes back where something vouches for the reverse-path', async (_, more, whole) => {
  const notices = await given(no('5.1.1'), more);
  expect(notices.get(ANN)).toContain('Subject: m1');
  expect(notices.get(ANN)?.includes(BODY)).toBe(whole);
  expect(notices.get('postmaster@example.com')).toContain(BODY); // he is no stranger
});

it.each([
  ['SES', no('5.1.1'), ['virus']],
  ['the next hop', { ...no('5.1.1'), text: 'Virus found: Eicar-Test-Signature' }, []],
  ['the next hop, without a status', { code: 554, text: 'Infected with Win.Test', at: 'final-dot' }, []],
] as const)('where %s found a virus the body goes to nobody, whatever policy says', async (_, reply, failed) => {
  const notices = await given(reply, {}, failed);
  for (const to of [ANN, 'postmaster@example.com']) {
    expect(notices.get(to)).toContain('Subject: m1');
    expect(notices.get(to)).not.toContain(BODY);
  }
});

it.each([
  ['HDRS', false],
  ['FULL', true],
] as const)('of mail from our side as RET=%s has it', async (ret, whole) => {
  const content = `From: ann@example.com\r\nSubject: s\r\n\r\n${BODY}\r\nthe end\r\n`;
  const pipeline = await lived({ content, envelope: { ret } }, () => no('5.1.1'));
  const [notice = ''] = noticesTo(pipeline, OURS);
  expect(notice).toContain('Subject: s');
  expect(notice.includes('the end')).toBe(whole);
});
