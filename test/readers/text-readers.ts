// Readers that are given text: a line, a field's value, an address, an answer.

import * as http from '#adapters/aws/http-message.ts';
import { readTokenAnswer } from '#adapters/oauth/token-request.ts';
import { pemBlocks } from '#adapters/pem.ts';
import { featuresOf } from '#adapters/smtp/features.ts';
import { challengeStatus } from '#adapters/smtp/token-login.ts';
import { withoutSecrets } from '#adapters/without-secrets.ts';
import { refOfDeliveryId } from '#core/delivery/delivery.ts';
import { feedbackBody } from '#core/feedback/queue-body.ts';
import * as statusPart from '#core/feedback/report-fields.ts';
import { hasForm } from '#core/feedback/report-forms.ts';
import { beginsOriginal } from '#core/feedback/report-original.ts';
import { partsIn } from '#core/feedback/report-parts.ts';
import { exactStatus, statusFrom, statusIn } from '#core/feedback/report-status.ts';
import * as words from '#core/feedback/report-text.ts';
import { readSesEvent } from '#core/feedback/ses-event.ts';
import * as address from '#core/message/address.ts';
import { readAddressList } from '#core/message/address-list.ts';
import * as author from '#core/message/authors.ts';
import { canarySentAt } from '#core/message/canary.ts';
import { contentTypeOf, parameterOf } from '#core/message/content-type.ts';
import { domainKeyOf, toDomainKey } from '#core/message/domain-key.ts';
import { fieldLines, folded, withoutReturns } from '#core/message/field-lines.ts';
import { isMailField } from '#core/message/field-names.ts';
import { cutText, plainText } from '#core/message/field-text.ts';
import { namedIn } from '#core/message/from-text.ts';
import { looksLikeHtml, textOfHtml } from '#core/message/html-text.ts';
import { isIdentity } from '#core/message/mime-regions.ts';
import { isAligned, organizationalDomain } from '#core/message/organizational-domain.ts';
import * as printable from '#core/message/printable.ts';
import { readArguments, readRecipients } from '#core/message/recipient-list.ts';
import { mendedAddressField, sesMailboxText } from '#core/message/ses-address.ts';
import { isSesHost } from '#core/message/ses-use.ts';
import * as encoding from '#core/message/text-encoding.ts';
import * as trace from '#core/message/trace-fields.ts';
import { isAutomatic } from '#core/notice/permission.ts';
import { normalised, plainView, viewsOf } from '#core/notice/text-views.ts';
import { isAuthorOf } from '#core/notice/vouching.ts';
import * as diagnostic from '#core/reply/diagnostic-code.ts';
import { parseStatus, statusOf } from '#core/reply/status.ts';
import { comesBack, readSrs, returnAddressOf, returnPathFor, srsAddress } from '#core/routing/return-path.ts';
import { parseMatch } from '#core/routing/routes.ts';
import { readNamedRecipients } from '#core/spool/named-recipients.ts';
import { spoolIdOf } from '#core/spool/orphan.ts';
import { readReceipt } from '#core/spool/receipt.ts';
import { dsnOfMail, dsnOfRcpt } from '#core/submission/dsn-parameters.ts';
import { loginNameShown } from '#core/submission/login-name.ts';
import { submissionAt } from '#core/submission/object-key.ts';
import { readSendmailArguments } from '#core/submission/sendmail-arguments.ts';
import * as command from '#core/submission/smtp-command.ts';
import { readSourceNetwork, sourceAddress } from '#core/submission/source-network.ts';
import { readSubmissionEvent } from '#core/submission/stored-event.ts';
import { parseSubmitter, readEnvelope, submissionOfKey, submissionOfSpoolId } from '#core/submission/submission.ts';
import { submittersByAddress } from '#core/submission/submitter-address.ts';
import { latin1, MAILBOX, quietly } from './feeding.ts';
import { of, type Reader } from './measure.ts';

const DAY_AND_SECRETS = { secrets: ['secret'], day: 20_000 };

