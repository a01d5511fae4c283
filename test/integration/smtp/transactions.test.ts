// Transactions: exact bytes, several forward-paths, extensions, content that breaks, deadlines.
// Where the order of packets matters the scripted server decides it.

import { describe, expect, it } from 'vitest';
import { ContentUnreadable } from '#pipeline/ports.ts';
import { attemptOne, chunksOf, mailbox, message, never, withServer } from './smtp-case.ts';

const OPEN =
  'S: 220 mx\nC: EHLO our.example\nS: 250-mx\nS: 250-PIPELINING\nS: 250-8BITMIME\nS: 250-SIZE 100000000\nS: 250 SMTPUTF8';
const PLAIN = 'S: 220 mx\nC: EHLO our.example\nS: 250 mx';
const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const two = [mailbox('bob@dest.example'), mailbox('eve@dest.example')];

describe('content', () => {
  const large = `${'0123456789'.repeat(7)}\r\n.${'dotted'.repeat(10)}\r\n`.repeat(2_000);
  const bodies: readonly [string, readonly string[], string, number][] = [
    ['empty', [], '', 0],
    ['no final newline', ['a'], 'a\r\n', 0],
    ['dots at chunk borders', ['a\r\n', '.', '.\r', '\n.b\r\n'], 'a\r\n...\r\n..b\r\n', 0],
    ['bare line endings at chunk borders', ['a\r', 'b\n', '\r\n', 'c\r'], 'a\r\nb\r\n\r\nc\r\n', 3],
    ['the end mark inside', ['a\r\n.\r\nMAIL FROM:<evil@x>\r\n'], 'a\r\n..\r\nMAIL FROM:<evil@x>\r\n', 0],
    ['the end mark with bare LF', ['a\n.\nMAIL FROM:<evil@x>\n'], 'a\r\n..\r\nMAIL FROM:<evil@x>\r\n', 3],
    ['the end mark with bare CR', ['a\r.\rb'], 'a\r\n..\r\nb\r\n', 2],
    ['NUL and 8-bit', ['\0\xff\xfe\r\n'], '\0\xff\xfe\r\n', 0],
    [
      'large, clean and not',
      [large, 'x'.repeat(300_000), large],
      `${(large + 'x'.repeat(300_000) + large).replaceAll('\n.', '\n..')}`,
      0,
    ],
    [
      'many small chunks',
      Array.from({ length: 3_000 }, (_, i) => `${i}\r\n`),
      Array.from({ length: 3_000 }, (_, i) => `${i}\r\n`).join(''),
      0,
    ],
  ];
  it.each(bodies)('%s', async (_name, body, wire, bareLineEndings) => {
    const { result, server } = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ body }));
    expect(result).toMatchObject({ kind: 'reply', reply: { code: 250 }, bareLineEndings });
    const [sent] = server.sessions[0]?.contents ?? [];
    expect(sent?.equals(Buffer.from(wire, 'latin1'))).toBe(true);
  });

  it('that breaks off is never accepted: no final dot leaves', async () => {
    async function* broken() {
      yield Buffer.from('Subject: x\r\n\r\nhalf a line\r\n');
      throw new ContentUnreadable('missing', 'gone in the middle');
    }
    const { result, server } = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ content: broken() }));
    expect(result).toEqual({ kind: 'content', cause: 'missing', detail: 'gone in the middle' });
    expect(server.sessions[0]?.contents).toEqual([]);
  });

  it('that throws anything else is unavailable', async () => {
    const broken = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new TypeError('a bug')) }) };
    const { result } = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ content: broken }));
    expect(result).toEqual({ kind: 'content', cause: 'unavailable', detail: 'TypeError: a bug' });
  });

  it('is not asked for before 354', async () => {
    let asked = false;
    const content = {
      [Symbol.asyncIterator]: () => {
        asked = true;
        return chunksOf([])[Symbol.asyncIterator]();
      },
    };
    await attemptOne(
      [`${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 550 no\nC: DATA\nS: 503 no\nC: QUIT`],
      {},
      message({ content }),
    );
    expect(asked).toBe(false);
  });

  it('refused in the middle: that reply, and the connection is dropped', async () => {
    const body = Array.from({ length: 400 }, () => 'x'.repeat(60_000));
    const script = `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\nbytes: 100000\nS: 552 5.3.4 too big\nstall`;
    const { result } = await attemptOne([script], {}, message({ body }));
    expect(result).toMatchObject({ kind: 'reply', phase: 'content', reply: { code: 552, status: '5.3.4' } });
  });

  it.each([
    ['cut', 'connection-lost'],
    ['reset', 'connection-lost'],
  ])('broken off in the middle by %s', async (how, fault) => {
    const body = Array.from({ length: 400 }, () => 'x'.repeat(60_000));
    const script = `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\nbytes: 100000\n${how}`;
    const { result } = await attemptOne([script], {}, message({ body }));
    expect(result).toMatchObject({ kind: 'network', phase: 'content', fault });
  });
});

