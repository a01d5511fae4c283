// Several hosts of one next hop: what leads to the next one and what does not, whose word counts, how long each has,
// and that one which failed is asked last for a while. Over real sockets: each host is an address of this machine.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { smtpAsideMs } from '#core/limits.ts';
import { testCa } from '#test/smtp-dialogue.ts';
import { type Case, DOWN, OPEN, TAKE, withHosts } from './hosts-case.ts';
import { chunksOf, mailbox, message, never } from './smtp-case.ts';

const taken = { kind: 'reply', phase: 'final-dot', reply: { code: 250, host: 'b' } };
const LOGIN = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH *';
const login = {
  settings: { auth: { secret: 's' } },
  terms: { credentials: async () => ({ username: 'a', password: 'b' }) },
};
const WITH_LOGIN = `${LOGIN}\nS: 235 ok\n${TAKE}`;
const OK = `${OPEN}\n${TAKE}`;
/** MAIL, RCPT and DATA come together and are answered by these. */
const answer = (...lines: readonly string[]) => `${OPEN}\nC: MAIL *\nC: RCPT *\nC: DATA\n${lines.join('\n')}\nstall`;
const REFUSED_DATA = 'S: 503 no';

describe('the next host is asked after', () => {
  it.each<[string, readonly string[] | typeof DOWN, RegExp]>([
    ['a refused connection', DOWN, /^a could not|^a refused the connection/],
    ['no greeting', ['stall'], /^a did not answer in time \(greeting\)/],
    ['a greeting that is none', ['S: SSH-2.0-OpenSSH'], /^a .*\(greeting\).*SSH-2\.0/],
    ['hanging up before the greeting', ['cut'], /^a ended the connection \(greeting\)/],
    ['greeting 421', ['S: 421 4.3.2 busy'], /^a \(greeting\): 421 4\.3\.2 busy$/],
    ['greeting 554', ['S: 554 5.3.2 no'], /^a \(greeting\): 554 5\.3\.2 no$/],
    ['EHLO 421', ['S: 220 mx\nC: EHLO *\nS: 421 no\ncut'], /^a \(EHLO\): 421 no$/],
    [
      'EHLO and HELO 550',
      ['S: 220 mx\nC: EHLO *\nS: 550 no\nC: HELO *\nS: 550 bad name'],
      /^a \(EHLO\): 550 bad name$/,
    ],
    ['a connection lost after EHLO', [`${OPEN}\ncut`], /^a ended the connection \(MAIL\)/],
    ['MAIL 421', [answer('S: 421 4.3.2 closing', 'cut')], /^a \(MAIL\): 421 4\.3\.2 closing$/],
    ['MAIL 452', [answer('S: 452 4.3.1 disk full', 'S: 503 no', 'S: 503 no')], /^a \(MAIL\): 452 4\.3\.1 disk full$/],
    ['MAIL and silence', [`${OPEN}\nC: MAIL *\nstall`], /^a did not answer in time \(MAIL\)/],
    ['RCPT 421', [answer('S: 250 ok', 'S: 421 bye', 'cut')], /^a \(RCPT\): 421 bye$/],
    ['RCPT 451', [answer('S: 250 ok', 'S: 451 4.3.0 later', REFUSED_DATA)], /^a \(RCPT\): 451 4\.3\.0 later$/],
    ['RCPT and a lost connection', [answer('S: 250 ok', 'cut')], /^a ended the connection \(RCPT\)/],
    ['DATA 451', [answer('S: 250 ok', 'S: 250 ok', 'S: 451 4.3.0 no')], /^a \(DATA\): 451 4\.3\.0 no$/],
    ['DATA and a lost connection', [answer('S: 250 ok', 'S: 250 ok', 'cut')], /^a ended the connection \(DATA\)/],
    [
      'a SIZE that is too small',
      ['S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 SIZE 10\nstall'],
      /^the message has 21 bytes/,
    ],
  ])('%s', async (_name, a, words) => {
    const terms = { openingMs: 600 };
    await withHosts({ hosts: { a, b: [OK] }, terms }, async (hop, servers) => {
      const results = await hop.attempt(message(), never());
      expect(results).toMatchObject([{ ...taken, tried: [expect.stringMatching(words)] }]);
      expect(servers.a?.mismatches ?? []).toEqual([]);
      expect(servers.a?.sessions.flatMap(({ contents }) => contents) ?? []).toEqual([]);
      expect(servers.b?.sessions.flatMap(({ contents }) => contents)).toHaveLength(1);
    });
  });

  it.each([
    ['STARTTLS that is not offered', [`${OPEN}\nstall`], /^TLS is required, but a does not offer it/],
    [
      'STARTTLS 454',
      ['S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 no'],
      /^a \(STARTTLS\): 454 no/,
    ],
    [
      'TLS that fails',
      ['S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nraw: "what?\\r\\n"\nstall'],
      /^a could not be spoken to by TLS/,
    ],
  ])('%s', async (_name, a, words) => {
    const localhost = [
      `S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\nC: EHLO *\nS: 250 mx\n${TAKE}`,
    ];
    const settings = { tls: 'required', ca: testCa } as const;
    await withHosts({ hosts: { a, localhost }, settings }, async (hop, servers) => {
      expect(await hop.attempt(message(), never())).toMatchObject([
        { phase: 'final-dot', reply: { host: 'localhost' }, tls: true, tried: [expect.stringMatching(words)] },
      ]);
      expect(servers.a?.mismatches).toEqual([]);
    });
  });

  it('a login that cannot be checked for now', async () => {
    const a = [`${LOGIN}\nS: 454 4.7.0 later\nstall`];
    await withHosts({ hosts: { a, b: [WITH_LOGIN] }, ...login }, async (hop) => {
      expect(await hop.attempt(message(), never())).toMatchObject([
        { ...taken, tried: [expect.stringMatching(/^a \(AUTH\): 454 4\.7\.0/)] },
      ]);
    });
  });

  it.each([
    ['a name that does not exist', 'ENOTFOUND', /^a has no address in the DNS/],
    ['a resolver that fails', 'EAI_AGAIN', /^a could not be looked up in the DNS/],
    ['a resolver that is silent', null, /^a could not be looked up in the DNS .* nothing within/],
  ])('%s', async (_name, code, words) => {
    const lookup = async (name: string): Promise<readonly string[]> => {
      if (name === 'b') return ['127.0.1.2'];
      if (code === null) return new Promise(() => {});
      throw Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code });
    };
    await withHosts({ hosts: { a: DOWN, b: [OK] }, terms: { lookup, openingMs: 400 } }, async (hop) => {
      const results = await hop.attempt(message(), never());
      expect(results).toMatchObject([{ ...taken, tried: [expect.stringMatching(words)] }]);
    });
  });

  it('a server that knows no SMTPUTF8, where an address needs it', async () => {
    const forwardPaths = [mailbox('jürgen@dest.example')];
    const b = [`S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 SMTPUTF8\n${TAKE}`];
    await withHosts({ hosts: { a: [`${OPEN}\nstall`], b } }, async (hop) => {
      expect(await hop.attempt(message({ forwardPaths }), never())).toMatchObject([taken]);
    });
  });
});

