// General rules for replies about the recipient, the sender and the message, which are returned to the sender. Called
// by reply-rules.ts. Statuses and texts that leave no doubt decide before the general texts about us do. Rules that use
// only the stage stand last.

import { byStatus, CONTENT, ENVELOPE, FROM_RCPT_ON, others, type ReplyRule, stage, words } from './rule.ts';

const GONE_OR_BLOCKED =
  "(?:(?:does|do) ?(?:not|n't) exist|not (?:an? )?valid|not (?:found|exist|resolve)|unknown|could not be|cannot be|invalide?|unresolvable|unroutable|undeliverable|blocked|black ?listed|banned|reject(?:ed)?|refused|denied|spammer|malformed|verify failed|null mx|no mx)";
/**
 * The sender's address, or its domain, does not exist or is blocked. A sender that our login may not use is the
 * operator's fault (rules-operator.ts).
 */
const SENDER = words(
  `\\b(?:sender|originator|return[- ]path|emetteur)\\b.{0,80}\\b${GONE_OR_BLOCKED}\\b|\\bverification failed for\\b`,
  '\\b(?:invalid|unknown|bad|bogus|unroutable|unresolvable|blocked|banned|forged|verify) sender\\b|\\bfor sender address\\b|\\bbadmailfrom\\b',
);
/** At MAIL there is no other address to speak of. */
const SENDER_AT_MAIL = words(
  `\\b(?:from|domain|address)\\b.{0,80}\\b${GONE_OR_BLOCKED}\\b|\\b(?:invalid|unknown|bad|bogus|blocked|banned) (?:from|domain|address|return[- ]path)\\b`,
  "\\b(?:does|do)(?: not|n't) exist\\b|\\bno such (?:user|domain|address)\\b|\\buser unknown\\b|\\bunknown user\\b|\\bneed fully[- ]qualified\\b|\\bmx records? for\\b|\\bno (?:valid )?(?:mx|a|dns|address)(?: or (?:mx|a))? (?:record|entry)|\\b(?:has|have) no mx\\b|\\binvalid dns\\b|\\bblank from\\b|\\bnull mx\\b",
  '\\bbogus mail from\\b|\\bfully[- ]qualified (?:e-?mail )?address required\\b|\\brecursive cname\\b',
);
const SENDER_LISTED = words(
  '\\bsender (?:e-?mail )?(?:address|domain)\\b.{0,80}\\b(?:blocked using|black ?listed|listed (?:by|in|at))\\b|\\bsender (?:is )?black ?listed\\b|\\bsender is in (?:my|our) black ?list\\b|\\byour e-?mail address\\b.{0,40}\\bblack ?listed\\b|\\baddress that has been black ?listed\\b|\\bsenderfilterconfig\\b|\\b(?:mail ?from|from|sender.?s?|envelope) domain (?:is |was )?(?:black|block)?listed\\b|\\breputation of (?:a|the) (?:sender.?s? )?domain\\b|\\bthe (?:e-?mail|domain) .{0,80}\\bis black ?listed\\b',
);
/** Exchange's RESOLVER.RST is a restriction of one mailbox or group. */
const CLOSED_TO_STRANGERS = words(
  'resolver\\.rst\\.|\\bdelivery not authori[sz]ed\\b|\\b(?:not|n.t) (?:been )?authenticated (?:for|by)\\b|\\bnot authori[sz]ed for (?:group|mailbox|list)',
  "\\b(?:not|n't) (?:allowed|permitted|authori[sz]ed) to (?:send|post|write|mail|deliver)(?: (?:e-?mails?|mails?|messages?))? to (?!(?:this|our) (?:servers?|system))",
  "\\bpermissions? to (?:send|post|write)(?: (?:e-?mails?|mails?|messages?))? to\\b|\\bmembers[- ]only\\b|\\bnon-?subscribers?\\b|\\bclosed to (?:external|outside|posts)\\b|\\bnot a member\\b|\\bnon-?members?\\b|\\bnot in (?:the )?allowed|\\bisn.t on the recipient's list\\b|\\b(?:from|only|to) (?:authenticated|internal|known|authori[sz]ed|allowed) senders\\b|\\brecipient(?:.s)? (?:preferences?|settings|policy)\\b|\\bsubscribers? only\\b|\\bnot subscribed to this\\b",
);
const AUTHOR = words(
  // As words, not as labels of a host's name.
  '(?<![\\w.@-])(?:dmarc|dkim|arc)(?![\\w@-]|\\.\\w)|\\bauthentication (?:results|checks|information)\\b',
);
const FROM_FIELD = words(
  '\\bfrom: header\\b|\\bblank from\\b|\\b(?:missing|invalid|no|empty|multiple) (?:valid )?from:? (?:field|header)',
);
/** A server that called back the sender's address, and the result. */
const SENDER_VERIFIED = words(
  '\\bverification failed for\\b|\\bsender (?:address )?(?:verif|call-?out)|\\bsender\\b.{0,40}\\b(?:could|can) ?not be verified\\b',
);
const CONTENT_WORDS = words(
  '\\b(?:spam|spoof(?:ed|ing)?|virus|malware|phish(?:ing)?|polic(?:y|ies)|content|attachments?|blocked|unsolicited|ube|bulk|headers?|rejected by filter|filtered|urls?|links?|mime|bare (?:lf|cr|line ?feed)s?|line (?:length|too long)|lines? (?:is |are )?too long|rfc.compliant|malformed|dbl|surbl|uribl|executable|banned)\\b',
);
/** At RCPT the server has not seen the message: only a text that is never about a server counts. */
const CONTENT_AT_RCPT = words(
  '\\b(?:virus|malware|phish(?:ing)?|content|attachments?|flagged as spam|classified as spam)\\b',
);

