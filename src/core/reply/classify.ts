// From what an attempt found out to what follows: relayed, deferred or failed. The rules for replies are data in rules.ts.
// Whatever is not understood is transient: bounded by the message's lifetime, counted, alarmed. Never "no idea, so reject".

import { detailTextMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import type { Outcome } from './outcome.ts';
import type { AttemptResult, CapabilityFault, NetworkFault, Phase, Reply, ServiceFault } from './reply.ts';
import type { ReplyRule } from './rule.ts';
import { replyRules } from './rules.ts';
import { fromServiceFault } from './ses-rules.ts';
import { parseStatus, type Status, statusOf } from './status.ts';

/** The content broke off while it was being sent, before the final dot: nothing was accepted. */
export type ContentFault = { readonly kind: 'content'; readonly cause: string; readonly detail: string };

export type ClassifyContext = {
  /**
   * False while another host of the same next hop is still to be tried: what this one refuses for good is then only deferred, and
   * the other one decides (Postfix likewise). Default true.
   */
  readonly isLastHost?: boolean;
  /** Bytes of the message as sent; named beside the server's limit when it is too large for it. */
  readonly messageBytes?: number | null;
};

type Deferred = Extract<Outcome, { kind: 'deferred' }>;

/**
 * The outcome of one attempt. A deferred outcome's status is always of class 4 and a failed one's of class 5, so that an expiry can
 * report "the last real 4.y.z" (RFC 3463 §3.5 on X.4.7); the reply itself travels unchanged.
 */
export function classify(result: AttemptResult | ServiceFault | ContentFault, context: ClassifyContext = {}): Outcome {
  const outcome = decide(result, context);
  if (outcome.kind !== 'failed' || context.isLastHost !== false) return outcome;
  const status = inClass(4, outcome.status);
  return { ...outcome, kind: 'deferred', status, possibleDuplicate: false, operatorFault: false };
}

function decide(result: AttemptResult | ServiceFault | ContentFault, context: ClassifyContext): Outcome {
  switch (result.kind) {
    case 'reply':
      return fromReply(result.phase, result.reply);
    case 'network':
      return fromNetworkFault(result.phase, result.fault, result.detail, result.host);
    case 'capability':
      return fromCapabilityFault(result, context.messageBytes ?? null);
    case 'service':
      return fromServiceFault(result);
    case 'content':
      // 4.3.0 now and 5.3.0 at expiry: the next hop did nothing wrong, and neither did the sender.
      return deferred(
        'content-unreadable',
        '4.3.0',
        `the stored message could not be read (${result.cause}): ${result.detail}`,
        {
          operatorFault: result.cause !== 'unavailable',
        },
      );
  }
}

function fromReply(phase: Phase, reply: Reply): Outcome {
  if (phase === 'final-dot' && digitOf(reply) === 2) return { kind: 'relayed', reply };
  const detail = describeReply(phase, reply);
  const text = withoutAddresses(reply.text);
  const rule = replyRules.find((candidate) => fits(candidate, phase, reply, text));
  if (rule === undefined) {
    // A 354 after the final dot, a 250 where none was asked for, a 600: 4.5.0, as Postfix calls such protocol errors 5.5.0.
    return deferred('unknown-reply', '4.5.0', detail, { reply, possibleDuplicate: phase === 'final-dot' });
  }
  const status = statusBy(rule, reply);
  if (rule.kind === 'failed') {
    return { kind: 'failed', reason: rule.reason, status: inClass(5, status), reply, detail: line(detail) };
  }
  return deferred(rule.reason, inClass(4, status), detail, { reply, operatorFault: rule.operatorFault === true });
}

function fits(rule: ReplyRule, phase: Phase, reply: Reply, text: string): boolean {
  const digit = digitOf(reply);
  if (digit !== 4 && digit !== 5) return false;
  if (rule.phases !== undefined && !rule.phases.includes(phase)) return false;
  if (rule.codes === '4xx' || rule.codes === '5xx') {
    if (digit !== Number(rule.codes.charAt(0))) return false;
  } else if (rule.codes !== undefined && !rule.codes.includes(reply.code)) return false;
  if (rule.status !== undefined && !rule.status.test(agreeingStatus(reply) ?? '')) return false;
  if (rule.unless?.test(text) === true) return false;
  return rule.text === undefined || rule.text.test(text);
}

/** What the server says, without the addresses that it only repeats: whoever chose them must not choose the rule. */
function withoutAddresses(text: string): string {
  return text.replace(/(?<![^\s<>()[\]"',;:=])[^\s<>()[\]"',;:=@]{0,320}@[^\s<>()[\]"',;:@]{1,255}/g, '');
}

function statusBy(rule: ReplyRule, reply: Reply): Status {
  if (rule.statusAlways !== undefined) return statusOf(rule.statusAlways);
  return agreeingStatus(reply) ?? statusOf(rule.statusIfNone ?? `${digitOf(reply)}.0.0`);
}

/** The reply code wins over an enhanced code of another class (RFC 2034 §4 wants them to agree; Postfix smtp_chat.c). */
function agreeingStatus(reply: Reply): Status | null {
  return reply.status?.startsWith(`${digitOf(reply)}.`) === true ? reply.status : null;
}

/** 0 for what is no reply code (RFC 5321 §4.2.1: 200 to 599). */
function digitOf(reply: Reply): number {
  return Number.isInteger(reply.code) && reply.code >= 200 && reply.code <= 599 ? Math.floor(reply.code / 100) : 0;
}

const NETWORK: Readonly<Record<NetworkFault, { status: string; reason: string; operatorFault?: true; what: string }>> =
  {
    // A next hop is a host that the operator named: that it has no address is no word on the recipient. 4.3.5: system incorrectly configured.
    'dns-not-found': {
      status: '4.3.5',
      reason: 'next-hop-not-found',
      operatorFault: true,
      what: 'has no address in the DNS',
    },
    'dns-temporary': { status: '4.4.3', reason: 'dns-unavailable', what: 'could not be looked up in the DNS' },
    refused: { status: '4.4.1', reason: 'connection-refused', what: 'refused the connection' },
    unreachable: { status: '4.4.1', reason: 'unreachable', what: 'could not be reached' },
    timeout: { status: '4.4.2', reason: 'timeout', what: 'did not answer in time' },
    'connection-lost': { status: '4.4.2', reason: 'connection-lost', what: 'ended the connection' },
    'tls-failed': { status: '4.7.5', reason: 'tls-failed', operatorFault: true, what: 'could not be spoken to by TLS' },
    'garbled-reply': { status: '4.5.0', reason: 'unknown-reply', what: 'answered with what is no SMTP reply' },
    aborted: { status: '4.3.0', reason: 'aborted', what: 'had not answered when our own time was up' },
  };

function fromNetworkFault(phase: Phase, fault: NetworkFault, given: string, host: string | null): Outcome {
  const { status, reason, operatorFault, what } = NETWORK[fault];
  const noAnswer = fault === 'timeout' && phase === 'connect';
  const detail = `${host ?? 'the next hop'} ${what} (${PHASES[phase]})${given === '' ? '' : `: ${given}`}`;
  return deferred(reason, noAnswer ? '4.4.1' : status, detail, {
    // RFC 5321 §4.5.3.2.6 and RFC 1047: after the final dot the server may have the message.
    possibleDuplicate: phase === 'final-dot',
    operatorFault: operatorFault === true,
  });
}

function fromCapabilityFault(
  result: Extract<AttemptResult, { kind: 'capability' }>,
  messageBytes: number | null,
): Outcome {
  const host = result.host ?? 'the next hop';
  const failed = (reason: CapabilityFault, status: string, detail: string): Outcome => {
    return { kind: 'failed', reason, status: statusOf(status), reply: null, detail: line(detail) };
  };
  switch (result.fault) {
    case 'size-exceeded': {
      const known = messageBytes !== null && result.sizeMax !== undefined;
      const both = known
        ? `the message has ${messageBytes} bytes, and ${host} takes ${result.sizeMax} at most`
        : result.detail;
      return failed('size-exceeded', '5.3.4', both);
    }
    case 'smtputf8-not-offered':
      return failed(
        'smtputf8-not-offered',
        '5.6.7',
        `${host} does not take internationalised addresses: ${result.detail}`,
      );
    case 'conversion-prohibited': // RFC 3463 §3.7: X.6.2, prohibited; X.6.3, not supported
      return failed(result.fault, '5.6.2', `${host}: ${result.detail}`);
    case 'conversion-impossible':
      return failed(result.fault, '5.6.3', `${host}: ${result.detail}`);
    case 'starttls-not-offered': // 4.7.4: Postfix smtp_proto.c, "TLS is required, but was not offered"
      return deferred(result.fault, '4.7.4', `TLS is required, but ${host} does not offer it: ${result.detail}`, {
        operatorFault: true,
      });
    case 'auth-not-offered':
      return deferred(
        result.fault,
        '4.7.0',
        `a login is configured, but ${host} offers none that we have: ${result.detail}`,
        { operatorFault: true },
      );
    case 'credentials-unavailable':
      return deferred(result.fault, '4.3.5', `the login for ${host} could not be read: ${result.detail}`, {
        operatorFault: true,
      });
  }
}

function deferred(
  reason: string,
  status: string,
  detail: string,
  more: { reply?: Reply; possibleDuplicate?: boolean; operatorFault?: boolean } = {},
): Deferred {
  return {
    kind: 'deferred',
    reason,
    status: statusOf(status),
    reply: more.reply ?? null,
    detail: line(detail),
    possibleDuplicate: more.possibleDuplicate ?? false,
    operatorFault: more.operatorFault ?? false,
    // A person has to act: attempts in quick succession find nothing new, and a server that counts them shuts us out for longer.
    ...(more.operatorFault === true && reason !== 'content-unreadable' ? { pace: 'long' as const } : {}),
  };
}

const PHASES: Readonly<Record<Phase, string>> = {
  connect: 'connecting',
  greeting: 'greeting',
  ehlo: 'EHLO',
  starttls: 'STARTTLS',
  auth: 'AUTH',
  mail: 'MAIL',
  rcpt: 'RCPT',
  data: 'DATA',
  content: 'sending the content',
  'final-dot': 'after the final dot',
};

function describeReply(phase: Phase, reply: Reply): string {
  const text = phase === 'auth' ? '' : reply.text; // servers echo user names, and worse, when a login fails
  const words = [String(reply.code), reply.status ?? '', text].filter((word) => word !== '').join(' ');
  return `${reply.host ?? 'the next hop'} (${PHASES[phase]}): ${words}`;
}

function inClass(digit: 4 | 5, status: Status): Status {
  return parseStatus(`${digit}${status.slice(1)}`) ?? statusOf(`${digit}.0.0`);
}

function line(text: string): string {
  const plain = plainText(text);
  return plain.length <= detailTextMax ? plain : `${plain.slice(0, detailTextMax - 1).toWellFormed()}…`;
}
