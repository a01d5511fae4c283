// What SES's errors mean for a message (docs/aws-contracts.md §2.5), as data: the first rule that fits says so.
// By the error's name and message, because throttling has no class of its own. What no rule knows is transient, counted and alarmed.
// Nothing that is ours to mend (identities, pauses, permissions, quotas) is ever blamed on the sender.

import { detailTextMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import type { Outcome } from './outcome.ts';
import type { ServiceFault } from './reply.ts';
import { type Status, statusOf } from './status.ts';

type Rule = {
  readonly names?: RegExp;
  readonly text?: RegExp;
  /** HTTP status codes. */
  readonly http?: RegExp;
  readonly reason: string;
  readonly status: string;
  readonly kind: 'operator' | 'short' | 'hours' | 'failed' | 'unknown-result';
};

/** In this order. The status is of class 4 for what waits and of class 5 for what fails. */
export const sesErrorRules: readonly Rule[] = [
  // In the sandbox recipients are checked too: that is the operator's to mend as well.
  { text: /not verified|failed the check in region/i, reason: 'ses-not-verified', status: '4.7.0', kind: 'operator' },
  {
    text: /sending (?:has been |is )?(?:suspended|paused|disabled)|account is (?:paused|suspended)|shut ?down/i,
    reason: 'ses-sending-paused',
    status: '4.7.0',
    kind: 'operator',
  },
  {
    names: /^(?:AccountSendingPaused|ConfigurationSetSendingPaused|SendingPaused|AccountSuspended)(?:Exception)?$/,
    reason: 'ses-sending-paused',
    status: '4.7.0',
    kind: 'operator',
  },
  { names: /^MailFromDomainNotVerified(?:Exception)?$/, reason: 'ses-not-verified', status: '4.7.0', kind: 'operator' },
  {
    names: /^(?:ConfigurationSetDoesNotExist(?:Exception)?|NotFoundException)$/,
    reason: 'ses-not-found',
    status: '4.3.5',
    kind: 'operator',
  },
  {
    names:
      /^(?:AccessDenied|ExpiredToken|UnrecognizedClient|NotAuthorized)(?:Exception)?$|^(?:InvalidClientTokenId|SignatureDoesNotMatch|RequestExpired|CredentialsProviderError)$/,
    reason: 'ses-access-denied',
    status: '4.7.0',
    kind: 'operator',
  },
  { http: /^40[13]$/, reason: 'ses-access-denied', status: '4.7.0', kind: 'operator' },
  { names: /^LimitExceededException$/, reason: 'ses-quota', status: '4.3.2', kind: 'hours' },
  {
    names: /^(?:Throttling|ThrottlingException|TooManyRequestsException)$/,
    text: /daily|quota/i,
    reason: 'ses-quota',
    status: '4.3.2',
    kind: 'hours',
  },
  {
    names: /^(?:Throttling|ThrottlingException|TooManyRequestsException|RequestThrottled|SlowDown)$/,
    reason: 'ses-throttled',
    status: '4.3.2',
    kind: 'short',
  },
  { http: /^429$/, reason: 'ses-throttled', status: '4.3.2', kind: 'short' },
  { http: /^5\d\d$/, reason: 'ses-unavailable', status: '4.3.0', kind: 'unknown-result' },
  {
    names: /^(?:InternalFailure|InternalServiceError|ServiceUnavailable|ServiceUnavailableException)$/,
    reason: 'ses-unavailable',
    status: '4.3.0',
    kind: 'unknown-result',
  },
  {
    names: /^(?:MessageRejected|BadRequestException|InvalidParameterValue|ValidationError)$/,
    text: /message length|message is too (?:large|long)|exceed\w* .*size|size .*exceed/i,
    reason: 'size-exceeded',
    status: '5.3.4',
    kind: 'failed',
  },
  {
    names: /^(?:MessageRejected|BadRequestException|InvalidParameterValue|ValidationError)$/,
    text: /illegal address|invalid (?:recipient|address|domain)|missing final '@domain'|local address contains|domain (?:name )?(?:contains|starts|ends)/i,
    reason: 'ses-bad-address',
    status: '5.1.3',
    kind: 'failed',
  },
  { names: /^MessageRejected$/, reason: 'ses-rejected', status: '5.7.1', kind: 'failed' },
  {
    names: /^(?:BadRequestException|InvalidParameterValue|ValidationError|InvalidParameterCombination)$/,
    reason: 'ses-bad-message',
    status: '5.6.0',
    kind: 'failed',
  },
];

export function fromServiceFault(fault: ServiceFault): Outcome {
  const rule = sesErrorRules.find((each) => fits(each, fault));
  const said = plainText(`SES (${fault.host ?? 'no endpoint'}) ${fault.name}: ${fault.text}`);
  const detail = said.length <= detailTextMax ? said : `${said.slice(0, detailTextMax - 1).toWellFormed()}…`;
  if (rule === undefined) return deferred('unknown-reply', statusOf('4.5.0'), detail, {});
  const status = statusOf(rule.status);
  switch (rule.kind) {
    case 'failed':
      return { kind: 'failed', reason: rule.reason, status, reply: null, detail };
    case 'operator':
      return deferred(rule.reason, status, detail, { operatorFault: true, pace: 'long' });
    case 'hours':
      return deferred(rule.reason, status, detail, { operatorFault: true, pace: 'long' });
    case 'short':
      return deferred(rule.reason, status, detail, { pace: 'short' });
    case 'unknown-result':
      return deferred(rule.reason, status, detail, { possibleDuplicate: true });
  }
}

function fits({ names, text, http }: Rule, fault: ServiceFault): boolean {
  if (names !== undefined && !names.test(fault.name)) return false;
  if (text !== undefined && !text.test(fault.text)) return false;
  return http === undefined || http.test(String(fault.statusCode ?? ''));
}

function deferred(
  reason: string,
  status: Status,
  detail: string,
  more: { operatorFault?: boolean; possibleDuplicate?: boolean; pace?: 'short' | 'long' },
): Outcome {
  return {
    kind: 'deferred',
    reason,
    status,
    reply: null,
    detail,
    possibleDuplicate: more.possibleDuplicate ?? false,
    operatorFault: more.operatorFault ?? false,
    ...(more.pace === undefined ? {} : { pace: more.pace }),
  };
}
