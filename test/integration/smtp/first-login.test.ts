// A wrong login with many messages behind it: the server is asked once, and the others hear its answer. Over real
// sockets, wired as relay has it.

import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, it } from 'vitest';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { identityTerms } from '#adapters/smtp/identity-terms.ts';
import type { Session } from '#test/smtp-dialogue.ts';
import { message, never, settings, withServer } from './smtp-case.ts';

const auth = { secret: 'everpost/exchange' };
const EHLO = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN';
const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken\nC: QUIT';
const saying = (password: string) => `C: AUTH PLAIN ${Buffer.from(`\0erp\0${password}`).toString('base64')}`;
/** Answers a wrong login slowly, so that the other connections stand before AUTH meanwhile. */
const REFUSES = `${EHLO}\n${saying('old')}\npause: 150\nS: 535 5.7.8 no\nC: QUIT\nS: 221 bye`;
const WAITS = `${EHLO}\nC: QUIT\nS: 221 bye`;

function relays(refusalKeptMs: number) {
  const held = { password: 'old', version: 'v1', reads: 0, readable: true };
  const send = async () => {
    held.reads += 1;
    if (!held.readable) throw new Error('AccessDenied');
    return { SecretString: JSON.stringify({ username: 'erp', password: held.password }), VersionId: held.version };
  };
  const clock = new MemoryClock(0);
  const secrets = new AwsSecrets({ send } as unknown as SecretsManagerClient, clock);
  const hop = settings({ auth }) as Parameters<typeof identityTerms>[1];
  const terms = identityTerms('mx', hop, { secrets, tokens: new Map(), clock, watch: new MemoryWatch() });
  return { held, terms: { ...terms, refusalKeptMs } };
}

const auths = (sessions: readonly Session[]) =>
  sessions.flatMap(({ said }) => said).filter((line) => line.startsWith('AUTH'));

it.each(['smtp', 'lmtp'] as const)(
  'of ten attempts at once one logs in by %s, and all hear the answer',
  async (kind) => {
    const hello = (script: string) => (kind === 'lmtp' ? script.replace('EHLO', 'LHLO') : script);
    const { terms } = relays(10_000);
    const scripts = [REFUSES, ...Array.from({ length: 9 }, () => WAITS)].map(hello);
    await withServer(scripts, { kind, auth, terms }, async (hop, server) => {
      const results = await Promise.all(Array.from({ length: 10 }, () => hop.attempt(message(), never())));
      for (const [result] of results)
        expect(result).toMatchObject({ phase: 'auth', reply: { code: 535 }, secretVersion: 'v1' });
      expect(auths(server.sessions)).toHaveLength(1);
    });
  },
);

it('a job that comes a moment later hears the same, and after that it is asked again', async () => {
  const { terms } = relays(300);
  await withServer([REFUSES, WAITS, REFUSES], { auth, terms }, async (hop, server) => {
    await hop.attempt(message(), never());
    await hop.attempt(message(), never());
    expect(auths(server.sessions)).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 320));
    await hop.attempt(message(), never());
    expect(auths(server.sessions)).toHaveLength(2);
  });
});

it('a mended secret has another version, and its login is made at once', async () => {
  const { held, terms } = relays(10_000);
  await withServer([REFUSES, `${EHLO}\n${saying('new')}\nS: 235 ok\n${TAKE}`], { auth, terms }, async (hop) => {
    await hop.attempt(message(), never());
    expect(await hop.credentialsVersion()).toBe('v1');
    Object.assign(held, { password: 'new', version: 'v2' });
    expect(await hop.credentialsVersion()).toBe('v2');
    expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
  });
});

it('a secret that cannot be read has a version of its own', async () => {
  const { held, terms } = relays(10_000);
  held.readable = false;
  await withServer([], { auth, terms }, async (hop) => {
    expect(await hop.attempt(message(), never())).toMatchObject([
      { fault: 'credentials-unavailable', secretVersion: 'unreadable' },
    ]);
    expect(await hop.credentialsVersion()).toBe('unreadable');
    held.readable = true;
    expect(await hop.credentialsVersion()).toBe('v1');
  });
});

it('logins that the server took are made side by side', async () => {
  const { terms } = relays(10_000);
  const takes = `${EHLO}\n${saying('old')}\nS: 235 ok\n${TAKE}`;
  await withServer(Array(4).fill(takes), { auth, terms }, async (hop, server) => {
    const results = await Promise.all(Array.from({ length: 4 }, () => hop.attempt(message(), never())));
    expect(results.flat().map((result) => 'phase' in result && result.phase)).toEqual(Array(4).fill('final-dot'));
    expect(server.mismatches).toEqual([]);
  });
});
