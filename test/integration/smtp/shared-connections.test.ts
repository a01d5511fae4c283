// The connections of one invocation: how many the messages of a batch use, that a slow one holds nobody up, and which
// of them outlive the invocation. No message is lost or doubled where a server ends one.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { jobsPerBatchMax, smtpBusyMs, smtpSharedFrom, smtpSharedWaitMs } from '#core/limits.ts';
import { DOWN, OPEN, TAKE, withHosts } from './hosts-case.ts';
import { message, never, withServer } from './smtp-case.ts';

const taken = [{ kind: 'reply', phase: 'final-dot', reply: { code: 250 } }];
const SLOW = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\npause: 3000\nS: 250 2.0.0 taken';
const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => message({ body: `Subject: ${i}\r\n\r\nhello\r\n` }));
const bodiesOf = (sessions: readonly { readonly contents: readonly Buffer[] }[]) =>
  sessions.flatMap(({ contents }) => contents.map((content) => content.toString('latin1'))).sort();

// Real time is measured: a busy machine may come between once, and what is wrong is wrong each time.
describe('the messages of one invocation', { retry: 2 }, () => {
  it('share connections', async () => {
    await withServer([`${OPEN}\n${`${TAKE}\n`.repeat(jobsPerBatchMax)}`], {}, async (hop, server) => {
      const batch = numbered(jobsPerBatchMax);
      const results = await Promise.all(batch.map((each) => hop.attempt(each, never())));
      expect(results).toMatchObject(batch.map(() => taken));
      expect(server.sessions.length).toBeLessThanOrEqual(smtpSharedFrom);
      expect(bodiesOf(server.sessions)).toEqual(batch.map((_, i) => `Subject: ${i}\r\n\r\nhello\r\n`));
      expect(server.mismatches).toEqual([]);
    });
  });

  it.each([
    ['421 at the next MAIL', 'C: MAIL *\nS: 421 4.7.0 too many messages, come again\ncut'],
    ['452 at the next MAIL', 'C: MAIL *\nS: 452 4.3.2 too many messages in this session\nstall'],
    ['550 at the next MAIL', 'C: MAIL *\nS: 550 5.7.0 one message a connection\nstall'],
    ['a lost connection', 'cut'],
  ])('have each its own where a server takes one a connection: %s', async (_name, end) => {
    const one = `${OPEN}\n${TAKE}\n${end}`;
    await withServer([one], {}, async (hop, server) => {
      for (const each of numbered(5)) expect(await hop.attempt(each, never())).toMatchObject(taken);
      expect(server.sessions).toHaveLength(5);
      expect(bodiesOf(server.sessions)).toHaveLength(5);
      expect(new Set(bodiesOf(server.sessions)).size).toBe(5);
    });
  });

  it('do not wait for a slow one longer than a moment', async () => {
    const scripts = [...Array.from({ length: smtpSharedFrom }, () => `${OPEN}\n${SLOW}`), `${OPEN}\n${TAKE}`];
    await withServer(scripts, {}, async (hop, server) => {
      const slow = numbered(smtpSharedFrom).map((each) => hop.attempt(each, never()));
      const since = performance.now();
      expect(await hop.attempt(message(), never())).toMatchObject(taken);
      expect(performance.now() - since).toBeLessThan(smtpSharedWaitMs + 1_000);
      await Promise.all(slow);
      expect(server.sessions).toHaveLength(smtpSharedFrom + 1);
    });
  });

  it('do not wait where no connection can be made', async () => {
    await withServer(['S: 421 4.3.2 busy'], {}, async (hop) => {
      const since = performance.now();
      const results = await Promise.all(numbered(jobsPerBatchMax).map((each) => hop.attempt(each, never())));
      expect(results.flat()).toHaveLength(jobsPerBatchMax);
      expect(performance.now() - since).toBeLessThan(smtpSharedWaitMs);
    });
  });

  it('that wait are let go by the deadline', async () => {
    await withServer([`${OPEN}\n${SLOW}`], {}, async (hop) => {
      const slow = numbered(smtpSharedFrom).map((each) => hop.attempt(each, never()));
      expect(await hop.attempt(message(), AbortSignal.timeout(100))).toMatchObject([{ fault: 'aborted' }]);
      await Promise.all(slow);
    });
  });
});

describe('a kept connection of a next hop with several hosts', () => {
  it('that dies before content leads to the next host, and no attempt goes to the first again', async () => {
    const a = [`${OPEN}\n${TAKE}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 421 4.3.2 closing\ncut`, `${OPEN}\n${TAKE}`];
    await withHosts({ hosts: { a, b: [`${OPEN}\n${TAKE}`] } }, async (hop, servers) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { host: 'a' } }]);
      expect(await hop.attempt(message(), never())).toMatchObject([
        { reply: { code: 250, host: 'b' }, tried: ['a (RCPT): 421 4.3.2 closing'] },
      ]);
      expect(servers.a?.sessions).toHaveLength(1);
    });
  });

  it('is used again after the other host was found down', async () => {
    await withHosts({ hosts: { a: DOWN, b: [`${OPEN}\n${TAKE}\n${TAKE}`] } }, async (hop, servers) => {
      for (let i = 0; i < 2; i++) expect(await hop.attempt(message(), never())).toMatchObject(taken);
      expect(servers.b?.sessions).toHaveLength(1);
    });
  });
});

describe('when the invocation ends', () => {
  afterEach(() => {
    vi.useRealTimers();
  });
  const QUIT = 'C: QUIT\nS: 221 bye';

  it('connections are closed, each with QUIT', async () => {
    await withServer([`${OPEN}\n${TAKE}\n${QUIT}`], {}, async (hop, server) => {
      await Promise.all([hop.attempt(message(), never()), hop.attempt(message(), never())]);
      await hop.invocationEnded();
      expect(server.sessions.map(({ said }) => said.at(-1))).toEqual(['QUIT', 'QUIT']);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('they are kept where one follows closely on another, and closed where the next one is late', async () => {
    const script = `${OPEN}\n${`${TAKE}\n`.repeat(3)}${QUIT}`;
    await withServer([`${OPEN}\n${TAKE}\n${QUIT}`, script], {}, async (hop, server) => {
      for (let i = 0; i < 3; i++) {
        expect(await hop.attempt(message(), never())).toMatchObject(taken);
        await hop.invocationEnded();
      }
      expect(server.sessions).toHaveLength(2);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + smtpBusyMs });
      expect(await hop.attempt(message(), never())).toMatchObject(taken);
      await hop.invocationEnded();
      expect(server.sessions).toHaveLength(2);
      expect(server.sessions[1]?.said.at(-1)).toBe('QUIT');
      expect(server.mismatches).toEqual([]);
    });
  });
});
