// Logins and certificates at real servers: a Postfix that knows us by our certificate, one that lets a login send as
// its own addresses alone, and one whose tokens a Dovecot judges. What they took is compared byte for byte behind them;
// what they refused waits, is told to the operator, and to no sender. No secret is in anything that Everpost wrote.

import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TraceJson } from '#cli/trace-json.ts';
import { json, type TokenEndpoint, tokenEndpoint } from '../kit/token-endpoint.ts';
import { deviations } from './arrival.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Postfix, postfix } from './postfix.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';
import { type TokenServer, tokenServer } from './token-server.ts';

const TLS = join(import.meta.dirname, '../fixtures/tls');
const clients = (name: string) => readFileSync(join(TLS, 'clients', name), 'utf8');
const ca = join(TLS, 'ca.pem');
const login = { username: 'everpost', password: 'päss wörd 4 the login' };
const clientSecret = 'hunter2-hunter2-hunter2';
const USER = 'erp@corp.example';

let behind: Catcher;
let judge: TokenServer;
let endpoint: TokenEndpoint;
let server: Postfix;
let instance: Instance;
/** Tokens that the endpoint gave out and the server is to refuse. */
const revoked = new Set<string>();
let endpointRefuses = false;

beforeAll(async () => {
  behind = await catcher();
  endpoint = await tokenEndpoint(
    (_, __, response) => {
      if (!endpointRefuses) return undefined;
      const error_description = `AADSTS7000215: Invalid client secret ${clientSecret}`;
      return json(response, 401, { error: 'invalid_client', error_description });
    },
    { length: 1_800 },
  );
  judge = await tokenServer((token) => (endpoint.tokens.includes(token) && !revoked.has(token) ? USER : null));
  server = await postfix({ relayPort: behind.port, login, services: services() });
  instance = await start({
    config: configuration(),
    secrets: {
      'everpost/login': login,
      'everpost/token': {
        ...{ username: USER, tokenUrl: endpoint.url, scope: 'https://outlook.office365.com/.default' },
        ...{ clientId: 'app', clientSecret },
      },
      'everpost/known': { certificate: clients('client.pem'), key: clients('client.key') },
      'everpost/ending': endingCertificate(),
      'everpost/strange': { certificate: clients('later.pem'), key: clients('client.key') },
    },
    environment: { NODE_EXTRA_CA_CERTS: ca },
  });
});
afterAll(async () => {
  await discard(instance);
  await server?.discard();
  await judge?.discard();
  await endpoint?.close();
  await behind?.close();
});