describe('commands', () => {
  it('announce size, 8-bit and nothing that is not offered', async () => {
    const full = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ bytes: 1234 }));
    expect(full.server.sessions[0]?.said.slice(1)).toEqual([
      'MAIL FROM:<ann@src.example> SIZE=1234 BODY=8BITMIME',
      'RCPT TO:<bob@dest.example>',
      'DATA',
    ]);
    const bare = await attemptOne([`${PLAIN}\n${TAKE}`], {}, message({ bytes: 1234, reversePath: null }));
    expect(bare.server.sessions[0]?.said.slice(1, 2)).toEqual(['MAIL FROM:<>']);
    const unknown = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ bytes: null, reversePath: null }));
    expect(unknown.server.sessions[0]?.said.slice(1, 2)).toEqual(['MAIL FROM:<> BODY=8BITMIME']);
  });

  it('fall back to HELO', async () => {
    const { result, server } = await attemptOne([
      `S: 220 mx\nC: EHLO *\nS: 502 5.5.1 what\nC: HELO our.example\nS: 250 mx\n${TAKE}`,
    ]);
    expect(result).toMatchObject({ reply: { code: 250 } });
    expect(server.mismatches).toEqual([]);
  });

  it('say SMTPUTF8 where an address needs it', async () => {
    const forwardPaths = [mailbox('jörg@dest.example')];
    const { server } = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ forwardPaths }));
    expect(server.sessions[0]?.said.slice(1, 3)).toEqual([
      'MAIL FROM:<ann@src.example> SIZE=21 BODY=8BITMIME SMTPUTF8',
      'RCPT TO:<jörg@dest.example>',
    ]);
  });

  it('say SMTPUTF8 where the message was declared to need it, as far as it is offered', async () => {
    const strict = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ smtputf8: true }));
    expect(strict.server.sessions[0]?.said[1]).toBe('MAIL FROM:<ann@src.example> SIZE=21 BODY=8BITMIME SMTPUTF8');
    const plain = await attemptOne([`${PLAIN}\n${TAKE}`], {}, message({ smtputf8: true }));
    expect(plain.server.sessions[0]?.said[1]).toBe('MAIL FROM:<ann@src.example>');
    expect([...strict.server.mismatches, ...plain.server.mismatches]).toEqual([]);
  });

  it('do without SMTPUTF8 where A-labels will do', async () => {
    const forwardPaths = [mailbox('bob@bücher.example', 'xn--bcher-kva.example')];
    const { result, server } = await attemptOne([`${PLAIN}\n${TAKE}`], {}, message({ forwardPaths }));
    expect(result).toMatchObject({ reply: { code: 250 } });
    expect(server.sessions[0]?.said[2]).toBe('RCPT TO:<bob@xn--bcher-kva.example>');
  });

  it('do not go out where SMTPUTF8 is needed and not offered, nor above the size that is', async () => {
    const forwardPaths = [mailbox('jörg@dest.example')];
    const utf8 = await attemptOne([PLAIN], {}, message({ forwardPaths }));
    expect(utf8.result).toMatchObject({ kind: 'capability', fault: 'smtputf8-not-offered' });
    const size = await attemptOne(['S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 SIZE 1000'], {}, message({ bytes: 1001 }));
    expect(size.result).toMatchObject({ kind: 'capability', fault: 'size-exceeded', sizeMax: 1000 });
    expect([...utf8.server.mismatches, ...size.server.mismatches]).toEqual([]);
  });

  it.each(['a\r\nRCPT TO:<evil@x>@b', 'a\nb@c', 'a@b> SIZE=1', 'a b@c', '"a\rb"@c', 'a\0@b', '', 'a@b<'])(
    'refuse the path %j',
    async (address) => {
      await withServer([OPEN], {}, async (hop, server) => {
        await expect(hop.attempt(message({ forwardPaths: [mailbox(address)] }), never())).rejects.toThrow('not a path');
        await expect(hop.attempt(message({ reversePath: mailbox(address) }), never())).rejects.toThrow('not a path');
        expect(server.sessions).toEqual([]);
      });
    },
  );

  it('take quoted local parts as they are', async () => {
    const forwardPaths = [mailbox('"a b\\"c>"@dest.example')];
    const { server } = await attemptOne([`${OPEN}\n${TAKE}`], {}, message({ forwardPaths }));
    expect(server.sessions[0]?.said[2]).toBe('RCPT TO:<"a b\\"c>"@dest.example>');
  });
});

