// Names of the fields of mail (RFC 5322, RFC 4021, and those that mailers add). The reader of header sections calls it
// where a line is no field: a field of mail after that line says that the header section goes on. It never says what a
// field means.

const NAMES: ReadonlySet<string> = new Set(
  `accept-language apparently-to authentication-results auto-submitted autocrypt bcc cc comments date deferred-delivery
  delivered-to disposition-notification-to dkim-signature domainkey-signature encrypted envelope-to errors-to expires face
  feedback-id followup-to from importance in-reply-to keywords lines mail-followup-to message-id mime-version newsgroups
  old-return-path openpgp organization original-message-id path precedence priority received received-spf references reply-by
  reply-to require-recipient-valid-since return-path return-receipt-to sender sensitivity status subject thread-index
  thread-topic tls-required to user-agent`.split(/\s+/),
);
const FAMILIES = /^(?:x|content|list|resent|arc|bimi)-/;

/** `name` in lower case. */
export function isMailField(name: string): boolean {
  return NAMES.has(name) || FAMILIES.test(name);
}
