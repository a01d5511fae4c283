// Client certificates: presented over both ways into TLS, judged before a connection is made, and what a server's
// refusal by a TLS alert means. The certificates are those of fixtures/tls/clients.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { OutOfReach } from '#adapters/out-of-reach.ts';
import { type SecretMembers, SecretMistake } from '#adapters/secret-text.ts';
import { certificateIn } from '#adapters/smtp/client-certificate.ts';
import { identityTerms, lookAtCertificates } from '#adapters/smtp/identity-terms.ts';
import { classify } from '#core/reply/classify.ts';
import type { AttemptResult } from '#core/reply/reply.ts';
import { testCa } from '#test/smtp-dialogue.ts';
import { attemptOne, message, never, settings, withServer } from './smtp-case.ts';

const pem = (name: string) => readFileSync(new URL(`../../fixtures/tls/clients/${name}`, import.meta.url), 'utf8');
const good = { certificate: pem('client.pem') + pem('clients-ca.pem'), key: pem('client.key') };
const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const OFFER = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go';
const TLS_THEN = `C: EHLO *\nS: 250 mx\n${TAKE}`;
const clientCertificate = { secret: 'everpost/certificate' };
const taken = { kind: 'reply', phase: 'final-dot', reply: { code: 250 }, tls: true };

/** As relay wires it. `secret` is read at each connection. */
function certified(secret: () => SecretMembers, now = Date.UTC(2026, 10, 30)) {
  const watch = new MemoryWatch();
  const secrets = { read: async <T>(_: string, shape: (members: SecretMembers) => T) => shape(secret()) };
  const given = settings({ clientCertificate, tls: 'required', ca: testCa }) as Parameters<typeof identityTerms>[1];
  const terms = identityTerms('m365', given, { secrets, tokens: new Map(), clock: new MemoryClock(now), watch });
  return { watch, over: { tls: 'required' as const, ca: testCa, clientCertificate, terms } };
}

describe('a client certificate', () => {
  it('is shown after STARTTLS, with what signed it', async () => {
    const { over } = certified(() => good);
    const { result, server } = await attemptOne([`${OFFER}\ntls-certified\n${TLS_THEN}`], over);
    expect(result).toMatchObject(taken);
    expect(server.sessions[0]).toMatchObject({ secured: true, presented: 'mail.example.com' });
    expect(server.mismatches).toEqual([]);
  });

  it('is shown in TLS from the start', async () => {
    const { over } = certified(() => good);
    const script = `tls-certified\nS: 220 mx\nC: EHLO *\nS: 250 mx\n${TAKE}`;
    const { result, server } = await attemptOne([script], { ...over, tls: 'implicit' });
    expect(result).toMatchObject(taken);
    expect(server.sessions[0]?.presented).toBe('mail.example.com');
  });

  it('goes together with a login', async () => {
    const { over } = certified(() => good);
    const terms = { ...over.terms, credentials: async () => ({ username: 'u', password: 'p' }) };
    const script = `${OFFER}\ntls-certified\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AHUAcA==\nS: 235 ok\n${TAKE}`;
    const { result, server } = await attemptOne([script], { ...over, auth: { secret: 's' }, terms });
    expect(result).toMatchObject(taken);
    expect(server.sessions[0]?.presented).toBe('mail.example.com');
  });

  it('is shown to a server that is verified, and never asked for in the clear', async () => {
    const { over } = certified(() => good);
    const plain = ['S: 220 mx\nC: EHLO *\nS: 250 mx\nstall'];
    const opportunistic = await attemptOne(plain, { ...over, tls: 'opportunistic' });
    expect(opportunistic.result).toMatchObject({ kind: 'capability', fault: 'starttls-not-offered' });
    const stranger = await attemptOne([`${OFFER}\ntls`], { ...over, tls: 'opportunistic', ca: null });
    expect(stranger.result).toMatchObject({ kind: 'network', fault: 'tls-failed' });
    expect(stranger.server.sessions).toHaveLength(1);
  });

  it('that was changed is shown at the next connection', async () => {
    let secret: SecretMembers = { certificate: pem('ended.pem'), key: pem('ended.key') };
    const { over } = certified(() => secret);
    await withServer([`${OFFER}\ntls-certified\n${TLS_THEN}`], over, async (hop, server) => {
      expect(await hop.attempt(message(), never())).toMatchObject([{ fault: 'certificate-unusable' }]);
      secret = good;
      expect(await hop.attempt(message(), never())).toMatchObject([taken]);
      expect(server.sessions).toHaveLength(1);
    });
  });
});

