// The commands of a mail transaction at the submission server. It decides who may send as whom, to how many recipients,
// with which options. It keeps the envelope exactly as the client gave it, until the package begins a new one (RSET,
// EHLO, the end of DATA). It stores nothing.

import type { SMTPServerSession } from 'smtp-server';
import type { Settings } from '#config/settings.ts';
import { messageBytesMax, submissionBytesMax } from '#core/limits.ts';
import { parseSubmittedPath } from '#core/message/address.ts';
import { type MailCommand, readMailCommand, readRcptCommand, type SmtpAnswer } from '#core/submission/smtp-command.ts';
import { recipientsFor, type SubmittedRecipient } from '#core/submission/submission.ts';
import { mayUsePath } from '#core/submission/submitter.ts';
import type { Caller, Callers } from './callers.ts';
import type { Commands } from './exact-connection.ts';

/** The fields that we put above content (core/submission/added-fields.ts). */
const ownFieldsBytesMax = messageBytesMax - submissionBytesMax;

export type SubmissionTransaction = Omit<MailCommand, 'kind'> & {
  readonly submitter: string;
  readonly by: Caller['by'];
  /** By address, as it was given. */
  readonly recipients: Map<string, SubmittedRecipient>;
};

export class SubmissionTransactions implements Commands {
  private readonly settings: Pick<Settings, 'domains' | 'submitters' | 'host'>;
  private readonly callers: Callers;
  private readonly isPaused: () => boolean;
  /** False: the client is the submitter itself, and ingest alone asks. */
  private readonly asked: boolean;
  private readonly limits: { readonly bytesMax: number; readonly recipientsMax: number };
  /** By the package's envelope: with it they begin and end. */
  private readonly open = new WeakMap<object, SubmissionTransaction>();

  constructor(
    settings: Pick<Settings, 'domains' | 'submitters' | 'host'>,
    limits: { readonly bytesMax: number; readonly recipientsMax: number },
    asked: boolean,
    callers: Callers,
    isPaused: () => boolean,
  ) {
    this.asked = asked;
    this.isPaused = isPaused;
    this.callers = callers;
    this.settings = settings;
    this.limits = limits;
  }

  of(session: SMTPServerSession): SubmissionTransaction | null {
    return this.open.get(session.envelope) ?? null;
  }

  auth(session: SMTPServerSession, line: string): SmtpAnswer | null {
    return this.callers.auth(session, line);
  }

  mayLogIn(session: SMTPServerSession): boolean {
    return this.callers.mayLogIn(session);
  }

  mail(session: SMTPServerSession, line: string): SmtpAnswer {
    const caller = this.callers.of(session);
    if (caller === null) return this.callers.advice(session);
    if (this.of(session) !== null) return answer(503, '5.5.1', 'A transaction is under way');
    const read = readMailCommand(line, this.limits);
    if (read.kind === 'refused') return read.answer;
    const path = parseSubmittedPath(read.reversePath);
    if (path === undefined) return answer(501, '5.1.7', 'This is no address');
    const sender = mayUsePath(this.settings, caller.submitter, path);
    if (this.asked && sender.kind === 'refused')
      return answer(550, '5.7.1', `${sender.detail}: senderDomains does not have it`);
    // Last: what is refused for good is refused in a pause too. RFC 3463 X.3.2: the system takes no messages now.
    if (this.isPaused()) return answer(451, '4.3.2', 'Outbound mail is paused, try again later');
    const { kind: _, ...options } = read;
    this.open.set(session.envelope, { ...options, ...caller, recipients: new Map() });
    return answer(250, '2.1.0', 'Sender ok');
  }

  rcpt(session: SMTPServerSession, line: string): SmtpAnswer {
    const transaction = this.of(session);
    if (transaction === null) return answer(503, '5.5.1', 'MAIL first');
    const { recipients, smtputf8, size } = transaction;
    const read = readRcptCommand(line, { smtputf8, host: this.settings.host });
    if (read.kind === 'refused') return read.answer;
    const { forwardPath } = read;
    const most = Math.min(this.limits.recipientsMax, recipientsFor((size ?? 0) + ownFieldsBytesMax));
    if (recipients.size >= most && !recipients.has(forwardPath.address))
      return answer(
        452,
        '4.5.3',
        `A message${most < this.limits.recipientsMax ? ' of this size' : ''} may have ${most} recipients`,
      );
    recipients.set(forwardPath.address, forwardPath); // named twice: kept once, with the last parameters
    return answer(250, '2.1.5', 'Recipient ok');
  }

  data(session: SMTPServerSession, line: string): SmtpAnswer | null {
    const transaction = this.of(session);
    if (transaction === null) return answer(503, '5.5.1', 'MAIL first');
    if (!/^data\s*$/i.test(line)) return answer(501, '5.5.4', 'DATA takes no argument');
    if (transaction.recipients.size === 0) return answer(503, '5.5.1', 'RCPT first: no recipient was accepted');
    session.envelope.mailFrom = { address: transaction.reversePath, args: false };
    session.envelope.rcptTo = Array.from(transaction.recipients.keys(), (address) => ({ address, args: false }));
    return null;
  }
}

function answer(code: number, status: string, text: string): SmtpAnswer {
  return { code, status, text };
}
