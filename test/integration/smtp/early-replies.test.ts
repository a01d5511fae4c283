// A reply that was read before its command was written is no answer to it (RFC 5321 §4.1.1.4, RFC 2920 §3.1), wherever
// it comes: in the segment of the reply before it, in one of its own, or with only its first bytes. The attempt is
// deferred, and its message is doubted only where the final dot had left.

import { describe, expect, it } from 'vitest';
import { classify } from '#core/reply/classify.ts';
import { testCa } from '#test/smtp-dialogue.ts';
import { attemptOne, mailbox, message, never, patient, withServer } from './smtp-case.ts';

type Protocol = 'smtp' | 'lmtp';
type Step = { readonly name: string; readonly ask: string; readonly yes: string };

const EXTRA = ['250 2.0.0 taken', '250-2.0.0 taken\r\n250 2.0.0 for good', '354 go on', '220 hello', '235 2.7.0 ok'];
const REFUSALS = ['550 5.1.1 no such user', '421 4.3.2 closing', '451 4.3.0 later'];

/**
 * The dialogue step by step; where MAIL, RCPT and DATA leave together, they are one step, and their answers leave
 * together too.
 */
function steps(protocol: Protocol, pipelined: boolean): readonly Step[] {
  const hello = `C: ${protocol === 'lmtp' ? 'LHLO' : 'EHLO'} *`;
  const [mail, rcpt, data] = ['250 2.1.0 ok', '250 2.1.5 ok', '354 go on'] as const;
  const envelope: readonly Step[] = pipelined
    ? [{ name: 'data', ask: 'C: MAIL *\nC: RCPT *\nC: DATA', yes: [mail, rcpt, data].join('\r\n') }]
    : [
        { name: 'mail', ask: 'C: MAIL *', yes: mail },
        { name: 'rcpt', ask: 'C: RCPT *', yes: rcpt },
        { name: 'data', ask: 'C: DATA', yes: data },
      ];
  return [
    { name: 'greeting', ask: '', yes: '220 mx ESMTP' },
    { name: 'ehlo', ask: hello, yes: pipelined ? '250-mx\r\n250 PIPELINING' : '250 mx' },
    ...envelope,
    { name: 'dot', ask: 'content', yes: '250 2.0.0 taken' },
  ];
}

/**
 * The whole dialogue, with `said` in the segment of the reply to `name`, and `later` when the next command has come.
 */
function script(all: readonly Step[], name: string, said: string, later = ''): string {
  const at = all.findIndex((step) => step.name === name);
  return all
    .map(({ ask, yes }, index) => {
      const before = index === at + 1 ? later : '';
      return `${ask}\nraw: ${JSON.stringify(`${before}${yes}\r\n${index === at ? said : ''}`)}`;
    })
    .join('\n');
}

async function attempt(protocol: Protocol, dialogue: string) {
  const { result, server } = await attemptOne([dialogue], { kind: protocol, terms: { timeoutsMs: patient } });
  return { result, contents: server.sessions.flatMap(({ contents }) => contents.map(String)) };
}

/** Deferred, in no doubt about the message, and nothing was handed over. */
function expectNoAnswer({ result, contents }: Awaited<ReturnType<typeof attempt>>, what: string): void {
  expect(classify(result), `${what}: ${JSON.stringify(result)}`).toMatchObject({
    kind: 'deferred',
    possibleDuplicate: false,
  });
  expect(contents, what).toEqual([]);
}

