// Hosts in order, and connections kept for the next job: when they are used again, and when they are let go.
// A connection that died idle is no failed attempt; what died later is.

import { createServer } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SmtpNextHop } from '#adapters/smtp/next-hop.ts';
import { smtpKeptAgeMs, smtpKeptIdleMs, smtpKeptMessagesMax } from '#core/limits.ts';
import { scriptedServer } from '#test/smtp-dialogue.ts';
import { attemptOne, message, never, patient, settings, withServer } from './smtp-case.ts';

const OPEN = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING';
const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const REFUSE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 550 no\nC: DATA\nS: 503 no';
const taken = [{ kind: 'reply', phase: 'final-dot', reply: { code: 250 } }];

describe('a kept connection', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('takes the next message, and the one after a refusal, behind RSET', async () => {
    const script = [OPEN, TAKE, TAKE, REFUSE, 'C: RSET', 'S: 250 ok', TAKE].join('\n');
    await withServer([script], {}, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject(taken);
      expect(await hop.attempt(message(), never())).toMatchObject(taken);
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'rcpt', reply: { code: 550 } }]);
      expect(await hop.attempt(message(), never())).toMatchObject(taken);
      expect(server.sessions).toHaveLength(1);
      expect(server.mismatches).toEqual([]);
    });
  });

  it.each([
    ['hangs up while idle', 'cut'],
    ['resets while idle', 'reset'],
    ['says 421 while idle', 'S: 421 4.4.2 idle too long\ncut'],
    ['hangs up at MAIL', 'C: MAIL *\ncut'],
    ['resets at MAIL', 'C: MAIL *\nreset'],
    ['says 421 at MAIL', 'C: MAIL *\nS: 421 4.7.0 enough\ncut'],
    ['is silent at MAIL', 'C: MAIL *\nstall'],
    ['talks junk at MAIL', 'C: MAIL *\nS: what\nstall'],
  ])('whose server %s is replaced, and no attempt has failed', async (_name, end) => {
    await withServer(
      [`${OPEN}\n${TAKE}\n${end}`, `${OPEN}\n${TAKE}`],
      { terms: { timeoutsMs: { kept: 200 } } },
      async (hop, server) => {
        expect(await hop.attempt(message(), never())).toMatchObject(taken);
        await new Promise((resolve) => setTimeout(resolve, 30));
        expect(await hop.attempt(message(), never())).toMatchObject(taken);
        expect(server.sessions).toHaveLength(2);
        expect(server.mismatches).toEqual([]);
      },
    );
  });

  it.each([
    ['rcpt', 'C: MAIL *\nS: 250 ok\nC: RCPT *\ncut'],
    ['final-dot', 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\ncut'],
  ])('that dies in %s has failed: what it took is not known', async (phase, end) => {
    await withServer([`${OPEN}\n${TAKE}\n${end}`], {}, async (hop, server) => {
      await hop.attempt(message(), never());
      expect(await hop.attempt(message(), never())).toMatchObject([
        { kind: 'network', phase, fault: 'connection-lost' },
      ]);
      expect(server.sessions).toHaveLength(1);
    });
  });

  it('refused RSET: a fresh one', async () => {
    await withServer(
      [`${OPEN}\n${REFUSE}\nC: RSET\nS: 500 what\nstall`, `${OPEN}\n${TAKE}`],
      {},
      async (hop, server) => {
        await hop.attempt(message(), never());
        expect(await hop.attempt(message(), never())).toMatchObject(taken);
        expect(server.sessions).toHaveLength(2);
      },
    );
  });

  it.each([
    ['idle for too long', smtpKeptIdleMs],
    ['too old', smtpKeptAgeMs],
  ])('%s is not used again, even where the clock stood still for timers', async (_name, ms) => {
    await withServer([`${OPEN}\n${TAKE}\nC: QUIT\nS: 221 bye`, `${OPEN}\n${TAKE}`], {}, async (hop, server) => {
      await hop.attempt(message(), never());
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
      expect(await hop.attempt(message(), never())).toMatchObject(taken);
      expect(server.sessions).toHaveLength(2);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('has its fill of messages', async () => {
    const script = `${OPEN}\n${`${TAKE}\n`.repeat(smtpKeptMessagesMax)}C: QUIT\nS: 221 bye`;
    await withServer([script], {}, async (hop, server) => {
      for (let i = 0; i <= smtpKeptMessagesMax; i++) expect(await hop.attempt(message(), never())).toMatchObject(taken);
      expect(server.sessions).toHaveLength(2);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('serves one attempt at a time: attempts side by side have one each', async () => {
    await withServer([`${OPEN}\n${TAKE}\n${TAKE}`], {}, async (hop, server) => {
      const both = await Promise.all([hop.attempt(message(), never()), hop.attempt(message(), never())]);
      expect(both).toMatchObject([taken, taken]);
      const again = await Promise.all([hop.attempt(message(), never()), hop.attempt(message(), never())]);
      expect(again).toMatchObject([taken, taken]);
      expect(server.sessions).toHaveLength(2);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('is told goodbye on close', async () => {
    const server = await scriptedServer(`${OPEN}\n${TAKE}\nC: QUIT\nS: 221 bye`);
    const hop = new SmtpNextHop(settings({ port: server.port }), { ehloName: 'x.example', credentials: null });
    await hop.attempt(message(), never());
    await hop.close();
    expect(server.sessions[0]?.said.at(-1)).toBe('QUIT');
    await server.close();
  });
});

describe('hosts', () => {
  it.each([
    ['greeting 554', 'S: 554 5.3.2 no service'],
    ['greeting 421', 'S: 421 4.3.2 busy'],
    ['no greeting', 'stall'],
    ['hanging up', 'cut'],
    ['junk', 'S: SSH-2.0-OpenSSH'],
    ['EHLO refused', 'S: 220 mx\nC: EHLO *\nS: 421 no\ncut'],
  ])('the next one after %s', async (_name, first) => {
    const terms = { timeoutsMs: { greeting: 200 } };
    const { result, server } = await attemptOne([first, `${OPEN}\n${TAKE}`], {
      hosts: ['127.0.0.1', 'localhost'],
      terms,
    });
    expect(result).toMatchObject({ kind: 'reply', reply: { code: 250, host: 'localhost' } });
    expect(server.sessions).toHaveLength(2);
  });

  it('not the next one once MAIL is refused, or a login', async () => {
    const hosts = ['127.0.0.1', 'localhost'];
    const mail = await attemptOne([`${OPEN}\nC: MAIL *\nS: 550 no\nstall`], { hosts });
    expect(mail.result).toMatchObject({ kind: 'reply', phase: 'mail' });
    expect(mail.server.sessions).toHaveLength(1);
    const credentials = () => Promise.resolve({ username: 'a', password: 'b' });
    const open = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH *\nS: 535 no';
    const login = await attemptOne([open], { hosts, auth: { secret: 's' }, terms: { credentials } });
    expect(login.result).toMatchObject({ kind: 'reply', phase: 'auth' });
    expect(login.server.sessions).toHaveLength(1);
  });

  it('keep their order where our own deadline ended an attempt', async () => {
    const slow = `${OPEN}\n${TAKE.slice(0, TAKE.lastIndexOf('\n'))}\nstall`;
    await withServer([slow, `${OPEN}\n${TAKE}`], { hosts: ['127.0.0.1', 'localhost'] }, async (hop) => {
      const late = await hop.attempt(message(), AbortSignal.timeout(150));
      expect(late).toMatchObject([{ phase: 'final-dot', fault: 'aborted' }]);
      expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { code: 250, host: '127.0.0.1' } }]);
    });
  });

  it('that all fail are all named', async () => {
    const { result } = await attemptOne(['S: 554 5.3.2 no service', 'cut'], { hosts: ['127.0.0.1', 'localhost'] });
    expect(result).toMatchObject({
      kind: 'network',
      host: 'localhost',
      detail: expect.stringMatching(/^localhost\[127\.0\.0\.1\]/),
      tried: ['127.0.0.1 (greeting): 554 5.3.2 no service'],
    });
  });

  it('that nobody listens on, and that do not exist', async () => {
    const port = await freePort();
    const terms = { ehloName: 'our.example', credentials: null, timeoutsMs: patient };
    const refused = new SmtpNextHop(settings({ port }), terms);
    expect(await refused.attempt(message(), never())).toMatchObject([
      { kind: 'network', phase: 'connect', fault: 'refused' },
    ]);
    const unknown = new SmtpNextHop(settings({ port, hosts: ['nowhere.invalid'] }), terms);
    const [result] = await unknown.attempt(message(), never());
    expect(result).toMatchObject({ kind: 'network', phase: 'connect', fault: expect.stringMatching(/^dns-/) });
  });
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
