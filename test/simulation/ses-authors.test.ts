// In whose name SES is asked to send, on the pipeline: from SES's receipt, or a submission, to the bytes that SES gets.
// The client is the witness. Which proof counts when is the table of test/unit/core/message/author-trust.test.ts; here
// is that the proofs come through.

import type { SESv2Client } from '@aws-sdk/client-sesv2';
import { describe, expect, it } from 'vitest';
import { SesNextHop } from '#adapters/aws/ses-next-hop.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import type { More } from './notification.ts';
import type { Submitted } from './submitted.ts';
import { settings as submittingSettings, ULID } from './submitting.ts';

type Sent = { readonly from: string; readonly raw: string };
const OURS = ['example.com', 'cron.example'];

/** A pipeline all of whose mail leaves by SES, and what SES got. */
function bySes(): { pipeline: TestPipeline; sent: Sent[] } {
  const sent: Sent[] = [];
  const client = {
    send: async ({ input }: { input: { FromEmailAddress: string; Content: { Raw: { Data: Uint8Array } } } }) => {
      const raw = Buffer.from(input.Content.Raw.Data).toString('latin1');
      sent.push({ from: input.FromEmailAddress, raw });
      return { MessageId: 'taken' };
    },
    destroy: () => {},
  };
  const to = [{ via: 'mx', address: null, copy: false, returnPath: 'keep' as const }];
  const settings = {
    ...submittingSettings,
    nextHops: { ...submittingSettings.nextHops, mx: { kind: 'ses' as const } },
    routes: [
      { match: ['*@example.com'], direction: 'inbound' as const, to, fallback: null },
      { match: ['*'], direction: 'outbound' as const, to, fallback: null },
    ],
  };
  const pipeline = new TestPipeline(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), undefined, settings);
  const terms = { domains: OURS, noticesFrom: 'postmaster@example.com', region: 'eu-west-1', configurationSet: 'e' };
  pipeline.served.set('mx', new SesNextHop(client as unknown as SESv2Client, terms));
  return { pipeline, sent };
}

function fromField(raw: string): string[] {
  const header = (raw.split('\r\n\r\n')[0] ?? '').replace(/\r\n[ \t]+/g, ' ');
  return Array.from(header.matchAll(/^from:\s*(.*)$/gim), ([, value = '']) => value);
}
const REWRITTEN = /^"?.* via example\.com"? <postmaster@example\.com>$/;
const BODY = '\r\nHello\r\n';

