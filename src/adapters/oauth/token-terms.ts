// Reads the secret with which a token is requested: the user that logs in, the token endpoint, and the proof of our
// identity. It has two shapes: a client and its secret (RFC 6749 §4.4), or Google's service account (RFC 7523). It
// requests nothing.

import { createPrivateKey } from 'node:crypto';
import { pemBlocks } from '../pem.ts';
import { type SecretMembers, SecretMistake, secretMembers, textIn } from '../secret-text.ts';

export type TokenTerms = {
  /** The mailbox that logs in. */
  readonly username: string;
  /** https alone. */
  readonly tokenUrl: string;
  readonly scope: string;
  readonly proof:
    | { readonly kind: 'client'; readonly clientId: string; readonly clientSecret: string }
    | {
        readonly kind: 'service-account';
        readonly clientEmail: string;
        /** PEM, an RSA key. */
        readonly privateKey: string;
        readonly keyId: string | null;
      };
};

/** Throws SecretMistake. */
export function tokenTermsIn(members: SecretMembers): TokenTerms {
  const username = textIn(members, 'username');
  // A control character would end the field of the SASL message that carries it.
  if (/[\u0000-\u001f\u007f]/.test(username)) throw new SecretMistake('has a username with control characters');
  return { username, tokenUrl: tokenUrlIn(members), scope: textIn(members, 'scope'), proof: proofIn(members) };
}

/** RFC 6749 §3.2: TLS, and no fragment. */
function tokenUrlIn(members: SecretMembers): string {
  const text = textIn(members, 'tokenUrl');
  if (!URL.canParse(text)) throw new SecretMistake('has a tokenUrl that is no URL');
  const url = new URL(text);
  if (url.protocol !== 'https:') throw new SecretMistake('has a tokenUrl that is not https');
  if (url.username !== '' || url.password !== '') throw new SecretMistake('has a tokenUrl with a login in it');
  if (url.hash !== '') throw new SecretMistake('has a tokenUrl with a fragment');
  return url.href;
}

function proofIn(members: SecretMembers): TokenTerms['proof'] {
  const client = Object.hasOwn(members, 'clientId') || Object.hasOwn(members, 'clientSecret');
  const account = Object.hasOwn(members, 'serviceAccount');
  if (client && account) throw new SecretMistake('has clientId and serviceAccount, and only one of them counts');
  if (account) return serviceAccountIn(members.serviceAccount);
  if (!client) throw new SecretMistake('has neither clientId and clientSecret nor serviceAccount');
  return { kind: 'client', clientId: textIn(members, 'clientId'), clientSecret: textIn(members, 'clientSecret') };
}

/** The file that Google gives out, as JSON in the JSON or as its text. */
function serviceAccountIn(value: unknown): TokenTerms['proof'] {
  const account = typeof value === 'string' ? accountOf(value) : value;
  if (typeof account !== 'object' || account === null || Array.isArray(account))
    throw new SecretMistake('has a serviceAccount that is no object');
  const members = account as SecretMembers;
  const clientEmail = textIn(members, 'client_email', 'serviceAccount.client_email');
  const privateKey = rsaKeyIn(textIn(members, 'private_key', 'serviceAccount.private_key'));
  const keyId = Object.hasOwn(members, 'private_key_id')
    ? textIn(members, 'private_key_id', 'serviceAccount.private_key_id')
    : null;
  return { kind: 'service-account', clientEmail, privateKey, keyId };
}

function accountOf(text: string): SecretMembers {
  try {
    return secretMembers(text);
  } catch {
    throw new SecretMistake('has a serviceAccount that is not JSON');
  }
}

function rsaKeyIn(text: string): string {
  const where = 'serviceAccount.private_key';
  const key = pemBlocks(text).find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (key === undefined) throw new SecretMistake(`has a ${where} that is no private key in PEM`);
  if (key.encrypted) throw new SecretMistake(`has a ${where} that is encrypted`);
  let type: string | undefined;
  try {
    type = createPrivateKey(key.pem).asymmetricKeyType;
  } catch {
    throw new SecretMistake(`has a ${where} that cannot be read`); // OpenSSL's text may quote it
  }
  if (type !== 'rsa') throw new SecretMistake(`has a ${where} that is no RSA key`);
  return key.pem;
}
