// Every limit, with its unit and its reason: code, infra and tests read the same numbers. Relations between them are tested.

// SMTP as a client: how long each phase may take, in milliseconds (RFC 5321 §4.5.3.2, and 30 s to connect as Postfix has it:
// a host that does not answer the SYN must not eat the attempt of the next host in the list).
export const smtpTimeoutsMs = {
  connect: 30_000,
  /** The TLS handshake has no figure in the RFC; as long as connecting. */
  tls: 30_000,
  greeting: 300_000,
  ehlo: 300_000,
  auth: 300_000,
  mail: 300_000,
  rcpt: 300_000,
  data: 120_000,
  /** For each block of content to be taken. */
  content: 180_000,
  /** §4.5.3.2.6: long, because giving up here duplicates mail. */
  finalDot: 600_000,
  /** The first answer on a kept connection: no failure when it passes, only a fresh connection (firewalls forget idle ones). */
  kept: 20_000,
  /** Polite goodbyes are not waited for longer. */
  quit: 1_000,
} as const;
/** One address of a host with several, before the next is tried (the last has what is left of `connect`). */
export const smtpAddressAttemptMs = 5_000;

/** One line of a reply, in bytes; RFC 5321 §4.5.3.1.5 says 512, real servers send more. The rest of the line is dropped. */
export const smtpReplyLineBytesMax = 4_096;
/** A whole reply, in bytes, before it counts as garbage: memory must not follow what a server sends. */
export const smtpReplyBytesMax = 65_536;
/** What is kept of a reply's text, in UTF-16 units: a ledger row holds it, and an NDR quotes it. */
export const smtpReplyTextCharsMax = 2_000;

/** A connection that has nothing to do is kept this long, in milliseconds: the next job of a busy queue comes sooner. */
export const smtpKeptIdleMs = 15_000;
/** Kept connections are not used past this age, in milliseconds (Postfix: smtp_connection_reuse_time_limit, 300 s). */
export const smtpKeptAgeMs = 300_000;
/** Messages over one connection: servers commonly stop at 100, and a balancer in front of them wants its turn. */
export const smtpKeptMessagesMax = 100;
/** Idle connections kept by one next hop in one execution environment: as many as a batch of ten may use at once. */
export const smtpKeptMax = 10;

/** Bytes of content gathered before they are written: a small message leaves in one packet's worth of calls. */
export const smtpGatherBytes = 65_536;
