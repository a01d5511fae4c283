// What a token endpoint is asked, and what each of its answers means: over HTTPS, with the authority of fixtures/tls.

import { createPrivateKey, createVerify, generateKeyPairSync } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { requestToken, type TokenAnswer } from '#adapters/oauth/token-request.ts';
import { type TokenTerms, tokenTermsIn } from '#adapters/oauth/token-terms.ts';
import { Tokens } from '#adapters/oauth/tokens.ts';
import { tokenAnswerBytesMax, tokenLifetimeIfUntoldMs } from '#core/limits.ts';
import { deafServer } from '#test/kit/deaf-server.ts';
import { type Answering, json, type TokenEndpoint, tokenEndpoint } from '#test/kit/token-endpoint.ts';
import { testCa } from '#test/smtp-dialogue.ts';

const NOW = Date.UTC(2026, 10, 30, 2, 0, 0);
const CLIENT = { username: 'erp@corp.example', scope: 'https://outlook.office365.com/.default' };
const clientTerms = (tokenUrl: string) =>
  tokenTermsIn({ ...CLIENT, tokenUrl, clientId: 'app-1', clientSecret: 'hunter2~hunter2' });

async function withEndpoint<T>(
  answer: Answering | undefined,
  work: (endpoint: TokenEndpoint) => Promise<T>,
  options: object = {},
): Promise<T> {
  const endpoint = await tokenEndpoint(answer, options);
  try {
    return await work(endpoint);
  } finally {
    await endpoint.close();
  }
}

describe('a client and its secret', () => {
  it('are posted as a form, once, and the token comes with its end', async () => {
    await withEndpoint(undefined, async (endpoint) => {
      const answer = await requestToken(clientTerms(endpoint.url), NOW, { ca: testCa });
      expect(answer).toEqual({ kind: 'token', token: endpoint.tokens[0], expiresAt: NOW + 3_600_000 });
      expect(endpoint.asked).toMatchObject([
        {
          method: 'POST',
          path: '/token',
          headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
          form: {
            grant_type: 'client_credentials',
            client_id: 'app-1',
            client_secret: 'hunter2~hunter2',
            scope: CLIENT.scope,
          },
        },
      ]);
    });
  });
});

describe('a service account', () => {
  it('signs an assertion in the name of the mailbox (RFC 7523)', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const serviceAccount = { client_email: 'mail@p.example', private_key: pem, private_key_id: 'k1' };
    await withEndpoint(undefined, async ({ url: tokenUrl, asked }) => {
      const given = { username: 'erp@corp.example', scope: 'https://mail.google.com/', tokenUrl };
      for (const account of [serviceAccount, JSON.stringify(serviceAccount)]) {
        const terms = tokenTermsIn({ ...given, serviceAccount: account });
        expect(await requestToken(terms, NOW, { ca: testCa })).toMatchObject({ kind: 'token' });
      }
      const { grant_type, assertion = '' } = asked[1]?.form ?? {};
      expect(grant_type).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
      const [header = '', claims = '', signature = ''] = assertion.split('.');
      const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
      expect(read(header)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' });
      expect(read(claims)).toEqual({
        iss: 'mail@p.example',
        sub: 'erp@corp.example',
        scope: 'https://mail.google.com/',
        aud: tokenUrl,
        iat: NOW / 1_000,
        exp: NOW / 1_000 + 300,
      });
      const verify = createVerify('RSA-SHA256').update(`${header}.${claims}`);
      expect(verify.verify(publicKey, signature, 'base64url')).toBe(true);
    });
  });
});

