// LMTP (RFC 2033) where it differs from SMTP: LHLO, and after the final dot one reply for each recipient that was
// taken. Everything else is the same client, and is tested with SMTP.

import { describe, expect, it } from 'vitest';
import { testCa } from '#test/smtp-dialogue.ts';
import { attemptOne, mailbox, message, never, withServer } from './smtp-case.ts';

const lmtp = { kind: 'lmtp' } as const;
const OPEN =
  'S: 220 lmtp\nC: LHLO our.example\nS: 250-lmtp\nS: 250-PIPELINING\nS: 250-ENHANCEDSTATUSCODES\nS: 250 SIZE 1000000';
const TWO =
  'C: MAIL *\nS: 250 2.1.0 ok\nC: RCPT *\nS: 250 2.1.5 ok\nC: RCPT *\nS: 250 2.1.5 ok\nC: DATA\nS: 354 go\ncontent';
const three = ['bob', 'eve', 'joe'].map((name) => mailbox(`${name}@dest.example`));
const two = three.slice(0, 2);

describe('the greeting', () => {
  it('is LHLO, and a transaction is the same', async () => {
    const script = `${OPEN}\nC: MAIL FROM:<ann@src.example> SIZE=21\nS: 250 ok\nC: RCPT TO:<bob@dest.example>\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 <bob@dest.example> Saved\nC: QUIT`;
    const { result, server } = await attemptOne([script], lmtp);
    expect(result).toMatchObject({ kind: 'reply', phase: 'final-dot', reply: { code: 250, status: '2.0.0' } });
    expect(server.mismatches).toEqual([]);
  });

  it.each([500, 502, 550])(
    'refused with %i is never tried with HELO: a server of SMTP is none of LMTP',
    async (code) => {
      const { result, server } = await attemptOne([`S: 220 mx\nC: LHLO *\nS: ${code} 5.5.1 what?\nC: QUIT`], lmtp);
      expect(result).toMatchObject({ kind: 'reply', phase: 'ehlo', reply: { code } });
      expect(server.mismatches).toEqual([]);
    },
  );

  it('comes again after STARTTLS, and a certificate is checked', async () => {
    const script = `S: 220 lmtp\nC: LHLO *\nS: 250-lmtp\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\nC: LHLO our.example\nS: 250 lmtp\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 saved`;
    const { result, server } = await attemptOne([script], { ...lmtp, tls: 'required', ca: testCa });
    expect(result).toMatchObject({ kind: 'reply', reply: { code: 250 }, tls: true });
    expect(server.mismatches).toEqual([]);
  });
});

describe('after the final dot', () => {
  const attempt = async (script: string, forwardPaths = two, finalDot = 5_000) =>
    withServer([script], { ...lmtp, terms: { timeoutsMs: { finalDot } } }, async (hop, server) => {
      const results = await hop.attempt(message({ forwardPaths }), never());
      expect(server.mismatches).toEqual([]);
      return results;
    });

  it('each recipient has a reply of its own', async () => {
    const results = await attempt(`${OPEN}\n${TWO}\nS: 250 2.0.0 saved\nS: 452 4.2.2 mailbox full`);
    expect(results).toMatchObject([
      { kind: 'reply', phase: 'final-dot', reply: { code: 250 }, bareLineEndings: 0 },
      { kind: 'reply', phase: 'final-dot', reply: { code: 452, status: '4.2.2' }, bareLineEndings: 0 },
    ]);
  });

  it('who was refused at RCPT has none, so that the others are not mistaken', async () => {
    const script = `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: RCPT *\nS: 550 5.1.1 no such user\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 saved\nS: 550 5.7.1 not this`;
    expect(await attempt(script, three)).toMatchObject([
      { kind: 'reply', phase: 'final-dot', reply: { code: 250 } },
      { kind: 'reply', phase: 'rcpt', reply: { code: 550, status: '5.1.1' } },
      { kind: 'reply', phase: 'final-dot', reply: { code: 550, status: '5.7.1' } },
    ]);
  });

  it.each([
    ['lost', 'cut', 'connection-lost'],
    ['reset', 'reset', 'connection-lost'],
    ['garbled', 'S: and so on', 'garbled-reply'],
    ['silent', 'stall', 'timeout'],
  ])('a connection %s between two replies leaves doubt about the second alone', async (name, then, fault) => {
    const script = `${OPEN}\n${TWO}\nS: 250 2.0.0 saved\n${then}`;
    expect(await attempt(script, two, name === 'silent' ? 60 : 5_000)).toMatchObject([
      { kind: 'reply', phase: 'final-dot', reply: { code: 250 } },
      { kind: 'network', phase: 'final-dot', fault },
    ]);
  });

  it("421 for one is that one's word; what follows it still counts", async () => {
    const results = await attempt(`${OPEN}\n${TWO}\nS: 421 4.3.2 busy\nS: 250 2.0.0 saved\ncut`);
    expect(results).toMatchObject([{ reply: { code: 421 } }, { reply: { code: 250 } }]);
  });

  it('a reply too many spoils the connection, never the next message', async () => {
    const one = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent';
    const scripts = [
      `${OPEN}\n${one}\nS: 250 2.0.0 saved\nS: 250 2.0.0 saved twice\nstall`,
      `${OPEN}\n${one}\nS: 451 4.3.0 later`,
    ];
    await withServer(scripts, lmtp, async (hop) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { code: 250 } }]);
      await new Promise((resolve) => setTimeout(resolve, 50)); // the second reply has come
      expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { code: 451 } }]);
    });
  });

  it('a connection is kept for the next transaction', async () => {
    const one = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 saved';
    await withServer([`${OPEN}\n${one}\n${one}\nC: QUIT`], lmtp, async (hop, server) => {
      await hop.attempt(message(), never());
      expect(await hop.attempt(message(), never())).toMatchObject([{ reply: { code: 250 } }]);
      expect(server.sessions).toHaveLength(1);
    });
  });

  it('354 although nobody was taken: no content leaves, and the connection is given up', async () => {
    const script = `${OPEN}\nC: MAIL *\nS: 250 ok\nC: RCPT *\nS: 550 5.1.1 no\nC: DATA\nS: 354 go\nstall`;
    await withServer([script, `${OPEN}\nC: MAIL *\nS: 451 later`], lmtp, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'rcpt', reply: { code: 550 } }]);
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'mail', reply: { code: 451 } }]);
      expect(server.sessions.map(({ contents }) => contents.length)).toEqual([0, 0]);
    });
  });
});
