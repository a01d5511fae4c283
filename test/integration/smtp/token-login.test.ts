// XOAUTH2 and OAUTHBEARER at the SMTP client: what is said byte for byte, both ways in which servers refuse a token,
// and that no token is in anything that comes back. Tokens come from an endpoint of the test, over HTTPS.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { tokenTermsIn } from '#adapters/oauth/token-terms.ts';
import { Tokens } from '#adapters/oauth/tokens.ts';
import type { SecretMembers } from '#adapters/secret-text.ts';
import { identityTerms } from '#adapters/smtp/identity-terms.ts';
import type { SmtpTerms } from '#adapters/smtp/next-hop.ts';
import { classify } from '#core/reply/classify.ts';
import type { AttemptResult } from '#core/reply/reply.ts';
import { leadsOn } from '#core/reply/several-hosts.ts';
import { json, tokenEndpoint } from '#test/kit/token-endpoint.ts';
import { testCa } from '#test/smtp-dialogue.ts';
import { attemptOne, message, never, settings, withServer } from './smtp-case.ts';

const SECURE = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\nC: EHLO *\nS: 250-mx';
const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const inTls = (keywords: string, then: string) => `${SECURE}\nS: 250 ${keywords}\n${then}`;
const base64 = (text: string) => Buffer.from(text).toString('base64');

const USER = 'erp@corp.example';
const TOKEN = 'EwBAAl3BAAUkj.NuJYLkVnCo-vl_y.8Aaq';
const RESPONSE = base64(`user=${USER}\u0001auth=Bearer ${TOKEN}\u0001\u0001`);
const CHALLENGE = base64('{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}');
const auth = { xoauth2: 'everpost/m365' };
const given = (token = TOKEN) => ({
  tls: 'required' as const,
  ca: testCa,
  auth,
  terms: { credentials: async () => ({ username: USER, token }) },
});
const taken = { kind: 'reply', phase: 'final-dot', reply: { code: 250 }, tls: true };

describe('XOAUTH2', () => {
  it.each(['AUTH LOGIN XOAUTH2', 'AUTH xoauth2 PLAIN', 'AUTH=XOAUTH2'])('is said where %s offers it', async (offer) => {
    const script = inTls(offer, `C: AUTH XOAUTH2 ${RESPONSE}\nS: 235 2.7.0 Accepted\n${TAKE}`);
    const { result, server } = await attemptOne([script], given());
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
    expect(RESPONSE).toBe(
      'dXNlcj1lcnBAY29ycC5leGFtcGxlAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVa2ouTnVKWUxrVm5Dby12bF95LjhBYXEBAQ==',
    );
  });

  it('refused by a challenge: an empty line, then the reply, with the status of the challenge', async () => {
    const refused = `C: AUTH XOAUTH2 ${RESPONSE}\nS: 334 ${CHALLENGE}\nC: \nS: 535 5.7.8 Username and Password not accepted\nstall`;
    const { result, server } = await attemptOne([inTls('AUTH XOAUTH2', refused)], given());
    expect(server.mismatches).toEqual([]);
    expect(result).toMatchObject({
      kind: 'reply',
      phase: 'auth',
      reply: { code: 535, status: '5.7.8', text: 'Username and Password not accepted (its challenge: status 400)' },
    });
    expect(classify(result as AttemptResult)).toMatchObject({
      kind: 'deferred',
      reason: 'login-refused',
      operatorFault: true,
      pace: 'long',
    });
  });

  it.each([
    ['535 5.7.3 Authentication unsuccessful [DB8PR04CA0001.eurprd04.prod.outlook.com]', 'login-refused', true],
    [
      '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant',
      'login-refused',
      true,
    ],
    ['454 4.7.0 Temporary authentication failure', 'login-unavailable', false],
    ['421 4.3.2 Service not available', 'login-unavailable', false],
  ])('refused at once: %s', async (line, reason, operatorFault) => {
    const script = inTls('AUTH XOAUTH2', `C: AUTH XOAUTH2 ${RESPONSE}\nS: ${line}\nstall`);
    const { result } = await attemptOne([script], given());
    expect(result).toMatchObject({ phase: 'auth', reply: { code: Number(line.slice(0, 3)) } });
    expect(classify(result as AttemptResult)).toMatchObject({ kind: 'deferred', reason, operatorFault });
  });

  it.each([
    ['no JSON', base64('error=invalid_request')],
    ['no base64', '<<not base64>>'],
    ['JSON without a status', base64('{"scope":"x"}')],
    ['a status that is no word', base64('{"status":"4\\r\\n00"}')],
    ['a list', base64('[400]')],
  ])('a challenge of %s is answered like any other, and says nothing', async (_, challenge) => {
    const refused = `C: AUTH XOAUTH2 ${RESPONSE}\nS: 334 ${challenge}\nC: \nS: 535 5.7.8 no\nstall`;
    const { result, server } = await attemptOne([inTls('AUTH XOAUTH2', refused)], given());
    expect(server.mismatches).toEqual([]);
    expect(result).toMatchObject({ reply: { code: 535, text: 'no' } });
  });

  it('a server that says nothing more after its challenge has lost the connection, and the trace says the status', async () => {
    const refused = `C: AUTH XOAUTH2 ${RESPONSE}\nS: 334 ${CHALLENGE}\nC: \ncut`;
    const { result } = await attemptOne([inTls('AUTH XOAUTH2', refused)], given());
    expect(result).toMatchObject({ fault: 'connection-lost', detail: expect.stringContaining('status 400') });
  });

  it('a server that answers one challenge with the next ends there', async () => {
    const refused = `C: AUTH XOAUTH2 ${RESPONSE}\nS: 334 ${CHALLENGE}\nC: \nS: 334 ${base64(`{"echo":"${TOKEN}"}`)}\nstall`;
    const { result } = await attemptOne([inTls('AUTH XOAUTH2', refused)], given());
    expect(result).toMatchObject({ kind: 'network', fault: 'garbled-reply' });
    expect(JSON.stringify(result)).not.toContain(base64(`{"echo":"${TOKEN}"}`).slice(8, 40));
  });

  it('an empty challenge asks for the response once more', async () => {
    const script = `C: AUTH XOAUTH2 ${RESPONSE}\nS: 334 \nC: ${RESPONSE}\nS: 235 ok\n${TAKE}`;
    const { result, server } = await attemptOne([inTls('AUTH XOAUTH2', script)], given());
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
  });
});