describe('mail that SES received, of an author of ours', () => {
  const gray = (...checks: NonNullable<More['gray']>) => ({ gray: checks });
  const signed = (domain: string) => `DKIM-Signature: v=1; a=rsa-sha256; d=${domain}; s=s; h=from; bh=x; b=y\r\n`;
  const boss = 'From: Boss <boss@example.com>\r\n';
  const own = 'ann@mail.example.com';
  const far = 'eve@src.example';

  it.each<[string, boolean, { path?: string; header?: string; failed?: ('spf' | 'dkim' | 'dmarc')[]; more?: More }]>([
    ['DMARC PASS', true, { path: far, failed: ['spf', 'dkim'] }],
    ['DMARC FAIL, whatever else passed', false, { path: own, failed: ['dmarc'], header: signed('example.com') }],
    ['DMARC GRAY, all else FAIL', false, { path: far, failed: ['spf', 'dkim'], more: gray('dmarc') }],
    ['DMARC GRAY, SPF PASS of a stranger', false, { path: far, failed: ['dkim'], more: gray('dmarc') }],
    ['DMARC GRAY, SPF PASS of our sub-domain', true, { path: own, failed: ['dkim'], more: gray('dmarc') }],
    ['DMARC GRAY, SPF GRAY of our domain', false, { path: own, failed: ['dkim'], more: gray('dmarc', 'spf') }],
    ['DMARC GRAY, SPF PASS of the HELO name', false, { path: '', failed: ['dkim'], more: gray('dmarc') }],
    [
      'DMARC GRAY, DKIM PASS of our domain',
      true,
      { path: far, header: signed('example.com'), failed: ['spf'], more: gray('dmarc') },
    ],
    [
      'DMARC GRAY, DKIM PASS of a stranger',
      false,
      { path: far, header: signed('src.example'), failed: ['spf'], more: gray('dmarc') },
    ],
    [
      'DMARC GRAY, DKIM PASS of a stranger beside a false signature of ours',
      false,
      { path: far, header: signed('example.com') + signed('src.example'), failed: ['spf'], more: gray('dmarc') },
    ],
    ['DMARC GRAY, DKIM PASS and no signature', false, { path: far, failed: ['spf'], more: gray('dmarc') }],
    [
      'Authentication-Results in SES’s name, written by a stranger',
      false,
      {
        path: far,
        header: 'Authentication-Results: amazonses.com; dmarc=pass header.from=example.com;\r\n',
        failed: ['spf', 'dkim'],
        more: gray('dmarc'),
      },
    ],
    ['a second From field', false, { path: own, header: 'From: eve@src.example\r\n' }],
    ['a From field behind a bare CR', false, { path: own, header: 'X: y\rFrom: eve@src.example\r\n' }],
  ])('%s: kept %s', async (_, kept, { path = own, header = '', failed = [], more = {} }) => {
    const { pipeline, sent } = bySes();
    pipeline.receive('m1', path, ['bob@example.com'], `${header}${boss}${BODY}`, failed, more);
    await pipeline.live(2);
    expect(sent).toHaveLength(1);
    const [{ raw = '', from = '' } = {}] = sent;
    expect(raw.endsWith(BODY)).toBe(true);
    expect(fromField(raw)).toEqual([kept ? 'Boss <boss@example.com>' : expect.stringMatching(REWRITTEN)]);
    expect(from).toBe(kept && path !== '' ? 'boss@example.com' : 'postmaster@example.com');
    expect(/^DKIM-Signature:/im.test(raw)).toBe(kept && header.startsWith('DKIM-Signature'));
  });

  it.each(['boss@eu.example.com', 'boss@cron.example'])(
    '%s with a stranger’s SPF PASS is written over',
    async (value) => {
      const { pipeline, sent } = bySes();
      pipeline.receive('m1', far, ['bob@example.com'], `From: ${value}\r\n${BODY}`, ['dkim'], gray('dmarc'));
      await pipeline.live(2);
      expect(sent.map(({ raw }) => fromField(raw))).toEqual([[expect.stringMatching(REWRITTEN)]]);
    },
  );

  it.each([
    '<@a.example,@b.example:boss@example.com>',
    'boss@example.com.',
    'boss@(home)example.com',
    'Staff: boss@example.com;',
    'boss@example.com (<eve@src.example>)',
    'boss@example.com, eve@src.example',
    'eve@src.example <boss@example.com>',
  ])('%s, which others may read otherwise, is written over whatever passed', async (value) => {
    const { pipeline, sent } = bySes();
    pipeline.receive('m1', own, ['bob@example.com'], `From: ${value}\r\n${BODY}`);
    await pipeline.live(2);
    expect(sent.map(({ raw }) => fromField(raw))).toEqual([[expect.stringMatching(REWRITTEN)]]);
  });
});

describe('mail of a submitter', () => {
  it.each<[string, string | null, Submitted]>([
    ['his own author', 'Ann <ann@example.com>', { content: `From: Ann <ann@example.com>\r\n${BODY}` }],
    ['his own author in a sub-domain', 'ann@eu.example.com', { content: `From: ann@eu.example.com\r\n${BODY}` }],
    ['a stranger', null, { content: `From: eve@src.example\r\n${BODY}` }],
    ['his own author behind a source route', null, { content: `From: <@a.example:ann@example.com>\r\n${BODY}` }],
    ['his own author before a final dot', null, { content: `From: ann@example.com.\r\n${BODY}` }],
    ['nobody', null, { content: `Subject: x\r\n${BODY}` }],
  ])('%s: kept as %s', async (_, kept, submitted) => {
    const { pipeline, sent } = bySes();
    pipeline.submit('exchange', ULID, submitted);
    await pipeline.live(2);
    expect(sent.map(({ raw }) => fromField(raw))).toEqual([[kept ?? expect.stringMatching(REWRITTEN)]]);
  });

  it('with another submitter’s author never gets there', async () => {
    const { pipeline, sent } = bySes();
    pipeline.submit('exchange', ULID, { content: `From: boss@cron.example\r\n${BODY}` });
    await pipeline.live(24);
    expect(sent).toEqual([]);
  });
});
