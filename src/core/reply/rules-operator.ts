// General rules for replies about us: our login, name, address, certificate, connector, licence and sending limits.
// Called by reply-rules.ts. The operator must correct these, so a message waits, and its sender is not told before the
// lifetime ends. No rule here makes a message fail.

import { BEFORE_MAIL, CONTENT, ENVELOPE, operators, type ReplyRule, stage, words } from './rule.ts';

/** Where the stage decides before any words do: the connection, STARTTLS and the login carry no message yet. */
export const operatorStageRules: readonly ReplyRule[] = [
  {
    // 4.7.0: Postfix smtp_sasl_proto.c
    ...stage('login-unavailable', '454 4.7.0 Temporary authentication failure: Connection lost to server'),
    phases: ['auth'],
    codes: [421, 450, 451, 454],
  },
  {
    ...stage('login-refused', '535 5.7.8 Error: authentication failed: authentication failure'),
    phases: ['auth'],
    codes: '5xx',
    statusAlways: '4.7.0',
  },
  {
    ...stage('login-refused', '432 4.7.12 A password transition is needed'),
    phases: ['auth'],
    codes: '4xx',
    statusAlways: '4.7.0',
  },
  {
    ...stage('tls-refused', '502 5.5.1 Error: command not implemented'),
    phases: ['starttls'],
    codes: '5xx',
    statusAlways: '4.7.0',
  },
  {
    ...stage('tls-unavailable', '454 4.7.0 TLS not available due to local problem'),
    phases: ['starttls'],
    codes: '4xx',
    statusIfNone: '4.7.0',
  },
];

const TLS_WANTED = words(
  '\\b(?:start ?tls|tls|ssl)\\b.{0,60}\\b(?:required|needed|mandatory|must|first|enforced|only)\\b',
  '\\b(?:requires?|required|must|needs?|only accepts?|issue|use)\\b.{0,60}\\b(?:start ?tls|tls|ssl)\\b',
  '\\b(?:session|connection|channel|transport) encryption\\b|\\bencrypt(?:ion|ed) (?:is |connections? )?(?:required|needed)\\b',
  '\\b(?:unencrypted|plain ?text|clear ?text|insecure) (?:connection|session|transport|smtp)',
);

const LOGIN_WANTED = words(
  '\\bauth(?:entication|enticated|ori[sz]ation)? (?:is |has been |turned )?(?:required|needed|mandatory|first|unsuccessful|failed|failure)\\b',
  '\\b(?:smtp )?auth (?:command )?(?:first|required)\\b',
  '\\brequires? (?:smtp |an? )?(?:auth|log ?in\\b)',
  '\\b(?:must|please|have to|need to) (?:first |be |turn on )?(?:smtp )?(?:auth|log ?in|sign in|issue an? auth)',
  "\\b(?:not|n't|n’t)(?: yet| been)? (?:logged[- ]?in|signed in|authenticated?)\\b",
  '\\b(?:unauthenticated|anonymous) (?:sender|client|user|connection|relay|mail|access|submission)',
  '\\bwithout (?:smtp )?(?:auth|logging in|a login)',
  '\\blog ?in (?:is )?(?:first|required|needed)\\b|\\bno (?:valid )?(?:login|credentials?)\\b',
  '\\b(?:username|user name|password|credentials?)\\b.{0,40}\\b(?:not accepted|invalid|incorrect|wrong|expired|required|missing)\\b',
  '\\b(?:invalid|bad|wrong|expired|missing) (?:login|credentials?|user ?name|password)\\b',
  '\\bauthentification (?:requise|obligatoire|n(?:é|e)cessaire)|\\banmeldung (?:erforderlich|n(?:ö|oe)tig)|\\bautenticaci(?:ó|o)n requerida\\b',
  '^(?:please )?authenticate\\b|\\bfailed to authenticate\\b|\\bunauthenticated commands\\b|\\bpop3?[- ]before[- ]smtp\\b|\\bsmtpclientauthentication\\b|\\bbasic auth',
);

