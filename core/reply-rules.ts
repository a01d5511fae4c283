// What replies mean, as data: the first rule that fits decides. Each stands here for a reply that a real server sent.
// No rule makes a 4xx permanent, and none makes an unknown reply anything but transient (see classify.ts for what fits no rule).

import type { Phase } from './reply.ts';

export type ReplyRule = {
  /** All that are given must fit. */
  readonly phases?: readonly Phase[];
  readonly codes?: '4xx' | '5xx' | readonly number[];
  /** The enhanced code that came with the reply, where its class agrees with the reply code. */
  readonly status?: RegExp;
  readonly text?: RegExp;

  readonly kind: 'deferred' | 'failed';
  /** Stable: it stands in ledgers and traces. `policy-…` is kept for our own policy (disposition.ts). */
  readonly reason: string;
  /** The status where the reply has none. */
  readonly statusIfNone?: string;
  /** The status whatever the reply has. */
  readonly statusAlways?: string;
  /** Ours to mend: alarmed, and never a refusal in the sender's eyes. */
  readonly operatorFault?: true;
  /** A reply that made this rule necessary. */
  readonly seen: string;
};

const BEFORE_MAIL: readonly Phase[] = ['connect', 'greeting', 'ehlo'];
const ENVELOPE: readonly Phase[] = ['mail', 'rcpt'];
const CONTENT: readonly Phase[] = ['data', 'content', 'final-dot'];

// That our own address is on a list says nothing of this message. Kept apart from links in the content that are listed.
const LISTED =
  /\b(?:rbl|dnsbl|spamhaus|spamcop|barracudacentral|sorbs)\b|\b(?:client host|sending ip|your ip|ip address|this ip|banned sending)\b.*\b(?:block|list|bann?ed|denied|reputation)/i;

