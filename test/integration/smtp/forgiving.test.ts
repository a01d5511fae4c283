// Servers that other mailers put up with: stray lines, old-style announcements, mechanisms that are offered and
// refused, commands that are dropped where they come together. Mail goes through, and nothing is believed that was not
// said.

import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { SmtpNextHop } from '#adapters/smtp/next-hop.ts';
import { classify } from '#core/reply/classify.ts';
import { attemptOne, mailbox, message, never, patient, settings, withServer } from './smtp-case.ts';

const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const PLAIN = 'S: 220 mx\nC: EHLO *\nS: 250 mx';
const PIPES = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING';
const taken = { kind: 'reply', phase: 'final-dot', reply: { code: 250 } };
const raw = (text: string) => `raw: ${JSON.stringify(text)}`;

describe('stray lines', () => {
  it.each([
    ['an empty line behind the greeting', `${raw('220 mx\r\n\r\n')}\nC: EHLO *\nS: 250 mx\n${TAKE}`],
    ['several, and a while later', `S: 220 mx\nC: EHLO *\n${raw('\r\n\n \r\n')}\npause: 20\nS: 250 mx\n${TAKE}`],
    ['text before the greeting', `${raw('Welcome!\r\nno spam, please\r\n220 mx\r\n')}\nC: EHLO *\nS: 250 mx\n${TAKE}`],
    ['text inside it', `${raw('220-mx\r\nno spam, please\r\n220 go on\r\n')}\nC: EHLO *\nS: 250 mx\n${TAKE}`],
    ['EHLO lines without a code', `S: 220 mx\nC: EHLO *\n${raw('250 mx\r\n8BITMIME\r\nSIZE 20\r\n')}\n${TAKE}`],
    [
      'the same a while later',
      `S: 220 mx\nC: EHLO *\nS: 250 mx\nC: MAIL FROM:<ann@src.example>\n${raw('8BITMIME\r\nSIZE 20\r\n')}\nS: 250 ok\n${TAKE.replace('C: MAIL *\nS: 250 ok\n', '')}`,
    ],
    ['EHLO lines without a code inside', `S: 220 mx\nC: EHLO *\n${raw('250-mx\r\nSIZE 20\r\n250 HELP\r\n')}\n${TAKE}`],
    ['CR CR LF', `${raw('220 mx\r\r\n')}\nC: EHLO *\n${raw('250-mx\r\r\n250 SIZE 1000\r\r\n')}\n${TAKE}`],
    [
      'text behind each reply',
      `S: 220 mx\nC: EHLO *\n${raw('250 mx\r\nhi\r\n')}\nC: MAIL *\n${raw('250 ok\r\nhi\r\n')}\nC: RCPT *\n${raw('250 ok\r\nhi\r\n')}\nC: DATA\n${raw('354 go\r\nEnd with a dot\r\n')}\ncontent\n${raw('thanks\r\n250 2.0.0 taken\r\n')}`,
    ],
    ['a limit that is no number', `S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 SIZE 0x10\n${TAKE}`],
  ])('%s', async (_name, script) => {
    const { result, server } = await attemptOne([script]);
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
  });

  it('text inside a reply is told of, and is no keyword', async () => {
    const refused = await attemptOne([
      `${PLAIN}\nC: MAIL *\n${raw('550-5.7.1 not\r\nfrom here\r\n550 5.7.1 ever\r\n')}`,
    ]);
    expect(refused.result).toMatchObject({ reply: { code: 550, status: '5.7.1', text: 'not from here ever' } });
  });

  it('among replies to commands that came together: asked again one by one, and the host is known from then on', async () => {
    const first = `${PIPES}\nC: MAIL *\nS: 250 ok\nC: RCPT *\n${raw('no such user\r\n')}\nC: DATA\nS: 354 go\nstall`;
    await withServer([first, `${PIPES}\n${TAKE}\n${TAKE}`], {}, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(server.sessions).toHaveLength(2);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('and silence are no reply, and are quoted', async () => {
    const terms = { timeoutsMs: { greeting: 100 } };
    const { result } = await attemptOne(['S: SSH-2.0-OpenSSH\nstall'], { terms });
    expect(result).toMatchObject({
      kind: 'network',
      fault: 'garbled-reply',
      detail: expect.stringContaining('SSH-2.0'),
    });
    const closed = await attemptOne(['S: HTTP/1.1 400 Bad Request\ncut']);
    expect(closed.result).toMatchObject({
      kind: 'network',
      fault: 'garbled-reply',
      detail: expect.stringContaining('400'),
    });
  });
});

describe('a server that drops what comes together', () => {
  const paths = [mailbox('bob@dest.example'), mailbox('eve@dest.example')];
  const terms = { timeoutsMs: { pipelined: 80 } };
  /** The client goes on only when it was answered. */
  const oneByOne = (rcpts: number) =>
    `C: MAIL *\nquiet: 20\nS: 250 ok\n${'C: RCPT *\nquiet: 20\nS: 250 ok\n'.repeat(rcpts)}C: DATA\nquiet: 20\nS: 354 go\ncontent\nS: 250 2.0.0 taken`;

  it.each([
    ['RCPT and DATA', 'C: MAIL *\nS: 250 ok\nbytes: 30\nstall'],
    ['DATA', 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nstall'],
  ])('%s: asked again one by one, without a doubt, and known from then on', async (_name, dropping) => {
    const scripts = [`${PIPES}\n${dropping}`, `${PIPES}\n${oneByOne(1)}\n${TAKE}`, `${PIPES}\n${TAKE}`];
    await withServer(scripts, { terms }, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(server.sessions.map(({ contents }) => contents.length)).toEqual([0, 2]);
      expect(server.mismatches).toEqual([]);
    });
  });

  it.each([
    ['smtp', 'EHLO', ''],
    ['lmtp', 'LHLO', '\nS: 250 2.0.0 taken'],
  ] as const)('with several recipients, by %s: each has its answer', async (kind, hello, second) => {
    const open = `S: 220 mx\nC: ${hello} *\nS: 250-mx\nS: 250 PIPELINING`;
    const scripts = [
      `${open}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 550 5.1.1 no\nstall`,
      `${open}\n${oneByOne(2)}${second}`,
    ];
    await withServer(scripts, { kind, terms }, async (hop, server) => {
      expect(await hop.attempt(message({ forwardPaths: paths }), never())).toMatchObject([taken, taken]);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('each time: the same message and the next one come through, since they are said one by one', async () => {
    const server = createServer((socket) => {
      let inContent = false;
      socket.write('220 mx\r\n');
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        const text = chunk.toString('latin1');
        const [first = ''] = text.split('\r\n'); // what came with it is dropped
        if (inContent && text.endsWith('\r\n.\r\n')) socket.write('250 2.0.0 taken\r\n');
        else if (!inContent) {
          const greeting = first.startsWith('EHLO') ? '250-mx\r\n250 PIPELINING' : '250 ok';
          socket.write(`${first === 'DATA' ? '354 go' : greeting}\r\n`);
        }
        inContent = inContent ? !text.endsWith('\r\n.\r\n') : first === 'DATA';
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.address() as AddressInfo;
    const given = { ehloName: 'our.example', credentials: null, timeoutsMs: { ...patient, pipelined: 80, rcpt: 500 } };
    const hop = new SmtpNextHop(settings({ port }), given);
    expect(await hop.attempt(message(), never())).toMatchObject([taken]);
    expect(await hop.attempt(message(), never())).toMatchObject([taken]);
    await hop.close();
    server.close();
  });

  it('on a kept connection', async () => {
    const scripts = [`${PIPES}\n${TAKE}\nC: MAIL *\nS: 250 ok\nstall`, `${PIPES}\n${oneByOne(1)}`];
    await withServer(scripts, { terms }, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(server.sessions).toHaveLength(2);
    });
  });

  it('that is silent one by one as well is deferred, without a doubt', async () => {
    const silent = `${PIPES}\nC: MAIL *\nS: 250 ok\nstall`;
    const { result, server } = await attemptOne([silent], { terms: { timeoutsMs: { pipelined: 80, rcpt: 120 } } });
    expect(result).toMatchObject({ kind: 'network', phase: 'rcpt', fault: 'timeout' });
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: false });
    expect(server.sessions).toHaveLength(2);
  });

  it('is not meant by a silence after the final dot', async () => {
    const silent = `${PIPES}\n${TAKE.replace('\nS: 250 2.0.0 taken', '\nstall')}`;
    const { result, server } = await attemptOne([silent], { terms: { timeoutsMs: { finalDot: 80 } } });
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
    expect(server.sessions).toHaveLength(1);
  });
});

describe('logins', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const open = (offer: string) => `S: 220 mx\nC: EHLO *\nS: 250-mx\n${offer}\nS: 250 SIZE`;
  const initial = `C: AUTH PLAIN ${base64('\0ann\0secret')}`;
  const LOGIN = `C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: ${base64('ann')}\nS: 334 UGFzc3dvcmQ6\nC: ${base64('secret')}\nS: 235 ok`;
  const both = open('S: 250-AUTH PLAIN LOGIN');
  const given = (password = 'secret') => ({
    tls: 'off' as const,
    auth: { secret: 's' },
    terms: { credentials: () => Promise.resolve({ username: 'ann', password }) },
  });

  it.each<readonly [string, string]>([
    ['AUTH= beside AUTH', `${open('S: 250-AUTH=LOGIN PLAIN\nS: 250-AUTH GSSAPI NTLM')}\n${initial}\nS: 235 ok`],
    ['the same, the other way about', `${open('S: 250-AUTH GSSAPI\nS: 250-AUTH=PLAIN')}\n${initial}\nS: 235 ok`],
    ['a line for each mechanism', `${open('S: 250-AUTH LOGIN\nS: 250-AUTH PLAIN')}\n${initial}\nS: 235 ok`],
    ['in lower case, with commas', `${open('S: 250-auth login,plain')}\n${initial}\nS: 235 ok`],
    [
      'an initial response that is asked for again',
      `${both}\n${initial}\nS: 334\nC: ${base64('\0ann\0secret')}\nS: 235 ok`,
    ],
    ...[500, 501, 502, 503, 504, 530, 534, 535, 538, 550].map(
      (code) => [`PLAIN refused with ${code}`, `${both}\n${initial}\nS: ${code} 5.7.4 no\n${LOGIN}`] as const,
    ),
  ])('%s', async (_name, script) => {
    const { result, server } = await attemptOne([`${script}\n${TAKE}`], given());
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
  });

  it.each([
    [367, true],
    [368, false],
    [2_000, false],
  ])('a password of %i octets goes as an initial response: %s', async (length, fits) => {
    const password = 'p'.repeat(length);
    const response = base64(`\0ann\0${password}`);
    const script = fits ? `C: AUTH PLAIN ${response}\nS: 235 ok` : `C: AUTH PLAIN\nS: 334\nC: ${response}\nS: 235 ok`;
    const { result, server } = await attemptOne([`${open('S: 250-AUTH PLAIN')}\n${script}\n${TAKE}`], given(password));
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
    for (const line of server.sessions[0]?.said.filter((said) => said.startsWith('AUTH')) ?? [])
      expect(line.length + 2).toBeLessThanOrEqual(512);
  });

  it('what was accepted is used at once the next time', async () => {
    const scripts = [`${both}\n${initial}\nS: 504 no\n${LOGIN}\n${TAKE}\ncut`, `${both}\n${LOGIN}\n${TAKE}`];
    await withServer(scripts, given(), async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(server.mismatches).toEqual([]);
    });
  });

  const loginRefused = LOGIN.replace('S: 235 ok', 'S: 535 5.7.8 wrong');
  it('a wrong login is tried by both mechanisms once, and by one from then on', async () => {
    const scripts = [
      `${both}\n${initial}\nS: 535 5.7.8 wrong\n${loginRefused}\nC: QUIT`,
      `${both}\n${initial}\nS: 535 5.7.8 wrong\nC: QUIT`,
    ];
    const terms = { ...given().terms, refusalKeptMs: 0 };
    await withServer(scripts, { ...given(), terms }, async (hop, server) => {
      for (let i = 0; i < 2; i++)
        expect(await hop.attempt(message(), never())).toMatchObject([
          { kind: 'reply', phase: 'auth', reply: { code: 535 } },
        ]);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('the word on the login counts, not the one on the mechanism', async () => {
    const { result } = await attemptOne([`${both}\n${initial}\nS: 504 not this\n${loginRefused}\nstall`], given());
    expect(result).toMatchObject({ phase: 'auth', reply: { code: 535, text: 'wrong' } });
  });

  it('a server that breaks off after what it does not speak hears the other mechanism the next time', async () => {
    const scripts = [`${both}\n${initial}\nS: 504 not this\ncut`, `${both}\n${LOGIN}\n${TAKE}`];
    await withServer(scripts, given(), async (hop) => {
      expect(classify((await hop.attempt(message(), never()))[0] ?? expect.fail())).toMatchObject({ kind: 'deferred' });
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
    });
  });

  it('later is later: no other mechanism', async () => {
    const { result, server } = await attemptOne([`${both}\n${initial}\nS: 454 4.7.0 later\nC: QUIT`], given());
    expect(result).toMatchObject({ phase: 'auth', reply: { code: 454 } });
    expect(server.mismatches).toEqual([]);
  });
});