describe('the next host is not asked after', () => {
  const DOT = `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\n`;
  it.each([
    ['MAIL 550', [answer('S: 550 5.1.8 no such domain', REFUSED_DATA, REFUSED_DATA)], 'mail'],
    ['RCPT 550', [answer('S: 250 ok', 'S: 550 5.1.1 no such user', REFUSED_DATA)], 'rcpt'],
    ['a mailbox that is full', [answer('S: 250 ok', 'S: 452 4.2.2 full', REFUSED_DATA)], 'rcpt'],
    ['DATA 554', [answer('S: 250 ok', 'S: 250 ok', 'S: 554 5.6.0 no')], 'data'],
    ['421 in the content', [`${DOT}bytes: 10\nS: 421 bye\ncut`], 'content'],
    ['a connection that is lost in the content', [`${DOT}bytes: 10\ncut`], 'content'],
    ['550 after the final dot', [`${DOT}content\nS: 550 5.7.1 spam`], 'final-dot'],
    ['421 after the final dot', [`${DOT}content\nS: 421 4.3.2 closing\ncut`], 'final-dot'],
    ['a connection that is lost after the final dot', [`${DOT}content\ncut`], 'final-dot'],
    ['silence after the final dot', [`${DOT}content\nstall`], 'final-dot'],
  ])('%s', async (_name, a, phase) => {
    const body = phase === 'content' ? slowly() : undefined;
    const terms = { timeoutsMs: { finalDot: 200 } };
    await withHosts({ hosts: { a, b: [OK] }, terms }, async (hop, servers) => {
      const contentAgain = async () => chunksOf(['again']);
      const given = body === undefined ? { ...message(), contentAgain } : { ...message(), content: body, bytes: 400 };
      expect(await hop.attempt(given, never())).toMatchObject([{ phase }]);
      expect(servers.b?.sessions).toEqual([]);
    });
  });

  it('a login that is refused', async () => {
    await withHosts(
      { hosts: { a: [`${LOGIN}\nS: 535 5.7.8 no\nstall`], b: [WITH_LOGIN] }, ...login },
      async (hop, s) => {
        expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'auth', reply: { code: 535 } }]);
        expect(s.b?.sessions).toEqual([]);
      },
    );
  });
});

