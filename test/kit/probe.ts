// Readers that checks from outside call by name: each takes what a stranger sends and gives what the product reads in it. Adapters over
// product functions, and nothing more: the names and shapes here stay when files move. They decide nothing themselves.

import { readAddresses, recipientsInHeader } from '#core/sendmail-message.ts';
import { readRcptCommand } from '#core/smtp-command.ts';

export type ProbedRecipients = {
  readonly to: readonly string[];
  /** What stands there and is no address: sendmail then sends nothing. */
  readonly unreadable: readonly string[];
};

/** `sendmail -t`: the recipients that a message's header section names. `host` completes names without a domain. */
export function recipientsOf(bytes: Uint8Array, host: string): ProbedRecipients {
  return probed(recipientsInHeader(bytes, host));
}

/** One recipient argument of sendmail's command line. */
export function argumentRecipients(text: string, host: string): ProbedRecipients {
  return probed(readAddresses([text], host));
}

/** A whole RCPT command as the gateway reads it, after a MAIL with SMTPUTF8. */
export function rcpt(line: string): { readonly accepted: boolean; readonly orcpt: string | null } {
  const read = readRcptCommand(line, { smtputf8: true, host: 'probe.example' });
  return read.kind === 'rcpt' ? { accepted: true, orcpt: read.forwardPath.orcpt } : { accepted: false, orcpt: null };
}

function probed({ mailboxes, unreadable }: ReturnType<typeof readAddresses>): ProbedRecipients {
  return { to: mailboxes.map(({ address }) => address), unreadable };
}