describe('a server', () => {
  it('that wants a certificate where we have none says so by an alert, after the handshake', async () => {
    for (const [tls, script] of [
      ['required', `${OFFER}\ntls-certified\n${TLS_THEN}`],
      ['implicit', `tls-certified\nS: 220 mx\n${TLS_THEN}`],
    ] as const) {
      const { result } = await attemptOne([script], { tls, ca: testCa });
      expect(result).toMatchObject({ kind: 'network', fault: 'certificate-refused' });
      expect(classify(result as AttemptResult)).toMatchObject({
        kind: 'deferred',
        reason: 'certificate-refused',
        operatorFault: true,
        pace: 'long',
        detail: expect.stringMatching(/refused our client certificate .*it wants a client certificate/),
      });
    }
  });

  it.each([
    [42, 'is bad'],
    [43, 'does not support our kind'],
    [44, 'is revoked'],
    [45, 'has ended'],
    [46, 'does not take'],
    [48, 'does not know the authority'],
    [49, 'lets nobody in'],
  ])('that sends alert %i in the handshake refuses our certificate: it %s', async (alert, words) => {
    const { over } = certified(() => good);
    const bytes = JSON.stringify(String.fromCharCode(21, 3, 3, 0, 2, 2, alert)); // RFC 8446 §5.1, §6
    const { result } = await attemptOne([`${OFFER}\nbytes: 10\nraw: ${bytes}\nstall`], over);
    expect(classify(result as AttemptResult)).toMatchObject({
      reason: 'certificate-refused',
      operatorFault: true,
      detail: expect.stringContaining(words),
    });
  });

  it('that wants a certificate where TLS is opportunistic gets the mail without TLS, as after any handshake that breaks', async () => {
    const scripts = [`${OFFER}\ntls-certified\n${TLS_THEN}`, `S: 220 mx\n${TLS_THEN}`];
    const { result, server } = await attemptOne(scripts, { tls: 'opportunistic' });
    expect(result).toMatchObject({ ...taken, tls: false });
    expect(server.sessions).toHaveLength(2);
  });

  it('that ends the connection without a word as it sees our certificate is told of as such', async () => {
    const { over } = certified(() => good);
    for (const [tls, script] of [
      ['required', `${OFFER}\ntls-certified\ncut`],
      ['implicit', 'tls-certified\ncut'],
    ] as const) {
      const { result } = await attemptOne([script], { ...over, tls });
      expect(result).toMatchObject({
        fault: 'connection-lost',
        detail: expect.stringMatching(/right after our client certificate was shown$/),
      });
    }
  });

  it('that sends another alert refuses TLS', async () => {
    const { over } = certified(() => good);
    const bytes = JSON.stringify(String.fromCharCode(21, 3, 3, 0, 2, 2, 70)); // protocol_version
    const { result } = await attemptOne([`${OFFER}\nbytes: 10\nraw: ${bytes}\nstall`], over);
    expect(result).toMatchObject({ kind: 'network', fault: 'tls-failed' });
  });
});

describe('a certificate that cannot be used', () => {
  const { certificate, key } = good;
  it.each<[string, SecretMembers, string]>([
    [
      'has ended',
      { certificate: pem('ended.pem'), key: pem('ended.key') },
      'has a certificate that ended at 2025-01-01T00:00:00.000Z',
    ],
    [
      'has not begun',
      { certificate: pem('later.pem'), key: pem('later.key') },
      'is not valid before 2099-01-01T00:00:00.000Z',
    ],
    ['is of another key', { certificate, key: pem('ended.key') }, 'has a key that does not fit the certificate'],
    ['stands behind its issuer', { certificate: pem('clients-ca.pem') + pem('client.pem'), key }, 'ours comes first'],
    [
      'has an encrypted key',
      { certificate, key: pem('client-encrypted.key') },
      'has a key that is encrypted: store it without',
    ],
    [
      'has a key encrypted as of old',
      { certificate, key: pem('client-encrypted-old.key') },
      'has a key that is encrypted',
    ],
    ['has no key', { certificate }, 'has no key'],
    ['has a key that is none', { certificate, key: 'hunter2' }, 'has a key that is no private key in PEM'],
    ['has a key that is spoilt', { certificate, key: key.replace('\nMII', '\nMI!') }, 'has a key that cannot be read'],
    ['is a key', { certificate: key, key }, 'has a certificate that is no PEM certificate'],
    ['is spoilt', { certificate: certificate.replace(/MII/, 'hunter2'), key }, 'has a certificate that cannot be read'],
    ['is a path', { certificate: '/etc/ssl/client.pem', key }, 'has a certificate that is no PEM certificate'],
    ['is a list', { certificate: [certificate], key }, 'has a certificate that is no text'],
    ['is empty', { certificate: '', key }, 'has an empty certificate'],
  ])('because it %s connects to nobody, and the operator is told', async (_, secret, words) => {
    const { over } = certified(() => secret);
    const { result, server } = await attemptOne(['stall'], over);
    expect(server.sessions).toEqual([]);
    const outcome = classify(result as AttemptResult);
    expect(outcome).toMatchObject({
      kind: 'deferred',
      reason: 'certificate-unusable',
      operatorFault: true,
      pace: 'long',
    });
    expect(JSON.stringify(outcome)).toMatch(/cannot be used: the secret everpost\/certificate has /);
    expect(JSON.stringify(outcome)).toContain(words);
    expect(JSON.stringify([result, outcome])).not.toMatch(/hunter2|BEGIN|MII/);
  });

  it('because Secrets Manager does not answer names the secret, and quotes nothing', async () => {
    const { over } = certified(() => {
      throw new TypeError(`could not parse ${key}`);
    });
    const { result, server } = await attemptOne(['stall'], over);
    expect(server.sessions).toEqual([]);
    expect(result).toMatchObject({ detail: 'the secret everpost/certificate could not be read: TypeError' });
  });

  it('because the VPC does not lead to Secrets Manager says what does', async () => {
    const { over } = certified(() => {
      throw new OutOfReach('Secrets Manager cannot be reached from vpc-1: …', { name: 'TimeoutError' });
    });
    const { result } = await attemptOne(['stall'], over);
    expect(result).toMatchObject({
      detail: 'the secret everpost/certificate could not be read: Secrets Manager cannot be reached from vpc-1: …',
    });
  });
});

