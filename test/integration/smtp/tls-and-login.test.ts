// TLS in its four modes, and logins: what is sent in clear, and what never is.
// The scripted server's certificate is for localhost and 127.0.0.1, signed by the authority in fixtures/tls.

import { describe, expect, it } from 'vitest';
import type { TlsMode } from '#config/settings.ts';
import { smtpReplyLineBytesMax, smtpReplyTextCharsMax } from '#core/limits.ts';
import { testCa } from '#test/smtp-dialogue.ts';
import { attemptOne } from './smtp-case.ts';

const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const OFFER = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS';
const SECURE = `${OFFER}\nS: 220 go\ntls\nC: EHLO *\nS: 250-mx`;
const PLAIN = 'S: 220 mx\nC: EHLO *\nS: 250 mx';
const taken = (tls: boolean) => ({ kind: 'reply', phase: 'final-dot', reply: { code: 250 }, tls });
const broke = { kind: 'network', phase: 'starttls', fault: 'tls-failed' };
const later = { kind: 'reply', phase: 'starttls', reply: { code: 454, status: '4.7.0' }, tls: false };

/** [what, mode, trusted authority, scripts, result, connections] */
const cases: readonly [string, TlsMode, string | null, readonly string[], object, number][] = [
  [
    'off: STARTTLS is not taken up',
    'off',
    null,
    [`S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\n${TAKE}`],
    taken(false),
    1,
  ],
  ['required and good', 'required', testCa, [`${SECURE}\nS: 250 PIPELINING\n${TAKE}`], taken(true), 1],
  ['required and not to be trusted', 'required', null, [SECURE], broke, 1],
  ['required and not offered', 'required', testCa, [PLAIN], { kind: 'capability', fault: 'starttls-not-offered' }, 1],
  [
    'required of a server with HELO alone',
    'required',
    testCa,
    ['S: 220 mx\nC: EHLO *\nS: 500 what\nC: HELO *\nS: 250 mx'],
    { kind: 'capability', fault: 'starttls-not-offered' },
    1,
  ],
  ['required and refused now', 'required', testCa, [`${OFFER}\nS: 454 4.7.0 no TLS now`], later, 1],
  ['required and broken', 'required', testCa, [`${OFFER}\nS: 220 go\nraw: "this is no TLS\\r\\n"\nstall`], broke, 1],
  ['required and cut off in the handshake', 'required', testCa, [`${OFFER}\nS: 220 go\nbytes: 10\nreset`], broke, 1],
  [
    'required and silent in the handshake',
    'required',
    testCa,
    [`${OFFER}\nS: 220 go\nstall`],
    { kind: 'network', phase: 'starttls', fault: 'timeout' },
    1,
  ],
  [
    'answers slipped in before TLS are not believed',
    'required',
    testCa,
    [`${OFFER}\nraw: "220 go\\r\\n250 injected\\r\\n"\ntls\nC: EHLO *`],
    broke,
    1,
  ],
  [
    'opportunistic and offered, whoever signed',
    'opportunistic',
    null,
    [`${SECURE}\nS: 250 SIZE\n${TAKE}`],
    taken(true),
    1,
  ],
  ['opportunistic and not offered', 'opportunistic', null, [`${PLAIN}\n${TAKE}`], taken(false), 1],
  ['opportunistic and refused now', 'opportunistic', null, [`${OFFER}\nS: 454 4.7.0 no\n${TAKE}`], taken(false), 1],
  [
    'opportunistic and broken: once more without',
    'opportunistic',
    null,
    [`${OFFER}\nS: 220 go\nraw: "no TLS\\r\\n"\nstall`, `${PLAIN}\n${TAKE}`],
    taken(false),
    2,
  ],
  [
    'opportunistic and silent: once more without',
    'opportunistic',
    null,
    [`${OFFER}\nS: 220 go\nstall`, `${PLAIN}\n${TAKE}`],
    taken(false),
    2,
  ],
  ['implicit', 'implicit', testCa, [`tls\nS: 220 mx\nC: EHLO *\nS: 250 mx\n${TAKE}`], taken(true), 1],
  ['implicit and not to be trusted', 'implicit', null, ['tls\nS: 220 mx'], broke, 1],
  ['implicit to a server that speaks in clear', 'implicit', testCa, ['S: 220 mx\nstall'], broke, 1],
];