describe.each([
  ['smtp', false],
  ['smtp', true],
  ['lmtp', false],
  ['lmtp', true],
] as const)('%s, pipelined %s', (protocol, pipelined) => {
  const all = steps(protocol, pipelined);
  const positions = all.slice(0, -1).map(({ name }) => name);

  describe.each(positions)('in the segment of the reply to %s', (name) => {
    it.each([...EXTRA, ...REFUSALS])('%j', async (extra) => {
      expectNoAnswer(await attempt(protocol, script(all, name, `${extra}\r\n`)), extra);
    });

    it('all the replies that the rest of the dialogue would need', async () => {
      const rest = all.slice(all.findIndex((step) => step.name === name) + 1).map(({ yes }) => `${yes}\r\n`);
      expectNoAnswer(await attempt(protocol, script(all, name, rest.join(''))), 'all at once');
    });

    it('the first bytes of one, its end later', async () => {
      const extra = '250 2.0.0 taken\r\n';
      for (let cut = 1; cut < extra.length; cut++) {
        const said = await attempt(protocol, script(all, name, extra.slice(0, cut), extra.slice(cut)));
        expectNoAnswer(said, `cut at ${cut}`);
      }
    });
  });

  it('behind the reply to the final dot: this message is accepted, and the next one goes by another connection', async () => {
    const both = [script(all, 'dot', '250 2.0.0 taken too\r\n'), script(all, '', '')];
    await withServer(both, { kind: protocol }, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
      expect(server.sessions.map(({ contents }) => contents.length)).toEqual([1, 1]);
    });
  });

  it('while the connection lies idle: the next message goes by another one', async () => {
    const idle = `${script(all, '', '')}\npause: 20\nraw: "250 2.1.0 ok\\r\\n250 2.1.5 ok\\r\\n354 go\\r\\n250 2.0.0 taken\\r\\n"\nstall`;
    await withServer([idle, script(all, '', '')], { kind: protocol }, async (hop, server) => {
      await hop.attempt(message(), never());
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
      expect(server.sessions.map(({ contents }) => contents.length)).toEqual([1, 1]);
    });
  });
});

describe('while the content is awaited', () => {
  const open = (protocol: Protocol) => script(steps(protocol, true).slice(0, -1), '', '');
  /** Its only piece comes when the server has said what it has to say. */
  async function* slow() {
    await new Promise((resolve) => setTimeout(resolve, 80));
    yield Buffer.from('Subject: x\r\n\r\nhello\r\n');
  }

  it.each(['smtp', 'lmtp'] as const)('%s: a 2xx in a segment of its own is no acceptance', async (kind) => {
    const dialogue = `${open(kind)}\npause: 20\nS: 250 2.0.0 taken\ncontent\nstall`;
    const { result, server } = await attemptOne([dialogue], { kind }, message({ content: slow() }));
    expectNoAnswer({ result, contents: server.sessions[0]?.contents.map(String) ?? [] }, kind);
  });

  it.each(['smtp', 'lmtp'] as const)('%s: nor one that has begun', async (kind) => {
    const dialogue = `${open(kind)}\npause: 20\nraw: "250 2.0.0 ta"\npause: 200\nraw: "ken\\r\\n"\ncontent\nstall`;
    const { result, server } = await attemptOne([dialogue], { kind }, message({ content: slow() }));
    expectNoAnswer({ result, contents: server.sessions[0]?.contents.map(String) ?? [] }, kind);
  });

  it('421 is told of as it was said', async () => {
    const dialogue = `${open('smtp')}\npause: 20\nS: 421 4.4.2 too slow\ncut`;
    const { result } = await attemptOne([dialogue], {}, message({ content: slow() }));
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: false });
    expect(JSON.stringify(result)).toContain('too slow');
  });
});

describe('while the content is sent', () => {
  const begin = `${script(steps('smtp', true).slice(0, -1), '', '')}\nbytes: 40000`;
  const first = 'x'.repeat(50_000);
  async function* halting() {
    yield Buffer.from(first);
    await new Promise((resolve) => setTimeout(resolve, 80));
    yield Buffer.from('the end\r\n');
  }
  const sending = (then: string) =>
    attemptOne([`${begin}\n${then}`], {}, message({ content: halting(), bytes: first.length + 9 }));

  it.each(['250 2.0.0 taken', '354 go on', '220 hello'])('%j is no acceptance', async (text) => {
    const { result } = await sending(`S: ${text}\nstall`);
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: false });
  });

  it.each([
    ['552 5.3.4 too big', 'failed'],
    ['451 4.3.0 later', 'deferred'],
  ])('%j is its refusal', async (text, kind) => {
    const { result } = await sending(`S: ${text}\nstall`);
    expect(result).toMatchObject({ kind: 'reply', phase: 'content' });
    expect(classify(result)).toMatchObject({ kind });
  });

  it.each([
    ['250-2.0.0 ', 'ta', 'ken\\r\\n250 2.0.0 for good\\r\\n'],
    ['250 2.0.0', ' ta', 'ken\\r\\n'],
  ])('a 2xx that begins there and ends behind the last byte is none (%s)', async (a, b, c) => {
    const { result, server } = await sending(`raw: "${a}"\npause: 20\nraw: "${b}"\npause: 100\nraw: "${c}"\nstall`);
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: false });
    expect(server.sessions[0]?.contents).toEqual([]);
  });

  it('a refusal that begins there and ends later is one', async () => {
    const { result } = await sending(
      'raw: "552-5.3.4 too"\npause: 120\nraw: " big\\r\\n552 5.3.4 by far\\r\\n"\nstall',
    );
    expect(result).toMatchObject({ kind: 'reply', phase: 'content', reply: { code: 552, text: 'too big by far' } });
  });
});