describe('content that broke off before the final dot', () => {
  const BROKEN = `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\nbytes: 10`;
  const whole = 'Subject: x\r\n\r\nonce more\r\n';
  const given = (contentAgain?: () => Promise<AsyncIterable<Uint8Array> | null>) => ({
    ...message(),
    content: slowly(),
    bytes: 400,
    contentAgain,
  });

  it.each([
    ['421', 'S: 421 4.3.2 closing\ncut', /^a \(sending the content\): 421/],
    ['451', 'S: 451 4.3.0 no disk\ncut', /^a \(sending the content\): 451/],
    ['a lost connection', 'cut', /^a ended the connection \(sending the content\)/],
    ['a reset', 'reset', /^a ended the connection \(sending the content\)/],
  ])('goes whole to the next host after %s, and to nobody twice', async (_name, end, words) => {
    await withHosts({ hosts: { a: [`${BROKEN}\n${end}`], b: [OK] } }, async (hop, servers) => {
      const results = await hop.attempt(
        given(async () => chunksOf([whole])),
        never(),
      );
      expect(results).toMatchObject([{ ...taken, tried: [expect.stringMatching(words)] }]);
      expect(servers.a?.sessions[0]?.contents).toEqual([]);
      expect(servers.b?.sessions[0]?.contents.map(String)).toEqual([whole]);
    });
  });

  it.each([
    ['that the server refused for good', 'S: 552 5.3.4 too big\ncut', async () => chunksOf([whole]), 'content'],
    ['that cannot be read once more', 'cut', async () => null, 'content'],
  ])('%s stays with the first', async (_name, end, again, phase) => {
    await withHosts({ hosts: { a: [`${BROKEN}\n${end}`], b: [OK] } }, async (hop, servers) => {
      expect(await hop.attempt(given(again), never())).toMatchObject([{ phase }]);
      expect(servers.b?.sessions).toEqual([]);
    });
  });

  it('is not read once more where there is no other host', async () => {
    let asked = 0;
    const again = async () => {
      asked++;
      return chunksOf([whole]);
    };
    await withHosts({ hosts: { a: [`${BROKEN}\ncut`] } }, async (hop) => {
      expect(await hop.attempt(given(again), never())).toMatchObject([{ phase: 'content', fault: 'connection-lost' }]);
      expect(asked).toBe(0);
    });
  });
});

