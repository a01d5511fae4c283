// How much of the original an NDR returns: all of a small one; its header section where it is large, where it was refused for what it is, and where its
// sender wanted no more. Asked of the notice that arrived.

import { expect, it } from 'vitest';
import type { ScriptedReply } from '#adapters/memory/memory-next-hop.ts';
import { lived, noticesTo, ANN as OURS } from './submitting-town.ts';
import { Town } from './town.ts';

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = (status: string): ScriptedReply => ({ code: 550, status, text: 'no', at: 'rcpt' });
const BODY = 'the very words of the body';

/** The NDR about content of this length. */
async function noticeOf(status: string, bytes = 100): Promise<string> {
  const town = new Town((to) => (to.address === ANN ? ok : no(status)));
  town.receive('m1', ANN, ['bob@example.com'], `Subject: m1\r\n\r\n${BODY}\r\n${'x\r\n'.repeat(bytes / 3)}the end\r\n`);
  await town.live(24);
  const [notice] = town.exchange.accepted.filter(({ forwardPath }) => forwardPath.address === ANN);
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
it.each([
  ['HDRS', false],
  ['FULL', true],
] as const)('of mail from our side as RET=%s has it', async (ret, whole) => {
  const content = `From: ann@example.com\r\nSubject: s\r\n\r\n${BODY}\r\nthe end\r\n`;
  const town = await lived({ content, envelope: { ret } }, () => no('5.1.1'));
  const [notice = ''] = noticesTo(town, OURS);
  expect(notice).toContain('Subject: s');
  expect(notice.includes('the end')).toBe(whole);
});
