// Checks once at the start that the secrets which the configuration names exist. Without it, the first attempt or the
// first login would show a missing secret. Called by main.ts. It prints names, never values, and stops nothing: the
// file is read at each use.

import { configuredSecrets, secretMistake, secretShapes } from '#adapters/configured-secrets.ts';
import type { Secrets } from '#aws-local/secrets/secrets-manager.ts';
import type { HopSecret } from '#config/hop-secrets.ts';
import type { Settings } from '#config/settings.ts';

/** A line for each secret that is missing or lacks a member. */
export function lackingSecrets(settings: Settings, file: string | null, secrets: Secrets): readonly string[] {
  return configuredSecrets(settings).flatMap(({ name, holds, of }) => {
    const what = lacking(secrets, name, holds);
    if (what === null) return [];
    const where = file ?? 'no file: start with npm start -- --secrets FILE';
    return [`the secret ${name} of ${of} ${what} (${where}): write {"${name}": ${secretShapes[holds].example}}`];
  });
}

function lacking(secrets: Secrets, name: string, holds: HopSecret['holds']): string | null {
  const secret = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (secret === undefined) return 'is missing';
  const found = secretMistake(holds, secret);
  return 'what' in found ? found.what : null;
}