describe('under TLS and behind a login', () => {
  const login = { username: 'ann', password: 'secret' };
  const terms = { credentials: () => Promise.resolve(login), timeoutsMs: patient };
  const over = { tls: 'required', ca: testCa, auth: { secret: 's' }, terms } as const;
  const tls = (offer: string) =>
    `S: 220 mx\nC: EHLO *\nraw: "250-mx\\r\\n250 STARTTLS\\r\\n"\nC: STARTTLS\nS: 220 go\ntls\nC: EHLO *\n${offer}`;
  const take =
    'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nraw: "354 go\\r\\n250 2.0.0 taken\\r\\n"\ncontent\nstall';
  const AUTH = 'raw: "250-mx\\r\\n250 AUTH PLAIN LOGIN\\r\\n';

  it.each([
    [
      'in clear behind the 220 to STARTTLS',
      'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nraw: "220 go\\r\\n250 mx\\r\\n"\ntls\nC: EHLO *\nstall',
    ],
    [
      'in clear behind it, a moment later',
      'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nraw: "250 mx\\r\\n"\nstall',
    ],
    ['behind the second EHLO', tls(`${AUTH}235 2.7.0 ok\\r\\n"\nC: AUTH *\nstall`)],
    ['behind the 235', tls(`${AUTH}"\nC: AUTH *\nraw: "235 2.7.0 ok\\r\\n250 2.1.0 ok\\r\\n"\nstall`)],
    ['behind the 354', tls(`${AUTH}"\nC: AUTH *\nS: 235 2.7.0 ok\n${take}`)],
  ])('%s', async (what, dialogue) => {
    const { result, server } = await attemptOne([dialogue], over);
    expectNoAnswer({ result, contents: server.sessions[0]?.contents.map(String) ?? [] }, what);
  });

  it('in every step of AUTH LOGIN', async () => {
    const offer = tls('raw: "250-mx\\r\\n250 AUTH LOGIN\\r\\n"');
    for (const steps of [
      'C: AUTH LOGIN\nraw: "334 VXNlcm5hbWU6\\r\\n334 UGFzc3dvcmQ6\\r\\n235 ok\\r\\n"\nstall',
      'C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: *\nraw: "334 UGFzc3dvcmQ6\\r\\n235 ok\\r\\n"\nstall',
    ]) {
      const { result } = await attemptOne([`${offer}\n${steps}`], over);
      expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: false });
    }
  });
});

describe('LMTP, two recipients', () => {
  const paths = [mailbox('bob@dest.example'), mailbox('eve@dest.example')];
  const open =
    'S: 220 l\nC: LHLO *\nS: 250-l\nS: 250 PIPELINING\nC: MAIL *\nC: RCPT *\nC: RCPT *\nC: DATA\nraw: "250 ok\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n';

  it.each(['250 2.0.0 saved\\r\\n', '250 2.0.0 saved\\r\\n250 2.0.0 saved\\r\\n'])(
    'one early reply spoils both: %s',
    async (early) => {
      await withServer(
        [`${open}${early}"\ncontent\nS: 250 2.0.0 saved\nstall`],
        { kind: 'lmtp' },
        async (hop, server) => {
          for (const result of await hop.attempt(message({ forwardPaths: paths }), never()))
            expectNoAnswer({ result, contents: server.sessions[0]?.contents.map(String) ?? [] }, early);
        },
      );
    },
  );
});

describe('where the connection ends', () => {
  const open = script(steps('smtp', true).slice(0, -1), '', '');
  it('before the final dot was written, nothing is in doubt', async () => {
    async function* content() {
      await new Promise((resolve) => setTimeout(resolve, 60));
      yield Buffer.from('Subject: x\r\n\r\nhello\r\n');
    }
    const { result } = await attemptOne([`${open}\ncut`], {}, message({ content: content() }));
    expect(result).toMatchObject({ kind: 'network', phase: 'content', fault: 'connection-lost' });
  });
  it('behind it, the message is', async () => {
    const { result } = await attemptOne([`${open}\ncontent\ncut`]);
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
  });
});
