// The fixed forms of mailers: opening lines that their programs print word for word, and that no person writes.
// Together with a mailer's signs (core/feedback/report-signs.ts) they make a text a report. A quoted line has no form.
// Called with lines that were cut short.

const FORMS = new RegExp(
  [
    // qmail, Postfix, Exim, Sendmail, Courier, OpenSMTPD, James, MDaemon, MailFoundry, SMTP32, LSMTP
    '^hi\\. this is the (qmail|deliver|mail)',
    '^this is the (mail system|postfix program|mailer-daemon|smtp server|mail delivery)',
    '^this message was (created automatically by|generated automatically by)\\b',
    '^a message that you (have )?sent\\b.{0,60}(could not be|was rejected|contained|has not|to the following)',
    '^-{2,}\\s?(the following addresses had|transcript of session follows|non-?delivery report|unsent message|message not delivered|failed recipients)',
    // Dovecot's and other Sieve filters' word (RFC 5429), in a notification that is about reading elsewhere
    '^your message to <[^<>]{1,300}> was automatically rejected',
    '^\\*{4,}\\s?message from interscan',
    '^mailenable: message could not be delivered',
    '^this is an automated message created by mail delivery software',
    '^(undeliverable mail|delays in delivering your message)$',
    '^hi!\\s{1,4}this is the mailer-daemon',
    '^the following (address(es)?|recipients?)(\\(s\\)|\\(es\\))? (failed|had|could not|cannot|were|was)\\b',
    '^an error was detected while processing the enclosed message',
    '^(delivery failed \\d+ attempts|invalid final delivery userid|user mailbox exceeds allowed size|undeliverable\\s{1,9}to\\s)',
    '^unable to deliver message to the following (address|recipient)',
    '^your message (has encountered delivery problems|could not be delivered to the following|was not delivered to|cannot be delivered to)',
    '^this is a delivery (failure|status|delay) notification',
    '^this is an automatically generated delivery (status )?(notification|failure|report)',
    '^this is an automatic(ally generated)? (message|e-?mail).{0,40}(could not be|not) delivered',
    '^this is an advisory-only email',
    // Exchange, Exchange Online, Domino
    '^your message did not reach (some|any|all|the)\\b',
    '^delivery has failed to (these|the following) recipients?',
    '^(diagnostic information for administrators|generating server):?',
    '^(informations de diagnostic pour les administrateurs|informazioni di diagnostica per gli amministratori|diagnoseinformationen für administratoren|información de diagnóstico para los administradores)',
    '^(échec de la remise (pour|à) ces destinataires|fehler bei der (nachrichten)?zustellung an|error de entrega a estos destinatarios|impossibile recapitare)',
    '^was not delivered to:?$',
    '^remote server returned\\b.{0,4}[\'"’<(]?[45]\\d\\d',
    // Gmail, Yahoo, SES, mail.ru, Mimecast, 1&1
    '^delivery to the following recipients? (has )?(failed|been delayed|was)',
    '^\\*\\* (address not found|message (not delivered|blocked|rejected|too large)|delivery incomplete|.{3,60}) \\*\\*$',
    '^technical details of (permanent|temporary) failure',
    '^sorry,? (we were )?unable to deliver your message to',
    '^i.m (sorry|afraid)( i| to|,).{0,60}(able to deliver|unable to deliver|have to inform you)',
    '^an error occurred while trying to deliver the mail to',
    '^this report relates to a message you sent',
  ].join('|'),
  'i',
);

export function hasForm(line: string): boolean {
  return FORMS.test(line.trim());
}