describe('a token longer than a command may be', () => {
  const long = `eyJ${'A1b2'.repeat(500)}.sig`;
  const response = base64(`user=${USER}\u0001auth=Bearer ${long}\u0001\u0001`);
  it('waits for the server to ask (RFC 4954 §4)', async () => {
    const script = inTls('AUTH XOAUTH2', `C: AUTH XOAUTH2\nS: 334 \nC: ${response}\nS: 235 ok\n${TAKE}`);
    const { result, server } = await attemptOne([script], given(long));
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
  });
  it('goes with the command where the server wants it so', async () => {
    const script = `C: AUTH XOAUTH2\nS: 501 5.5.4 Syntax: AUTH mechanism initial-response\nC: AUTH XOAUTH2 ${response}\nS: 235 ok\n${TAKE}`;
    const { result, server } = await attemptOne([inTls('AUTH XOAUTH2', script)], given(long));
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
  });
  it('is refused by a challenge like a short one', async () => {
    const script = `C: AUTH XOAUTH2\nS: 334 \nC: ${response}\nS: 334 ${CHALLENGE}\nC: \nS: 535 5.7.8 no\nstall`;
    const { result, server } = await attemptOne([inTls('AUTH XOAUTH2', script)], given(long));
    expect(server.mismatches).toEqual([]);
    expect(result).toMatchObject({ reply: { code: 535, text: 'no (its challenge: status 400)' } });
  });
});