/** The words after "not allowed" that make a text one about the sender that we name, not about the recipient. */
const SENDS_AS =
  '(?:(?:directly )?(?:send|submit|use|post|relay)(?:ing)?(?: (?:e-?mails?|mails?|messages?))?(?: directly)?(?: out)? (?:as|from|using|on behalf|with|via|through|this (?:sender|from|address|domain|server)|(?:in)?to (?:this|our) (?:servers?|system)|mail for this))';
const SENDER_NOT_OURS = words(
  'send[- ]?as ?denied|\\bsend(?:ing)? as (?:this|that|the|another|<|$)|\\bto send as\\b|\\bon behalf of\\b',
  '\\bnot owned by\\b|\\bsender mismatch\\b|\\bsender identity\\b|\\bdisallowed as\\b|\\bnot local sender\\b',
  '\\buser has no permission\\b|\\bnot authori[sz]ed to perform\\b|\\bunconfigured sending domain\\b|\\bnot a registered (?:gateway )?(?:user|sender)\\b|\\bsandbox\\b',
  `\\b(?:not|n't|un) ?(?:permitted|allowed|authori[sz]ed|entitled) (?:to )?${SENDS_AS}`,
  `\\b(?:no|not have|n't have|insufficient|lacks?) (?:the |any )?(?:permissions?|rights?|privileges?) (?:to )?${SENDS_AS}`,
  '\\b(?:sender|mail ?from|from|return[- ]path|envelope)\\b.{0,60}\\b(?:(?:does|do|is|did) ?(?:not|n.t)|must|should|has to) (?:match|belong|equal|be (?:the )?(?:same|equal)|(?:the )?same|one of)',
  '\\b(?:sender|from)\\b(?: e-?mail)?(?: address)?(?: domain)?(?: <>)? ?:? ?(?:is |was |are )?(?:not |un)(?:allowed|permitted|authori[sz]ed|registered|verified|one of|yours)\\b(?! (?:for|by|to (?:send|post|write|mail|e-?mail|deliver)))',
  '\\b(?:address(?:es)?|identit(?:y|ies)|domain)\\b.{0,20} (?:is|are) not verified\\b|\\bunverified (?:sender|from|domain)|\\bnot verified for (?:this|your) (?:account|user|login)\\b',
  '\\bonly (?:be )?(?:allowed |permitted |authori[sz]ed |able )?(?:to )?send(?: e-?mails?| mails?| messages?)? (?:from|as)\\b|\\b(?:not|n.t) (?:allowed|permitted|authori[sz]ed) for (?:the |this |your )?(?:account|login|user)\\b',
  '\\bunauthori[sz]ed (?:sender|from)\\b|\\bunregistered domains?\\b',
);

/** Around a word that is no label of a host's name. */
const BARE = '(?<![\\w.@]|(?<!no|missing)-)';
const BARE_END = '(?![\\w@]|\\.\\w|-(?!fail|check|hard|soft|record|error|policy|lookup)\\w)';

// The name that we say, and the names that our address has.
const NAME = words(
  '(?<![\\w.@=/-])(?:helo|ehlo)(?:ing)?(?![\\w@]|[.-]\\w)',
  '\\bneed fully[- ]qualified host ?name\\b|\\byour host ?name\\b.{0,40}\\b(?:invalid|not|reject|unknown)',
);
const REVERSE_NAME = words(
  `${BARE}(?:ptr|rdns)${BARE_END}`,
  '\\b(?:reverse[- ]?(?:dns|host ?name|lookup|mapping|name|record|resolution))\\b',
  '\\bcannot find your (?:reverse )?host ?name\\b|\\b(?:ip|host) ?name lookup failed\\b|\\bunresolvable (?:relay )?host',
  '\\bforward[- ](?:confirmed|dns)\\b|\\bno (?:host ?name|dns name) for\\b|\\bmismatches client ip\\b|\\bunverifyable sending ips?\\b',
);