describe('TLS', () => {
  it.each(cases)('%s', async (_name, tls, ca, scripts, expected, connections) => {
    const { result, server } = await attemptOne(scripts, { tls, ca, terms: { timeoutsMs: { tls: 400 } } });
    expect(result).toMatchObject(expected);
    expect(server.sessions).toHaveLength(connections);
    expect(server.mismatches).toEqual([]);
  });

  it('of another name is not trusted', async () => {
    // The certificate names localhost and 127.0.0.1; 127.0.0.2 is the same machine and another name.
    const server = { tls: 'required', ca: testCa, hosts: ['127.0.0.2'] } as const;
    const { result } = await attemptOne([SECURE], server);
    expect(result).toMatchObject(process.platform === 'linux' ? { kind: 'network' } : {});
  });
});

const login = { username: 'ann', password: 'correct horse' };
const base64 = (text: string) => Buffer.from(text).toString('base64');
const PLAIN_LINE = `C: AUTH PLAIN ${base64('\0ann\0correct horse')}`;
const auth = { secret: 'everpost/exchange' };
const terms = { credentials: () => Promise.resolve(login) };

describe('a login', () => {
  const inTls = (keywords: string, then: string) => `${SECURE}\nS: 250 ${keywords}\n${then}`;

  it.each([
    ['PLAIN', inTls('AUTH LOGIN PLAIN', `${PLAIN_LINE}\nS: 235 2.7.0 ok\n${TAKE}`)],
    [
      'LOGIN',
      inTls(
        'AUTH LOGIN',
        `C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: ${base64('ann')}\nS: 334 UGFzc3dvcmQ6\nC: ${base64('correct horse')}\nS: 235 ok\n${TAKE}`,
      ),
    ],
    [
      'LOGIN, whatever its prompts say',
      inTls(
        'auth login',
        `C: AUTH LOGIN\nS: 334 ${base64('Benutzername:')}\nC: ${base64('ann')}\nS: 334 \nC: ${base64('correct horse')}\nS: 235 ok\n${TAKE}`,
      ),
    ],
    [
      'LOGIN, where PLAIN is offered and not spoken',
      inTls(
        'AUTH PLAIN LOGIN',
        `${PLAIN_LINE}\nS: 504 5.7.4 Unrecognized authentication type\nC: AUTH LOGIN\nS: 334 x\nC: ${base64('ann')}\nS: 334 x\nC: ${base64('correct horse')}\nS: 235 ok\n${TAKE}`,
      ),
    ],
    [
      'PLAIN in small letters, asked for once more',
      inTls('auth plain', `${PLAIN_LINE}\nS: 334 \nC: ${base64('\0ann\0correct horse')}\nS: 235 ok\n${TAKE}`),
    ],
    ['as old servers announce it', inTls('AUTH=PLAIN', `${PLAIN_LINE}\nS: 235 ok\n${TAKE}`)],
  ])('%s', async (_name, script) => {
    const { result, server } = await attemptOne([script], { tls: 'required', ca: testCa, auth, terms });
    expect(result).toMatchObject(taken(true));
    expect(server.mismatches).toEqual([]);
  });

  it('in clear only where the configuration says off', async () => {
    const open = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN';
    const off = await attemptOne([`${open}\n${PLAIN_LINE}\nS: 235 ok\n${TAKE}`], { tls: 'off', auth, terms });
    expect(off.result).toMatchObject(taken(false));
    const opportunistic = await attemptOne([open], { tls: 'opportunistic', auth, terms });
    expect(opportunistic.result).toMatchObject({ kind: 'capability', fault: 'starttls-not-offered' });
    expect(opportunistic.server.sessions[0]?.said).toHaveLength(1);
  });

  it('is never tried again in clear, nor over TLS that nobody vouches for', async () => {
    const broken = `${OFFER}\nS: 220 go\nraw: "no TLS\\r\\n"\nstall`;
    const first = await attemptOne([broken], { tls: 'opportunistic', ca: testCa, auth, terms });
    expect(first.result).toMatchObject(broke);
    expect(first.server.sessions).toHaveLength(1);
    const second = await attemptOne([SECURE], { tls: 'opportunistic', ca: null, auth, terms });
    expect(second.result).toMatchObject(broke);
  });

  it.each([
    ['535 5.7.8 bad credentials', 535],
    ['454 4.7.0 later', 454],
    ['535 you said AGFubgBjb3JyZWN0IGhvcnNl', 535],
    ['535 correct horse is wrong', 535],
  ])('refused: %s', async (line, code) => {
    const { result } = await attemptOne([inTls('AUTH PLAIN', `${PLAIN_LINE}\nS: ${line}\nstall`)], {
      tls: 'required',
      ca: testCa,
      auth,
      terms,
    });
    expect(result).toMatchObject({ kind: 'reply', phase: 'auth', reply: { code }, tls: true });
    expect(JSON.stringify(result)).not.toMatch(/correct horse|AGFubgBjb3JyZWN0IGhvcnNl/);
  });

  const ECHO = base64('\0ann\0correct horse');
  /** So many characters before an echo that a cut falls into it. */
  const padding = (cutAt: number) => 'x'.repeat(cutAt - 8);
  it.each([
    ['a line that is no reply', `${padding(200)}${ECHO}`],
    ['a reply as long as is kept', `535 ${padding(smtpReplyTextCharsMax)}${ECHO}`],
    // Shorter without the login: the end of what is kept of the line comes into the text.
    ['a line as long as is kept', `535 ${ECHO.repeat(Math.ceil(smtpReplyLineBytesMax / ECHO.length))}`],
    ['a line as long as is kept, in clear', `535 ${padding(smtpReplyLineBytesMax - 4)}correct horse`],
  ])('quoted where %s is cut leaves no part of it', async (_, line) => {
    for (const end of [`S: ${line}\nstall`, `S: ${line}\ncut`, `S: ${line}\nS: 535 no\nstall`]) {
      const { result } = await attemptOne([inTls('AUTH PLAIN', `${PLAIN_LINE}\n${end}`)], {
        tls: 'required',
        ca: testCa,
        auth,
        terms: { ...terms, timeoutsMs: { auth: 300 } },
      });
      expect(JSON.stringify(result)).not.toMatch(/AGFu|corr/);
    }
  });

  it('that looks like a code spoils none', async () => {
    const login = { username: 'ann', password: '5' };
    const given = { terms: { credentials: () => Promise.resolve(login) }, tls: 'required', ca: testCa, auth } as const;
    const script = `C: AUTH PLAIN ${base64('\0ann\x005')}\nS: 535 5.7.8 no 5 here\nstall`;
    const { result } = await attemptOne([inTls('AUTH PLAIN', script)], given);
    expect(result).toMatchObject({ reply: { code: 535, status: '5.7.8', text: 'no *** here' } });
  });

  it('quoted after it was taken is in no result either', async () => {
    const later = `${PLAIN_LINE}\nS: 235 ok\nC: MAIL*\nS: 550 not with AUTH PLAIN ${ECHO}\nstall`;
    const { result } = await attemptOne([inTls('AUTH PLAIN', later)], { tls: 'required', ca: testCa, auth, terms });
    expect(result).toMatchObject({ kind: 'reply', phase: 'mail' });
    expect(JSON.stringify(result)).not.toMatch(/AGFu/);
  });

  it('quoted after it was taken, in a line longer than is kept, leaves no part of it', async () => {
    const line = `550 ${ECHO.repeat(Math.ceil(smtpReplyLineBytesMax / ECHO.length))}`;
    const later = `${PLAIN_LINE}\nS: 235 ok\nC: MAIL*\nS: ${line}\nstall`;
    const { result } = await attemptOne([inTls('AUTH PLAIN', later)], { tls: 'required', ca: testCa, auth, terms });
    expect(result).toMatchObject({ kind: 'reply', phase: 'mail' });
    expect(JSON.stringify(result)).not.toMatch(/AGFu/);
  });

  it('not offered, or by means we do not speak', async () => {
    const none = await attemptOne([inTls('SIZE', 'stall')], { tls: 'required', ca: testCa, auth, terms });
    expect(none.result).toMatchObject({ kind: 'capability', fault: 'auth-not-offered' });
    const other = await attemptOne([inTls('AUTH GSSAPI NTLM', 'stall')], { tls: 'required', ca: testCa, auth, terms });
    expect(other.result).toMatchObject({
      kind: 'capability',
      fault: 'auth-not-offered',
      detail: expect.stringContaining('GSSAPI NTLM'),
    });
  });

  it('that cannot be read connects to nobody and quotes nothing', async () => {
    const credentials = () => Promise.reject(new TypeError('could not parse {"password":"correct horse"}'));
    const { result, server } = await attemptOne(['stall'], { auth, terms: { credentials } });
    expect(result).toMatchObject({ kind: 'capability', fault: 'credentials-unavailable' });
    expect(JSON.stringify(result)).not.toContain('horse');
    expect(server.sessions).toEqual([]);
  });
});