/** Of its own signature, and good for ten days. */
function endingCertificate(): { readonly certificate: string; readonly key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-certificate-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '10', '-subj', '/CN=mail.example.com'];
  execFileSync('openssl', [...made, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const read = { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
  rmSync(folder, { recursive: true });
  return read;
}

function services() {
  const fingerprint = createHash('sha256')
    .update(new X509Certificate(clients('client.pem')).raw)
    .digest('hex');
  const colons = fingerprint.toUpperCase().replace(/(..)(?=.)/g, '$1:');
  const byCertificate = {
    smtpd_tls_security_level: 'encrypt',
    smtpd_tls_CAfile: join(TLS, 'clients/clients-ca.pem'),
    smtpd_tls_fingerprint_digest: 'sha256',
    smtpd_relay_restrictions: 'permit_tls_clientcerts, reject_unauth_destination',
  };
  const loggedIn = { smtpd_tls_security_level: 'encrypt', smtpd_sasl_auth_enable: 'yes' };
  return {
    certified: { ...byCertificate, smtpd_tls_req_ccert: 'yes', relay_clientcerts: `inline:{ ${colons}=everpost }` },
    distrustful: { ...byCertificate, smtpd_tls_req_ccert: 'yes', smtpd_tls_CAfile: ca },
    stranger: { ...byCertificate, smtpd_tls_ask_ccert: 'yes', relay_clientcerts: 'inline:{ 00:11=somebody }' },
    owned: {
      ...loggedIn,
      smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
      smtpd_sender_login_maps: 'inline:{ ann@corp.example=everpost }',
      smtpd_sender_restrictions: 'reject_sender_login_mismatch',
    },
    token: {
      ...loggedIn,
      smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
      smtpd_sasl_path: `inet:127.0.0.1:${judge.port}`,
    },
  };
}

function configuration(): object {
  const hop = (port: number | undefined, more: object) => ({
    ...{ kind: 'smtp', host: '127.0.0.1', port, tls: 'required', ca },
    ...more,
  });
  const { ports } = server;
  const known = { clientCertificate: { secret: 'everpost/known' } };
  const nextHops = {
    notices: { kind: 'smtp', host: '127.0.0.1', port: ports.plain, tls: 'off' },
    certified: hop(ports.certified, known),
    uncertified: hop(ports.certified, {}),
    spoilt: hop(ports.certified, { clientCertificate: { secret: 'everpost/strange' } }),
    distrustful: hop(ports.distrustful, known),
    stranger: hop(ports.stranger, known),
    ending: hop(ports.stranger, { clientCertificate: { secret: 'everpost/ending' } }),
    owned: hop(ports.owned, { auth: { secret: 'everpost/login' } }),
    token: hop(ports.token, { auth: { xoauth2: 'everpost/token' } }),
  };
  const names = Object.keys(nextHops);
  return {
    domains: names.map((name) => `${name}.example`),
    nextHops,
    routes: names.map((name) => ({ match: `*@${name}.example`, to: [{ via: name }] })),
    retry: { lifetime: '2h', delayNotice: false },
    notices: { from: 'postmaster@notices.example', postmaster: 'postmaster@notices.example', via: 'notices' },
  };
}

const mail = (subject: string) =>
  Buffer.from(
    `From: Ann <ann@corp.example>\r\nTo: you\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@x>\r\n\r\n.Hello\r\n`,
  );

/** Sends one message there; how its delivery stands when it was attempted `attempts` times, and its last event. */
async function sent(name: string, reversePath: string, attempts = 1, timeoutMs = 60_000) {
  const forwardPath = `${name}-${reversePath.replace(/\W/g, '-')}-${Math.random().toString(36).slice(2)}@${name}.example`;
  const content = mail(name);
  expect((await sendMail(instance.mx, reversePath, [forwardPath], content)).code).toBe(250);
  const tried = (found: TraceJson[]) => {
    const delivery = found[0]?.deliveries[0];
    return delivery !== undefined && delivery.attempts >= attempts && delivery.state !== 'queued';
  };
  const [message] = await traced(instance, ['--forward-path', forwardPath], tried, timeoutMs);
  const took = behind.caught.filter((each) => each.forwardPaths.includes(forwardPath));
  const noticed = behind.caught.filter((each) => each.forwardPaths.includes(reversePath));
  return { delivery: message?.deliveries[0], event: message?.events.at(-1), took, noticed, content };
}
async function arrived(forwardPath: string) {
  const found = await until(
    () => behind.caught.find((each) => each.forwardPaths.includes(forwardPath)) ?? null,
    30_000,
  );
  if (found === null) throw new Error(`nothing came for ${forwardPath}\n${server.log().slice(-3000)}`);
  return found;
}
async function relayed(name: string, reversePath: string) {
  const { delivery, content } = await sent(name, reversePath);
  expect(delivery, server.log().slice(-3000)).toMatchObject({ state: 'relayed', attempts: 1 });
  const got = await arrived(delivery?.forwardPath ?? '');
  expect(got.reversePath).toBe(reversePath);
  expect(deviations(content, got.content, ['received'])).toEqual([]);
  return got;
}
/** A new start closes what was kept open: each connection meets the judge again. */
async function revokeAll(): Promise<void> {
  for (const token of endpoint.tokens) revoked.add(token);
  await server.stop();
  await server.start();
}
type Alarm = { readonly name: string; readonly state: string; readonly raisedAt: string | null };
async function raised(alarm: string): Promise<boolean> {
  const all = await tool<Alarm[]>(instance, 'GET', '/alarms');
  return all.some(({ name, raisedAt }) => name.endsWith(`/${alarm}`) && raisedAt !== null);
}

describe('a Postfix that asks for a client certificate', () => {
  it('takes mail from ours byte for byte, and says so in its Received field', async () => {
    const got = await relayed('certified', 'ann@corp.example');
    const [top = ''] = got.content.toString('latin1').split(/\r\n(?![ \t])/);
    expect(top).toMatch(/Client CN "mail\.example\.com"/);
  });

  it.each([
    ['uncertified', 'No client certificate presented'],
    ['distrustful', 'Client certificate not trusted'],
  ])('lets nobody else in: the operator is told, the sender is not (%s)', async (name, words) => {
    const { delivery, event, took, noticed } = await sent(name, 'bob@corp.example');
    expect(delivery?.state).toBe('deferred');
    expect(event).toMatchObject({
      event: 'DEFER',
      reason: 'certificate-refused',
      reply: `421 4.7.1 smart.example Error: ${words}`,
    });
    expect([took, noticed]).toEqual([[], []]);
    expect(await raised('OperatorFault')).toBe(true);
  });

  it('that knows another one does not relay: the operator’s too', async () => {
    const { delivery, event, took, noticed } = await sent('stranger', 'bob@corp.example');
    expect(delivery?.state).toBe('deferred');
    expect(event).toMatchObject({
      event: 'DEFER',
      reason: 'relaying-denied',
      reply: expect.stringMatching(/^554 5\.7\.1 <stranger-.*>: Relay access denied$/),
    });
    expect([took, noticed]).toEqual([[], []]);
  });

  it('is shown a certificate that ends in ten days, and the operator is told of it', async () => {
    expect(await raised('ClientCertificateDays')).toBe(false); // the one of the others is good for decades
    const { event } = await sent('ending', 'bob@corp.example');
    expect(event).toMatchObject({ reason: 'relaying-denied' });
    expect(await until(async () => (await raised('ClientCertificateDays')) || null, 30_000)).toBe(true);
  });

  it('is not connected to with a certificate that its key does not fit', async () => {
    const { event } = await sent('spoilt', 'bob@corp.example');
    expect(event).toMatchObject({
      reason: 'certificate-unusable',
      detail: expect.stringContaining('the secret everpost/strange has a key that does not fit the certificate'),
    });
  });
});

describe('a Postfix that lets a login send as its own addresses alone', () => {
  it('takes those', async () => {
    await relayed('owned', 'ann@corp.example');
  });
  it('refuses another with 553: it waits, the operator is told, the sender is not', async () => {
    const { delivery, event, took, noticed } = await sent('owned', 'stranger@else.example');
    expect(delivery?.state).toBe('deferred');
    expect(event).toMatchObject({
      event: 'DEFER',
      reason: 'send-as-refused',
      reply: expect.stringMatching(
        /^553 5\.7\.1 <stranger@else\.example>: Sender address rejected: not owned by user everpost/,
      ),
    });
    expect([took, noticed]).toEqual([[], []]);
    expect(Date.parse(delivery?.nextAttemptAt ?? '') - Date.now()).toBeGreaterThan(10 * 60_000); // the long pace
  });
});

describe('a Postfix whose tokens a Dovecot judges', () => {
  it('takes mail by XOAUTH2 with a token of 1,800 characters, byte for byte', async () => {
    const got = await relayed('token', 'ann@corp.example');
    expect(got.content.toString('latin1')).toMatch(/with ESMTPSA id /);
    expect(judge.asked).toEqual(endpoint.tokens);
    expect(endpoint.asked).toHaveLength(1);
  });

  it('refuses a token that was revoked; another one is asked for, and the message goes on at once', async () => {
    await revokeAll();
    await relayed('token', 'ann@corp.example');
    expect(endpoint.tokens.length).toBe(2);
    expect(judge.asked).toContain(endpoint.tokens[1]);
  });

  it('and an endpoint that refuses us is named with its words', async () => {
    await revokeAll();
    endpointRefuses = true;
    const first = await sent('token', 'bob@corp.example');
    expect(first.delivery?.state).toBe('deferred');
    expect(first.event).toMatchObject({
      reason: 'login-refused',
      reply: expect.stringMatching(/^535 5\.7\.8 .*\(its challenge: status \w+\)$/),
    });
    // The whole next hop waits: what comes now is tried in five minutes. They are 300 sweeps, and each looks for a new
    // version of the secret: on a busy machine they take minutes.
    const tried = sent('token', 'bob@corp.example', 1, 400_000);
    const [second] = await Promise.all([tried, tool(instance, 'POST', '/clock', { advance: '310s' })]);
    expect(second.event).toMatchObject({
      reason: 'token-refused',
      reply: null,
      detail: expect.stringMatching(
        /token endpoint 127\.0\.0\.1:\d+ answered 401 invalid_client: AADSTS7000215: Invalid client secret \*\*\*/,
      ),
    });
    expect([second.took, second.noticed]).toEqual([[], []]);
  });
});

describe('at the end of the lifetime', () => {
  it('senders hear that we were not let in, and nothing of secrets, endpoints or tokens', async () => {
    await tool(instance, 'POST', '/clock', { advance: '3h' });
    const notices = await until(() => {
      const all = behind.caught.filter(
        (each) => each.reversePath === '' && each.forwardPaths[0] !== 'postmaster@notices.example',
      );
      return all.length >= 8 ? all : null;
    }, 60_000);
    expect(notices, instance.output.slice(-3000)).not.toBeNull();
    const text = (notices ?? []).map(({ content }) => content.toString('latin1')).join('\n');
    expect(text).not.toMatch(/AADSTS|everpost\/(?:token|strange|known|login)|invalid_client/);
  });

  it('no secret is in the trace, the log, a notice, or what was printed', async () => {
    const traces = JSON.stringify(await traced(instance, [], (found) => found.length > 0));
    const notices = behind.caught.map(({ content }) => content.toString('latin1')).join('\n');
    const log = readFileSync(join(instance.data, 'everpost.log'), 'utf8');
    expect(log).toContain('relay.deferred');
    const forms = (secret: string) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      Buffer.from(`\0${login.username}\0${secret}`).toString('base64').replace(/=+$/, ''),
    ];
    const keyBody = clients('client.key').split('\n')[1] ?? '';
    const secrets = [...forms(login.password), ...forms(clientSecret), keyBody];
    for (const token of endpoint.tokens) {
      secrets.push(...forms(token).map((form) => form.slice(0, 60)), token.slice(-60));
      secrets.push(Buffer.from(`user=${USER}\u0001auth=Bearer ${token}`).toString('base64').slice(0, 80));
    }
    // They are what was really said: to the endpoint, and to the judge.
    const spoken = JSON.stringify([endpoint.asked, judge.asked]);
    expect(secrets.filter((secret) => spoken.includes(secret)).length).toBeGreaterThan(endpoint.tokens.length);
    for (const [where, text] of Object.entries({ traces, notices, log, printed: instance.output })) {
      const found = secrets.filter((secret) => text.includes(secret));
      expect([where, found]).toEqual([where, []]);
    }
    expect(readdirSync(instance.data)).toContain('everpost.log');
  });
});