const hang = () => true;
const write = (response: ServerResponse, status: number, text: string, headers: object = {}) => {
  response.writeHead(status, { ...headers }).end(text);
  return true;
};
const REFUSED: readonly [string, Answering, string][] = [
  [
    'a wrong secret',
    (_, __, r) => json(r, 401, { error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret' }),
    'answered 401 invalid_client: AADSTS7000215: Invalid client secret',
  ],
  [
    'a mailbox that may not be used',
    (_, __, r) => json(r, 400, { error: 'unauthorized_client' }),
    'unauthorized_client',
  ],
  ['an error with 200', (_, __, r) => json(r, 200, { error: 'invalid_scope' }), 'answered 200 invalid_scope'],
  ['no JSON', (_, __, r) => write(r, 200, '<html>sign in</html>'), 'answered 200 with what is no JSON object'],
  ['a list', (_, __, r) => write(r, 200, '[1]'), 'answered 200 with what is no JSON object'],
  ['no token', (_, __, r) => json(r, 200, { token_type: 'Bearer' }), 'without an access_token'],
  ['a token with a line end', (_, __, r) => json(r, 200, { access_token: 'a\u0001b' }), 'without an access_token'],
  ['another kind', (_, __, r) => json(r, 200, { access_token: 'x', token_type: 'mac' }), 'no bearer token'],
  ['a redirect', (_, __, r) => write(r, 302, '', { location: 'https://127.0.0.1:1/' }), '302, a redirect'],
  ['a redirect that keeps the form', (_, __, r) => write(r, 307, '', { location: '/other' }), '307, a redirect'],
  [
    'more than a token needs',
    (_, __, r) => write(r, 200, 'x'.repeat(tokenAnswerBytesMax + 1)),
    'more than 65536 bytes',
  ],
  ['404', (_, __, r) => write(r, 404, 'not here'), 'answered 404'],
];
const FOR_NOW: readonly [string, Answering, string][] = [
  ['500', (_, __, r) => write(r, 500, 'oops'), 'answered 500'],
  [
    '503 with an error',
    (_, __, r) => json(r, 503, { error: 'temporarily_unavailable' }),
    '503 temporarily_unavailable',
  ],
  ['429', (_, __, r) => write(r, 429, ''), 'answered 429'],
  ['silence', hang, 'did not answer within 0.3 s'],
  [
    'half an answer',
    (_, __, r) => {
      r.writeHead(200, { 'content-length': '100' }).write('{"acc');
      setTimeout(() => r.destroy(), 20);
      return true;
    },
    'broke off in its answer',
  ],
  [
    'an answer without end',
    (_, __, r) => {
      r.writeHead(200).write('{"acc');
      return true;
    },
    'did not answer within 0.3 s',
  ],
];

describe('an endpoint that gives no token', () => {
  const ask = (answer: Answering) =>
    withEndpoint(answer, async ({ url, asked }) => {
      const said = await requestToken(clientTerms(url), NOW, { ca: testCa, timeoutMs: 300 });
      expect(asked).toHaveLength(1); // nothing is followed, and nothing tried again
      return said;
    });
  it.each(REFUSED)('refuses: %s', async (_, answer, words) => {
    expect(await ask(answer)).toMatchObject({ kind: 'refused', detail: expect.stringContaining(words) });
  });
  it.each(FOR_NOW)('fails for now: %s', async (_, answer, words) => {
    expect(await ask(answer)).toMatchObject({ kind: 'unavailable', detail: expect.stringContaining(words) });
  });
  it('says how long it wants to be left alone, and is heard up to five minutes', async () => {
    const wait = (seconds: string) => ask((_, __, r) => write(r, 429, '', { 'retry-after': seconds }));
    expect(await wait('7')).toMatchObject({ kind: 'unavailable', retryAfterMs: 7_000 });
    expect(await wait('86400')).toMatchObject({ retryAfterMs: 300_000 });
    expect(await wait('tomorrow')).toMatchObject({ retryAfterMs: null });
  });
  it('is named, and its words are one line without our secret, in whatever form it quotes it', async () => {
    const secret = 'hunter2~hunter2';
    const inForm = 'hunter2%7Ehunter2'; // as it was posted (URL standard, application/x-www-form-urlencoded)
    const forms = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64'), inForm];
    for (const form of forms) {
      const error_description = `you said ${form}\r\nSet-Cookie: x\u001b[31m and aHVudGVyMn5odW50… \u202e`;
      const said = await ask((_, __, r) => json(r, 400, { error: 'invalid_request', error_description }));
      const { detail } = said as Extract<TokenAnswer, { kind: 'refused' }>;
      expect(detail).toMatch(/^token endpoint 127\.0\.0\.1:\d+ answered 400 invalid_request: you said \*\*\* /);
      expect(detail).not.toMatch(/hunter2|aHVudGVy|[\u0000-\u001f\u202e]/);
      expect(detail.length).toBeLessThanOrEqual(300);
    }
  });
  it('is told apart from one that nothing leads to, and then the way out of the VPC is named', async () => {
    const deaf = await deafServer();
    const terms = clientTerms(`https://127.0.0.1:${deaf.port}/`);
    const wayOut = 'from vpc-1 a NAT gateway alone leads to it';
    const unmet = await requestToken(terms, NOW, { timeoutMs: 300, wayOut });
    const where = `token endpoint 127.0.0.1:${deaf.port} could not be connected to within 0.3 s`;
    expect(unmet).toMatchObject({ kind: 'unavailable', detail: `${where}: ${wayOut}` });
    expect(await requestToken(terms, NOW, { timeoutMs: 300 })).toMatchObject({ kind: 'unavailable', detail: where });
    deaf.close();
    await withEndpoint(
      () => true, // it never answers
      async ({ url }) => {
        const late = await requestToken(clientTerms(url), NOW, { ca: testCa, timeoutMs: 300, wayOut });
        expect(late).toMatchObject({
          kind: 'unavailable',
          detail: expect.stringMatching(/did not answer within 0.3 s$/),
        });
      },
    );
  });
  it('that nobody vouches for is our mistake, and one that does not listen is not', async () => {
    await withEndpoint(undefined, async ({ url, asked }) => {
      const said = await requestToken(clientTerms(url), NOW);
      expect(said).toMatchObject({
        kind: 'refused',
        detail: expect.stringMatching(/certificate that is not trusted: \w+/),
      });
      expect(asked).toHaveLength(0);
      const renamed = await requestToken(clientTerms(url.replace('127.0.0.1', '127.0.0.2')), NOW, { ca: testCa });
      expect(renamed.kind).not.toBe('token');
    });
    const free = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => free.once('listening', resolve));
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => free.close(resolve));
    const nobody = await requestToken(clientTerms(`https://127.0.0.1:${port}/`), NOW, { ca: testCa });
    expect(nobody).toMatchObject({ kind: 'unavailable', detail: expect.stringContaining('ECONNREFUSED') });
    const unknown = await requestToken(clientTerms('https://no-such-host.invalid/'), NOW, { ca: testCa });
    expect(['refused', 'unavailable']).toContain(unknown.kind); // a machine without a resolver cannot tell
  });
});