describe('OAUTHBEARER', () => {
  const bearer = base64(`n,a=${USER},\u0001host=127.0.0.1\u0001auth=Bearer ${TOKEN}\u0001\u0001`);
  it('is spoken where nothing else is offered for tokens (RFC 7628)', async () => {
    const script = inTls('AUTH PLAIN OAUTHBEARER', `C: AUTH OAUTHBEARER ${bearer}\nS: 235 ok\n${TAKE}`);
    const { result, server } = await attemptOne([script], given());
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
  });
  it('is refused by a challenge, which one octet answers', async () => {
    const challenge = base64('{"status":"invalid_token"}');
    const script = `C: AUTH OAUTHBEARER ${bearer}\nS: 334 ${challenge}\nC: AQ==\nS: 535 5.7.8 no\nstall`;
    const { result, server } = await attemptOne([inTls('AUTH OAUTHBEARER', script)], given());
    expect(server.mismatches).toEqual([]);
    expect(result).toMatchObject({ reply: { text: 'no (its challenge: status invalid_token)' } });
  });
  it('has its turn where XOAUTH2 is offered and not spoken', async () => {
    const script = `C: AUTH XOAUTH2 ${RESPONSE}\nS: 504 5.5.4 Unrecognized authentication type\nC: AUTH OAUTHBEARER ${bearer}\nS: 235 ok\n${TAKE}`;
    const { result, server } = await attemptOne([inTls('AUTH XOAUTH2 OAUTHBEARER', script)], given());
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
  });
  it('is not tried with a token that XOAUTH2 was refused with', async () => {
    const script = `C: AUTH XOAUTH2 ${RESPONSE}\nS: 535 5.7.8 no\nC: QUIT\nS: 221 bye`;
    const { result, server } = await attemptOne([inTls('AUTH XOAUTH2 OAUTHBEARER', script)], given());
    expect(result).toMatchObject({ reply: { code: 535 } });
    expect(server.mismatches).toEqual([]);
  });
  it('an equals sign and a comma of a user name do not end it', async () => {
    const terms = { credentials: async () => ({ username: 'a=b,c', token: 't' }) };
    const said = base64('n,a=a=3Db=2Cc,\u0001host=127.0.0.1\u0001auth=Bearer t\u0001\u0001');
    const script = inTls('AUTH OAUTHBEARER', `C: AUTH OAUTHBEARER ${said}\nS: 235 ok\n${TAKE}`);
    const { server } = await attemptOne([script], { ...given(), terms });
    expect(server.mismatches).toEqual([]);
  });
});

it('where a server offers passwords alone, the trace says what a token needs', async () => {
  const { result } = await attemptOne([inTls('AUTH PLAIN LOGIN', 'stall')], given());
  expect(result).toMatchObject({
    kind: 'capability',
    fault: 'auth-not-offered',
    detail: '127.0.0.1 offers PLAIN LOGIN AUTH; we speak XOAUTH2 and OAUTHBEARER',
  });
});

it.each([
  ['the token', `535 5.7.8 no ${TOKEN}`],
  ['the line', `535 5.7.8 you said AUTH XOAUTH2 ${RESPONSE}`],
  ['the beginning of the line, cut by the server', `500 5.5.2 too long: AUTH XOAUTH2 ${RESPONSE.slice(0, 70)}...`],
  ['the end of the token', `535 5.7.8 token ...${TOKEN.slice(-18)}`],
  ['the token in base64', `535 5.7.8 ${base64(TOKEN)}`],
])('a server that quotes %s is not repeated', async (_, line) => {
  const script = inTls('AUTH XOAUTH2', `C: AUTH XOAUTH2 ${RESPONSE}\nS: ${line}\nstall`);
  const { result } = await attemptOne([script], given());
  expect(result).toMatchObject({ kind: 'reply', reply: { code: Number(line.slice(0, 3)) } });
  expect(JSON.stringify(result)).not.toMatch(/Bearer|EwBAAl3B|vl_y|dXNlcj1l|RXdCQUFs/);
});

/** A next hop with the login as relay wires it, and an endpoint that gives tokens. */
async function wired(answer?: Parameters<typeof tokenEndpoint>[0]) {
  const endpoint = await tokenEndpoint(answer);
  const secret: SecretMembers = {
    ...{ username: USER, tokenUrl: endpoint.url, scope: 's' },
    ...{ clientId: 'app', clientSecret: 'correct horse battery' },
  };
  const clock = new MemoryClock(Date.UTC(2026, 10, 30));
  const secrets = { read: async <T>(_: string, shape: (members: SecretMembers) => T) => shape(secret) };
  const tokens = new Map([[auth.xoauth2, new Tokens(async () => tokenTermsIn(secret), clock, { ca: testCa })]]);
  const hop = settings({ tls: 'required', ca: testCa, auth }) as Parameters<typeof identityTerms>[1];
  const terms: Partial<SmtpTerms> = identityTerms('m365', hop, { secrets, tokens, clock, watch: new MemoryWatch() });
  return { endpoint, clock, over: { tls: 'required' as const, ca: testCa, auth, terms } };
}
const withToken = (token: string) => base64(`user=${USER}\u0001auth=Bearer ${token}\u0001\u0001`);
const accepts = (token: string) => inTls('AUTH XOAUTH2', `C: AUTH XOAUTH2 ${withToken(token)}\nS: 235 ok\n${TAKE}`);
const refuses = (token: string) =>
  inTls('AUTH XOAUTH2', `C: AUTH XOAUTH2 ${withToken(token)}\nS: 535 5.7.3 Authentication unsuccessful\nstall`);
