// The body of a request to a token endpoint: a form (RFC 6749 §4.4.2), or a form with a signed assertion (RFC 7523
// §2.1). Called by token-request.ts. It signs with node:crypto. It sends nothing and keeps nothing.

import { createSign } from 'node:crypto';
import { assertionLifetimeMs } from '#core/limits.ts';
import type { TokenTerms } from './token-terms.ts';

/** The body, and its parts that no text may show. `now` in milliseconds. */
export function tokenForm(
  { username, tokenUrl, scope, proof }: TokenTerms,
  now: number,
): { readonly body: string; readonly secrets: readonly string[] } {
  if (proof.kind === 'client') {
    const { clientId, clientSecret } = proof;
    const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope };
    return { body: new URLSearchParams(form).toString(), secrets: [clientSecret] };
  }
  const seconds = Math.floor(now / 1_000);
  const claims = {
    iss: proof.clientEmail,
    sub: username, // the mailbox in whose name we send: domain-wide delegation
    scope,
    aud: tokenUrl,
    iat: seconds,
    exp: seconds + assertionLifetimeMs / 1_000,
  };
  const header = { alg: 'RS256', typ: 'JWT', ...(proof.keyId === null ? {} : { kid: proof.keyId }) };
  const signed = `${base64url(header)}.${base64url(claims)}`;
  const assertion = `${signed}.${createSign('RSA-SHA256').update(signed).sign(proof.privateKey, 'base64url')}`;
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
  return { body: new URLSearchParams(form).toString(), secrets: [assertion, proof.privateKey] };
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
