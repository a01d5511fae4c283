// What strangers wrote as a verdict, at the next hops: results in the name of SES or of a domain of ours, and fields
// that SES acts on, reach none. What SES itself put above the message does, and every other byte.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const SES_BLOCK =
  'Received: from mx.src.example (mx.src.example [192.0.2.1])\r\n by inbound-smtp.eu-west-1.amazonaws.com with SMTP id m1\r\n' +
  ' for bob@example.com;\r\n Sun, 29 Nov 2026 10:00:00 +0000 (UTC)\r\n' +
  'X-SES-Spam-Verdict: FAIL\r\nX-SES-Virus-Verdict: PASS\r\nReceived-SPF: fail client-ip=192.0.2.1;\r\n' +
  'Authentication-Results: amazonses.com;\r\n spf=fail;\r\n dmarc=fail header.from=src.example;\r\n' +
  'X-SES-RECEIPT: AEFB\r\nX-SES-DKIM-SIGNATURE: a=rsa-sha256; d=amazonses.com;\r\n';
const FORGED =
  'X-SES-Spam-Verdict: PASS\r\nAuthentication-Results: (SES) "AMAZONSES.com" 1;\r\n dmarc=pass header.from=example.com\r\n' +
  'X-SES-CONFIGURATION-SET: theirs\r\nAuthentication-Results: mx.example.com; spf=pass\r\nX-SES-MESSAGE-TAGS: a=b\r\n';
const HONEST =
  'DKIM-Signature: v=1; d=src.example; b=x\r\nAuthentication-Results: mx.src.example; spf=pass\r\nFrom: ann@src.example\r\n' +
  'Subject: s\r\n\r\nAuthentication-Results: amazonses.com; text\r\nX-SES-A: \x00é\r\n';
const hops = {
  ...pipelineSettings.nextHops,
  boxes: { ...pipelineSettings.nextHops.exchange, kind: 'lmtp' },
  away: { kind: 'ses' },
} as typeof pipelineSettings.nextHops;
const routes = ['exchange', 'boxes', 'away'].map((via) => ({
  match: [`${via}@example.com`],
  direction: 'inbound' as const,
  to: [{ via, address: null, copy: false, returnPath: 'keep' as const }],
  fallback: null,
}));
const settings = {
  ...pipelineSettings,
  nextHops: hops,
  routes: [...routes, ...pipelineSettings.routes],
  policy: { ...pipelineSettings.policy, spam: 'relay' as const },
  submitters: { app: { secret: 'everpost/app', senderDomains: ['example.com'] } },
};

/** Below the fields that we put in front. */
function own(content: Uint8Array | undefined): string {
  const text = Buffer.from(content ?? []).toString();
  return text.slice(
    /^Received: by .*\r\n(?:[ \t].*\r\n)*X-Everpost-Pass: .*\r\n(?:[ \t].*\r\n)*/.exec(text)?.[0].length,
  );
}

describe('a forged verdict', () => {
  it.each(['exchange', 'boxes', 'away'])('reaches no next hop, and SES’s own does: %s', async (via) => {
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settings, { boxes: () => ok, away: () => ok });
    pipeline.receive('m1', ANN, [`${via}@example.com`], SES_BLOCK + FORGED + HONEST, ['spam', 'spf', 'dmarc']);
    await pipeline.live(1);
    const hop = via === 'exchange' ? pipeline.exchange : pipeline.others.get(via);
    expect(hop?.accepted.map(({ content }) => own(content))).toEqual([SES_BLOCK + HONEST]);
    const stored = await pipeline.spool.head('in/m1', 10_000, new AbortController().signal);
    expect(Buffer.from(stored.kind === 'read' ? stored.bytes : []).includes(FORGED)).toBe(true);
  });

  it('in what is submitted reaches none, a copied block of SES’s neither', async () => {
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settings);
    const [received, spf] = [
      SES_BLOCK.slice(0, SES_BLOCK.indexOf('X-SES')),
      'Received-SPF: fail client-ip=192.0.2.1;\r\n',
    ];
    const content = SES_BLOCK + FORGED + HONEST.replace('ann@src.example', 'ann@example.com');
    pipeline.submit('app', '01HZXK5V3M8Q2R7T9W4Y6B0D1F', {
      content,
      envelope: {
        reversePath: 'ann@example.com',
        forwardPaths: [{ address: 'exchange@example.com', notify: null, orcpt: null }],
      },
    });
    await pipeline.live(1);
    expect(pipeline.exchange.accepted.map((each) => own(each.content))).toEqual([
      received + spf + HONEST.replace('ann@src.example', 'ann@example.com'),
    ]);
  });
});
