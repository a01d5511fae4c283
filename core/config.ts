// The configuration as people write it (docs: README, INTERFACES), and as the functions read it once it is validated.

export type Duration = string; // '1s' '15m' '4h' '2d'
export type TlsMode = 'implicit' | 'required' | 'opportunistic' | 'off';
export type ReturnPathMode = 'keep' | 'token' | 'srs';
export type PolicyChoice = 'relay' | 'quarantine' | 'refuse';

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
  readonly policy: { readonly spam: PolicyChoice; readonly virus: PolicyChoice; readonly dmarcReject: PolicyChoice };
  readonly notices: {
    readonly from: string;
    readonly postmaster: string;
    readonly via: string;
    readonly mode: 'send' | 'hold';
    readonly copyPostmasterOn: readonly string[];
    readonly perDomainPerHour: number;
    readonly dkim: { readonly secret: string; readonly selector: string } | null;
  };
  readonly retentionMs: { readonly spool: number; readonly versions: number; readonly ledger: number; readonly quarantine: number };
  readonly transfer: { readonly inbound: TransferMode; readonly outbound: TransferMode };
  readonly trace: { readonly subject: boolean; readonly search: boolean };
  readonly network: { readonly vpcId: string } | null;
};
export type TransferMode = 'normal' | 'hold' | 'drain';

export type NextHopSettings = SmtpSettings;
export type SmtpSettings = {
  readonly kind: 'smtp';
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
};
export type ActionSettings = {
  readonly via: string;
  /** Replaces the forward-path; null keeps it. */
  readonly address: string | null;
  readonly copy: boolean;
  readonly returnPath: ReturnPathMode;
};