function parsed(text: string): unknown {
  return quietly(() => JSON.parse(text));
}

function sesBounce(text: string): unknown {
  const bouncedRecipients = [{ emailAddress: text, action: text, status: text, diagnosticCode: text }];
  const bounce = { bounceType: 'Permanent', bounceSubType: text, bouncedRecipients, reportingMTA: text };
  return { eventType: 'Bounce', mail: { messageId: text, tags: { x: [text] }, timestamp: text }, bounce };
}

export const textReaders: Readonly<Record<string, Reader>> = {
  parseMailbox: of(address.parseMailbox, (text) => address.parseMailbox(`${text}@x`)),
  parseReversePath: of(address.parseReversePath, (text) => address.parseReversePath(`<${text}>`)),
  parseSubmittedPath: of(address.parseSubmittedPath, (text) => address.parseSubmittedPath(`<@${text}>`)),
  readAddressList: of(readAddressList, (text) => readAddressList(text, 50)),
  authorsOf: of(author.authorsOf),
  mailboxText: of((text) => author.mailboxText(text, MAILBOX)),
  contentTypeOf: of(
    (text) => contentTypeOf(text, 'text/plain'),
    (text) => contentTypeOf(`multipart/mixed; ${text}`, 'text/plain'),
  ),
  parameterOf: of((text) => parameterOf(contentTypeOf(`multipart/mixed; ${text}`, 'text/plain'), 'x')),
  readTokenAnswer: of(
    (text) => readTokenAnswer(200, text),
    (text) => readTokenAnswer(400, JSON.stringify({ error: text, error_description: text })),
    (text) => readTokenAnswer(200, JSON.stringify({ access_token: text, expires_in: text })),
  ),
  pemBlocks: of(pemBlocks, (text) => pemBlocks(`-----BEGIN ${text}-----BEGIN ${text}`)),
  challengeStatus: of(challengeStatus, (text) =>
    challengeStatus(Buffer.from(JSON.stringify({ status: text })).toString('base64')),
  ),
  withoutSecrets: of(
    (text) => withoutSecrets(text, ['correct horse battery staple', 'x'.repeat(2_000)]),
    (text) => withoutSecrets(text, ['xxxxxxxxxxxxy']),
  ),
  refOfDeliveryId: of(refOfDeliveryId),
  canarySentAt: of(canarySentAt),
  replyOfDiagnostic: of(
    (text) => diagnostic.replyOfDiagnostic(text, null),
    (text) => diagnostic.replyOfDiagnostic(`smtp; 550 ${text}`, null),
  ),
  replyOfText: of(
    (text) => diagnostic.replyOfText(text, null),
    (text) => diagnostic.replyOfText(`550-${text}\n550 ${text}`, null),
  ),
  diagnosticText: of(diagnostic.diagnosticText),
  domainKeyOf: of(domainKeyOf),
  toDomainKey: of(toDomainKey),
  dsnOfMail: of((envid) => dsnOfMail({ ret: 'FULL', envid, notify: null, orcpt: null })),
  dsnOfRcpt: of((orcpt) => dsnOfRcpt({ ret: null, envid: null, notify: null, orcpt: `rfc822;${orcpt}` })),
  feedbackBody: of(feedbackBody),
  fieldLines: of(
    (text) => fieldLines('Subject', ` ${latin1(text)}`),
    (text) => fieldLines('References', latin1(text)),
  ),
  withoutReturns: of(withoutReturns),
  folded: of(
    (text) => folded(latin1(text), true),
    (text) => folded(`X: ${latin1(text)}`, false),
  ),
  isMailField: of(isMailField),
  plainText: of(plainText),
  cutText: of(
    (text) => cutText(text, 600),
    (text) => cutText(text, 1_000_000),
  ),
  looksLikeHtml: of(looksLikeHtml),
  textOfHtml: of(textOfHtml, (text) => textOfHtml(`<html>${text}`)),
  loginNameShown: of(loginNameShown),
  isIdentity: of(isIdentity),
  readNamedRecipients: of(readNamedRecipients, (text) =>
    readNamedRecipients(JSON.stringify({ kind: 'named-recipients', version: 1, recipients: [text] })),
  ),
  isAutomatic: of(isAutomatic),
  oneLine: of(
    (text) => encoding.oneLine(text, 1_000_000),
    (text) => encoding.oneLine(text, 300),
  ),
  asciiLine: of((text) => encoding.asciiLine(text, 1_000_000)),
  isAscii: of(encoding.isAscii),
  octetsOf: of(encoding.octetsOf),
  foldedField: of((text) => encoding.foldedField('X', text)),
  unstructuredField: of((text) => encoding.unstructuredField('Subject', 'Undeliverable:', text)),
  encodedWords: of(encoding.encodedWords),
  isSevenBit: of(encoding.isSevenBit),
  spoolIdOf: { definitions: 1, runs: [(text) => spoolIdOf(`in/${text}`)] },
  printable: of(printable.printable),
  printableLines: of(printable.printableLines),
  printableJson: of(printable.printableJson),
  readReceipt: of(
    (text) => readReceipt(text, 'in/'),
    (text) => readReceipt(JSON.stringify({ Message: text, TopicArn: 'x' }), 'in/'),
  ),
  readRecipients: of(
    (text) => readRecipients([text], 'example.com'),
    (text) => readRecipients(text.split(' '), 'example.com'),
  ),
  readArguments: of(
    (text) => readArguments([text], 'example.com'),
    (text) => readArguments(text.split(' '), 'example.com'),
  ),
  looksLikeStatus: of(statusPart.looksLikeStatus),
  statusFields: of(statusPart.statusFields, (text) =>
    statusPart.statusFields(`Final-Recipient: x;${text}\nDiagnostic-Code: smtp;${text}`),
  ),
  originalFields: of(statusPart.originalFields),
  readBounceText: of(
    (text) => words.readBounceText(text, '', null),
    (text) => words.readBounceText(`This message could not be delivered:\n${text}`, text, text),
  ),
  wordsFor: of((text) => words.wordsFor(text, ['a@b.example'], true)),
  hasCode: of(words.hasCode),
  hasForm: of(hasForm),
  beginsOriginal: of(beginsOriginal),
  partsIn: of(partsIn, (text) => partsIn(`Content-Type: multipart/mixed; boundary=b\n\n${text}`)),
  statusIn: of(statusIn),
  statusFrom: of(
    (text) => statusFrom(text),
    (text) => statusFrom(`user ${text}`, '5'),
  ),
  exactStatus: of((text) => exactStatus(statusOf('5.0.0'), text)),
  readSrs: of(
    (text) => readSrs(text, DAY_AND_SECRETS),
    (text) => readSrs(`SRS1=${text}`, DAY_AND_SECRETS),
  ),
  comesBack: of((text) =>
    comesBack(
      MAILBOX,
      { returnPathDomain: 'r.example', notices: { from: MAILBOX.address } },
      { reversePath: text, autoSubmitted: text, routed: true },
    ),
  ),
  returnPathFor: of((localPart) =>
    returnPathFor(
      'srs',
      { ...MAILBOX, localPart },
      { ownDomains: [], srs: { ...DAY_AND_SECRETS, returnPathDomain: 'r.example' } },
    ),
  ),
  srsAddress: of((localPart) =>
    srsAddress({ ...MAILBOX, localPart: `SRS1=${localPart}` }, { ...DAY_AND_SECRETS, returnPathDomain: 'r.example' }),
  ),
  organizationalDomain: of(organizationalDomain),
  isAligned: of((text) => isAligned(text, `x${text}`)),
  namedIn: of(
    (text) => namedIn(text),
    (text) => namedIn(`a@${text}`),
  ),
  isAuthorOf: of((text) => isAuthorOf(MAILBOX, text)),
  isForPeople: of(address.isForPeople),
  returnAddressOf: of((localPart) => returnAddressOf({ ...MAILBOX, localPart })),
  parseMatch: of(parseMatch),
  readSendmailArguments: of(
    (text) => readSendmailArguments([text]),
    (text) => readSendmailArguments(text.split(' ')),
    (text) => readSendmailArguments(['-f', text, '-N', text]),
  ),
  mendedAddressField: of(
    (text) => mendedAddressField('To', text),
    (text) => mendedAddressField('To', `(${text}`),
  ),
  sesMailboxText: of((text) => sesMailboxText(text, MAILBOX)),
  readSesEvent: of(
    (text) => readSesEvent(parsed(text), 0),
    (text) => readSesEvent(sesBounce(text), 0),
  ),
  isSesHost: of(isSesHost),
  readSourceNetwork: of(readSourceNetwork, (text) => readSourceNetwork(`10.0.0.0/${text}`)),
  sourceAddress: of(sourceAddress, (text) => sourceAddress(`fe80::1%${text}`)),
  submittersByAddress: of((text) => submittersByAddress({ a: { from: ['10.0.0.0/8', text] } })(text)),
  greetingCommand: of(
    (text) => command.greetingCommand(`EHLO ${text}`, '127.0.0.1'),
    (text) => command.greetingCommand('EHLO', text),
  ),
  readMailCommand: of(
    (text) => command.readMailCommand(text, { bytesMax: 1 }),
    (text) => command.readMailCommand(`MAIL FROM:<${text}>`, { bytesMax: 1 }),
    (text) => command.readMailCommand(`MAIL FROM:<> ENVID=${text}`, { bytesMax: 1 }),
  ),
  readRcptCommand: of(
    (text) => command.readRcptCommand(`RCPT TO:<@${text}>`, { smtputf8: true, host: 'x' }),
    (text) => command.readRcptCommand(`RCPT TO:<a@b> ORCPT=utf-8;${text}`, { smtputf8: true, host: 'x' }),
  ),
  decodeXtext: of(command.decodeXtext),
  parseStatus: of(parseStatus),
  statusOf: of((text) => (parseStatus(text) === null ? null : statusOf(text))),
  readSubmissionEvent: of(readSubmissionEvent, (text) =>
    readSubmissionEvent(
      JSON.stringify({ Records: [{ eventSource: 'aws:s3', eventTime: text, s3: { object: { key: text } } }] }),
    ),
  ),
  submissionAt: of(submissionAt, (text) => submissionAt(`out/${text}.envelope.json`)),
  parseSubmitter: of(parseSubmitter),
  submissionOfSpoolId: of(submissionOfSpoolId),
  submissionOfKey: of(submissionOfKey, (text) => submissionOfKey(`out/${text}`)),
  readEnvelope: of(readEnvelope, (text) =>
    readEnvelope(JSON.stringify({ version: 1, reversePath: text, forwardPaths: [text], content: text })),
  ),
  normalised: of(normalised),
  plainView: of(
    (text) => plainView(text, false),
    (text) => plainView(latin1(text), true),
  ),
  viewsOf: of(
    (text) => viewsOf(text, false, ['a', '@']),
    (text) => viewsOf(latin1(text), true, ['b']),
  ),
  verifiedPass: of(
    (text) => trace.verifiedPass('key', text),
    (text) => trace.verifiedPass('key', `1 ${text}`),
  ),
  isNoticeMark: of((text) => trace.isNoticeMark('key', text)),
  featuresOf: of(
    (text) => featuresOf([text, text]),
    (text) => featuresOf(text.split(/\r?\n| /)),
    (text) => featuresOf(text.match(/.{1,16}/gs)?.map((part) => `AUTH ${part}`) ?? []),
  ),
  parseHead: of(
    (text) => quietly(() => http.parseHead(text)),
    (text) => quietly(() => http.parseHead(`HTTP/1.1 200 OK\r\n${text}`)),
  ),
};
