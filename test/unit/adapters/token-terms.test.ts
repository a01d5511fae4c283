// The secret that a token is asked for with: both shapes, and each mistake by the member's name and without its value.

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { tokenTermsIn } from '#adapters/oauth/token-terms.ts';
import { type SecretMembers, SecretMistake } from '#adapters/secret-text.ts';

const who = { username: 'erp@corp.example', tokenUrl: 'https://login.example/t/token', scope: 'https://mail.example/' };
const client = { ...who, clientId: 'app', clientSecret: 'hunter2' };
const pem = (type: 'rsa' | 'ed25519', cipher?: object) => {
  const made = type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
  return made.privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }).toString();
};
const rsa = pem('rsa');
const account = { client_email: 'mail@p.example', private_key: rsa, private_key_id: 'k1' };
const google = { ...who, serviceAccount: account };

function mistakeOf(members: object): string {
  try {
    tokenTermsIn(members as SecretMembers);
    return 'none';
  } catch (error) {
    expect(error).toBeInstanceOf(SecretMistake);
    expect(String((error as Error).stack)).not.toMatch(/hunter2|PRIVATE KEY/);
    return (error as SecretMistake).what;
  }
}

describe('what a token is asked for with', () => {
  it('is a client and its secret', () => {
    expect(tokenTermsIn(client)).toEqual({
      ...who,
      proof: { kind: 'client', clientId: 'app', clientSecret: 'hunter2' },
    });
  });
  it.each([
    ['as an object', account],
    ['as the text of its file', JSON.stringify({ type: 'service_account', ...account })],
    ['with the line ends of its key lost', { ...account, private_key: rsa.replaceAll('\n', '\\n') }],
  ])('or a service account, %s', (_, serviceAccount) => {
    const proof = { kind: 'service-account', clientEmail: 'mail@p.example', privateKey: rsa, keyId: 'k1' };
    expect(tokenTermsIn({ ...who, serviceAccount })).toEqual({ ...who, proof });
  });

  it.each<[object, string]>([
    [{ ...client, username: undefined }, 'has no username'],
    [{ ...client, username: 7 }, 'has a username that is no text'],
    [{ ...client, username: 'a\u0001auth=Bearer x' }, 'has a username with control characters'],
    [{ ...client, tokenUrl: undefined }, 'has no tokenUrl'],
    [{ ...client, tokenUrl: 'login.example' }, 'has a tokenUrl that is no URL'],
    [{ ...client, tokenUrl: 'http://127.0.0.1/token' }, 'has a tokenUrl that is not https'],
    [{ ...client, tokenUrl: 'file:///etc/passwd' }, 'has a tokenUrl that is not https'],
    [{ ...client, tokenUrl: 'https://app:hunter2@login.example/' }, 'has a tokenUrl with a login in it'],
    [{ ...client, tokenUrl: 'https://login.example/#x' }, 'has a tokenUrl with a fragment'],
    [{ ...client, scope: '' }, 'has an empty scope'],
    [{ ...client, clientId: undefined }, 'has no clientId'],
    [{ ...client, clientSecret: ['hunter2'] }, 'has a clientSecret that is no text'],
    [{ ...who, clientSecret: 'hunter2' }, 'has no clientId'],
    [who, 'has neither clientId and clientSecret nor serviceAccount'],
    [{ ...client, serviceAccount: account }, 'has clientId and serviceAccount, and only one of them counts'],
    [{ ...who, serviceAccount: 'hunter2' }, 'has a serviceAccount that is not JSON'],
    [{ ...who, serviceAccount: ['hunter2'] }, 'has a serviceAccount that is no object'],
    [{ ...google, serviceAccount: { ...account, client_email: '' } }, 'has an empty serviceAccount.client_email'],
    [{ ...google, serviceAccount: { client_email: 'x' } }, 'has no serviceAccount.private_key'],
    [
      { ...google, serviceAccount: { ...account, private_key_id: 1 } },
      'has a serviceAccount.private_key_id that is no text',
    ],
    [
      { ...google, serviceAccount: { ...account, private_key: 'hunter2' } },
      'has a serviceAccount.private_key that is no private key in PEM',
    ],
    [
      { ...google, serviceAccount: { ...account, private_key: rsa.replace('\nMII', '\nMI!') } },
      'has a serviceAccount.private_key that cannot be read',
    ],
    [
      {
        ...google,
        serviceAccount: { ...account, private_key: pem('rsa', { cipher: 'aes-256-cbc', passphrase: 'hunter2' }) },
      },
      'has a serviceAccount.private_key that is encrypted',
    ],
    [
      { ...google, serviceAccount: { ...account, private_key: pem('ed25519') } },
      'has a serviceAccount.private_key that is no RSA key',
    ],
  ])('with a mistake says which: %#', (members, what) => {
    expect(mistakeOf(members)).toBe(what);
  });
});
