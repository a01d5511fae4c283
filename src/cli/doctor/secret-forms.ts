// Checks of the secrets in Secrets Manager that the configuration names: each is there, may be read, and has the form
// that its reader needs; a client certificate is valid for weeks yet. Called by doctor.ts and by the deploy. No value
// of a secret is printed.

import { type ConfiguredSecret, configuredSecrets, secretMistake, secretShapes } from '#adapters/configured-secrets.ts';
import { daysLeft, whyNotNow } from '#adapters/smtp/client-certificate.ts';
import { certificateDaysLeftAlarm } from '#core/limits.ts';
import { asking, type Check, type Finding, NotFoundOut, ok, wrong } from './finding.ts';
import type { Place } from './place.ts';

/** Secrets Manager allows thousands of reads a second, and a configuration names few: they are read together. */
export function secretChecks(place: Place): readonly Check[] {
  const run = async (signal: AbortSignal): Promise<readonly Finding[]> => {
    const named = [...new Map(configuredSecrets(place.settings).map((each) => [each.name, each])).values()];
    if (named.length === 0) return [ok('the configuration names none')];
    return Promise.all(named.map((secret) => findingOf(place, secret, signal)));
  };
  return [{ name: 'secrets', area: 'secrets', beforeDeploy: true, run }];
}

async function findingOf(place: Place, secret: ConfiguredSecret, signal: AbortSignal): Promise<Finding> {
  const { name } = secret;
  try {
    const right = `secretsmanager:GetSecretValue on ${name}`;
    const text = await asking(right, () => place.reader.secret(name, signal));
    return secretFinding(secret, text, place.now());
  } catch (error) {
    if (error instanceof NotFoundOut) return error.finding;
    throw error;
  }
}

export function secretFinding({ name, holds, of }: ConfiguredSecret, text: string | null, now: number): Finding {
  const value = `--secret-string '${secretShapes[holds].example}'`;
  if (text === null)
    return wrong(`${name} of ${of} is missing`, `aws secretsmanager create-secret --name ${name} ${value}`);
  const found = secretMistake(holds, text);
  const put = `aws secretsmanager put-secret-value --secret-id ${name} ${value}`;
  if ('what' in found) return wrong(`${name} of ${of} ${found.what}`, put);
  if (found.certificate === null) return ok(`${name} of ${of} is there`);
  const why = whyNotNow(found.certificate, now);
  if (why !== null) return wrong(`${name} of ${of} ${why}`, put);
  const days = daysLeft(found.certificate, now);
  return days <= certificateDaysLeftAlarm
    ? wrong(`the certificate in ${name} of ${of} ends in ${days} days`, `have it renewed, then ${put}`)
    : ok(`${name} of ${of} is there; its certificate is valid for ${days} days`);
}
