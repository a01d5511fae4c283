// The reason of a delivery's state: one closed table, a row for each reason. It says whose fault a reason is, whether a
// fallback may take over and whether an expiry counts as one of ours. All code that needs this reads it here, and
// nothing depends on how a reason is spelt. Names are stable: they stand in ledgers, traces and
// `notices.copyPostmasterOn`. It never decides which reason a reply has.

/** `message`: a fault of the message that its sender can correct. `ours`: Everpost's own. */
export type Fault = 'recipient' | 'sender' | 'message' | 'next-hop' | 'operator' | 'ours';
/**
 * Until the next attempt: `short`, it comes soon; `long`, an operator must act first (core/delivery/retry-schedule.ts).
 */
export type Pace = 'normal' | 'short' | 'long';

export type ReasonRow = {
  readonly fault: Fault;
  /** Another attempt finds nothing new. `by-reply`: the class of the reply says so. */
  readonly permanent: boolean | 'by-reply';
  readonly pace: Pace;
  /** RFC 3463: where neither the reply nor the rule that knows it has one. */
  readonly status: string;
  /**
   * No reply of a next hop: an expiry counts towards the limit of those that are ours (core/delivery/expiry-limit.ts).
   */
  readonly countsAsOurs: boolean;
  /** At expiry the route's fallback takes over. */
  readonly fallback: boolean;
  /** The status of an expiry, whatever status an attempt had; null: the last attempt's (RFC 3463 §3.5 on X.4.7). */
  readonly atExpiry: string | null;
  /** The content was the reason of the refusal: no notice returns the body (core/notice/body.ts). */
  readonly aboutContent: boolean;
  /** Our policy refused it: where no notice may go, it is held for an operator. */
  readonly byPolicy: boolean;
  /**
   * A server refused our own mail system, and neither the message nor an address: the notice says so
   * (core/notice/texts.ts).
   */
  readonly refusesUs: boolean;
  /**
   * Another mail system reported it after the message had been sent, by SES's event or in a report, perhaps without a
   * reply. The notice never tells the sender that we refused (core/notice/report-part.ts).
   */
  readonly reported: boolean;
  /**
   * The noted detail is for the operator alone: names of secrets and roles, a remedy. A notice has `says`
   * (core/notice/input.ts).
   */
  readonly forOperatorAlone: boolean;
  /**
   * The next hop refuses our credentials, or we have none to show: every other message would hear the same, and servers
   * lock accounts, so that the whole next hop waits (core/delivery/next-hop-health.ts).
   */
  readonly wrongCredentials: boolean;
  /**
   * It asks for less at once: relay attempts fewer messages side by side there, and more again with each that is taken
   * (core/delivery/next-hop-turns.ts).
   */
  readonly slowsDown: boolean;
  /** Mail that is deferred for it waits for a person, and the level of such mail counts it (due-class.ts). */
  readonly waitsForPerson: boolean;
  /** The notice's text where no more exact one was noted. */
  readonly says: string;
};

type More = Partial<Omit<ReasonRow, 'fault' | 'permanent' | 'status' | 'says'>>;

function because(
  fault: Fault,
  permanent: ReasonRow['permanent'],
  status: string,
  says: string,
  more: More = {},
): ReasonRow {
  const pace = fault === 'operator' ? 'long' : 'normal';
  const rest = {
    pace,
    countsAsOurs: false,
    fallback: true,
    atExpiry: null,
    aboutContent: false,
    byPolicy: false,
    refusesUs: false,
    reported: false,
    forOperatorAlone: false,
    wrongCredentials: false,
    slowsDown: false,
    waitsForPerson: fault === 'operator' && permanent !== true,
  } as const;
  return { ...rest, fault, permanent, status, says, ...more };
}

const waits = (fault: Fault, status: string, says: string, more?: More) => because(fault, false, status, says, more);
const fails = (fault: Fault, status: string, says: string, more?: More) => because(fault, true, status, says, more);
const refusesUs = (status: string, says: string, more?: More) =>
  waits('operator', status, says, { refusesUs: true, ...more });