const IPV4 = '\\b\\d{1,3}(?:\\.\\d{1,3}){3}\\b';
const LISTED_WORDS = '(?:block|black|list|bann?ed|bl[oi]quee|deni(?:ed|al)|rejected|refused|reputation|abus)';
/**
 * That our own address is on a list says nothing of this message. Kept apart from links in the content that are listed.
 */
const OUR_ADDRESS = words(
  '\\b(?:mails?|e-?mails?|messages?) from your (?:server|host|network|ip)\\b.{0,30}\\bnot (?:be )?(?:accepted|allowed|permitted|welcome)\\b|\\b(?:sending|your) (?:mail ?)?(?:server|host) (?:is |was )?not (?:permitted|allowed|authori[sz]ed|accepted)\\b',
  '\\b(?:errors|invalid recipients|unknown users) from your (?:ip|server|host|network)\\b|\\byou(?:r \\w+)? (?:are|is) on (?:our|my|the) (?:\\w+ )?(?:deny|block|black) ?list\\b',
  `\\b(?:client(?: host| address)?|sending (?:ip|server|host|mta|mail ?server)|sender'?s? ip|banned ip|(?:your|this|the|source|connecting|sending|relay|bad|ip) (?:ip|server|host|network|mail ?server|remotehost|mta)|ip ?address(?:es)?|adresse ip|part of their network)\\b.{0,120}${LISTED_WORDS}`,
  `${IPV4}.{0,120}${LISTED_WORDS}|\\b(?:messages?|mails?|connections?|e-?mails?|access) from (?:ip )?\\[?${IPV4}.{0,60}\\b(?:not|weren)`,
  `\\b(?:blocked|banned|black ?listed):? \\[?${IPV4}`,
  `\\bip[=:] ?${IPV4}|\\bbanned send(?:ing|er ?\\[)|\\bunauthori[sz]ed (?:ip|host|source)|\\bip (?:address )?(?:is )?not (?:in|on|allowed|permitted|authori)|\\binvalid ip for\\b`,
  '\\bclient host rejected\\b|\\bhost network not allowed\\b|\\bban(?:ned)? (?:your )?ip\\b|\\bbad (?:sender )?ip\\b',
  '\\b(?:poor|bad|low)\\b.{0,20}\\breputation\\b.{0,20}\\b(?:sender|ip|mta|server|host)\\b|\\b(?:ip|mta|server|host)\\b.{0,20}\\b(?:poor|bad|low) reputation\\b|\\blow reputation of the sending ip\\b|\\bip reputation\\b|\\b(?:an? )?open (?:relay|proxy)\\b|\\bip based\\b|\\bnot welcome here\\b',
  '\\bunusual rate of\\b|\\bdynamic(?:ally assigned)? ip|\\bsmtp server of your isp\\b|\\bnot (?:currently )?accepting mail from your\\b',
  '\\byour (?:remote ?host|server) (?:looks|requires)\\b|\\bopen proxy\\b|\\bsending mta\\b.{0,60}\\bnot passed\\b|\\bspams? from your ip\\b|\\bspam ips\\b|\\bip profile\\b',
  '\\b(?:not allowed|no permission) to connect\\b|\\byour access to\\b.{0,60}\\brejected\\b|\\bgeo(?:ip|graphical)\\b|\\bover ipv6\\b|\\btraffic not accepted from\\b',
);
const ON_A_LIST = words(
  '\\b(?:rbl|dnsbls?|uceprotect|ivmsip|invaluement|sip ?rbl|spamhaus|spamhaus-?xbl|xbl|shxbl|spamcop|barracudacentral|sorbs|ipcheck\\.proofpoint)\\b|\\bblack ?list(?:ed)?\\b|\\bblock ?list|\\bblocked using\\b',
);