async function* slowly(): AsyncIterable<Uint8Array> {
  for (let i = 0; i < 20; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    yield Buffer.alloc(70_000, 'x\r\n');
  }
}

describe('where no host takes it, what counts is', () => {
  const BUSY = ['S: 421 4.3.2 busy'];
  const NO = ['S: 554 5.3.2 no'];
  it.each([
    [
      'the refusal that ended the search',
      BUSY,
      [answer('S: 250 ok', 'S: 550 5.1.1 no', REFUSED_DATA)],
      'b',
      'rcpt',
      550,
    ],
    ['a temporary reply, before a silence', BUSY, ['cut'], 'a', 'greeting', 421],
    ['a temporary reply, before a refusal of us', BUSY, NO, 'a', 'greeting', 421],
    ['the last of two refusals of us', NO, ['S: 554 5.3.2 neither'], 'b', 'greeting', 554],
    ['the last of two temporary replies', BUSY, ['S: 421 4.3.2 too'], 'b', 'greeting', 421],
  ])('%s', async (_name, a, b, host, phase, code) => {
    await withHosts({ hosts: { a, b } }, async (hop) => {
      const [result] = await hop.attempt(message(), never());
      expect(result).toMatchObject({ kind: 'reply', phase, reply: { code, host }, tried: [expect.any(String)] });
    });
  });

  it.each([
    ['a silence, before a refusal of us', ['S: 554 5.3.2 no'], 'connection-lost', 'b'],
    ['a silence, before a name that is wrong', null, 'connection-lost', 'b'],
  ])('%s', async (_name, a, fault, host) => {
    const hosts: Case['hosts'] = a === null ? { b: ['cut'] } : { a, b: ['cut'] };
    const settings = { hosts: ['a', 'b'] };
    await withHosts({ hosts, settings }, async (hop) => {
      const [result] = await hop.attempt(message(), never());
      expect(result).toMatchObject({ kind: 'network', fault, host, tried: [expect.stringMatching(/^a /)] });
    });
  });

  it('a word about the message, before a host that is down', async () => {
    const a = ['S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 SIZE 10\nstall'];
    await withHosts({ hosts: { a, b: DOWN } }, async (hop) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ kind: 'capability', fault: 'size-exceeded' }]);
    });
  });

  it('what each recipient was told: one is refused, the other one goes on', async () => {
    const forwardPaths = [mailbox('ann@dest.example'), mailbox('bob@dest.example')];
    const a = [
      `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 550 5.1.1 no\nC: RCPT *\nS: 451 4.3.0 later\nC: DATA\nS: 503 no`,
    ];
    const b = [
      `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT TO:<bob@dest.example>\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 ok`,
    ];
    await withHosts({ hosts: { a, b } }, async (hop, servers) => {
      const results = await hop.attempt(message({ forwardPaths }), never());
      expect(results).toMatchObject([
        { phase: 'rcpt', reply: { code: 550 } },
        { phase: 'final-dot', reply: { code: 250 } },
      ]);
      expect(servers.b?.mismatches).toEqual([]);
    });
  });
});

// Real time is measured: a busy machine may come between once, and what is wrong is wrong each time.
describe('time', { retry: 2 }, () => {
  it('is shared: silent hosts leave the last one its own', async () => {
    const c = [`pause: 400\n${OK}`];
    await withHosts({ hosts: { a: ['stall'], b: ['stall'], c }, terms: { openingMs: 600 } }, async (hop) => {
      const since = performance.now();
      const [result] = await hop.attempt(message(), never());
      expect(result).toMatchObject({ reply: { code: 250, host: 'c' } });
      expect(performance.now() - since).toBeLessThan(3_000);
      expect(performance.now() - since).toBeGreaterThan(700);
    });
  });

  it('that is up ends the search, and the host is named', async () => {
    const deadline = AbortSignal.timeout(300);
    await withHosts({ hosts: { a: ['S: 421 4.3.2 busy'], b: ['stall'], c: [OK] } }, async (hop, servers) => {
      const [result] = await hop.attempt(message(), deadline);
      expect(result).toMatchObject({
        kind: 'reply',
        reply: { code: 421 },
        tried: [expect.stringMatching(/^b had not/)],
      });
      expect(servers.c?.sessions).toEqual([]);
    });
  });
});

