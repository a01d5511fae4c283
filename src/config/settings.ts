// The configuration as people write it (Config: docs/interfaces.md says how), and as the functions read it once it is validated
// (Settings). Types alone: config/check.ts leads from the one to the other.

import type { Status } from '#core/reply/status.ts';

export type Duration = string; // '1s' '15m' '4h' '2d'
export type TlsMode = 'implicit' | 'required' | 'opportunistic' | 'off';
export type ReturnPathMode = 'keep' | 'token' | 'srs';
export type PolicyChoice = 'relay' | 'quarantine' | 'refuse';
export type UnscannedChoice = 'relay' | 'quarantine';

/** What a person writes in everpost.config.ts, .js or .json. config/check.ts turns it into Settings or says what is wrong. */
export type Config = {
  /** Names the CloudFormation stack and the SES rule set. Default: Everpost. */
  stackName?: string;
  /** Those we receive for; the first is our name in EHLO, Received and Reporting-MTA. */
  domains: string[];
  nextHops: Record<string, NextHop>;
  /** The first route that matches a forward-path wins. */
  routes: Route[];
  submitters?: Record<string, { secret: string; senderDomains: string[] }>;
  /** Default: 1m 5m 15m 30m 1h 2h 4h (the last one repeats), for 48h, a delay notice after 4h. */
  retry?: { schedule?: Duration[]; lifetime?: Duration; delayNotice?: Duration | false };
  /**
   * Default: quarantine. refuse: an NDR where one is allowed, else quarantine. unscanned: the scan for spam or the one for viruses gave neither
   * PASS nor FAIL; default: relay.
   */
  policy?: { spam?: PolicyChoice; virus?: PolicyChoice; dmarcReject?: PolicyChoice; unscanned?: UnscannedChoice };
  notices: {
    /** The From of every notice. */
    from: string;
    /** Who reads what can not be sent anywhere else. */
    postmaster: string;
    /** The next hop of kind smtp or lmtp that carries notices, with the null reverse-path. Without it they go by SES. */
    via?: string;
    mode?: 'send' | 'hold';
    copyPostmasterOn?: string[];
    perDomainPerHour?: number;
    dkim?: { secret: string; selector: string };
  };
  returnPathDomain?: string;
  /** Default: 14d 7d 90d 30d. */
  retention?: { spool?: Duration; versions?: Duration; ledger?: Duration; quarantine?: Duration };
  transfer?: { inbound?: TransferMode; outbound?: TransferMode };
  feedback?: { confirm?: boolean };
  /** Default: both on. */
  trace?: { subject?: boolean; search?: boolean };
  network?: { vpcId: string };
  dns?: { hostedZone?: string };
};

export type NextHop =
  | {
      kind: 'smtp';
      host: string | string[];
      port: number;
      tls: TlsMode;
      /** PEM text, or the path of a PEM file seen from the configuration file. */
      ca?: string;
      /** The name of a secret in Secrets Manager: {"username": "…", "password": "…"}. */
      auth?: { secret: string };
      concurrency?: number;
      messagesPerSecond?: number;
    }
  | {
      kind: 'lmtp';
      host: string | string[];
      port: number;
      /** Default: opportunistic. */
      tls?: TlsMode;
      ca?: string;
    }
  | { kind: 'ses' }
  | { kind: 's3'; bucket: string; prefix?: string }
  | { kind: 'webhook'; url: string; secret: string; content?: 'inline' | 'link'; allowPrivate?: boolean }
  | { kind: 'refuse'; status?: string; text?: string }
  | { kind: 'discard' };

export type Route = {
  /** user@domain (also user+label@), user+label@domain, *@domain, *@.domain (its sub-domains), * (outbound alone). */
  match: string | string[];
  direction?: 'inbound' | 'outbound';
  /** The first action answers to the sender; every further one says copy: true. */
  to: { via: string; address?: string; copy?: boolean; returnPath?: ReturnPathMode }[];
  fallback?: string;
};

/** Validated, complete, durations in milliseconds, domains as A-labels in lower case. Serialised beside each function's bundle. */
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
  /** Who may submit outbound mail, by name. Empty: nobody. */
  readonly submitters: Readonly<Record<string, SubmitterSettings>>;
  /** Where return paths of ours live (tokens and SRS): never one of `domains`. */
  readonly returnPathDomain: string;
  readonly feedback: { readonly confirm: boolean };
  readonly trace: { readonly subject: boolean; readonly search: boolean };
  readonly network: { readonly vpcId: string } | null;
};
export type SubmitterSettings = {
  /** In Secrets Manager: {"username": "…", "password": "…"}, what it says in AUTH. */
  readonly secret: string;
  /** Domains, as A-labels, of which its reverse-paths and authors may be. */
  readonly senderDomains: readonly string[];
};
export type TransferMode = 'normal' | 'hold' | 'drain';

/** `refuse` and `discard` are decided by ingest: no attempt is ever made at them. */
export type NextHopSettings = SmtpSettings | LmtpSettings | SesSettings | RefuseSettings | DiscardSettings;
export type SmtpSettings = { readonly kind: 'smtp' } & ServerSettings;
export type LmtpSettings = { readonly kind: 'lmtp' } & ServerSettings;
export type SesSettings = { readonly kind: 'ses' };
export type RefuseSettings = {
  readonly kind: 'refuse';
  /** What the NDR says: class 5. */
  readonly status: Status;
  readonly text: string;
};
export type DiscardSettings = { readonly kind: 'discard' };
/** A server that is spoken to over a socket, by SMTP or by LMTP. */
export type ServerSettings = {
  /** Tried in order; the next one after a connection or greeting failure. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly tls: TlsMode;
  /** PEM text of the certificate authority to trust, or null for the public ones. */
  readonly ca: string | null;
  readonly auth: { readonly secret: string } | null;
  readonly concurrency: number | null;
  readonly messagesPerSecond: number | null;
};

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
