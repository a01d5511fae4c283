// Says where a next hop's login and certificate come from (secrets, tokens), and reports the level on which an alarm
// depends. Relay makes one for each next hop. It connects to no mail server.

import type { LmtpSettings, Settings, SmtpSettings } from '#config/settings.ts';
import { certificateDaysLeftAlarm } from '#core/limits.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';
import { tokenTermsIn } from '../oauth/token-terms.ts';
import { Tokens } from '../oauth/tokens.ts';
import { passwordIn, type SecretMembers, SecretMistake } from '../secret-text.ts';
import { type ClientCertificate, certificateIn, daysLeft } from './client-certificate.ts';
import { type IdentityTerms, NoToken } from './identity.ts';

export type IdentityPorts = {
  /** The same value until the secret is read again. Throws SecretMistake, or the service's errors. */
  readonly secrets: {
    read<T>(name: string, shape: (members: SecretMembers) => T): Promise<T>;
    /** It is asked for again the next time. */
    forget?(name: string): void;
    /** The version that was read last; null: it could not be read. */
    versionOf?(name: string): string | null;
    /** The version that stands now; what is kept of another one is forgotten. Null: it cannot be read. */
    freshVersionOf?(name: string): Promise<string | null>;
  };
  /** By the secret's name: next hops with one secret share one token. */
  readonly tokens: Map<string, Tokens>;
  readonly clock: Clock;
  readonly watch: Watch;
  /** In a VPC: the way out of it, to token endpoints. */
  readonly wayOut?: string | undefined;
};

/** `name` is the next hop's. */
export function identityTerms(
  name: string,
  { auth, clientCertificate }: SmtpSettings | LmtpSettings,
  ports: IdentityPorts,
): IdentityTerms {
  const names = [...secretsOf(auth), ...(clientCertificate === null ? [] : [clientCertificate.secret])];
  return {
    ...loginTerms(auth, ports),
    ...certificateTerms(name, clientCertificate, ports),
    ...versionTerms(names, ports.secrets),
  };
}

function secretsOf(auth: SmtpSettings['auth']): readonly string[] {
  if (auth === null) return [];
  return ['secret' in auth ? auth.secret : auth.xoauth2];
}

/** One text for all of them. A secret that cannot be read has a version too: it ends when the secret can be read. */
function versionTerms(names: readonly string[], secrets: IdentityPorts['secrets']): Partial<IdentityTerms> {
  if (names.length === 0 || secrets.versionOf === undefined || secrets.freshVersionOf === undefined) return {};
  const { versionOf, freshVersionOf } = secrets;
  const text = (versions: readonly (string | null)[]) => versions.map((each) => each ?? 'unreadable').join(' ');
  return {
    secretVersion: () => text(names.map((each) => versionOf.call(secrets, each))),
    freshVersion: async () => text(await Promise.all(names.map((each) => freshVersionOf.call(secrets, each)))),
  };
}

function loginTerms(auth: SmtpSettings['auth'], { secrets, tokens, clock, wayOut }: IdentityPorts): IdentityTerms {
  if (auth === null) return { credentials: null };
  if ('secret' in auth)
    return {
      credentials: () => secrets.read(auth.secret, passwordIn),
      // The kept value may be the password before its last change.
      refused() {
        secrets.forget?.(auth.secret);
        return secrets.forget !== undefined;
      },
    };
  const secret = auth.xoauth2;
  const known = tokens.get(secret) ?? new Tokens(() => secrets.read(secret, tokenTermsIn), clock, { wayOut });
  tokens.set(secret, known);
  return {
    async credentials() {
      const got = await known.get();
      if (got.kind === 'token') return { username: got.username, token: got.token };
      throw new NoToken(got.kind === 'refused' ? 'token-refused' : 'token-unavailable', got.detail);
    },
    refused: (credentials) => 'token' in credentials && known.refused(credentials.token),
  };
}

function certificateTerms(
  nextHop: string,
  clientCertificate: SmtpSettings['clientCertificate'],
  { secrets, clock, watch }: IdentityPorts,
): Pick<IdentityTerms, 'certificate' | 'certificateRead'> {
  if (clientCertificate === null) return {};
  const { secret } = clientCertificate;
  return {
    certificate: () => secrets.read(secret, certificateIn),
    certificateRead: (certificate: ClientCertificate) => tellDays(nextHop, secret, certificate, { clock, watch }),
  };
}

function tellDays(
  nextHop: string,
  secret: string,
  certificate: ClientCertificate,
  { clock, watch }: Pick<IdentityPorts, 'clock' | 'watch'>,
): void {
  const days = daysLeft(certificate, clock.now());
  watch.level('ClientCertificateDays', days);
  const fields = { nextHop, secret, days, endsAt: new Date(certificate.endsAt).toISOString() };
  if (days <= certificateDaysLeftAlarm) watch.warn('relay.certificate-ends', fields);
}

/**
 * Relay's hourly look at every client certificate, mail or not. One that cannot be used has no days left. Throws where
 * a secret cannot be read, when all others are: how long its certificate is valid is not known then.
 */
export async function lookAtCertificates(
  nextHops: Settings['nextHops'],
  { secrets, clock, watch }: Pick<IdentityPorts, 'secrets' | 'clock' | 'watch'>,
): Promise<void> {
  const unread: string[] = [];
  for (const [nextHop, hop] of Object.entries(nextHops)) {
    if ((hop.kind !== 'smtp' && hop.kind !== 'lmtp') || hop.clientCertificate === null) continue;
    const { secret } = hop.clientCertificate;
    try {
      tellDays(nextHop, secret, await secrets.read(secret, certificateIn), { clock, watch });
    } catch (error) {
      watch.error('relay.certificate-not-read', { nextHop, secret, error: String(error) });
      if (error instanceof SecretMistake) watch.level('ClientCertificateDays', 0);
      else unread.push(secret);
    }
  }
  if (unread.length > 0) throw new Error(`client certificates that could not be read: ${unread.join(', ')}`);
}
