// A password that was changed in the secret while a function kept the one before: the login that the server refuses is
// read anew, and tried again only where it is another one. Wired as relay has it, over a real socket.

import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, it } from 'vitest';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { identityTerms } from '#adapters/smtp/identity-terms.ts';
import { message, never, settings, withServer } from './smtp-case.ts';

const auth = { secret: 'everpost/exchange' };
const OPEN = 'S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN';
const TAKE = 'C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: DATA\nS: 354 go\ncontent\nS: 250 2.0.0 taken';
const saying = (password: string) => `C: AUTH PLAIN ${Buffer.from(`\0erp\0${password}`).toString('base64')}`;
const REFUSED = `${OPEN}\n${saying('old')}\nS: 535 5.7.8 no\nC: QUIT\nS: 221 bye`;

/** Relay's terms; `rotate` changes the secret behind them. */
async function kept() {
  const held = { password: 'old', reads: 0 };
  const send = async () => {
    held.reads += 1;
    return { SecretString: JSON.stringify({ username: 'erp', password: held.password }) };
  };
  const clock = new MemoryClock(0);
  const secrets = new AwsSecrets({ send } as unknown as SecretsManagerClient, clock);
  const hop = settings({ auth }) as Parameters<typeof identityTerms>[1];
  const terms = identityTerms('mx', hop, { secrets, tokens: new Map(), clock, watch: new MemoryWatch() });
  await terms.credentials?.(); // read before, and kept for minutes
  const rotate = () => {
    held.password = 'new';
  };
  return { held, terms, rotate };
}

it('a changed password is used at once, and the message does not wait', async () => {
  const { terms, rotate } = await kept();
  rotate();
  await withServer([REFUSED, `${OPEN}\n${saying('new')}\nS: 235 ok\n${TAKE}`], { auth, terms }, async (hop, server) => {
    expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'final-dot', reply: { code: 250 } }]);
    expect(server.mismatches).toEqual([]);
  });
});

it('the same password is not tried twice, because failures lock accounts', async () => {
  const { held, terms } = await kept();
  await withServer([REFUSED, REFUSED], { auth, terms }, async (hop, server) => {
    expect(await hop.attempt(message(), never())).toMatchObject([{ phase: 'auth', reply: { code: 535 } }]);
    expect(server.sessions).toHaveLength(1);
    expect(held.reads).toBe(2);
  });
});
