// The secrets that a configuration names, for whom, and what each must hold. The check at the start of the local
// runtime and the doctor ask it. It reads none itself, and its words never quote a value.

import { type HopSecret, secretsOfHop } from '#config/hop-secrets.ts';
import type { Settings } from '#config/settings.ts';
import { tokenTermsIn } from './oauth/token-terms.ts';
import { passwordIn, type SecretMembers, SecretMistake, secretMembers } from './secret-text.ts';
import { type ClientCertificate, certificateIn } from './smtp/client-certificate.ts';

/** The required form of each, to read and to copy. */
export const secretShapes: Readonly<
  Record<HopSecret['holds'], { readonly read: (members: SecretMembers) => unknown; readonly example: string }>
> = {
  password: { read: passwordIn, example: '{"username": "…", "password": "…"}' },
  token: {
    read: tokenTermsIn,
    example: '{"username": "…", "tokenUrl": "https://…", "clientId": "…", "clientSecret": "…", "scope": "…"}',
  },
  certificate: { read: certificateIn, example: '{"certificate": "-----BEGIN …", "key": "-----BEGIN …"}' },
};

export type ConfiguredSecret = HopSecret & { readonly of: string };

export function configuredSecrets(settings: Pick<Settings, 'nextHops' | 'submitters'>): readonly ConfiguredSecret[] {
  const named: ConfiguredSecret[] = [];
  for (const [hop, it] of Object.entries(settings.nextHops))
    for (const secret of secretsOfHop(it)) named.push({ ...secret, of: `the next hop ${hop}` });
  for (const [submitter, { secret }] of Object.entries(settings.submitters))
    if (secret !== null) named.push({ name: secret, holds: 'password', of: `the submitter ${submitter}` });
  return named;
}

/** What is wrong with it, as words that follow its name; null: nothing. A text is JSON, as Secrets Manager keeps it. */
export function secretMistake(
  holds: HopSecret['holds'],
  secret: string | SecretMembers,
): { readonly what: string } | { readonly certificate: ClientCertificate | null } {
  try {
    const read = secretShapes[holds].read(typeof secret === 'string' ? secretMembers(secret) : secret);
    return { certificate: holds === 'certificate' ? (read as ClientCertificate) : null };
  } catch (error) {
    if (error instanceof SecretMistake) return { what: error.what };
    throw error;
  }
}
