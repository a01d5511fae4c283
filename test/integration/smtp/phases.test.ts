// Every phase of the dialogue against everything a server may do in it, with and without pipelining.
// Whatever happens, an attempt ends in one value that says where and how; and only the final dot leaves doubt.

import { describe, expect, it, vi } from 'vitest';
import type { Phase } from '#core/reply/reply.ts';
import { attemptOne, message } from './smtp-case.ts';

type Step = { readonly phase: Phase; readonly ask: string; readonly yes: string };

/** The dialogue up to and with each phase's command, and the answer that goes on. */
function steps(pipelined: boolean): readonly Step[] {
  const ehlo = pipelined ? 'S: 250-mx.example\nS: 250 PIPELINING' : 'S: 250 mx.example';
  return [
    { phase: 'greeting', ask: '', yes: 'S: 220 mx.example ESMTP' },
    { phase: 'ehlo', ask: 'C: EHLO our.example', yes: ehlo },
    { phase: 'mail', ask: 'C: MAIL FROM:<ann@src.example>', yes: 'S: 250 2.1.0 ok' },
    { phase: 'rcpt', ask: 'C: RCPT TO:<bob@dest.example>', yes: 'S: 250 2.1.5 ok' },
    { phase: 'data', ask: 'C: DATA', yes: 'S: 354 go on' },
    { phase: 'final-dot', ask: 'content', yes: 'S: 250 2.0.0 taken' },
  ];
}

function scriptUpTo(phase: Phase, then: string, pipelined: boolean): string {
  const all = steps(pipelined);
  const at = all.findIndex((step) => step.phase === phase);
  const before = all.slice(0, at).map(({ ask, yes }) => `${ask}\n${yes}`);
  return [...before, all[at]?.ask ?? '', then].join('\n');
}

/** What is said in a phase → what the attempt says. Null: not in this phase. */
type Behaviour = readonly [name: string, script: string, expected: (phase: Phase) => object | null];

const reply = (code: number, status: string | null, text: string) => (phase: Phase) => ({
  kind: 'reply',
  phase,
  reply: { code, status, text, host: '127.0.0.1' },
  tls: false,
});
/** A reset may arrive together with the handshake's end: who hung up before the greeting is told as connect too. */
const connectionReset = (phase: Phase) => ({
  ...network('connection-lost')(phase),
  phase: phase === 'greeting' ? expect.stringMatching(/^(connect|greeting)$/) : phase,
});
const network = (fault: string) => (phase: Phase) => ({ kind: 'network', phase, fault, host: '127.0.0.1' });

const LONG = '451-4.7.1 and on\r\n'.repeat(6_000);
const long = (code: number) => (phase: Phase) => ({
  kind: 'reply',
  phase,
  reply: { code, status: '4.7.1', text: expect.stringMatching(/^(and on )+and o?$/) },
});
/** These end by time alone. */
const SLOW = ['silence', 'junk', 'NULs', 'a reply of 100 KB that does not end'];
/** Spoken to one by one, the server is asked once more where it was silent, or stumbled, over what came together. */
const ONCE_MORE: Readonly<Record<string, readonly Phase[]>> = {
  silence: ['rcpt', 'data'],
  junk: ['mail', 'rcpt', 'data'],
  NULs: ['mail', 'rcpt', 'data'],
};

const behaviours: readonly Behaviour[] = [
  ['421', 'S: 421 4.3.2 closing\ncut', reply(421, '4.3.2', 'closing')],
  ['421 and a reset', 'S: 421 4.3.2 closing\nstall', reply(421, '4.3.2', 'closing')],
  ['451', 'S: 451 4.3.0 later\nstall', reply(451, '4.3.0', 'later')],
  // A server that knows no EHLO is asked again with HELO; that is tested elsewhere.
  ['550', 'S: 550 5.7.1 never\nstall', (phase) => (phase === 'ehlo' ? null : reply(550, '5.7.1', 'never')(phase))],
  ['many lines', 'S: 451-4.7.1 a\nS: 451-4.7.1 b\nS: 451 4.7.1 c\nstall', reply(451, '4.7.1', 'a b c')],
  ['a byte at a time', 'S1: 451-4.7.1 one\nS1: 451 4.7.1 two\nstall', reply(451, '4.7.1', 'one two')],
  ['bare LF', 'raw: "451 4.7.1 unix\\n"\nstall', reply(451, '4.7.1', 'unix')],
  ['8-bit text', 'raw: "451 4.1.1 Empf\\u00e4nger\\r\\n"\nstall', reply(451, '4.1.1', 'Empfänger')],
  ['no text', 'S: 451\nstall', reply(451, null, '')],
  ['closing', 'cut', network('connection-lost')],
  ['reset', 'reset', connectionReset],
  ['half a reply, then closing', 'raw: "451-4.7.1 wait"\ncut', network('connection-lost')],
  ['junk', 'S: what?\nstall', network('garbled-reply')],
  ['NULs', 'raw: "\\u0000\\u0000\\u0000\\n"\nstall', network('garbled-reply')],
  ['a reply of 100 KB', `raw: ${JSON.stringify(LONG)}\nS: 451 4.7.1 end\nstall`, long(451)],
  ['a reply of 100 KB that does not end', `raw: ${JSON.stringify(LONG)}\nstall`, long(451)],
  ['a reply of 100 KB, then closing', `raw: ${JSON.stringify(LONG)}\ncut`, long(451)],
  ['a reply of more than a megabyte', `raw: ${JSON.stringify(LONG.repeat(11))}\nstall`, long(451)],
  ['two classes in one reply', 'S: 451-no\nS: 250 yes\nstall', network('garbled-reply')],
  ['a line without end', `raw: ${JSON.stringify('x'.repeat(100_000))}\nstall`, network('garbled-reply')],
  ['an answer to something else', 'S: 334 challenge\nstall', network('garbled-reply')],
  ['silence', 'stall', network('timeout')],
];

