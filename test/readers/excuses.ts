// What takes text and is not measured, each with its reason. By file where a whole file is of one kind, by name else.
// An excuse that nobody needs is a finding.

/** What the file's path holds → why. */
export const EXCUSED_FILES: Readonly<Record<string, string>> = {
  'src/config/': 'reads the configuration, which the operator wrote',
  'src/adapters/memory/': 'stands in for a service in tests; it reads nothing',
  'src/adapters/aws/':
    'hands rows, names and bytes that were bounded before to the SDK; http-message.ts reads what AWS answers',
  'src/adapters/trace-split': 'moves trace events that we wrote',
  'src/cli/operate': "an operator's own words, and rows that we wrote",
  'src/cli/doctor': "an operator's own words and secrets, and what AWS answers",
  'src/cli/find-instance': "an operator's own words",
  'src/cli/select': "an operator's own words",
  'src/cli/resubmit': "an operator's own words",
  'src/cli/exit': "an operator's own words",
  'src/cli/dns': "an operator's own words, and answers of the DNS, which its message of 64 KiB bounds",
  'src/cli/connector-facts': "an operator's own words and certificate",
  'src/cli/trace.ts': "an operator's own words",
  'src/cli/verb': "an operator's own words",
};

/** Reason → names, as `name` or `Class.method`; `name×2` for two definitions. */
const BY_REASON: Readonly<Record<string, string>> = {
  'takes a mailbox, whose parts parseMailbox bounded':
    'addressField authorsIn authorDecision authorEvidence ownerOf isOwn noticeCounts fromAddress toField identitiesOf mayUsePath tokenAddress',
  'takes our own names: of hosts and their addresses, files, keys, settings or ids': `destinationOf leavesBySes isPauseWord neverPaused pausedAs resumedBy noticeKeyOf canaryKeyOf noCanaries afterArrivals composeCanary isInWindow signed isSigned periodOf digestMessageId noticeMessageId newDigest roundOf afterPage tokenOf passMark noticeMark
    isVerified identityNames sendingIdentities sesHost submitterOutput placeOfEnvelope FileSecrets.credentials wantsCopy
    unknownHealth unknownTurns withoutPlace takesNothing noFailures withFailure reachableAt25 isPrivateV4 Hosts.addressesOf Hosts.failed Hosts.answered Hosts.settle Search.wasAsked Identity.show
    relayFields writeSubmissionEvent namedRecipientsBody writeEnvelope statusText noticeStatus disposition`,
  'puts a reason and a line, which were bounded before, into a row': `deferredFor failedFor reasonRow inWords discarded refused stillHeld failedAtBirth newNotice withNoticeQueued withNoticeWithheld
    traced withDelayOrSuccessNoticeWithheld afterFact returnSettled sentOnToPostmaster orphanFacts placeholderFor lostCanary doneBy`,
  'holds rules and texts of ours': 'operators others byStatus words stage rowOf englishRefusedUs',
  'writes the lines of a digest from counts, names of ours, and replies that a row bounds':
    'digestWaiting waitingLines',
  'asks one status, which was read before': 'speaksForItself',
  'makes a pattern of the routed address, which a mailbox bounds; scrubber runs it':
    'wholeAddress localAnywhere domainAlone localAlone addressAlone',
  'looks at one place of a view': 'startOf endOf',
  'counts, and reads no text': 'fairShares messagesAmong wholeMessages isJunk isFault',
  "reads what an error of the SDK's or of Node's says of itself":
    'fromServiceFault certificateAlert isNoConnection wasConnected',
  'looks at one member of an event that Lambda parsed': 'isKeepAlive',
  'hands bytes to a socket, a file or a stream; the bytes are read by what is measured': `sendContent Intake.write keepDeadLetter standardStreams passOverBrokenPipe SmtpWire.send
    SmtpWire.take SmtpWire.end SmtpWire.fail DotStuffer.end Dialogue.plan receive logIn`,
  'takes a reply that SmtpReplyReader bounded':
    'accepted answerResult networkResult Results.one Results.rest decisive Search.failed',
  'is given our own secret, or a part of it':
    'SmtpReplyReader.hide SmtpWire.hide secretMistake secretMembers textIn formsOf bearerResponse Tokens.refused',
  'looks a name up, and compares it':
    'LoginGuard.login LoginGuard.isShut LoginGuard.failed LoginGuard.succeeded Callers.isTooOldFor Callers.secured',
  'calls readMailCommand and readRcptCommand, which are measured, with a line that the package bounds':
    'SubmissionTransactions.mail SubmissionTransactions.rcpt SubmissionTransactions.data SubmissionTransactions.auth Callers.auth',
  "takes a connection's address, as the socket gives it": 'Callers.oldTlsFor makeExact',
  "takes an operator's own arguments": 'logLine identityTerms',
  'is wiring: its arguments are read by readSendmailArguments, its message by what sendmail-message.ts exports':
    'whereTo',
  'shows rows that we wrote, by printable, which is measured': 'traceJson',
};

export const EXCUSED: ReadonlyMap<string, number> = new Map(
  Object.values(BY_REASON)
    .flatMap((names) => names.split(/\s+/))
    .map((name) => {
      const [bare = name, count] = name.split('×');
      return [bare, Number(count ?? 1)] as const;
    }),
);