/** (a) that very status or text, and (b) a status that decides alone, whatever text follows it. */
export const certainRules: readonly ReplyRule[] = [
  // ── (a) Theirs, in spite of words that could be about us ──
  others(
    'words-closed-to-strangers',
    'recipient-restricted',
    '550 5.7.1 RESOLVER.RST.AuthRequired; authentication required',
    {
      text: CLOSED_TO_STRANGERS,
      unless: /\b(?:start)?tls\b/i, // the operator must meet a recipient's policy that requires TLS
    },
  ),
  others(
    'status-closed-to-strangers',
    'recipient-restricted',
    '550 5.7.133 Sender not authenticated to send to this group',
    {
      codes: [500, 550, 551, 553, 554],
      status: /^5\.7\.(?:2|12|13|17|18|12\d|13[0-8])$|^5\.2\.12[12]$/,
    },
  ),
  others('words-sender-null-mx', 'sender-refused', '550 5.7.27 Sender address has null MX', {
    text: /\bsender\b.{0,60}\bnull mx\b/i,
  }),
  others('status-sender-blocked', 'sender-refused', '550 5.7.105 Mail from blocked sender; SenderFilterConfig list', {
    status: /^5\.7\.(?:105|50[123])$/,
  }),
  others(
    'words-sender-listed',
    'sender-refused',
    '554 5.7.1 Service unavailable; Sender address [a@src.example] blocked using dbl.example',
    {
      text: SENDER_LISTED,
      unless: /\bip\b/i,
    },
  ),
  others(
    'status-author-checks',
    'sender-unauthenticated',
    "550 5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy",
    {
      status: /^5\.7\.(?:2[01246]|32|40|509|515)$/,
    },
  ),
  others('words-author-checks', 'sender-unauthenticated', '550 5.7.1 Not accepted due to domain owner DMARC policy', {
    text: AUTHOR,
    unless: /\bptr\b/i,
  }),
  others('words-from-field', 'refused-by-policy', '550 5.7.1 Messages missing a valid address in From: header', {
    phases: CONTENT,
    text: FROM_FIELD,
  }),
  others('words-sender-verified', 'sender-refused', '550 Sender verify failed', { text: SENDER_VERIFIED }),
  others(
    'status-message-policy',
    'refused-by-policy',
    '550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant',
    {
      status: /^5\.7\.(?:504|505|512|9\d\d)$/,
    },
  ),
  // RFC 3463 §3.4: of the system's storage, and "useful only as a persistent transient error".
  {
    id: 'status-system-full',
    phases: ['rcpt', 'mail', ...CONTENT],
    codes: '5xx',
    status: /^5\.3\.1$/,
    unless: words('\\b(?:mail ?box|quota|user|account|storage allocation)\\b'),
    reason: 'refused-for-now',
    seen: '552 5.3.1 Mail system full',
  },
  // ── (b) A status of its own: by 4yz it is the same fault, and tried again ──
  byStatus('status-sender', 'sender-refused', '553 5.1.8 <a@src.example>... Domain of sender address does not exist', {
    status: /^[45]\.1\.[78]$/,
  }),
  byStatus(
    'status-sender-at-mail',
    'sender-refused',
    '550 5.1.1 <a@src.example>: Sender address rejected: User unknown',
    {
      phases: ['mail'],
      status: /^[45]\.1\.[1-6]$/,
    },
  ),
  byStatus('status-recipient', 'recipient-unknown', '550 5.1.1 <b@example.com>: User unknown', {
    status: /^[45]\.1\.[156]$/,
  }),
  others('status-5-4-1', 'recipient-unknown', '550 5.4.1 Recipient address rejected: Access denied', {
    status: /^5\.4\.1$/,
  }),
  others('status-5-1-10', 'recipient-unknown', '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found', {
    codes: [500, 501, 550, 551, 553, 554],
    status: /^5\.1\.10$/,
  }),
  others('code-556', 'domain-takes-no-mail', '556 5.1.10 Recipient address has null MX (RFC 7505)', {
    codes: [556],
    statusIfNone: '5.1.10',
  }),
  byStatus('status-recipient-syntax', 'recipient-address-bad', '501 5.1.3 Bad recipient address syntax', {
    status: /^[45]\.1\.[234]$/,
  }),
  byStatus(
    'status-mailbox-disabled',
    'mailbox-disabled',
    '550 5.2.1 The email account that you tried to reach is disabled',
    {
      phases: FROM_RCPT_ON,
      status: /^[45]\.2\.1$/,
    },
  ),
  byStatus('status-mailbox-full', 'mailbox-full', '552 5.2.2 Mailbox full', {
    phases: FROM_RCPT_ON,
    status: /^[45]\.2\.2$/,
  }),
  byStatus('status-list', 'list-not-expanded', '550 5.2.4 Mailing list expansion problem', { status: /^[45]\.2\.4$/ }),
  byStatus('status-size', 'message-too-large', '552 5.3.4 Message size exceeds fixed limit', {
    status: /^[45]\.(?:2\.3|3\.4)$/,
  }),
  byStatus('status-content', 'content-refused', '554 5.6.0 Invalid message content', { status: /^[45]\.6\./ }),
];

