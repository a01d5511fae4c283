// The certificate and the key that we present to a next hop: taken from a secret's members, and checked before a
// connection is made. identity.ts calls it. An error names the secret's members and quotes neither. It reads no secret
// and makes no connection.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { pemBlocks } from '../pem.ts';
import { type SecretMembers, SecretMistake, textIn } from '../secret-text.ts';

export type ClientCertificate = {
  /** PEM: ours first, then those that it is signed by. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  /** Of ours, in milliseconds since the epoch. */
  readonly beginsAt: number;
  readonly endsAt: number;
};

/** `{"certificate": …, "key": …}`, PEM. Throws SecretMistake. */
export function certificateIn(members: SecretMembers): ClientCertificate {
  const chain = chainIn(textIn(members, 'certificate'));
  const key = keyIn(textIn(members, 'key'));
  const [own] = chain;
  if (own === undefined) throw new SecretMistake('has a certificate that is no PEM certificate');
  if (!own.checkPrivateKey(key)) {
    const later = chain.some((each) => each.checkPrivateKey(key));
    throw new SecretMistake(
      later
        ? 'has a certificate whose first one is not that of the key; ours comes first, then those that signed it'
        : 'has a key that does not fit the certificate',
    );
  }
  return {
    certificate: chain.map(String).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    beginsAt: own.validFromDate.getTime(),
    endsAt: own.validToDate.getTime(),
  };
}

/** Why it cannot be used now, or null. */
export function whyNotNow({ beginsAt, endsAt }: ClientCertificate, now: number): string | null {
  if (now >= endsAt) return `has a certificate that ended at ${dateOf(endsAt)}`;
  if (now < beginsAt) return `has a certificate that is not valid before ${dateOf(beginsAt)}`;
  return null;
}

/** Whole days until its end; less than 0 once it is past. */
export function daysLeft({ endsAt }: ClientCertificate, now: number): number {
  return Math.floor((endsAt - now) / 86_400_000);
}

function chainIn(text: string): readonly X509Certificate[] {
  const blocks = pemBlocks(text).filter(({ label }) => label.endsWith('CERTIFICATE'));
  try {
    return blocks.map(({ pem }) => new X509Certificate(pem));
  } catch {
    throw new SecretMistake('has a certificate that cannot be read');
  }
}

function keyIn(text: string): KeyObject {
  const block = pemBlocks(text).find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (block === undefined) throw new SecretMistake('has a key that is no private key in PEM');
  if (block.encrypted) throw new SecretMistake('has a key that is encrypted: store it without a passphrase');
  try {
    return createPrivateKey(block.pem);
  } catch {
    throw new SecretMistake('has a key that cannot be read'); // OpenSSL's text may quote it
  }
}

function dateOf(at: number): string {
  return new Date(at).toISOString();
}
