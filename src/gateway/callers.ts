// Identifies a client of the submission server: by its login, by its address (`submitters.NAME.from`), or as the
// process that started us. It also says which TLS the client may speak, and what it must do first. The commands and the
// server call it. It checks no password.

import { createSecureContext, type SecureContext } from 'node:tls';
import type { SMTPServerSession } from 'smtp-server';
import type { Settings } from '#config/settings.ts';
import type { SmtpAnswer } from '#core/submission/smtp-command.ts';
import { submittersByAddress } from '#core/submission/submitter-address.ts';

export type TlsFiles = { readonly key: string; readonly cert: string };
export type Caller = { readonly submitter: string; readonly by: 'login' | 'address' | 'process' };
/** How a client that is no process of ours came: it goes into the envelope, for the trace. */
export type Arrival = { readonly address: string; readonly login: boolean; readonly tls: string | null };

/**
 * TLS 1.0 and 1.1 with their ciphers. OpenSSL allows both at security level 0 alone, because their handshakes are
 * signed with SHA-1. Broken ciphers (NULL, anonymous, export, RC4, 3DES) are in no build of Node or are excluded here.
 */
const OLD_TLS = {
  minVersion: 'TLSv1',
  ciphers: 'DEFAULT:!aNULL:!eNULL:!EXPORT:!RC4:!3DES:!MD5:!PSK:!SRP:@SECLEVEL=0',
} as const;
const OLD_PROTOCOLS: readonly string[] = ['TLSv1', 'TLSv1.1'];

export class Callers {
  private readonly settings: Pick<Settings, 'submitters'>;
  private readonly terms: {
    /** The submitter for whom the one client speaks; null: it is a network client. */
    readonly process: string | null;
    readonly allowPlainAuth: boolean;
    /** The addresses of this machine; left out: loopback. */
    readonly isLocal?: ((address: string) => boolean) | undefined;
  };
  private readonly isLocal: (address: string) => boolean;
  private readonly atAddress: ReturnType<typeof submittersByAddress>;
  private readonly protocols = new WeakMap<SMTPServerSession, string>();
  private hasTls: boolean;
  private old: SecureContext | null = null;

  constructor(settings: Pick<Settings, 'submitters'>, tls: TlsFiles | null, terms: Callers['terms']) {
    this.settings = settings;
    this.terms = terms;
    this.isLocal = terms.isLocal ?? isLoopback;
    this.atAddress = submittersByAddress(settings.submitters);
    this.hasTls = tls !== null;
    if (tls !== null) this.renew(tls);
  }

  renew(tls: TlsFiles): void {
    this.hasTls = true;
    const anyOld = Object.values(this.settings.submitters).some(({ oldTls }) => oldTls);
    this.old = anyOld ? createSecureContext({ ...tls, ...OLD_TLS }) : null;
  }

  /** The TLS for clients at this address; null: as for every client, TLS 1.2 or later. */
  oldTlsFor(address: string | undefined): SecureContext | null {
    return address !== undefined && this.atAddress(address)?.oldTls ? this.old : null;
  }

  secured(session: SMTPServerSession, protocol: string | null): void {
    if (protocol !== null) this.protocols.set(session, protocol);
  }

  /** A login wins over the address. Null: an unknown client, or one on a connection that its submitter may not use. */
  of(session: SMTPServerSession): Caller | null {
    const user: unknown = session.user;
    if (typeof user === 'string') return { submitter: user, by: this.terms.process === null ? 'login' : 'process' };
    const found = this.atAddress(session.remoteAddress);
    if (found === null || !(found.withoutTls || session.secure || this.isLocal(session.remoteAddress))) return null;
    return { submitter: found.submitter, by: 'address' };
  }

  arrivalOf(session: SMTPServerSession, by: Caller['by']): Arrival | null {
    if (by === 'process') return null;
    const tls = session.secure ? (this.protocols.get(session) ?? 'TLS') : null;
    return { address: session.remoteAddress, login: by === 'login', tls };
  }

  /** Whether AUTH is offered: never where a password could be read on the way. */
  mayLogIn(session: SMTPServerSession): boolean {
    if (this.terms.process !== null) return false;
    return session.secure || this.terms.allowPlainAuth || this.isLocal(session.remoteAddress);
  }

  /** The address allowed an old TLS, and then another submitter logged in over it. */
  isTooOldFor(submitter: string, session: SMTPServerSession): boolean {
    const protocol = this.protocols.get(session);
    return protocol !== undefined && OLD_PROTOCOLS.includes(protocol) && !this.settings.submitters[submitter]?.oldTls;
  }

  /** The reply to a client that may not submit yet: what it must do first. */
  advice(session: SMTPServerSession): SmtpAnswer {
    const said = (text: string): SmtpAnswer => ({ code: 530, status: '5.7.0', text });
    if (!session.secure && this.atAddress(session.remoteAddress) !== null)
      return said(
        this.hasTls
          ? 'STARTTLS first: mail from your address needs TLS'
          : 'Mail from your address needs TLS, and this server has no certificate',
      );
    if (!session.secure && this.hasTls) return said('STARTTLS and AUTH first');
    return said(
      this.mayLogIn(session)
        ? 'Log in first (AUTH)'
        : 'Logins from your address need TLS, and this server has no certificate',
    );
  }

  /** Null: the mechanism is the package's matter. Anything but PLAIN and LOGIN is refused by its name. */
  auth(session: SMTPServerSession, line: string): SmtpAnswer | null {
    if (!this.mayLogIn(session)) {
      const first = this.hasTls ? 'STARTTLS first' : 'this server has no certificate';
      return { code: 538, status: '5.7.11', text: `Logins from your address need TLS: ${first}` };
    }
    const [, mechanism = ''] = line.trim().split(/\s+/, 2);
    if (/^(?:plain|login)$/i.test(mechanism)) return null;
    const text = 'Only AUTH PLAIN and AUTH LOGIN are offered: choose one of them in the client';
    return { code: 504, status: '5.5.4', text };
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