describe('a host that failed', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is asked last for five minutes, and comes back', async () => {
    await withHosts({ hosts: { a: ['S: 421 4.3.2 busy', OK], b: [OK] } }, async (hop, servers) => {
      const attempt = async () => {
        const results = await hop.attempt(message(), never());
        await hop.invocationEnded();
        return results;
      };
      expect(await attempt()).toMatchObject([taken]);
      expect(await attempt()).toMatchObject([taken]);
      expect(servers.a?.sessions).toHaveLength(1);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + smtpAsideMs });
      expect(await attempt()).toMatchObject([{ reply: { code: 250, host: 'a' } }]);
      expect(servers.a?.sessions).toHaveLength(2);
    });
  });

  it('is asked all the same where the others fail too', async () => {
    await withHosts({ hosts: { a: ['S: 421 4.3.2 busy', OK], b: [OK, 'S: 421 4.3.2 busy'] } }, async (hop) => {
      await hop.attempt(message(), never());
      await hop.invocationEnded();
      expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { code: 250, host: 'a' } }]);
    });
  });

  it('is not one that disliked a message', async () => {
    const no = answer('S: 250 ok', 'S: 451 4.3.0 later', REFUSED_DATA);
    await withHosts({ hosts: { a: [no, OK], b: [OK] } }, async (hop) => {
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      await hop.invocationEnded();
      expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { code: 250, host: 'a' } }]);
    });
  });
});

describe('the addresses of one name', () => {
  const named =
    (...addresses: readonly string[]) =>
    async () =>
      addresses;
  it.each([
    ['refuses the connection', '127.0.9.9'],
    ['greets with 421', '127.0.1.1'],
  ])('are tried in turn where one %s', async (_name, first) => {
    const terms = { lookup: named(first, '127.0.1.2') };
    const settings = { hosts: ['mx'] };
    await withHosts({ hosts: { a: ['S: 421 busy'], b: [OK] }, terms, settings }, async (hop, servers) => {
      const results = await hop.attempt(message(), never());
      expect(results).toMatchObject([{ reply: { code: 250, host: 'mx' }, tried: [expect.stringMatching(/^mx /)] }]);
      expect(servers.b?.sessions).toHaveLength(1);
    });
  });

  it('one that failed is tried last', async () => {
    const terms = { lookup: named('127.0.1.1', '127.0.1.2') };
    const settings = { hosts: ['mx'] };
    await withHosts({ hosts: { a: ['S: 421 busy'], b: [OK] }, terms, settings }, async (hop, servers) => {
      await hop.attempt(message(), never());
      await hop.invocationEnded();
      await hop.attempt(message(), never());
      expect(servers.a?.sessions).toHaveLength(1);
    });
  });

  it('are not looked up again between the check and the connection, and TLS verifies the name', async () => {
    let asked = 0;
    const lookup = async () => {
      asked++;
      return [asked === 1 ? '127.0.1.1' : '127.0.1.2'];
    };
    const script = 'tls\nS: 220 mx\nC: EHLO *\nS: 250 mx\nC: MAIL *\nS: 550 5.1.8 no';
    const settings = { hosts: ['localhost'], tls: 'implicit', ca: testCa } as const;
    await withHosts({ hosts: { a: [script], b: [script] }, terms: { lookup }, settings }, async (hop, servers) => {
      const [result] = await hop.attempt(message(), never());
      expect(result).toMatchObject({ kind: 'reply', phase: 'mail', tls: true });
      expect(servers.a?.sessions[0]?.secured).toBe(true);
      expect([asked, servers.b?.sessions.length]).toEqual([1, 0]);
    });
  });
});