describe('several forward-paths', () => {
  const codes = async (script: string) =>
    withServer([script], {}, async (hop, server) => {
      const results = await hop.attempt(message({ forwardPaths: two }), never());
      expect(server.mismatches).toEqual([]);
      return results.map((each) => (each.kind === 'reply' ? `${each.phase} ${each.reply.code}` : `${each.kind}`));
    });

  it.each([
    ['pipelined', OPEN],
    ['one by one', PLAIN],
  ])('each has its own answer, %s', async (_name, open) => {
    const begin = `${open}\nC: MAIL *\nS: 250 ok`;
    const end = 'C: DATA\nS: 354 go\ncontent\nS: 250 taken';
    expect(await codes(`${begin}\nC: RCPT *\nS: 250 ok\nC: RCPT *\nS: 550 no\n${end}`)).toEqual([
      'final-dot 250',
      'rcpt 550',
    ]);
    expect(await codes(`${begin}\nC: RCPT *\nS: 452 full\nC: RCPT *\nS: 251 ok\n${end}`)).toEqual([
      'rcpt 452',
      'final-dot 250',
    ]);
    expect(await codes(`${begin}\nC: RCPT *\nS: 550 no\nC: RCPT *\nS: 421 bye\ncut`)).toEqual(['rcpt 550', 'rcpt 421']);
    expect(await codes(`${begin}\nC: RCPT *\nS: 550 no\nC: RCPT *\ncut`)).toEqual(['rcpt 550', 'network']);
  });

  it('all refused: the lone dot of RFC 2920, and the connection stays good', async () => {
    const refused =
      'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 550 no\nC: DATA\nS: 354 go\ncontent\nS: 554 no valid recipients';
    await withServer([`${OPEN}\n${refused}\n${TAKE}`], {}, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'rcpt', reply: { code: 550 } }]);
      expect(server.sessions[0]?.contents.map(String)).toEqual(['']);
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
      expect(server.sessions).toHaveLength(1);
      expect(server.mismatches).toEqual([]);
    });
  });

  it('MAIL refused while pipelining: the other answers are read away', async () => {
    const refused = 'C: MAIL *\nS: 451 4.7.1 greylisted\nC: RCPT *\nS: 503 no MAIL\nC: DATA\nS: 503 no MAIL';
    await withServer([`${OPEN}\n${refused}\n${TAKE}`], {}, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'mail', reply: { code: 451 } }]);
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
      expect(server.mismatches).toEqual([]);
    });
  });
});

describe('a deadline', () => {
  it.each([
    ['greeting', 'stall'],
    ['mail', `${PLAIN}\nC: MAIL *\nstall`],
    ['final-dot', `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nstall`],
  ])('in %s ends the attempt as aborted', async (phase, script) => {
    await withServer([script], {}, async (hop) => {
      const results = await hop.attempt(message(), AbortSignal.timeout(150));
      expect(results).toMatchObject([{ kind: 'network', phase, fault: 'aborted' }]);
    });
  });

  it('that is over already connects to nobody for long', async () => {
    await withServer(['stall'], {}, async (hop) => {
      expect(await hop.attempt(message(), AbortSignal.abort())).toMatchObject([
        { kind: 'network', phase: 'connect', fault: 'aborted' },
      ]);
    });
  });
});

describe('what the submitter asked for (RFC 3461)', () => {
  const dsn = { ret: 'HDRS', envid: 'Q 1', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;b@x.example' } as const;
  const OFFERED = 'S: 220 mx\nC: EHLO our.example\nS: 250-mx\nS: 250 DSN';

  it('goes along where the server offers DSN, which then answers for it', async () => {
    const { result, server } = await attemptOne([`${OFFERED}\n${TAKE}`], {}, { ...message({ body: ['a'] }), dsn });
    expect(result).toMatchObject({ kind: 'reply', reply: { code: 250 }, dsnTaken: true });
    const said = server.sessions[0]?.said ?? [];
    expect(said.find((line) => line.startsWith('MAIL'))).toMatch(/ RET=HDRS ENVID=Q\+201$/);
    expect(said.find((line) => line.startsWith('RCPT'))).toMatch(/> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@x\.example$/);
  });

  it('stays here where it does not, and where nothing was asked nothing is said', async () => {
    const plain = await attemptOne([`${PLAIN}\n${TAKE}`], {}, { ...message({ body: ['a'] }), dsn });
    expect(plain.result).not.toHaveProperty('dsnTaken');
    expect(plain.server.sessions[0]?.said.join()).not.toMatch(/RET|NOTIFY|ENVID|ORCPT/);
    const offered = await attemptOne([`${OFFERED}\n${TAKE}`], {}, message({ body: ['a'] }));
    expect(offered.result).not.toHaveProperty('dsnTaken');
    expect(offered.server.sessions[0]?.said.join()).not.toMatch(/RET|NOTIFY|ENVID|ORCPT/);
  });
});
