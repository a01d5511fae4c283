// A reply from its lines on the wire, and what follows from it. Used by the tests of the reply rules.

import { classify } from '#core/reply/classify.ts';
import { replyOfText } from '#core/reply/diagnostic-code.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import type { Phase, Reply } from '#core/reply/reply.ts';

const PHASES: readonly Phase[] = [
  'connect',
  'greeting',
  'ehlo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'content',
  'final-dot',
];

export function phaseOf(name: string): Phase {
  const found = PHASES.find((phase) => phase === (name === 'dot' ? 'final-dot' : name));
  if (found === undefined) throw new Error(`no stage of SMTP: ${name}`);
  return found;
}

/** Throws where the text is no reply. */
export function replyOf(wire: string): Reply {
  const reply = replyOfText(wire, 'mx.next-hop.example');
  if (reply === null) throw new Error(`no SMTP reply: ${JSON.stringify(wire)}`);
  return reply;
}

export function decided(stage: string, wire: string): { readonly reply: Reply; readonly outcome: Outcome } {
  const reply = replyOf(wire);
  return { reply, outcome: classify({ kind: 'reply', phase: phaseOf(stage), reply, tls: true }) };
}
