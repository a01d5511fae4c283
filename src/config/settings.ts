// The configuration as the functions read it, after the check. It holds types alone, so that every layer may import it.
// The type that people write is Config, in schema.ts; check.ts makes Settings from it.

import type { Status } from '#core/reply/status.ts';

export type TlsMode = 'implicit' | 'required' | 'opportunistic' | 'off';
export type ReturnPathMode = 'keep' | 'token' | 'srs';
export type PolicyChoice = 'relay' | 'quarantine' | 'refuse';
export type UnscannedChoice = 'relay' | 'quarantine';

/**
 * Validated, complete, durations in milliseconds, domains as A-labels in lower case. Serialised beside each function's
 * bundle.
 */
export type Settings = {
  /** A hash of the configuration: each message's row says under which it was accepted. */
  readonly version: string;
  readonly stackName: string;
  readonly domains: readonly string[];
  /** Our name in EHLO, Received and Reporting-MTA: the first domain. */
  readonly host: string;
  readonly nextHops: Readonly<Record<string, NextHopSettings>>;
  readonly routes: readonly RouteSettings[];
  readonly retry: {
    readonly scheduleMs: readonly number[];
    readonly lifetimeMs: number;
    readonly delayNoticeMs: number | null;
  };
  readonly policy: {
    readonly spam: PolicyChoice;
    readonly virus: PolicyChoice;
    readonly dmarcReject: PolicyChoice;
    readonly unscanned: UnscannedChoice;
  };
  readonly notices: {
    readonly from: string;
    readonly postmaster: string;
    /** Null: notices go by SES (core/notice/way.ts). */
    readonly via: string | null;
    readonly mode: 'send' | 'hold';
    readonly copyPostmasterOn: readonly string[];
    readonly perDomainPerHour: number;
    readonly dkim: { readonly secret: string; readonly selector: string } | null;
  };
  readonly retentionMs: {
    readonly spool: number;
    readonly versions: number;
    readonly ledger: number;
    readonly quarantine: number;
  };
  readonly transfer: { readonly inbound: TransferMode; readonly outbound: TransferMode };
  /** The submitters of outbound mail, by name. Empty: none. */
  readonly submitters: Readonly<Record<string, SubmitterSettings>>;
  /** Where return paths of ours live (tokens and SRS): never one of `domains`. */
  readonly returnPathDomain: string;
  /** `email`: who is subscribed to the alarms' topic. */
  readonly alarms: { readonly set: AlarmSet; readonly dashboard: boolean; readonly email: readonly string[] };
  readonly feedback: { readonly confirm: boolean };
  readonly trace: { readonly subject: boolean; readonly search: boolean };
  /** Where relay runs; null: outside of any VPC. */
  readonly network: Network | null;
  readonly concurrency: Concurrency;
  /** A message that is sent to itself, to find out whether mail comes through; null: none. */
  readonly canary: { readonly everyMs: number; readonly to: string } | null;
};

/** Calls at once of each event source mapping. Relay has two, so that it runs `relay + slowRelay` calls at most. */
export type Concurrency = {
  readonly relay: number;
  readonly slowRelay: number;
  readonly ingest: number;
  /** Of feedback and bounce together: one function with one queue. */
  readonly feedback: number;
  /** Their sum is reserved for them. */
  readonly reserve: boolean;
};

/** To which addresses AWS lets port 25 out of a VPC: to private ones alone, or to all. */
export type Port25 = 'private' | 'unblocked';
export type Network = {
  readonly port25: Port25;
} & (
  | { readonly vpc: OwnVpc; readonly create: null }
  | { readonly vpc: null; readonly create: { readonly zones: number } }
);
export type OwnVpc = {
  readonly id: string;
  readonly subnets: readonly string[];
  /** Null: the stack makes one. */
  readonly securityGroups: readonly string[] | null;
};
export type SubmitterSettings = {
  /** In Secrets Manager: {"username": "…", "password": "…"}, used in AUTH. Null: it does not log in. */
  readonly secret: string | null;
  /** Domains, as A-labels, of which its reverse-paths and authors may be. */
  readonly senderDomains: readonly string[];
  /** Networks in which it is known without a login (core/submission/source-network.ts). Its authors are its own. */
  readonly from?: readonly string[];
  /** Clients there may speak TLS 1.0 and 1.1. */
  readonly oldTls?: true;
  /** From there mail may come without TLS. */
  readonly withoutTls?: true;
};
/** `essential`: four alarms, which stand for all that a person must act on, and the canary's. */
export type AlarmSet = 'all' | 'essential';
export type TransferMode = 'normal' | 'hold' | 'drain';

/** `refuse` and `discard` are decided by ingest: no attempt is ever made at them. */
export type NextHopSettings = SmtpSettings | LmtpSettings | SesSettings | RefuseSettings | DiscardSettings;
export type SmtpSettings = { readonly kind: 'smtp' } & ServerSettings;
export type LmtpSettings = { readonly kind: 'lmtp' } & ServerSettings;
export type SesSettings = { readonly kind: 'ses'; readonly messagesPerSecond?: number | null };
export type RefuseSettings = {
  readonly kind: 'refuse';
  /** The status in the NDR: class 5. */
  readonly status: Status;
  readonly text: string;
};
export type DiscardSettings = { readonly kind: 'discard' };
/** A server that is reached over a socket, by SMTP or by LMTP. */
export type ServerSettings = {
  /** Tried in order of preference (core/reply/several-hosts.ts). */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly tls: TlsMode;
  /** The name in EHLO and LHLO; null: `host` of the settings. */
  readonly helo: string | null;
  /** Commands leave together where the server offers it; false: one by one. */
  readonly pipelining: boolean;
  /** PEM text of the certificate authority to trust, or null for the public ones. */
  readonly ca: string | null;
  readonly auth: LoginSettings | null;
  /** In Secrets Manager: {"certificate": "…", "key": "…"}, PEM, which we present where the server asks. */
  readonly clientCertificate: { readonly secret: string } | null;
  /** Connections at once, of all functions together; null: as many as the functions make. */
  readonly concurrency: number | null;
  /** Of all functions together; null: no limit. */
  readonly messagesPerSecond: number | null;
};

/**
 * Names of secrets in Secrets Manager. `secret`: {"username": "…", "password": "…"}. `xoauth2`: the terms for
 * requesting a token (adapters/oauth/token-terms.ts).
 */
export type LoginSettings = { readonly secret: string } | { readonly xoauth2: string };

export type RouteSettings = {
  readonly match: readonly string[];
  readonly direction: 'inbound' | 'outbound';
  readonly to: readonly ActionSettings[];
  /** The next hop that is tried with the same address when the first action's delivery expires; null: none. */
  readonly fallback: string | null;
};
export type ActionSettings = {
  readonly via: string;
  /** Replaces the forward-path; null keeps it. */
  readonly address: string | null;
  readonly copy: boolean;
  readonly returnPath: ReturnPathMode;
};
