// What the configuration says of the client's own words: the name in EHLO, and commands one by one.

import { describe, expect, it } from 'vitest';
import { classify } from '#core/reply/classify.ts';
import { attemptOne, message, never, withServer } from './smtp-case.ts';

const PIPES = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING';
const ONE_BY_ONE =
  'C: MAIL *\nquiet: 30\nS: 250 ok\nC: RCPT *\nquiet: 30\nS: 250 ok\nC: DATA\nquiet: 30\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const taken = { kind: 'reply', phase: 'final-dot', reply: { code: 250 } };

describe('the name in EHLO', () => {
  it.each([
    ['smtp', 'EHLO', 'mail.example.com'],
    ['smtp', 'EHLO', '[192.0.2.1]'],
    ['lmtp', 'LHLO', 'mail.example.com'],
  ] as const)('%s: %s %s', async (kind, hello, ehloName) => {
    const script = `S: 220 mx\nC: ${hello} ${ehloName}\nS: 250 mx\nC: MAIL *\nS: 550 5.1.8 no\nstall`;
    const { server } = await attemptOne([script], { kind, terms: { ehloName } });
    expect(server.mismatches).toEqual([]);
    expect(server.sessions[0]?.said[0]).toBe(`${hello} ${ehloName}`);
  });

  it('is the one in HELO, and behind TLS', async () => {
    const script =
      'S: 220 mx\nC: EHLO a.example\nS: 500 what\nC: HELO a.example\nS: 250 mx\nC: MAIL *\nS: 550 no\nstall';
    const { server } = await attemptOne([script], { terms: { ehloName: 'a.example' } });
    expect(server.mismatches).toEqual([]);
    const tls =
      'S: 220 mx\nC: EHLO a.example\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\nC: EHLO a.example\nS: 250 mx\nC: MAIL *\nS: 550 no\nstall';
    const secured = await attemptOne([tls], { tls: 'opportunistic', terms: { ehloName: 'a.example' } });
    expect(secured.server.mismatches).toEqual([]);
  });

  it.each([
    ['at EHLO and HELO', 'S: 220 mx\nC: EHLO *\nS: 550 5.7.1 bad name\nC: HELO *\nS: 550 5.7.1 bad name\nstall'],
    [
      'at RCPT',
      `${PIPES}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 504 5.5.2 <our.example>: Helo command rejected: need fully-qualified hostname\nC: DATA\nS: 503 no\nstall`,
    ],
  ])("that is refused %s is the operator's to mend", async (_name, script) => {
    const { result } = await attemptOne([script]);
    expect(classify(result)).toMatchObject({ kind: 'deferred', operatorFault: true, pace: 'long' });
  });
});

describe('pipelining: false', () => {
  it('says one command at a time where the server offers more', async () => {
    await withServer([`${PIPES}\n${ONE_BY_ONE}\n${ONE_BY_ONE}`], { pipelining: false }, async (hop, server) => {
      for (let i = 0; i < 2; i++) expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(server.mismatches).toEqual([]);
      expect(server.sessions).toHaveLength(1);
    });
  });

  it('is not the default', async () => {
    const together =
      'C: MAIL *\npause: 30\nC: RCPT *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
    const { result } = await attemptOne([`${PIPES}\n${together}`]);
    expect(result).toMatchObject(taken);
  });
});
