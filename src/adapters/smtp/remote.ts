// One server as the SMTP client knows it: what the configuration says, and what earlier connections found out. The next
// hop makes it; opening.ts and connection.ts read it.

import type { SecureContext } from 'node:tls';
import type { TlsMode } from '#config/settings.ts';
import type { smtpTimeoutsMs } from '#core/limits.ts';
import type { AttemptResult } from '#core/reply/reply.ts';
import type { FirstLogin } from './first-login.ts';
import type { Credentials, KnownLogin } from './login.ts';

/** No login, and why: a result of the attempt. */
export type LoginTrouble = { readonly kind: 'failed'; readonly result: AttemptResult };

export type SmtpTimeouts = { readonly [phase in keyof typeof smtpTimeoutsMs]: number };

/** Facts about a host for later connections: kept by the next hop, in this function's memory. */
export type HostHabits = {
  /** It gave no answer, or failed, where commands came together: it gets them one by one. */
  dropsPipelined: boolean;
  login: KnownLogin | null;
};

export type SmtpServer = {
  readonly protocol: 'smtp' | 'lmtp';
  /** As configured: the name that TLS verifies, and that results give. */
  readonly host: string;
  /** The address of it that is connected to. */
  readonly address: string;
  readonly port: number;
  readonly tls: TlsMode;
  readonly context: SecureContext | undefined;
  /** A client certificate stands in `context`. */
  readonly certified: boolean;
  readonly ehloName: string;
  /** False: commands go one by one, whatever it offers. */
  readonly pipelining: boolean;
  readonly credentials: Credentials | null;
  readonly firstLogin: FirstLogin<LoginTrouble>;
  readonly timeouts: SmtpTimeouts;
  readonly habits: HostHabits;
  /** The instant by which it must ask for the content, because other attempts wait; null: none waits. */
  readonly answerBy: number | null;
};

/** A phase's time, or the rest of this host's time, in milliseconds. */
export function within(answerBy: number | null, phaseMs: number): number {
  return answerBy === null ? phaseMs : Math.max(1, Math.min(phaseMs, answerBy - Date.now()));
}