it.each<[string, (text: string) => string]>([
  ['spaces, as the console of Secrets Manager leaves it', (text) => text.replaceAll('\n', ' ')],
  ['\\n in two characters', (text) => text.replaceAll('\n', '\\n')],
  ['CRLF', (text) => text.replaceAll('\n', '\r\n')],
  ['nothing', (text) => text.replaceAll('\n', '')],
  ['words before it', (text) => `subject=CN = x\n${text}`],
])('PEM with %s instead of its line ends is read', (_, spoil) => {
  const read = certificateIn({ certificate: spoil(good.certificate), key: spoil(good.key) });
  expect(read).toEqual(certificateIn(good));
  expect(read.certificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
});

it('a mistake never quotes the secret', () => {
  try {
    certificateIn({ certificate: 'hunter2', key: 'hunter2' });
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(SecretMistake);
    expect(String((error as Error).stack)).not.toContain('hunter2');
  }
});

describe('the end of a certificate', () => {
  it.each([
    [Date.UTC(2099, 11, 10), 22, 0],
    [Date.UTC(2099, 11, 11), 21, 1],
    [Date.UTC(2100, 0, 1, 0, 0, 1), -1, 1],
  ])('is a level as it is read, and near it a line in the log: %i', async (now, days, lines) => {
    const { watch, over } = certified(() => good, now);
    await withServer([`${OFFER}\ntls-certified\n${TLS_THEN}`], over, (hop) => hop.attempt(message(), never()));
    expect(watch.counted).toMatchObject([{ metric: 'ClientCertificateDays', value: days }]);
    expect(watch.logged('relay.certificate-ends').map(({ fields }) => fields)).toEqual(
      lines === 0
        ? []
        : [{ nextHop: 'm365', secret: 'everpost/certificate', days, endsAt: '2100-01-01T00:00:00.000Z' }],
    );
  });
});

describe('the hourly look at certificates, without any mail', () => {
  const hops = (...secrets: string[]) =>
    Object.fromEntries(secrets.map((secret) => [secret, { kind: 'smtp', clientCertificate: { secret } }])) as never;
  const ports = (read: (name: string) => Promise<unknown>) => ({
    secrets: { read: (name: string) => read(name) as never },
    clock: new MemoryClock(Date.UTC(2099, 11, 11)),
    watch: new MemoryWatch(),
  });
  it('publishes the days of each, and none for one that cannot be used', async () => {
    const given = ports(async (name) => {
      if (name === 'spoilt') throw new SecretMistake('has no key', name);
      return certificateIn(good);
    });
    await lookAtCertificates({ plain: { kind: 'ses' }, ...(hops('spoilt', 'fine') as object) } as never, given);
    expect(given.watch.counted.map(({ metric, value }) => [metric, value])).toEqual([
      ['ClientCertificateDays', 0],
      ['ClientCertificateDays', 21],
    ]);
    expect(given.watch.logged('relay.certificate-ends')[0]?.fields).toMatchObject({ nextHop: 'fine', days: 21 });
  });
  it('fails where one cannot be read, after the others: no level says that all is well', async () => {
    const given = ports(async (name) => {
      if (name === 'denied') throw new Error('AccessDeniedException');
      return certificateIn(good);
    });
    await expect(lookAtCertificates(hops('denied', 'fine'), given)).rejects.toThrow(/not be read: denied$/);
    expect(given.watch.counted.map(({ value }) => value)).toEqual([21]);
  });
});
