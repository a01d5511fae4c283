// Our deadline, before SES was asked: it is no result after the final dot, because nothing can have been taken.

import { SESClient } from '@aws-sdk/client-ses';
import { SESv2Client } from '@aws-sdk/client-sesv2';
import { expect, it } from 'vitest';
import { SesNextHop } from '#adapters/aws/ses-next-hop.ts';
import { SesBounceService } from '#adapters/aws/ses-notice.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { parseMailbox } from '#core/message/address.ts';
import { classify } from '#core/reply/classify.ts';
import { statusOf } from '#core/reply/status.ts';

const bob = parseMailbox('bob@far.example');
if (bob === null) throw new Error('a mailbox');
const forwardPaths = [bob];
const region = 'eu-west-1';
const terms = { domains: ['example.com'], noticesFrom: 'postmaster@example.com', region, configurationSet: 'set' };
const unreachable = { region, endpoint: 'http://127.0.0.1:9', credentials: { accessKeyId: 'x', secretAccessKey: 'y' } };

it.each([
  ['before the content is read', (stop: AbortController) => stop.abort()],
  ['when the content has been read', () => {}],
])('%s: the attempt may not have reached SES', async (_name, first) => {
  const deadline = new AbortController();
  first(deadline);
  async function* content() {
    yield Buffer.from('From: a@example.com\r\n\r\nHello\r\n');
    deadline.abort();
  }
  const hop = new SesNextHop(new SESv2Client(unreachable), terms);
  const transaction = { reversePath: null, forwardPaths, bytes: null, content: content() };
  const [result] = await hop.attempt(transaction, deadline.signal);
  expect(result).toMatchObject({ kind: 'network', fault: 'aborted', phase: 'connect' });
  if (result === undefined) throw new Error('no result');
  expect(classify(result)).toMatchObject({ reason: 'aborted', possibleDuplicate: false });
});

it('nor does a bounce use up its second', async () => {
  const clock = new MemoryClock(1);
  const service = new SesBounceService(new SESClient(unreachable), { clock, region });
  const bounce = {
    sesMessageId: 'm1',
    from: 'postmaster@example.com',
    explanation: 'x',
    reportingMta: 'example.com',
    arrivedAt: 1,
    forwardPath: 'bob@far.example',
    action: 'failed',
    status: statusOf('5.1.1'),
    diagnosticCode: null,
    remoteMta: null,
    lastAttemptAt: null,
  } as const;
  const aborted = { kind: 'network', fault: 'aborted', phase: 'connect' };
  for (let i = 0; i < 2; i++) expect(await service.sendBounce(bounce, AbortSignal.abort())).toMatchObject(aborted);
});
