// One row of the reply rules: a reply that a real server sent, and why a delivery is where it is after such a reply.
// The files beside this one hold the rows, one file for each provider or group; providers.ts puts them in order. Types
// alone: fit.ts decides whether a row takes a reply.

import type { TableReason } from '../reasons.ts';

/** Where in the dialogue a reply came, as classify names it. `connect`: the greeting. */
export type Stage = 'connect' | 'ehlo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'dot';

export type ReplyRow = {
  /** Stable: it stands in ledgers and traces. kebab-case: `exchange-online-5-7-64`. */
  readonly id: string;
  /** The reply that earned the row, as it stood on the wire. Several lines are joined by `\n`. */
  readonly seen: string;
  /** Where it was seen. */
  readonly stage: Stage;
  /** Public: an address without its scheme, `owner/repository#123`, `owner/repository:path`, or an RFC's clause. */
  readonly source: string;

  /**
   * The enhanced code: one, several, or a range of details such as `5.7.606-649`. A row without it never takes a reply
   * whose status speaks for itself (own-status.ts).
   */
  readonly status?: string | readonly string[];
  /** Absent: every code of the class of `seen`. */
  readonly codes?: readonly number[];
  /**
   * In lower case. Each fragment must stand in the reply's text, which is compared in lower case, without the addresses
   * that it quotes, white space as one blank.
   */
  readonly text?: string | readonly string[];
  /** None of these may stand there. */
  readonly not?: string | readonly string[];
  /** Absent: by the reason's fault. The recipient's: RCPT and later. The sender's, the message's: MAIL and later. */
  readonly stages?: readonly Stage[];

  /** Its row in reasons.ts says whose fault it is, how soon the next attempt is, and whether the delivery fails. */
  readonly reason: TableReason;
  /** The cause as the sender reads it, where it says more than the reason's own: whole sentences. */
  readonly says?: string;
};

/** Rows of one kind of server, with its name as docs/replies.md has it. */
export type RowGroup = { readonly server: string; readonly rows: readonly ReplyRow[] };