/** The list names something in the message, or the sender's domain. */
const IN_THE_MESSAGE = words('\\b(?:urls?|links?|uris?|uribl|surbl|dbl|contains?|body|attachments?|query\\/domain)\\b');

const RELAYING = words(
  '\\buse me\\b.{0,60}\\bas a relay\\b|\\brelay(?:ing)?\\b.{0,40}\\b(?:denied|not permitted|not allowed|prohibited|disallowed|not available|rejected)\\b',
  '\\b(?:unable|not permitted|not allowed|not authori[sz]ed|not configured|refuse[sd]?|cannot|will not|do(?:es)? not|n.t|not) (?:to )?relay\\b|\\bno relaying\\b|\\brelay(?:ing)? verboten\\b|\\bnot found in (?:our|the) relay\\b|\\brelais (?:interdit|refus|non autoris)|\\bnot an open relay\\b|\\binsecure mail relay\\b',
  "\\ballowed rcpthosts?\\b|(?:n't|\\bnot) handle mail for\\b|\\bnot a gateway\\b|\\bdomain (?:is )?not (?:hosted|served|configured|handled|local) (?:here|on this)|\\bspecified domain is not allowed\\b|\\bcredentials for relay\\b|\\bnon-accepted domain\\b",
);

const CONNECTOR = words(
  'tenant(?:inbound)?attribution|\\bdirect send (?:is )?not allowed\\b|restrictdomainsto|\\bunauthori[sz]ed sources\\b|\\b(?:inbound|no|partner) connector\\b',
);
const TENANT = words(
  '\\btenant\\b.{0,60}\\b(?:exceeded|blocked|suspended|disabled|restricted|threshold)|\\bblocked by your organi[sz]ation\\b',
  "\\b(?:your|sender'?s?|sending|smtp) (?:e-?mail )?(?:account|subscription|service|organi[sz]ation)\\b.{0,60}\\b(?:suspend|disabled|blocked|locked|frozen|deactivated|restricted|not active)",
  '\\boutbound ?(?:spam|sender)|\\bunusual (?:sending|outbound) activity\\b|\\boutgoing (?:e-?mail |mail )?(?:is |has been )?blocked\\b|\\boutbounds? (?:is |are )?(?:disabled|blocked)\\b|\\bsending (?:is |has been )?(?:denied|disabled|suspended|paused|blocked)\\b|\\bmail from .{0,40}has been suspended\\b',
);
const LICENCE = words(
  '\\b(?:licen[cs]e[sd]?|subscriptions?|subscribed)\\b.{0,60}\\b(?:expired|exceeded|invalid|missing|required|limit|suspended|not)\\b',
  '\\btrial\\b.{0,30}\\b(?:expired|ended|over)\\b|\\bupgrade your (?:plan|account|subscription)\\b',
  '\\b(?:expired|invalid|valid|un|not|no)[ -]?(?:mail-enabled )?(?:licen[cs]ed?|subscri(?:ption|bed))',
);
const CERTIFICATE = words(
  '\\bcert(?:ificate)?s?\\b.{0,60}\\b(?:required|requested|invalid|expired|revoked|missing|mismatch|unknown|untrusted|rejected|not)\\b',
  '\\b(?:no|invalid|expired|untrusted|unverified|missing|valid|bad|requires? a|present a)(?: valid)?(?: client| tls)* cert',
);
const LIMIT = words(
  '\\b(?:send(?:ing)?|submission|outgoing|outbound|relay(?:ing)?|hourly|daily|monthly|per[- ](?:hour|day|minute|month)|rate|frequency|message (?:rate|submission))\\b.{0,50}\\b(?:limit(?:s|ed)?|quota|allowance|threshold)\\b',
  '\\b(?:limits?|quota|maximum|max)\\b.{0,50}\\b(?:send(?:ing)?|outgoing|outbound|hourly|daily|monthly|per[- ](?:hour|day|minute|month)|mails? sent|messages sent)\\b',
  '\\bsubmission ?quota ?exceeded|\\btoo many (?:messages|mails|e-?mails|connections|concurrent|sessions)\\b|\\bsent (?:to )?too many\\b|\\bexceeded\\b.{0,40}\\bout(?:going|bound) (?:messages|mails|e-?mails)\\b|\\bexceeded permitted limits\\b|\\bcredits exceeded\\b',
  '\\bexceeded\\b.{0,40}\\b(?:number of (?:messages|mails|e-?mails)|(?:message|mail|e-?mail|sending) rate)\\b|\\bthrottl(?:ed|ing)\\b|\\btoo many recipients (?:this|per|in (?:an?|one|the last)) (?:hour|day|minute)\\b',
);
/** A full mailbox, and the limits of one mailbox, are the recipient's. */
const THEIR_ROOM = words(
  "\\b(?:mailbox|disk|storage|inbox|size|hop|user is over|user has too many|recipient's|receive limit|receiving mail|incoming mail)\\b|\\brecipient has|\\bof recipients\\b|\\btoo (?:large|big)\\b|\\bfixed (?:limit|maximum)",
);
const SPF = words(`${BARE}spf${BARE_END}`, '\\bsender policy framework\\b|\\bsender id\\b|\\bpurported responsible\\b');

