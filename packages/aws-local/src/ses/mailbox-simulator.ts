// SES's mailbox simulator: AWS's documented addresses (docs/aws-contracts.md §3.3), also with labels (bounce+x@…).
// Called by outgoing.ts. It decides which events such mail causes, and which events a real server's reply causes. Mail
// to the simulator goes to no server.

import type { EventType } from './configuration-sets.ts';

export type Telling = readonly [type: EventType, part: object];
type Terms = {
  readonly forwardPath: string;
  readonly now: number;
  readonly acceptedAt: number;
  readonly feedbackId: string;
  readonly region: string;
};

/** SES's events about mail to one of the simulator's addresses; null for every other address. */
export function simulated(terms: Terms): readonly Telling[] | null {
  const [, name = ''] = /^([a-z]+)(?:\+[^@]*)?@simulator\.amazonses\.com$/i.exec(terms.forwardPath) ?? [];
  const arrived = delivered(terms, '250 2.6.0 Message received');
  switch (name.toLowerCase()) {
    case 'success':
      return [arrived];
    case 'bounce':
      return [bounced(terms, 'Permanent', 'General', { status: '5.1.1', said: 'smtp; 550 5.1.1 user unknown' })];
    case 'ooto':
      return [arrived, bounced(terms, 'Transient', 'General', null)];
    case 'complaint':
      return [arrived, complained(terms)];
    case 'suppressionlist':
      // The global list, whose bounces are of this subtype (§3.3).
      return [suppressed(terms, 'Suppressed')];
    default:
      return null;
  }
}

/**
 * Why SES accepted it and does not try, by its subtype, in the words of its events; those of the last are not known
 * from a document.
 */
const SUPPRESSED = {
  Suppressed:
    'Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid address.',
  OnAccountSuppressionList:
    'Amazon SES did not send the message to this address because it is on the suppression list for your account.',
  EmailValidationSuppressed:
    'Amazon SES did not send the message to this address because it did not meet the validation threshold.',
} as const;

export function suppressed(terms: Terms, subType: keyof typeof SUPPRESSED): Telling {
  return bounced(terms, 'Permanent', subType, { status: '5.1.1', said: SUPPRESSED[subType] });
}

export function delivered(terms: Terms, smtpResponse: string): Telling {
  const { forwardPath, now, acceptedAt } = terms;
  const timestamp = new Date(now).toISOString();
  const reportingMTA = reporter(terms);
  const processingTimeMillis = Math.max(0, Math.round(now - acceptedAt));
  return [
    'delivery',
    { delivery: { timestamp, processingTimeMillis, recipients: [forwardPath], smtpResponse, reportingMTA } },
  ];
}

/** A server refused it for good. `reply` as it stood on the wire. */
export function refusedBy(terms: Terms, reply: string): Telling {
  const status = /^\d{3}[ -](5\.\d{1,3}\.\d{1,3})\b/.exec(reply)?.[1] ?? '5.0.0';
  return bounced(terms, 'Permanent', 'General', { status, said: `smtp; ${reply}` });
}

/** The time to deliver is over. */
export function expired(terms: Terms, seconds: number, reply: string): Telling {
  const minutes = Math.round(seconds / 60);
  const said = `smtp; 550 4.4.7 Message expired: unable to deliver in ${minutes} minutes.<${reply}>`;
  return bounced(terms, 'Transient', 'General', { status: '4.4.7', said });
}

export function delayed(terms: Terms, expiresAt: number, reply: string): Telling {
  const status = /^\d{3}[ -](4\.\d{1,3}\.\d{1,3})\b/.exec(reply)?.[1] ?? '4.4.1';
  const connected = /^4\d\d\b/.test(reply);
  const diagnosticCode = connected ? `smtp; ${reply}` : 'smtp; 421 4.4.1 Unable to connect to remote host';
  const deliveryDelay = {
    timestamp: new Date(terms.now).toISOString(),
    delayType: connected ? 'General' : 'TransientCommunicationFailure',
    expirationTime: new Date(expiresAt).toISOString(),
    delayedRecipients: [{ emailAddress: terms.forwardPath, status, diagnosticCode }],
  };
  return ['deliveryDelay', { deliveryDelay }];
}

function bounced(
  terms: Terms,
  bounceType: 'Permanent' | 'Transient',
  bounceSubType: string,
  words: { readonly status: string; readonly said: string } | null,
): Telling {
  const { forwardPath: emailAddress, now, feedbackId } = terms;
  const recipient =
    words === null
      ? { emailAddress }
      : { emailAddress, action: 'failed', status: words.status, diagnosticCode: words.said };
  const timestamp = new Date(now).toISOString();
  const bounce = { feedbackId, bounceType, bounceSubType, bouncedRecipients: [recipient], timestamp };
  return ['bounce', { bounce: { ...bounce, ...(words === null ? {} : { reportingMTA: `dns; ${reporter(terms)}` }) } }];
}

function complained({ forwardPath: emailAddress, now, feedbackId }: Terms): Telling {
  const complaint = {
    feedbackId,
    complaintSubType: null,
    complainedRecipients: [{ emailAddress }],
    timestamp: new Date(now).toISOString(),
    userAgent: 'Amazon SES Mailbox Simulator',
    complaintFeedbackType: 'abuse',
    arrivalDate: new Date(now).toISOString(),
  };
  return ['complaint', { complaint }];
}

const reporter = ({ region }: Terms): string => `a1-1.smtp-out.${region}.amazonses.com`;