/** (c) words about the recipient, the sender or the message. */
export const othersRules: readonly ReplyRule[] = [
  others('code-552-size', 'message-too-large', '552 message size exceeds fixed maximum message size (RFC 1870 §6.2)', {
    codes: [552],
    text: /\b(?:size|length)\b|\b(?:larger?|big(?:ger)?|too long)\b/i,
    statusIfNone: '5.3.4',
  }),
  others(
    'code-552-content',
    'refused-by-policy',
    '552 This message was blocked because its content presents a potential security issue',
    {
      codes: [552],
      text: /\b(?:virus|attachment|content|spam|policy|executable)\b/i,
      statusIfNone: '5.7.1',
    },
  ),
  others('code-552', 'mailbox-full', '552 Requested mail action aborted: exceeded storage allocation', {
    phases: FROM_RCPT_ON,
    codes: [552],
    statusIfNone: '5.2.2',
  }),
  others('status-loop', 'next-hop-sees-loop', '554 5.4.14 Hop count exceeded - possible mail loop', {
    status: /^5\.4\.(?:6|14)$/,
  }),
  others('words-loop', 'next-hop-sees-loop', '554 Too many hops', {
    text: words(
      '\\btoo many (?:hops|"?received)|\\bhop count\\b|\\b(?:mail|routing|forwarding|e-?mail) loop\\b|\\bloops? (?:detected|back)\\b',
    ),
  }),
  others('words-size', 'message-too-large', '554 Message is too large', {
    text: words(
      '\\b(?:message|mail|e-?mail|content|attachments?|size)\\b.{0,60}\\b(?:too (?:large|big|long)|(?:larger|bigger) than|exceed(?:s|ed|ing)? .{0,30}\\b(?:size|limit|maximum)|size (?:limit )?exceeded)\\b',
    ),
    unless: words('\\b(?:per|rate|daily|hour|number|count|recipients)\\b'),
  }),
  others('words-content', 'refused-by-policy', '554 Message refused: it was identified as spam', {
    phases: CONTENT,
    text: CONTENT_WORDS,
    statusIfNone: '5.7.1',
  }),
  others('words-content-at-rcpt', 'refused-by-policy', '554 5.7.1 Flagged as spam', {
    phases: ['rcpt'],
    text: CONTENT_AT_RCPT,
  }),
  others('words-sender', 'sender-refused', '550 Sender refused', { phases: ENVELOPE, text: SENDER }),
  others('words-sender-at-mail', 'sender-refused', '553 src.example does not exist', {
    phases: ['mail'],
    text: SENDER_AT_MAIL,
  }),
];

/** (d) by the stage, where nothing more is known. At RCPT and later the outcome is marked `unrecognised`. */
export const othersStageRules: readonly ReplyRule[] = [
  { ...stage('refused-at-mail', '550 5.7.1 Access denied'), phases: ['mail'], codes: '5xx' },
  { ...stage('recipient-refused', '550 No.'), phases: ['rcpt'], codes: '5xx' },
  // A server's policy may refuse a message for its content: no notice returns the body.
  { ...stage('refused-by-policy', '550 5.7.1 Refused'), phases: CONTENT, codes: '5xx', status: /^5\.7\./ },
  { ...stage('message-refused', '554 Transaction failed'), phases: CONTENT, codes: '5xx' },
];