const tokenOf = (index: number) => `tok${index}.`.padEnd(40, 'AbCd0123');

describe('the token', () => {
  it('that does not come in time ends the attempt when its time is up', async () => {
    const { endpoint, over } = await wired(() => true);
    await withServer(['stall'], over, async (hop, server) => {
      const results = await hop.attempt(message(), AbortSignal.timeout(100));
      expect(results).toMatchObject([{ kind: 'network', phase: 'connect', fault: 'aborted' }]);
      expect(server.sessions).toEqual([]);
    });
    await endpoint.close();
  });

  it('that a server refuses is asked for once more, and the message goes on at once', async () => {
    const { endpoint, over } = await wired();
    const { result, server } = await attemptOne([refuses(tokenOf(0)), accepts(tokenOf(1))], over);
    expect(result).toMatchObject(taken);
    expect(server.mismatches).toEqual([]);
    expect(endpoint.asked).toHaveLength(2);
    await endpoint.close();
  });

  it('refused twice is the operator’s: two logins, and then one an attempt', async () => {
    const { endpoint, over } = await wired();
    await withServer(
      [0, 1, 2].map((index) => refuses(tokenOf(index))),
      over,
      async (hop, server) => {
        for (const sessions of [2, 3]) {
          const [result] = await hop.attempt(message(), never());
          expect(classify(result as AttemptResult)).toMatchObject({ reason: 'login-refused', operatorFault: true });
          expect(server.sessions).toHaveLength(sessions);
        }
        expect(server.mismatches).toEqual([]);
      },
    );
    await endpoint.close();
  });

  it('is one for ten connections', async () => {
    const { endpoint, over } = await wired();
    await withServer([accepts(tokenOf(0))], over, async (hop, server) => {
      const all = await Promise.all(Array.from({ length: 10 }, () => hop.attempt(message(), never())));
      expect(all.flat()).toMatchObject(all.map(() => taken));
      expect(server.sessions).toHaveLength(10);
      expect(server.mismatches).toEqual([]);
      expect(endpoint.asked).toHaveLength(1);
    });
    await endpoint.close();
  });

  it('that ran out is replaced before the next connection', async () => {
    const { endpoint, clock, over } = await wired();
    const goodbye = (token: string) => `${accepts(token)}\nC: QUIT\nS: 221 bye`;
    await withServer([goodbye(tokenOf(0)), goodbye(tokenOf(1))], over, async (hop, server) => {
      const both = () => Promise.all([hop.attempt(message(), never())]);
      expect(await both()).toMatchObject([[taken]]);
      await server.close();
      void hop;
    });
    clock.advance(3_600_000);
    await withServer([accepts(tokenOf(1))], over, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(server.mismatches).toEqual([]);
    });
    expect(endpoint.asked).toHaveLength(2);
    await endpoint.close();
  });

  it.each([
    [
      401,
      { error: 'invalid_client', error_description: 'Invalid client secret correct horse battery' },
      'token-refused',
    ],
    [503, { error: 'temporarily_unavailable' }, 'token-unavailable'],
  ] as const)(
    'that the endpoint does not give (%i) connects to nobody, in the endpoint’s words',
    async (status, body, reason) => {
      const { endpoint, over } = await wired((_, __, response) => json(response, status, body));
      const { result, server } = await attemptOne(['stall'], over);
      expect(server.sessions).toEqual([]);
      expect(leadsOn(result as AttemptResult)).toBe(false); // all hosts share the login
      const outcome = classify(result as AttemptResult);
      expect(outcome).toMatchObject({
        kind: 'deferred',
        reason,
        operatorFault: reason === 'token-refused',
        reply: null,
      });
      expect(outcome).toMatchObject({ detail: expect.stringContaining(`answered ${status} ${body.error}`) });
      expect(JSON.stringify([result, outcome])).not.toMatch(/correct horse|horse battery/);
      await endpoint.close();
    },
  );
});