export const replyRules: readonly ReplyRule[] = [
  // ── Our login and our encryption: configuration, never the sender's fault (4.7.0: Postfix smtp_sasl_proto.c) ──
  {
    phases: ['auth'],
    codes: [421, 450, 451, 454],
    kind: 'deferred',
    reason: 'login-unavailable',
    seen: '454 4.7.0 Temporary authentication failure: Connection lost to authentication server',
  },
  {
    phases: ['auth'],
    codes: '4xx',
    kind: 'deferred',
    reason: 'login-refused',
    statusAlways: '4.7.0',
    operatorFault: true,
    seen: '432 4.7.12 A password transition is needed',
  },
  {
    phases: ['auth'],
    codes: '5xx',
    kind: 'deferred',
    reason: 'login-refused',
    statusAlways: '4.7.0',
    operatorFault: true,
    seen: '535 5.7.8 Error: authentication failed: authentication failure',
  },
  {
    phases: ['starttls'],
    codes: '4xx',
    kind: 'deferred',
    reason: 'tls-refused',
    statusIfNone: '4.7.0',
    seen: '454 4.7.0 TLS not available due to local problem',
  },
  {
    phases: ['starttls'],
    codes: '5xx',
    kind: 'deferred',
    reason: 'tls-refused',
    statusAlways: '4.7.0',
    operatorFault: true,
    seen: '502 5.5.1 Error: command not implemented',
  },
  {
    phases: ENVELOPE,
    codes: [530],
    text: /tls/i,
    kind: 'deferred',
    reason: 'tls-wanted',
    statusAlways: '4.7.0',
    operatorFault: true,
    seen: '530 5.7.0 Must issue a STARTTLS command first',
  },
  {
    phases: ENVELOPE,
    codes: [530, 534, 535, 538],
    kind: 'deferred',
    reason: 'login-wanted',
    statusAlways: '4.7.0',
    operatorFault: true,
    seen: '530 5.7.57 Client not authenticated to send mail',
  },
  {
    phases: ENVELOPE,
    codes: '5xx',
    text: /\bauthentication (?:is )?required\b/i,
    kind: 'deferred',
    reason: 'login-wanted',
    statusAlways: '4.7.0',
    operatorFault: true,
    seen: '550 5.7.1 Authentication required',
  },

  // ── We are not welcome: the next hop's access list, or a block list. The operator's matter, not the sender's ──
  {
    phases: [...BEFORE_MAIL, ...ENVELOPE],
    codes: '5xx',
    text: LISTED,
    kind: 'deferred',
    reason: 'our-address-listed',
    operatorFault: true,
    seen: '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org',
  },
  {
    phases: ENVELOPE,
    codes: '5xx',
    status: /^5\.7\.(?:60[6-9]|6[1-4]\d|708)$/,
    kind: 'deferred',
    reason: 'our-address-listed',
    operatorFault: true,
    seen: '550 5.7.606 Access denied, banned sending IP [192.0.2.1]',
  },
  {
    phases: ENVELOPE,
    codes: '5xx',
    text: /\brelay(?:ing)?\b.{0,40}\b(?:denied|not permitted|not allowed|prohibited)\b|\b(?:unable|not permitted|not allowed|refuse) to relay\b/i,
    kind: 'deferred',
    reason: 'relaying-denied',
    operatorFault: true,
    seen: '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain',
  },
  {
    phases: ['connect', 'greeting'],
    codes: '5xx',
    kind: 'deferred',
    reason: 'greeting-refused',
    seen: '554 mail.example.net No SMTP service here (Postfix: smtp_skip_5xx_greeting)',
  },
  {
    phases: ['ehlo'],
    codes: '5xx',
    kind: 'deferred',
    reason: 'ehlo-refused',
    seen: '550 Access denied - Invalid HELO name',
  },

  // ── Room and size ──
  {
    phases: ['rcpt'],
    codes: [552],
    text: /\btoo many recipients\b/i,
    kind: 'deferred',
    reason: 'too-many-recipients',
    statusAlways: '4.5.3',
    seen: '552 Too many recipients (RFC 5321 §4.5.3.1.10: to be taken as 452)',
  },
  {
    status: /^[45]\.5\.3$/,
    codes: '4xx',
    kind: 'deferred',
    reason: 'too-many-recipients',
    seen: '452 4.5.3 Too many recipients',
  },
  { status: /^5\.2\.2$/, kind: 'failed', reason: 'mailbox-full', seen: '552 5.2.2 Mailbox full' },
  { status: /^4\.2\.2$/, kind: 'deferred', reason: 'mailbox-full', seen: '452 4.2.2 The email account is over quota' },
  {
    status: /^5\.(?:2\.3|3\.4)$/,
    kind: 'failed',
    reason: 'message-too-large',
    seen: '552 5.3.4 Message size exceeds fixed limit',
  },
  {
    codes: [552],
    text: /\bsize\b|\btoo (?:big|large)\b/i,
    kind: 'failed',
    reason: 'message-too-large',
    statusIfNone: '5.3.4',
    seen: '552 message size exceeds fixed maximum message size (RFC 1870 §6.2)',
  },
  {
    codes: [552],
    text: /\b(?:virus|attachment|content|spam|policy|executable)\b/i,
    kind: 'failed',
    reason: 'refused-by-policy',
    statusIfNone: '5.7.1',
    seen: '552 This message was blocked because its content presents a potential security issue (Gmail: 552-5.7.0)',
  },
  {
    codes: [552],
    kind: 'failed',
    reason: 'mailbox-full',
    statusIfNone: '5.2.2',
    seen: '552 Requested mail action aborted: exceeded storage allocation',
  },
  {
    codes: [452],
    text: /\b(?:quota|full|storage)\b/i,
    kind: 'deferred',
    reason: 'mailbox-full',
    statusIfNone: '4.2.2',
    seen: '452 requested action not taken: insufficient system storage',
  },

  // ── For now ──
  {
    codes: '4xx',
    text: /\bgr[ae]y-?\s?list/i,
    kind: 'deferred',
    reason: 'greylisted',
    seen: '450 4.2.0 <b@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example',
  },
  { codes: [421], kind: 'deferred', reason: 'service-closing', seen: '421 4.3.2 Service shutting down' },

  // ── The recipient, the sender, the message ──
  {
    codes: [556],
    kind: 'failed',
    reason: 'domain-takes-no-mail',
    statusIfNone: '5.1.10',
    seen: '556 5.1.10 Recipient address has null MX (RFC 7505)',
  },
  {
    status: /^5\.1\.(?:1|6)$/,
    kind: 'failed',
    reason: 'recipient-unknown',
    seen: '550 5.1.1 <b@example.com>: User unknown',
  },
  {
    status: /^5\.1\.10$/,
    kind: 'failed',
    reason: 'recipient-unknown',
    seen: '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup',
  },
  {
    status: /^5\.1\.[234]$/,
    kind: 'failed',
    reason: 'recipient-address-bad',
    seen: '501 5.1.3 Bad recipient address syntax',
  },
  {
    status: /^5\.1\.[78]$/,
    kind: 'failed',
    reason: 'sender-refused',
    seen: '553 5.1.8 <a@src.example>... Domain of sender address does not exist',
  },
  {
    status: /^5\.2\.1$/,
    kind: 'failed',
    reason: 'mailbox-disabled',
    seen: '550 5.2.1 The email account that you tried to reach is disabled',
  },
  {
    status: /^5\.4\.(?:6|14)$/,
    kind: 'failed',
    reason: 'next-hop-sees-loop',
    seen: '554 5.4.14 Hop count exceeded - possible mail loop',
  },
  { status: /^5\.6\./, kind: 'failed', reason: 'content-refused', seen: '554 5.6.0 Invalid message content' },
  {
    status: /^5\.7\./,
    kind: 'failed',
    reason: 'refused-by-policy',
    seen: "550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy",
  },
  {
    phases: CONTENT,
    codes: '5xx',
    text: /\b(?:spam|virus|malware|policy|content|blocked|rejected by filter)\b/i,
    kind: 'failed',
    reason: 'refused-by-policy',
    statusIfNone: '5.7.1',
    seen: '554 Message refused: it was identified as spam',
  },

  // ── By phase, where nothing more is known ──
  { codes: '4xx', kind: 'deferred', reason: 'refused-for-now', seen: '451 4.3.0 Temporary lookup failure' },
  { phases: ['mail'], codes: '5xx', kind: 'failed', reason: 'sender-refused', seen: '550 Sender refused' },
  { phases: ['rcpt'], codes: '5xx', kind: 'failed', reason: 'recipient-refused', seen: '550 No such user here' },
  { phases: CONTENT, codes: '5xx', kind: 'failed', reason: 'message-refused', seen: '554 Transaction failed' },
];
