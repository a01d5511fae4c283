// A next hop of several hosts, or of a name with several addresses: whether one host's answer leads to the next host,
// and which answer counts in the end. The SMTP client calls it after each host. It follows Postfix (smtp_connect.c,
// smtp_trouble.c). A failure that another host may not have leads on. A refusal of the message, its sender or its
// recipient does not, and nothing does after the final dot. Pure.

import { type ContentFault, classify } from './classify.ts';
import { reasonRow } from './reasons.ts';
import type { AttemptResult, CapabilityFault, Phase, Reply, ServiceFault } from './reply.ts';

type Said = AttemptResult | ServiceFault | ContentFault;

const BEFORE_MAIL: readonly Phase[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth'];
/** All hosts share the login and the certificate. */
const OURS: readonly CapabilityFault[] = [
  'credentials-unavailable',
  'token-refused',
  'token-unavailable',
  'certificate-unusable',
];

/**
 * May another host take the message? After the final dot none may: this one perhaps has it. The caller knows whether
 * the content can be sent once more.
 */
export function leadsOn(said: Said): boolean {
  switch (said.kind) {
    case 'network':
      return said.fault !== 'aborted' && said.phase !== 'final-dot';
    case 'capability':
      return !OURS.includes(said.fault);
    case 'reply': {
      const { phase, reply } = said;
      if (phase === 'final-dot') return false;
      // A refused login is refused by the next host too, and three of them lock the account.
      if (phase === 'auth') return reply.code < 500;
      if (BEFORE_MAIL.includes(phase) || reply.code === 421) return true;
      // A server's own trouble; a mailbox that is full, or a limit of ours, is no other elsewhere.
      const outcome = classify(said);
      if (outcome.kind !== 'deferred') return false;
      const fault = reasonRow(outcome.reason)?.fault;
      // 452 4.3.1 is said of a system's disk, and of a mailbox by servers that know no better (RFC 3463 §3.4).
      return fault === 'next-hop' || (fault === 'recipient' && (phase === 'mail' || isAboutSystem(reply)));
    }
    default:
      return false;
  }
}

function isAboutSystem({ status }: Reply): boolean {
  return status?.startsWith('4.3.') === true;
}

/**
 * Is the host itself in trouble, so that another one is asked first for a while? Not where it only disliked this
 * message.
 */
export function isHostTrouble(said: Said): boolean {
  switch (said.kind) {
    case 'network':
      return said.fault !== 'aborted'; // our own time was up
    case 'capability':
      return !OURS.includes(said.fault) && said.fault !== 'size-exceeded' && said.fault !== 'smtputf8-not-offered';
    case 'reply':
      return said.reply.code === 421 || (BEFORE_MAIL.includes(said.phase) && leadsOn(said));
    default:
      return false;
  }
}

/**
 * The answer that counts, and the other hosts' answers, a line each. An answer that ended the search counts. Otherwise
 * this order holds: an answer about the message, a host's temporary trouble in words, no answer from the network, a
 * fault that the operator must correct; among equals the last one. `said`: one for each host that was tried, in order,
 * at least one.
 */
export function decisive<T extends Said>(said: readonly T[]): { readonly word: T; readonly others: readonly string[] } {
  const last = said.at(-1);
  if (last === undefined) throw new Error('a next hop without hosts');
  let word = last;
  if (leadsOn(last) || isOurDeadline(last))
    for (const other of said.slice(0, -1).reverse()) if (weight(other) > weight(word)) word = other;
  const others = said.filter((other) => other !== word).map((other) => lineOf(other));
  return { word, others: [...new Set(others)] };
}

function weight(said: Said): number {
  if (isOurDeadline(said)) return 0;
  const outcome = classify(said);
  if (outcome.kind !== 'deferred') return 4;
  if (outcome.operatorFault) return 1;
  return said.kind === 'reply' ? 3 : 2;
}

/** Our own time was up, and nothing of the message had left. */
function isOurDeadline(said: Said): boolean {
  return said.kind === 'network' && said.fault === 'aborted' && said.phase !== 'final-dot';
}

function lineOf(said: Said): string {
  const outcome = classify(said);
  return outcome.kind === 'relayed' ? '' : outcome.detail;
}
