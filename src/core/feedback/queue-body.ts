// Tells apart the bodies of the feedback queue: SES's events about mail that we sent, and SES's own test of the way
// (lambdas/feedback.ts tells apart the jobs for mail to a return path first). Bare (raw delivery) or in SNS's envelope.
// It never skips a body that it does not know: that is malformed.

export type FeedbackBody =
  | { readonly kind: 'ses-event'; readonly json: unknown }
  /**
   * An identity's own notifications, without tags, so that they cannot be joined. They were switched on beside the
   * configuration set.
   */
  | { readonly kind: 'identity-notification'; readonly type: string; readonly sesMessageId: string | null }
  /** SES's test that it may publish, when the destination is made: nothing to do. */
  | { readonly kind: 'setup' }
  | { readonly kind: 'malformed'; readonly why: string };

const SETUP = /^Successfully validated SNS topic for Amazon SES/i;

export function feedbackBody(body: string): FeedbackBody {
  if (SETUP.test(body.trimStart())) return { kind: 'setup' };
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { kind: 'malformed', why: 'not JSON' };
  }
  const wrapped = member(json, 'Message');
  if (typeof wrapped === 'string' && member(json, 'TopicArn') !== undefined) return feedbackBody(wrapped);
  if (typeof member(json, 'eventType') === 'string') return { kind: 'ses-event', json };
  const type = member(json, 'notificationType');
  if (typeof type === 'string' && type !== 'Received') {
    const id = member(member(json, 'mail'), 'messageId');
    return { kind: 'identity-notification', type, sesMessageId: typeof id === 'string' ? id : null };
  }
  return { kind: 'malformed', why: 'no event of SES' };
}

function member(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}
