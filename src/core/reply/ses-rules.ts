// What SES's errors mean for a message (docs/aws-contracts.md §2.5), as data: the first rule that fits decides. Called
// by classify.ts. It reads the error's name and message, because throttling has no class of its own. An error that no
// rule knows is transient, counted and alarmed. Errors that the operator must correct (identities, pauses, permissions,
// quotas) are never blamed on the sender.

import { detailTextMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import { deferredFor, failedFor, type Outcome } from './outcome.ts';
import { REASONS, type TableReason } from './reasons.ts';
import type { ServiceFault } from './reply.ts';

type Rule = {
  readonly names?: RegExp;
  readonly text?: RegExp;
  /** HTTP status codes. */
  readonly http?: RegExp;
  readonly reason: TableReason;
  /** It broke while it worked: the message may have been taken. */
  readonly mayHaveTaken?: true;
};

/** In this order. The reason's row says whether the delivery waits or fails, and at which pace. */
export const sesErrorRules: readonly Rule[] = [
  // The sandbox checks recipients too: the operator must leave it.
  { text: /not verified|failed the check in region/i, reason: 'ses-not-verified' },
  {
    text: /sending (?:has been |is )?(?:suspended|paused|disabled)|account is (?:paused|suspended)|shut ?down/i,
    reason: 'ses-sending-paused',
  },
  {
    names: /^(?:AccountSendingPaused|ConfigurationSetSendingPaused|SendingPaused|AccountSuspended)(?:Exception)?$/,
    reason: 'ses-sending-paused',
  },
  { names: /^MailFromDomainNotVerified(?:Exception)?$/, reason: 'ses-not-verified' },
  {
    names: /^(?:ConfigurationSetDoesNotExist(?:Exception)?|NotFoundException)$/,
    reason: 'ses-not-found',
  },
  {
    names:
      /^(?:AccessDenied|ExpiredToken|UnrecognizedClient|NotAuthorized)(?:Exception)?$|^(?:InvalidClientTokenId|SignatureDoesNotMatch|RequestExpired|CredentialsProviderError)$/,
    reason: 'ses-access-denied',
  },
  { http: /^40[13]$/, reason: 'ses-access-denied' },
  { names: /^LimitExceededException$/, reason: 'ses-quota' },
  {
    names: /^(?:Throttling|ThrottlingException|TooManyRequestsException)$/,
    text: /daily|quota/i,
    reason: 'ses-quota',
  },
  {
    names: /^(?:Throttling|ThrottlingException|TooManyRequestsException|RequestThrottled|SlowDown)$/,
    reason: 'ses-throttled',
  },
  { http: /^429$/, reason: 'ses-throttled' },
  { http: /^5\d\d$/, reason: 'ses-unavailable', mayHaveTaken: true },
  {
    names: /^(?:InternalFailure|InternalServiceError|ServiceUnavailable|ServiceUnavailableException)$/,
    reason: 'ses-unavailable',
    mayHaveTaken: true,
  },
  {
    names: /^(?:MessageRejected|BadRequestException|InvalidParameterValue|ValidationError)$/,
    text: /message length|message is too (?:large|long)|exceed\w* .*size|size .*exceed/i,
    reason: 'size-exceeded',
  },
  {
    names: /^(?:MessageRejected|BadRequestException|InvalidParameterValue|ValidationError)$/,
    text: /illegal address|invalid (?:recipient|address|domain)|missing final '@domain'|local address contains|domain (?:name )?(?:contains|starts|ends)/i,
    reason: 'ses-bad-address',
  },
  { names: /^MessageRejected$/, reason: 'ses-rejected' },
  {
    names: /^(?:BadRequestException|InvalidParameterValue|ValidationError|InvalidParameterCombination)$/,
    reason: 'ses-bad-message',
  },
];

export function fromServiceFault(fault: ServiceFault): Outcome {
  const rule = sesErrorRules.find((each) => fits(each, fault));
  const said = plainText(`SES (${fault.host ?? 'no endpoint'}) ${fault.name}: ${fault.text}`);
  const detail = said.length <= detailTextMax ? said : `${said.slice(0, detailTextMax - 1).toWellFormed()}…`;
  if (rule === undefined) return deferredFor('unknown-reply', detail);
  if (REASONS[rule.reason].permanent === true)
    return failedFor(rule.reason, detail, { unrecognised: rule.text === undefined });
  return deferredFor(rule.reason, detail, { possibleDuplicate: rule.mayHaveTaken === true });
}

function fits({ names, text, http }: Rule, fault: ServiceFault): boolean {
  if (names !== undefined && !names.test(fault.name)) return false;
  if (text !== undefined && !text.test(fault.text)) return false;
  return http === undefined || http.test(String(fault.statusCode ?? ''));
}
