// What the sweep asks SES of our account, on the emulated SES: its permission, the values, and the quotas that are kept
// there; and what it does with the rate.

import { SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sesAccountClient } from '#adapters/aws/clients.ts';
import { SesGetAccount } from '#adapters/aws/ses-get-account.ts';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';
import { sesAccountTurns } from '#core/delivery/next-hop-turns.ts';
import { sesAccountEveryMs } from '#core/limits.ts';
import { type SesAccount, type SesAccountReader, SesAccountView } from '#pipeline/ses-account.ts';

const NEVER = new AbortController().signal;
const T0 = 1_780_000_000_000;
let aws: AwsLocal;
beforeAll(async () => {
  aws = await startAws({ mail: { domains: ['example.com'] } });
});
afterAll(() => aws.close());

const readerOf = (credentials = aws.credentials) =>
  new SesGetAccount(sesAccountClient({ endpoint: aws.endpoint, region: aws.region, credentials }));
const mayNothingElse = () => aws.role('sweep', [{ Effect: 'Allow', Action: ['ses:GetAccount'], Resource: '*' }]);
const send = (to = 'to@far.example') =>
  new SESv2Client(aws.clientConfig).send(
    new SendEmailCommand({
      FromEmailAddress: 'from@example.com',
      Destination: { ToAddresses: [to] },
      Content: { Raw: { Data: Buffer.from('From: from@example.com\r\n\r\nHello\r\n') } },
    }),
  );

describe('GetAccount', () => {
  it('says whether the account sends, and its quotas, to who may ask', async () => {
    aws.sesAccount.set({ maxSendRate: 14, max24HourSend: 50_000 });
    await send();
    expect(await readerOf(mayNothingElse()).read(NEVER)).toEqual({
      ...{ sendingEnabled: true, productionAccess: true, enforcement: 'HEALTHY' },
      ...{ ratePerSecond: 14, max24Hours: 50_000, sentLast24Hours: 1 },
    });
    aws.sesAccount.set({ sendingEnabled: false, productionAccess: false, enforcement: 'SHUTDOWN', max24HourSend: -1 });
    expect(await readerOf().read(NEVER)).toMatchObject({
      ...{ sendingEnabled: false, productionAccess: false, enforcement: 'SHUTDOWN', max24Hours: null },
    });
    const stranger = aws.role('stranger', [{ Effect: 'Allow', Action: ['ses:SendEmail'], Resource: '*' }]);
    await expect(readerOf(stranger).read(NEVER)).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });
  it('tells what is kept: the emulated SES refuses what is above it, and drops it', async () => {
    aws.sesAccount.set({ sendingEnabled: false });
    await expect(send()).rejects.toMatchObject({ name: 'SendingPausedException' });
    aws.sesAccount.set({ sendingEnabled: true, maxSendRate: 2, max24HourSend: 1_000 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const results = await Promise.allSettled([send(), send(), send()]);
    const refused = results.filter((each) => each.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const { reason } of refused) expect(reason).toMatchObject({ name: 'TooManyRequestsException' });
    aws.sesAccount.set({ max24HourSend: 1 });
    await expect(send()).rejects.toMatchObject({ name: 'LimitExceededException' });
  });
});

describe('the view of the account', () => {
  const account: SesAccount = {
    ...{ sendingEnabled: true, productionAccess: true, enforcement: 'HEALTHY' },
    ...{ ratePerSecond: 14, max24Hours: 50_000, sentLast24Hours: 0 },
  };
  function viewOf(answers: (SesAccount | Error)[]) {
    const [clock, watch, board] = [new MemoryClock(T0), new MemoryWatch(), new MemoryBoard()];
    let reads = 0;
    const reader: SesAccountReader = {
      async read() {
        reads += 1;
        const answer = answers.shift() ?? account;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    const view = new SesAccountView({ reader, board, clock, watch }, sesAccountEveryMs);
    const rate = async () => (await board.readTurns(sesAccountTurns))?.messagesPerSecond;
    return { clock, watch, board, view, rate, reads: () => reads };
  }
  it('asks every five minutes, and writes a rate that is new into the record that relay has for SES', async () => {
    const { clock, board, view, rate, reads } = viewOf([account, { ...account, ratePerSecond: 50 }]);
    expect(await view.account(NEVER)).toEqual(account);
    const standing = await board.readTurns(sesAccountTurns);
    expect(standing).toMatchObject({ messagesPerSecond: 14, version: 1 });
    await board.writeTurns({ ...(standing as NonNullable<typeof standing>), nextAt: T0 + 5 }); // relay's
    clock.advance(sesAccountEveryMs - 1);
    await view.account(NEVER);
    expect([reads(), await rate()]).toEqual([1, 14]);
    clock.advance(1);
    await view.account(NEVER);
    expect([reads(), await rate()]).toEqual([2, 50]);
    expect((await board.readTurns(sesAccountTurns))?.nextAt).toBe(T0 + 5);
    clock.advance(sesAccountEveryMs);
    await view.account(NEVER);
    clock.advance(sesAccountEveryMs);
    await view.account(NEVER);
    expect((await board.readTurns(sesAccountTurns))?.version).toBe(4); // written where it changes alone
  });
  it('where SES does not say it, the rate that was known stays, and the log has a line', async () => {
    const { clock, watch, view, rate } = viewOf([account, new Error('AccessDenied')]);
    await view.account(NEVER);
    clock.advance(sesAccountEveryMs);
    expect(await view.account(NEVER)).toBeNull();
    expect(await rate()).toBe(14);
    expect(watch.logged('sweep.ses-account-not-read')).toHaveLength(1);
  });
});