const PRIVATE: More = { forOperatorAlone: true };
const CREDENTIALS: More = { wrongCredentials: true };
const LESS: More = { slowsDown: true };
const CONTENT: More = { aboutContent: true };
const POLICY: More = { aboutContent: true, byPolicy: true };
const REPORTED: More = { reported: true };
/** No next hop decided it. */
const NO_WORD: More = { countsAsOurs: true };
/** Another next hop would not change it, and an earlier next hop's reply has nothing to do with it. */
const UNPROCESSED: More = { ...NO_WORD, fallback: false, atExpiry: '5.3.0', waitsForPerson: true };

export const REASONS = {
  // A next hop's replies (core/reply/reply-rules.ts)
  greylisted: waits('next-hop', '4.7.1', 'the server asked us to come again later'),
  throttled: waits('next-hop', '4.7.0', 'the server asked us to send more slowly', LESS),
  'service-closing': waits('next-hop', '4.3.2', 'the server was shutting down', LESS), // 421: also of too many connections
  'refused-for-now': waits('next-hop', '4.0.0', 'the server did not take the message for now'),
  'unknown-reply': waits('next-hop', '4.5.0', 'the server gave an answer that is none'),
  'too-many-recipients': waits('next-hop', '4.5.3', 'the server took no more recipients at once'),
  'mailbox-full': because('recipient', 'by-reply', '4.2.2', "the recipient's mailbox was full"),
  'login-unavailable': waits('next-hop', '4.7.0', 'the server could not check our login', LESS), // 454: too many logins
  'tls-unavailable': waits('next-hop', '4.7.0', 'the server could not offer TLS for now'),
  'login-refused': refusesUs('4.7.0', 'the server refused our login', CREDENTIALS),
  'login-wanted': refusesUs('4.7.0', 'the server asked us to log in'),
  'tls-refused': refusesUs('4.7.0', 'the server refused TLS'),
  'tls-wanted': refusesUs('4.7.0', 'the server asked for TLS'),
  'sending-limit': refusesUs('4.0.0', 'our mail system sends more than the server takes', LESS),
  'our-address-listed': refusesUs('4.0.0', 'the server takes no mail from our address'),
  'relaying-denied': refusesUs('4.0.0', 'the server does not relay for us'),
  'spf-refused': refusesUs('4.0.0', 'the server says that our address may not send for this domain'),
  'send-as-refused': refusesUs('4.0.0', 'the server does not let us send under this address'),
  'helo-refused': refusesUs('4.0.0', 'the server refused the name that we gave'),
  'no-reverse-name': refusesUs('4.0.0', 'our address has no name in the DNS'),
  'connector-unknown': refusesUs('4.0.0', 'the server does not know our connection'),
  'tenant-blocked': refusesUs('4.0.0', 'the server has blocked our organization'),
  'licence-missing': refusesUs('4.0.0', 'the server says that a licence is missing'),
  'certificate-refused': refusesUs('4.0.0', 'the server refused our certificate', CREDENTIALS),
  'refused-to-us': refusesUs('4.0.0', 'the server refused our mail system'),
  'next-hop-takes-nothing': refusesUs('4.0.0', 'the server takes no mail at all'),
  'commands-refused': refusesUs('4.0.0', 'the server refused what every server takes'),
  'greeting-refused': refusesUs('4.0.0', 'the server refused our connection'),
  'ehlo-refused': refusesUs('4.0.0', 'the server refused our greeting'),
  'refused-at-mail': refusesUs('4.0.0', 'the server refused at the very beginning of the mail transaction'),
  'unrecognised-by-new-next-hop': refusesUs(
    '4.0.0',
    'the server refused in words that we do not know, as it did all our mail so far',
  ),
  'sender-refused': because('sender', 'by-reply', '5.0.0', 'the server refused the sender'),
  'recipient-restricted': fails('recipient', '5.0.0', 'the recipient takes mail from certain senders alone'),
  'recipient-unknown': because('recipient', 'by-reply', '5.0.0', 'the server knows no such recipient'),
  'recipient-address-bad': because('recipient', 'by-reply', '5.0.0', 'the server found the address wrong'),
  'recipient-refused': fails('recipient', '5.0.0', 'the server refused the recipient'),
  'mailbox-disabled': because('recipient', 'by-reply', '5.0.0', "the recipient's mailbox is closed"),
  'list-not-expanded': because('recipient', 'by-reply', '5.0.0', 'the list could not be expanded'),
  'domain-takes-no-mail': fails('recipient', '5.1.10', 'the domain receives no mail'),
  'next-hop-sees-loop': fails('recipient', '5.0.0', 'the server found the message in a loop'),
  'message-too-large': because('message', 'by-reply', '5.3.4', 'the message is too large for the server'),
  'message-refused': fails('message', '5.0.0', 'the server refused the message'),
  'content-refused': because('message', 'by-reply', '5.0.0', "the server refused the message's content", CONTENT),
  'refused-by-policy': fails('message', '5.7.1', "the server's policy refused the message", CONTENT),
  'sender-unauthenticated': fails(
    'sender',
    '5.7.1',
    "the message does not prove that the sender's domain sent it",
    CONTENT,
  ),

  // Features that a next hop does not offer
  'size-exceeded': fails('message', '5.3.4', 'the message is too large for the server'),
  'smtputf8-not-offered': fails('message', '5.6.7', 'the server takes no internationalized addresses'),
  'conversion-prohibited': fails('message', '5.6.2', 'the message is signed or encrypted and may not be converted'),
  'conversion-impossible': fails('message', '5.6.3', 'the message cannot be converted'),
  'starttls-not-offered': waits('operator', '4.7.4', 'the server does not offer TLS'),
  'auth-not-offered': waits('operator', '4.7.0', 'the server offers no login that we have'),
  'port-25-blocked': waits('operator', '4.3.5', 'our network does not reach the server', PRIVATE),
  'credentials-unavailable': waits('operator', '4.3.5', 'our login for the server could not be read', {
    ...PRIVATE,
    ...CREDENTIALS,
  }),
  'token-refused': waits('operator', '4.3.5', 'our login for the server could not be renewed', {
    ...PRIVATE,
    ...CREDENTIALS,
  }),
  'token-unavailable': waits('next-hop', '4.7.0', 'our login for the server could not be renewed for now', PRIVATE),
  'certificate-unusable': waits('operator', '4.3.5', 'our certificate for the server cannot be used', {
    ...PRIVATE,
    ...CREDENTIALS,
  }),

  // The network
  'next-hop-not-found': waits('operator', '4.3.5', 'the server has no address in the DNS'),
  'dns-unavailable': waits('next-hop', '4.4.3', 'the server could not be looked up in the DNS'),
  'connection-refused': waits('next-hop', '4.4.1', 'the server refused the connection'),
  unreachable: waits('next-hop', '4.4.1', 'the server could not be reached'),
  timeout: waits('next-hop', '4.4.2', 'the server did not answer in time'),
  'connection-lost': waits('next-hop', '4.4.2', 'the server ended the connection'),
  'tls-failed': waits('operator', '4.7.5', 'the server could not be spoken to by TLS'),
  aborted: waits('ours', '4.3.0', 'the server had not answered when our own time was up', NO_WORD),

  // SES's errors (core/reply/ses-rules.ts) and its later events (core/feedback/ses-event.ts)
  'ses-not-verified': waits('operator', '4.7.0', 'an address or domain of ours is not verified'),
  'ses-sending-paused': waits('operator', '4.7.0', 'sending is paused'),
  'ses-not-found': waits('operator', '4.3.5', 'a configuration set or identity of ours is missing', PRIVATE),
  'ses-access-denied': waits('operator', '4.7.0', 'a permission of ours is missing', PRIVATE),
  'ses-quota': waits('operator', '4.3.2', 'our sending quota is used up'),
  'ses-throttled': waits('next-hop', '4.3.2', 'the sending service was busy', { pace: 'short', ...LESS }),
  'ses-unavailable': waits('next-hop', '4.3.0', 'the sending service was not available'),
  'ses-bad-address': fails('recipient', '5.1.3', 'the sending service takes no such address'),
  'ses-rejected': fails('message', '5.7.1', 'the sending service rejected the message'),
  'ses-bad-message': fails('message', '5.6.0', 'the sending service could not read the message'),
  'ses-content-rejected': fails('message', '5.7.1', "the sending service rejected the message's content", CONTENT),
  'ses-rendering-failed': fails('message', '5.6.0', 'the sending service could not render the message'),
  'ses-address-not-valid': fails('recipient', '5.1.1', 'the sending service found the address not fit to be sent to'),
  'ses-suppressed': fails('recipient', '5.1.1', 'the address stands on a list of addresses that refused mail'),
  bounced: fails('recipient', '5.0.0', 'the message bounced', REPORTED),
  'reported-failed': fails('recipient', '5.0.0', 'a server on the way reported a failure', REPORTED),

  // Our own
  'content-unreadable': waits('ours', '4.3.0', 'the stored message could not be read', UNPROCESSED),
  poison: waits('ours', '5.3.0', 'the stored message could not be processed', UNPROCESSED),
  'never-attempted': waits('ours', '4.4.7', 'no attempt was made in time', NO_WORD),
  deadline: waits('ours', '4.3.0', 'the function ran out of time before the message was sent', NO_WORD),
  'no-room': waits('ours', '4.3.1', 'other messages under way held the memory that this one needed', {
    ...NO_WORD,
    pace: 'short',
  }),
  'next-hop-missing': waits('operator', '4.3.5', 'the configuration no longer names its next hop', {
    ...NO_WORD,
    pace: 'normal',
  }),
  'delivery-missing': waits('operator', '4.3.5', 'the delivery that the notice reports on is gone', {
    ...NO_WORD,
    pace: 'normal',
  }),
  'auto-replied': fails('message', '5.7.1', 'the message is an automatic answer itself'),

  // Decided before any attempt
  'no-route': fails('recipient', '5.1.1', 'there is no such recipient here'),
  'no-outbound-route': fails('operator', '5.7.1', 'no outbound route takes the recipient'),
  'bad-address': fails('recipient', '5.1.3', 'the address is not a mailbox'),
  loop: fails('recipient', '5.4.6', 'the message is in a loop'),
  'refused-by-route': fails('recipient', '5.7.1', 'the route refuses the recipient'),
  'discarded-by-route': fails('recipient', '5.0.0', 'the route discards what comes for the recipient'),
  'policy-virus': fails('message', '5.7.1', 'the message was found to carry a virus', POLICY),
  'policy-spam': fails('message', '5.7.1', 'the message was found to be spam', POLICY),
  'policy-dmarc': fails('sender', '5.7.1', 'the domain of the From field asks that the message be rejected', POLICY),
  'policy-unscanned': fails('ours', '5.7.1', 'the message could not be scanned', POLICY),
  'submission-malformed': fails('sender', '5.6.0', 'the submission is malformed'),
  'submitter-unknown': fails('sender', '5.7.1', 'the submitter is not known'),
  'foreign-sender': fails('sender', '5.7.1', 'the reverse-path is not one of the submitter'),
  'foreign-author': fails('sender', '5.7.1', 'the author is not one of the submitter'),
  'removed-by-operator': fails('operator', '5.7.1', 'the operator of the mail system removed the message'),
} as const satisfies Readonly<Record<string, ReasonRow>>;

export type TableReason = keyof typeof REASONS;
/** SES names the kinds of bounces, and may name new ones: `bounced-mailbox-full`. They all have the row `bounced`. */
export type Reason = TableReason | `bounced-${string}`;

/** The row of a reason as a ledger row has it; null for one of another version, which then means nothing but itself. */
export function reasonRow(reason: string | null): ReasonRow | null {
  if (reason === null) return null;
  if (Object.hasOwn(REASONS, reason)) return REASONS[reason as TableReason];
  return reason.startsWith('bounced-') ? REASONS.bounced : null;
}

/** `reason` in words for the sender: the table's, or the name itself where an older version gave it. */
export function inWords(reason: string | null): string | null {
  return reasonRow(reason)?.says ?? (reason === null ? null : reason.replaceAll('-', ' '));
}
