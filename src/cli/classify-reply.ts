// `everpost classify REPLY`: prints what Everpost does after a server's reply, whose fault it is, by which row or rule,
// and what the sender reads. For an operator who has a reply from a log or a trace. It calls what relay calls, and
// decides nothing itself. It needs no instance, no configuration and no network.

import { printableJson, printableLines } from '#core/message/printable.ts';
import { statusText } from '#core/notice/texts.ts';
import { classify } from '#core/reply/classify.ts';
import { replyStatus } from '#core/reply/decision.ts';
import { replyOfText } from '#core/reply/diagnostic-code.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { type Fault, inWords, reasonRow } from '#core/reply/reasons.ts';
import type { Phase, Reply } from '#core/reply/reply.ts';
import { replyRules } from '#core/reply/reply-rules.ts';
import { PHASES_OF, STAGES } from '#core/reply/rules/fit.ts';
import { rowOf } from '#core/reply/rules/providers.ts';
import type { Stage } from '#core/reply/rules/row.ts';
import { exitCodes, short, Usage } from './exit.ts';
import { flag, text, verb } from './verb.ts';

const asked = { stage: text('STAGE', `where the reply came: ${STAGES.join(', ')} (default rcpt)`) };

export const classifyVerb = verb({
  usage: "classify 'REPLY' [options]",
  about: "what follows from a server's reply, and whose fault it is",
  operand: 'REPLY',
  sections: [
    asked,
    { json: flag('one JSON object') },
    `REPLY is the reply as it stands in a log or a trace, such as '550 5.1.1 User unknown'. Lines of a longer reply are
separated by line ends or by \\n: '550-5.7.1 one\\n550 5.7.1 two'. No instance and no configuration is asked. The
answer is for a next hop that has accepted a message before. At a new one, what no rule knows waits for the operator.`,
  ],
  async run(values, operands) {
    const stage = stageOf(values.stage ?? 'rcpt');
    const found = judged(stage, replyOf(operands));
    process.stdout.write(
      values.json === true ? `${printableJson(JSON.stringify(found.json))}\n` : printableLines(forPeople(stage, found)),
    );
    return exitCodes.done;
  },
});

/** Throws Usage. */
function stageOf(name: string): Stage {
  const stage = STAGES.find((each) => each === name.toLowerCase());
  if (stage === undefined) throw new Usage(`there is no stage "${short(name)}"; write one of: ${STAGES.join(', ')}`);
  return stage;
}

/** Throws Usage. */
function replyOf(operands: readonly string[]): Reply {
  const given = operands.join(' ').trim();
  if (given === '') throw new Usage(`classify takes a reply: '550 5.1.1 User unknown' ${HELP}`);
  // As a shell leaves it between single quotes. A `\n` that no code follows may belong to a name: DOMAIN\name.
  const reply = replyOfText(given.replace(/(?:\\r)?\\n(?=[2-5]\d\d[ -])/g, '\n'), null);
  if (reply !== null) return reply;
  throw new Usage(
    `"${short(given)}" is no SMTP reply: one begins with a code of three digits, 200 to 599, such as 550 5.1.1 User unknown ${HELP}`,
  );
}
const HELP = '(everpost classify --help)';

/** The output of `--json`. */
type ReplyJson = {
  readonly outcome: Outcome['kind'];
  /** `nobody`: there is none. */
  readonly fault: Fault | 'nobody';
  readonly reason: string;
  /** The reply's own; where it has none, the one that a notice states. */
  readonly status: string;
  /** False: only the stage of the dialogue decided, at RCPT or later, or the reply makes no sense there. */
  readonly recognised: boolean;
  readonly pace: 'normal' | 'long';
  /** The id of a row or of a general rule; null: the stage alone. */
  readonly rule: string | null;
  /** The cause as the notice to the sender states it; '' where no notice follows. */
  readonly says: string;
};
type Judged = { readonly json: ReplyJson; readonly who: string; readonly does: string };

