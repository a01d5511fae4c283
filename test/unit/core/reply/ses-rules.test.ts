// What each of SES's errors means for a message, as docs/aws-contracts.md §2.5 has it; and how soon the next attempt
// is.

import { describe, expect, it } from 'vitest';
import { pacedSchedule } from '#core/delivery/retry-schedule.ts';
import { classify } from '#core/reply/classify.ts';

const fault = (name: string, text = '', statusCode: number | null = 400) =>
  classify({ kind: 'service', name, text, statusCode, host: 'email.eu-west-1.amazonaws.com' });

describe('an error of SES', () => {
  it.each([
    [
      'MessageRejected',
      'Email address is not verified. The following identities failed the check in region X: a@b',
      400,
      'ses-not-verified',
    ],
    ['MessageRejected', 'Sending suspended for this account.', 400, 'ses-sending-paused'],
    ['AccountSendingPausedException', '', 400, 'ses-sending-paused'],
    ['SendingPausedException', '', 400, 'ses-sending-paused'],
    ['AccountSuspendedException', '', 400, 'ses-sending-paused'],
    ['MailFromDomainNotVerifiedException', '', 400, 'ses-not-verified'],
    ['ConfigurationSetDoesNotExistException', '', 400, 'ses-not-found'],
    ['NotFoundException', 'Configuration set <x> does not exist.', 404, 'ses-not-found'],
    ['AccessDeniedException', '', 403, 'ses-access-denied'],
    ['AccessDenied', '', 403, 'ses-access-denied'],
    ['ExpiredTokenException', '', 403, 'ses-access-denied'],
    ['UnrecognizedClientException', '', 403, 'ses-access-denied'],
    ['LimitExceededException', '', 400, 'ses-quota'],
    ['Throttling', 'Daily message quota exceeded.', 400, 'ses-quota'],
    ['ThrottlingException', 'Daily message quota exceeded.', 400, 'ses-quota'],
  ])('%s (%s) is ours to mend: it waits, with an alarm', (name, text, http, reason) => {
    expect(fault(name, text, http)).toMatchObject({
      kind: 'deferred',
      reason,
      operatorFault: true,
      pace: 'long',
      reply: null,
    });
  });

  it.each([
    ['Throttling', 'Maximum sending rate exceeded.', 400],
    ['ThrottlingException', 'Maximum sending rate exceeded.', 400],
    ['TooManyRequestsException', '', 429],
  ])('%s (%s) comes again soon', (name, text, http) => {
    expect(fault(name, text, http)).toMatchObject({
      kind: 'deferred',
      reason: 'ses-throttled',
      operatorFault: false,
      pace: 'short',
    });
  });

  it.each([
    ['InternalFailure', 500],
    ['ServiceUnavailable', 503],
    ['UnknownError', 502],
  ])('%s (%d) leaves it open whether the message was taken', (name, http) => {
    expect(fault(name, '', http)).toMatchObject({ kind: 'deferred', possibleDuplicate: true, operatorFault: false });
  });

  it.each([
    ['MessageRejected', 'Content contains a virus', '5.7.1'],
    ['BadRequestException', "Duplicate header 'Subject'.", '5.6.0'],
    ['BadRequestException', "Message length is more than 41943040 bytes long: '1'.", '5.3.4'],
    ['InvalidParameterValue', "Missing final '@domain'", '5.1.3'],
  ])('%s (%s) is final', (name, text, status) => {
    expect(fault(name, text)).toMatchObject({ kind: 'failed', status, reply: null });
  });

  it('that nobody knows is transient and counted', () => {
    expect(fault('TeapotException', '', 418)).toMatchObject({
      kind: 'deferred',
      reason: 'unknown-reply',
      status: '4.5.0',
    });
  });
});

describe('a pace of its own', () => {
  const schedule = [1, 5, 15, 30, 60, 120, 240];
  it.each([
    [undefined, schedule, schedule],
    ['short', schedule, [1, 5, 5, 5, 5, 5, 5]],
    ['long', schedule, [60, 60, 60, 60, 60, 120, 240]],
    ['long', [1], [1]],
    ['short', [], []],
  ] as const)('%s of %j is %j', (pace, given, wanted) => {
    expect(pacedSchedule(given, pace)).toEqual(wanted);
  });
});