describe.each([
  ['pipelined', true],
  ['one by one', false],
])('%s', (_name, pipelined) => {
  describe.each(steps(pipelined).map(({ phase }) => phase))('in %s', (phase) => {
    const cases = behaviours.filter(([, , expected]) => expected(phase) !== null);
    it.each(cases)('%s', async (name, script, expected) => {
      const short = SLOW.includes(name) ? 60 : 5_000;
      const names = { 'final-dot': 'finalDot' } as const;
      const timeoutsMs = { [phase === 'final-dot' ? names[phase] : phase]: short };
      const { result, server } = await attemptOne([scriptUpTo(phase, script, pipelined)], { terms: { timeoutsMs } });
      expect(result).toMatchObject(expected(phase) ?? {});
      expect(server.mismatches).toEqual([]);
      expect(server.sessions).toHaveLength(pipelined && ONCE_MORE[name]?.includes(phase) ? 2 : 1);
    });
  });

  it('a 250 of 100 KB to the final dot is acceptance, whether it ends or not', async () => {
    for (const end of ['S: 250 2.0.0 end\nstall', 'stall', 'cut']) {
      const dialogue = scriptUpTo(
        'final-dot',
        `raw: ${JSON.stringify(LONG.replaceAll('451-4.7.1', '250-2.0.0'))}\n${end}`,
        pipelined,
      );
      const { result } = await attemptOne([dialogue], { terms: { timeoutsMs: { finalDot: 100 } } });
      expect(result).toMatchObject({ kind: 'reply', phase: 'final-dot', reply: { code: 250, status: '2.0.0' } });
    }
  });

  it('a reply of 100 KB to any command is in step with the next', async () => {
    const dialogue = steps(pipelined).map(({ ask, yes }) => {
      const code = yes.slice(3, 6);
      const padded = yes.includes('PIPELINING') ? yes.replace('S: 250 ', `S: 250-`) : '';
      return `${ask}\n${padded}\nraw: ${JSON.stringify(`${code}-and on\r\n`.repeat(9_000))}\n${padded === '' ? yes : 'S: 250 mx'}`;
    });
    const { result, server } = await attemptOne([dialogue.join('\n')]);
    expect(result).toMatchObject({ kind: 'reply', phase: 'final-dot', reply: { code: 250 } });
    expect(server.mismatches).toEqual([]);
  });

  it('accepted: the reply to the final dot, whole', async () => {
    const { result, server } = await attemptOne([
      scriptUpTo('final-dot', 'S: 250-2.0.0 taken\nS: 250 2.0.0 as 42\nC: QUIT', pipelined),
    ]);
    expect(result).toEqual({
      kind: 'reply',
      phase: 'final-dot',
      reply: { code: 250, status: '2.0.0', text: 'taken as 42', host: '127.0.0.1' },
      tls: false,
      bareLineEndings: 0,
    });
    expect(server.mismatches).toEqual([]);
    expect(server.sessions[0]?.contents.map(String)).toEqual(['Subject: x\r\n\r\nhello\r\n']);
  });

  it('2xx before the content has ended is no acceptance', async () => {
    const early = scriptUpTo('data', 'S: 354 go on\nbytes: 1000\nS: 250 2.0.0 taken\nstall', pipelined);
    const body = Array.from({ length: 400 }, () => 'x'.repeat(60_000));
    const { result } = await attemptOne([early], {}, message({ body }));
    expect(result).toMatchObject({ kind: 'network', phase: 'content', fault: 'garbled-reply' });
  });
});

it('a server that speaks no SMTP does not hold an attempt for the minutes that a phase may take', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const attempt = attemptOne([scriptUpTo('rcpt', 'S: well, that depends\nstall', false)]);
    const passing = setInterval(() => vi.advanceTimersByTime(1_000), 20);
    const { result } = await attempt.finally(() => clearInterval(passing));
    expect(result).toMatchObject({ kind: 'network', phase: 'rcpt', fault: 'garbled-reply' });
  } finally {
    vi.useRealTimers();
  }
});