describe('a damaged private key', () => {
  it('that can be read but cannot sign is told of, and ends neither the process nor the next try', async () => {
    const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
    const q = Buffer.from(jwk.q ?? '', 'base64url')
      .fill(0)
      .toString('base64url');
    const pem = createPrivateKey({ key: { ...jwk, q }, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' });
    const serviceAccount = { client_email: 'mail@p.example', private_key: pem };
    const terms = tokenTermsIn({ ...CLIENT, tokenUrl: 'https://127.0.0.1:9/', serviceAccount });
    const clock = new MemoryClock(NOW);
    const tokens = new Tokens(async () => terms, clock);
    const detail = expect.stringContaining('serviceAccount.private_key');
    expect(await tokens.get()).toEqual({ kind: 'refused', detail });
    clock.advance(3_600_000);
    expect(await tokens.get()).toEqual({ kind: 'refused', detail });
  });
});

describe('what is kept', () => {
  const kept = (endpoint: TokenEndpoint, clock: MemoryClock, change: () => Partial<TokenTerms> = () => ({})) =>
    new Tokens(async () => ({ ...clientTerms(endpoint.url), ...change() }), clock, { ca: testCa, timeoutMs: 5_000 });

  it('ten connections ask for one token', async () => {
    await withEndpoint(undefined, async (endpoint) => {
      const tokens = kept(endpoint, new MemoryClock(NOW));
      const got = await Promise.all(Array.from({ length: 10 }, () => tokens.get()));
      expect(new Set(got.map((each) => JSON.stringify(each))).size).toBe(1);
      expect(got[0]).toEqual({ kind: 'token', username: CLIENT.username, token: endpoint.tokens[0] });
      expect(endpoint.asked).toHaveLength(1);
    });
  });

  it.each([
    ['an hour: until its last minute', 3_600, 3_540_000],
    ['a minute: the first half', 60, 30_000],
  ])('a token is used for %s', async (_, expiresIn, untilMs) => {
    await withEndpoint(
      undefined,
      async (endpoint) => {
        const clock = new MemoryClock(NOW);
        const tokens = kept(endpoint, clock);
        await tokens.get();
        clock.advance(untilMs - 1);
        await tokens.get();
        expect(endpoint.asked).toHaveLength(1);
        clock.advance(1);
        expect(await tokens.get()).toMatchObject({ token: endpoint.tokens[1] });
        expect(endpoint.asked).toHaveLength(2);
      },
      { expiresIn },
    );
  });

  it('a token without its end is used for some minutes, and an end may be told as text', async () => {
    const ends: unknown[] = [undefined, '600', 0, 'never'];
    await withEndpoint(
      (_, index, r) => json(r, 200, { access_token: `t${index}`, expires_in: ends[index] }),
      async ({ url }) => {
        const given: number[] = [];
        for (const _ of ends) {
          const answer = await requestToken(clientTerms(url), NOW, { ca: testCa });
          if (answer.kind === 'token') given.push(answer.expiresAt - NOW);
        }
        const untold = tokenLifetimeIfUntoldMs;
        expect(given).toEqual([untold, 600_000, untold, untold]);
      },
    );
  });

  it('an endpoint that refused or failed is left alone for a while, by all connections together', async () => {
    let status = 401;
    await withEndpoint(
      (_, __, r) => (status === 200 ? undefined : json(r, status, { error: 'invalid_client' })),
      async (endpoint) => {
        const clock = new MemoryClock(NOW);
        const tokens = kept(endpoint, clock);
        for (const [next, waitMs] of [
          [503, 30_000],
          [200, 5_000],
        ] as const) {
          const before = endpoint.asked.length;
          await Promise.all(Array.from({ length: 10 }, () => tokens.get()));
          clock.advance(waitMs - 1);
          expect((await tokens.get()).kind).not.toBe('token');
          expect(endpoint.asked).toHaveLength(before + 1);
          clock.advance(1);
          status = next;
        }
        expect((await tokens.get()).kind).toBe('token');
      },
    );
  });

  it('a secret that was changed is used at once', async () => {
    await withEndpoint(undefined, async (endpoint) => {
      let scope = 'a';
      const tokens = kept(endpoint, new MemoryClock(NOW), () => ({ scope }));
      await tokens.get();
      scope = 'b';
      await tokens.get();
      expect(endpoint.asked.map(({ form }) => form.scope)).toEqual(['a', 'b']);
    });
  });

  it('a refused token is dropped, and another asked for; where that is refused too, none at once', async () => {
    await withEndpoint(undefined, async (endpoint) => {
      const clock = new MemoryClock(NOW);
      const tokens = kept(endpoint, clock);
      const next = async () => {
        const got = await tokens.get();
        return got.kind === 'token' ? got.token : '';
      };
      const first = await next();
      expect([tokens.refused(first), tokens.refused(first)]).toEqual([true, true]); // two connections had it
      const second = await next();
      expect(second).not.toBe(first);
      expect(tokens.refused(first)).toBe(true); // a third one, late: the second token stands
      expect(await next()).toBe(second);
      expect(tokens.refused(second)).toBe(false);
      expect(await next()).not.toBe(second); // the next attempt has a new one all the same
      clock.advance(5 * 60_000);
      expect(tokens.refused(await next())).toBe(true);
      expect(endpoint.asked).toHaveLength(3);
    });
  });
});
