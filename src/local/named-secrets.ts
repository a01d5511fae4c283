// Whether the secrets that the configuration names are there, asked once at the start: a missing one would otherwise
// show at the first attempt or the first login alone. It tells names, never values, and stops nothing: the file is read
// at each use.

import type { Secrets } from '#aws-local/secrets/secrets-manager.ts';
import type { Settings } from '#config/settings.ts';

/** A line for each that is missing or has not what it must have. */
export function lackingSecrets(settings: Settings, file: string | null, secrets: Secrets): readonly string[] {
  const named: { readonly name: string; readonly of: string }[] = [];
  for (const [hop, it] of Object.entries(settings.nextHops))
    if ((it.kind === 'smtp' || it.kind === 'lmtp') && it.auth !== null)
      named.push({ name: it.auth.secret, of: `the next hop ${hop}` });
  for (const [submitter, { secret }] of Object.entries(settings.submitters))
    if (secret !== null) named.push({ name: secret, of: `the submitter ${submitter}` });
  return named.flatMap(({ name, of }) => {
    const what = lacking(secrets, name);
    if (what === null) return [];
    const where = file ?? 'no file: start with npm start -- --secrets FILE';
    return [`the secret ${name} of ${of} ${what} (${where}): write {"${name}": {"username": "…", "password": "…"}}`];
  });
}

function lacking(secrets: Secrets, name: string): string | null {
  if (!Object.hasOwn(secrets, name)) return 'is missing';
  const value = membersOf(secrets[name]);
  for (const member of ['username', 'password']) {
    const text = value?.[member];
    if (typeof text !== 'string') return `has no ${member}`;
    if (text === '') return `has an empty ${member}`;
  }
  return null;
}

/** A text is taken as Secrets Manager keeps it: JSON. */
function membersOf(secret: Secrets[string] | undefined): Readonly<Record<string, unknown>> | null {
  if (typeof secret !== 'string') return secret ?? null;
  try {
    const value: unknown = JSON.parse(secret);
    return typeof value === 'object' ? (value as Readonly<Record<string, unknown>> | null) : null;
  } catch {
    return null;
  }
}