/** A day's limit does not pass within an hour: read before the codes about room and pace. */
export const dailyLimitRules: readonly ReplyRule[] = [
  operators('words-daily-limit', 'sending-limit', '452 4.5.3 Daily message limit exceeded', {
    codes: '4xx',
    text: words('\\b(?:daily|monthly|per[- ](?:day|month))\\b.{0,40}\\b(?:limit|quota)\\b'),
    unless: THEIR_ROOM,
  }),
];

/** Exchange Online's codes, each with an exact meaning. 5.7.606 to 649: banned addresses. */
const OURS_BY_STATUS =
  /^5\.7\.(?:3|4|10|11|23|25|30|5\d|6\d|228|23\d|506|507|508|510|511|513|6\d\d|7\d\d)$|^5\.2\.252$|^5\.1\.90$/;

const ANY_TIME = [...ENVELOPE, ...CONTENT];
const LOGIN = { phases: ANY_TIME, statusAlways: '4.7.0' } as const;

/** In this order, from the most exact words to the most general. */
export const operatorRules: readonly ReplyRule[] = [
  operators('words-tls-wanted', 'tls-wanted', '530 5.7.0 Must issue a STARTTLS command first', {
    ...LOGIN,
    phases: [...ENVELOPE, ...CONTENT, ...BEFORE_MAIL],
    text: TLS_WANTED,
  }),
  operators('code-login-wanted', 'login-wanted', '530 5.7.57 Client not authenticated to send mail', {
    ...LOGIN,
    codes: [523, 524, 525, 530, 534, 535, 538],
    unless: words('\\brecipient\\b'),
  }),
  operators(
    'words-spf',
    'spf-refused',
    '550 5.7.23 The message was rejected because of Sender Policy Framework violation',
    {
      codes: '5xx',
      text: SPF,
    },
  ),
  operators(
    'words-send-as',
    'send-as-refused',
    '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    {
      phases: ANY_TIME,
      text: SENDER_NOT_OURS,
    },
  ),
  operators('words-login-wanted', 'login-wanted', '550 5.7.1 Authentication required', {
    ...LOGIN,
    text: LOGIN_WANTED,
  }),
  operators('words-helo', 'helo-refused', '550 5.7.1 <in.test>: Helo command rejected: You are not me', {
    phases: ANY_TIME,
    text: NAME,
    unless: IN_THE_MESSAGE,
  }),
  operators(
    'words-reverse-name',
    'no-reverse-name',
    '550 5.7.25 The IP address sending this message does not have a PTR record setup',
    {
      text: REVERSE_NAME,
    },
  ),
  operators('words-connector', 'connector-unknown', '550 5.7.64 TenantAttribution; Relay Access Denied', {
    text: CONNECTOR,
  }),
  operators('words-relaying', 'relaying-denied', '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', {
    text: RELAYING,
  }),
  operators('words-our-address', 'our-address-listed', '550 5.7.606 Access denied, banned sending IP [192.0.2.1]', {
    codes: '5xx',
    text: OUR_ADDRESS,
  }),
  operators('words-address-list', 'our-address-listed', '554 5.7.1 Blocked by the DNSBL of example.net', {
    phases: [...BEFORE_MAIL, ...ENVELOPE],
    codes: '5xx',
    text: ON_A_LIST,
  }),
  operators(
    'words-address-list-content',
    'our-address-listed',
    '554 5.7.1 Blocked - see http://www.spamhaus.example/query/bl',
    {
      phases: CONTENT,
      codes: '5xx',
      text: ON_A_LIST,
      unless: IN_THE_MESSAGE,
    },
  ),
  operators('words-tenant', 'tenant-blocked', '550 5.7.705 Access denied, tenant has exceeded threshold', {
    text: TENANT,
  }),
  operators('words-sending-limit', 'sending-limit', '550 5.4.5 Daily user sending limit exceeded', {
    codes: '5xx',
    text: LIMIT,
    unless: THEIR_ROOM,
  }),
  operators('words-licence', 'licence-missing', '550 5.7.1 License limit exceeded', {
    phases: ANY_TIME,
    text: LICENCE,
    unless: words('\\b(?:recipient|user|to this (?:list|group))\\b'),
  }),
  operators('words-certificate', 'certificate-refused', '550 5.7.1 No valid client certificate', {
    phases: ANY_TIME,
    text: CERTIFICATE,
  }),
  // ── (a) Ours by that very status; after the words by which others use the same numbers ──
  operators('status-about-us', 'refused-to-us', '550 5.7.4 Security features not supported', {
    status: OURS_BY_STATUS,
    codes: '5xx',
  }),
  operators('status-mail-flood', 'sending-limit', '550 5.7.28 Mail flood detected', { status: /^5\.7\.28$/ }),
  operators('code-521', 'next-hop-takes-nothing', '521 5.3.2 System not accepting network messages', {
    phases: ANY_TIME,
    codes: [521],
  }),
  operators(
    'status-system-takes-nothing',
    'next-hop-takes-nothing',
    '550 5.3.2 System not accepting network messages',
    { status: /^5\.3\.[25]$/ },
  ),
  operators('words-protocol', 'commands-refused', '554 SMTP synchronization error', {
    codes: '5xx',
    text: words(
      '\\b(?:smtp )?protocol (?:error|violation|synchroni[sz]ation)|\\bsynchroni[sz]ation error\\b|\\bimproper use of smtp command pipelining\\b|\\bbad sequence of commands\\b|\\bcommand (?:not (?:recogni[sz]ed|implemented|allowed)|unrecogni[sz]ed|out of sequence)\\b',
    ),
  }),
  // A command that the server does not know, or not there: we and it do not understand each other.
  operators('code-command-refused', 'commands-refused', '503 5.5.1 Out of order', {
    phases: [...ENVELOPE, 'data'],
    codes: [500, 502, 503, 555],
    unless: words('\\b(?:recipient|user|mailbox|content|spam|virus)\\b'),
  }),
  {
    ...stage('greeting-refused', '554 mail.example.net No SMTP service here (Postfix: smtp_skip_5xx_greeting)'),
    phases: ['connect', 'greeting'],
    codes: '5xx',
  },
  { ...stage('ehlo-refused', '550 Access denied'), phases: ['ehlo'], codes: '5xx' },
];