function judged(stage: Stage, reply: Reply): Judged {
  const phase: Phase = PHASES_OF[stage].at(-1) ?? 'rcpt';
  const outcome = agrees(stage, reply)
    ? ({ kind: 'relayed', reply } as const)
    : classify({ kind: 'reply', phase, reply, tls: true });
  if (outcome.kind === 'relayed') {
    const json = { outcome: 'relayed', fault: 'nobody', reason: 'accepted', status: reply.status ?? '2.0.0' } as const;
    return { json: { ...json, recognised: true, pace: 'normal', rule: null, says: '' }, who: '', does: '' };
  }
  const { kind, reason, status, rule = null } = outcome;
  const { cause, whoCanFix, whatToDo } = statusText(status, false, reason, rule);
  return {
    json: {
      ...{ outcome: kind, fault: reasonRow(reason)?.fault ?? 'ours', reason, status: replyStatus(reply) ?? status },
      recognised: reason !== 'unknown-reply' && (kind === 'deferred' || outcome.unrecognised !== true),
      pace: kind === 'deferred' && outcome.pace === 'long' ? 'long' : 'normal',
      ...{ rule, says: cause },
    },
    who: whoCanFix,
    does: whatToDo,
  };
}

/** The reply with which the dialogue goes on, or ends well (RFC 5321 §4.3.2). */
function agrees(stage: Stage, { code }: Reply): boolean {
  if (stage === 'data') return code === 354;
  return (code >= 200 && code < 300) || (stage === 'auth' && code === 334);
}

const WHOSE: Readonly<Record<ReplyJson['fault'], string>> = {
  recipient: "the recipient's, or the recipient's server's. Nobody here has to act: the sender is told.",
  sender: "the sender's address's or domain's. Nobody here has to act: the sender is told.",
  message: "the message's. Nobody here has to act: the sender is told, and can change it.",
  'next-hop': "the server's, for now. Nobody has to act unless it lasts.",
  operator: 'yours, the operator of this mail system: the server refuses us, not the message. You must act.',
  ours: "Everpost's own.",
  nobody: "nobody's.",
};

function forPeople(stage: Stage, { json, who, does }: Judged): string {
  const heard = { connect: 'the connection', dot: 'the final dot' }[stage as string] ?? stage.toUpperCase();
  const lines = [`${json.outcome}: ${follows(stage, json)}`];
  if (json.outcome !== 'relayed') {
    lines.push(`Reason: ${json.reason}: ${inWords(json.reason)} (status ${json.status}, after ${heard}).`);
    lines.push(`Whose fault: ${WHOSE[json.fault]}`);
    lines.push(decider(json));
    if (json.fault === 'operator') lines.push('What to do: docs/runbook/operator-fault.md, by the reason.');
    lines.push(`The sender reads${json.outcome === 'failed' ? '' : ' at the end of the lifetime'}:`);
    lines.push(`  Why: ${json.says}`, `  Who can fix it: ${who}`, `  What to do now: ${does}`);
  }
  return `${lines.join('\n')}\n`;
}

function follows(stage: Stage, { outcome, fault, pace }: ReplyJson): string {
  if (outcome === 'failed') return 'the delivery fails at this attempt, and the sender gets an NDR.';
  if (outcome === 'relayed')
    return stage === 'dot'
      ? 'the server took the message.'
      : 'the server agrees here. The message is relayed once the reply to the final dot is a 2yz too.';
  const alarm = fault === 'operator' ? ' The alarm OperatorFault is raised at once.' : '';
  const when =
    pace === 'long' ? 'on the long pace, because somebody must act first' : 'by the schedule (retry.schedule)';
  return `Everpost keeps the message and tries again ${when}.${alarm} At the end of its lifetime (retry.lifetime) the sender gets an NDR.`;
}

function decider({ rule, recognised }: ReplyJson): string {
  if (rule === null) {
    return recognised
      ? 'Decided by: the stage of the dialogue.'
      : 'Decided by: the stage of the dialogue alone. No row and no general rule knows this reply (unrecognised).';
  }
  const row = rowOf(rule);
  if (row !== null) return `Decided by: the row ${rule}, seen as "${row.seen.split('\n')[0]}" (source: ${row.source}).`;
  const general = replyRules.find(({ id }) => id === rule);
  return `Decided by: the general rule ${rule}, for replies such as "${general?.seen}".`;
}
