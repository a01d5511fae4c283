// Checks once at the start that the secrets which the configuration names exist. Without it, the first attempt or the
// first login would show a missing secret. Called by main.ts. It prints names, never values, and stops nothing: the
// file is read at each use.

import { tokenTermsIn } from '#adapters/oauth/token-terms.ts';
import { passwordIn, type SecretMembers, SecretMistake, secretMembers } from '#adapters/secret-text.ts';
import { certificateIn } from '#adapters/smtp/client-certificate.ts';
import type { Secrets } from '#aws-local/secrets/secrets-manager.ts';
import { type HopSecret, secretsOfHop } from '#config/hop-secrets.ts';
import type { Settings } from '#config/settings.ts';

/** The required form of each, to read and to copy. */
const SHAPES: Readonly<
  Record<HopSecret['holds'], { readonly read: (members: SecretMembers) => unknown; readonly example: string }>
> = {
  password: { read: passwordIn, example: '{"username": "…", "password": "…"}' },
  token: {
    read: tokenTermsIn,
    example: '{"username": "…", "tokenUrl": "https://…", "clientId": "…", "clientSecret": "…", "scope": "…"}',
  },
  certificate: { read: certificateIn, example: '{"certificate": "-----BEGIN …", "key": "-----BEGIN …"}' },
};

/** A line for each secret that is missing or lacks a member. */
export function lackingSecrets(settings: Settings, file: string | null, secrets: Secrets): readonly string[] {
  const named: (HopSecret & { readonly of: string })[] = [];
  for (const [hop, it] of Object.entries(settings.nextHops))
    for (const secret of secretsOfHop(it)) named.push({ ...secret, of: `the next hop ${hop}` });
  for (const [submitter, { secret }] of Object.entries(settings.submitters))
    if (secret !== null) named.push({ name: secret, holds: 'password', of: `the submitter ${submitter}` });
  return named.flatMap(({ name, holds, of }) => {
    const what = lacking(secrets, name, holds);
    if (what === null) return [];
    const where = file ?? 'no file: start with npm start -- --secrets FILE';
    return [`the secret ${name} of ${of} ${what} (${where}): write {"${name}": ${SHAPES[holds].example}}`];
  });
}

function lacking(secrets: Secrets, name: string, holds: HopSecret['holds']): string | null {
  const secret = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (secret === undefined) return 'is missing';
  try {
    // A text is taken as Secrets Manager keeps it: JSON.
    SHAPES[holds].read(typeof secret === 'string' ? secretMembers(secret) : secret);
    return null;
  } catch (error) {
    if (error instanceof SecretMistake) return error.what;
    throw error;
  }
}
