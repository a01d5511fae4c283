// The names that outside checks stand on: one small function for each decision that can be asked without a running
// system. A caller gives text or bytes and gets a plain value. Nothing is decided here: each function only calls the
// product.

import { readRemoteReport } from '#core/feedback/report.ts';
import { factOfReport } from '#core/feedback/returned-mail.ts';
import { headerSection } from '#core/message/header.ts';
import { type RecipientList, readArguments } from '#core/message/recipient-list.ts';
import { mendLines } from '#core/message/reencode.ts';
import { sesEdit } from '#core/message/ses-edit.ts';
import { recipientsInHeader } from '#core/submission/sendmail-message.ts';
import { readRcptCommand } from '#core/submission/smtp-command.ts';
import { decided } from './replies.ts';

export type Classified = {
  readonly outcome: 'relayed' | 'deferred' | 'failed';
  /** The operator has to mend it: he is alarmed, and the sender is not told before the lifetime ends. */
  readonly operator: boolean;
  readonly reason: string;
};

/**
 * What follows from a reply at this stage. `replyText` is the reply as it stood on the wire, of one or several lines.
 */
export function classify(phase: string, replyText: string): Classified {
  const { outcome } = decided(phase, replyText);
  const operator = outcome.kind === 'deferred' && outcome.operatorFault;
  return { outcome: outcome.kind, operator, reason: outcome.kind === 'relayed' ? 'accepted' : outcome.reason };
}

/**
 * What a message that came back to a return path says. `fact` is `failed`, `delayed`, `confirmed`, `complaint`,
 * `auto-reply` or `none`.
 */
export function readReport(bytes: Uint8Array): { fact: string; status: string | null; words: string | null } {
  const report = readRemoteReport(bytes, { nullPath: true }); // as all that comes to a return path
  if (report.kind !== 'report') return { fact: report.kind, status: null, words: null };
  const fact = factOfReport(report, 0);
  const words = report.recipients.flatMap(({ diagnostic }) => (diagnostic === null ? [] : [diagnostic]));
  const status = fact.kind === 'failed' || fact.kind === 'delayed' ? fact.status : null;
  return { fact: fact.kind, status, words: words.length === 0 ? null : words.join('\n') };
}

const pass = 'PASS';
const allPass = { spam: pass, virus: pass, spf: pass, dkim: pass, dmarc: pass, dmarcPolicy: null } as const;

/** The header section that goes to SES, for a stack whose domain is in.test, of mail that passed every check. */
export function sesHeader(bytes: Uint8Array): string {
  const evidence = { by: 'receipt', verdicts: allPass, reversePath: '' } as const;
  const terms = { domains: ['in.test'], noticesFrom: 'postmaster@in.test', evidence };
  const section = headerSection(bytes);
  const mend = mendLines(bytes, section);
  const { header } = sesEdit(bytes, terms, section, mend.kind === 'mended' ? mend.change : null);
  return Buffer.from(header).toString('latin1');
}

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
  return probed(readArguments([text], host));
}

/** A whole RCPT command as the gateway reads it, after a MAIL with SMTPUTF8. */
export function rcpt(line: string): { readonly accepted: boolean; readonly orcpt: string | null } {
  const read = readRcptCommand(line, { smtputf8: true, host: 'probe.example' });
  return read.kind === 'rcpt' ? { accepted: true, orcpt: read.forwardPath.orcpt } : { accepted: false, orcpt: null };
}

function probed({ mailboxes, unreadable }: RecipientList): ProbedRecipients {
  return { to: mailboxes.map(({ address }) => address), unreadable };
}
