// The next hops of a plan: each follows the fate of its message, keeps what it takes, and where it is SES says
// afterwards what the plan has it say. What they took is the checker's first witness.

import type { ScriptedReply } from '#adapters/memory/next-hop.ts';
import { MemoryNextHop } from '#adapters/memory/next-hop.ts';
import type { NextHop, NextHopResult, Transaction } from '#pipeline/ports.ts';
import { say } from '../simulation/ses-events.ts';
import type { Condition } from './conditions.ts';
import type { Taken } from './evidence.ts';
import type { Caller, HopRecord } from './hop-record.ts';
import { type Event, type Fate, fateKey, type MessagePlan } from './plan.ts';
import { Fatal } from './process.ts';
import { type Course, courseOf, MENDED_SECRET, REFUSED_SECRET, waited } from './sick-hops.ts';

export type HopsTerms = {
  readonly messageOf: (spoolId: string) => MessagePlan | null;
  /** Puts SES's event into the feedback queue. */
  readonly tell: (body: string, afterMs: number) => void;
  readonly took: (nextHop: string, transaction: Transaction) => void;
  readonly seed: number;
  /** What the next hop suffers from just now; null: nothing. */
  readonly sicknessOf: (nextHop: string) => Sick | null;
  readonly after: (ms: number) => Promise<void>;
  readonly record: HopRecord;
};
type Sick = Extract<Condition, { readonly kind: 'sick' }>;

const OK: ScriptedReply = { code: 250, status: '2.0.0', text: 'Ok' };

export class Hops {
  private readonly terms: HopsTerms;
  private readonly hops = new Map<string, MemoryNextHop>();
  private readonly met = new Map<string, number>();
  /** What a sick next hop says to the attempt that begins now; null: its message's script. */
  private forced: ScriptedReply | null = null;

  constructor(terms: HopsTerms) {
    this.terms = terms;
  }

  /** The next hop of this name, as the environment that asks for it has it. */
  of(name: string, caller: Caller): NextHop {
    const inner = this.hops.get(name) ?? this.make(name);
    return {
      attempt: async (transaction, signal) => {
        const end = this.terms.record.begin(name, transaction, caller);
        const results = await this.attempt(name, inner, transaction, signal);
        end(results);
        return results;
      },
      credentialsVersion: async () =>
        this.terms.sicknessOf(name)?.how === 'credentials' ? REFUSED_SECRET : MENDED_SECRET,
      close: () => inner.close(),
    };
  }

  /** How often each sickness was met, by `next hop sickness`. */
  get metSick(): ReadonlyMap<string, number> {
    return this.met;
  }

  get taken(): Taken[] {
    return [...this.hops].flatMap(([nextHop, { accepted }]) =>
      accepted.map(({ reversePath, forwardPath, content, answer }) => ({
        nextHop,
        reversePath: reversePath?.address ?? '',
        address: forwardPath.address,
        content,
        answer,
      })),
    );
  }

  private make(name: string): MemoryNextHop {
    const turns = new Map<string, number>();
    const made = new MemoryNextHop((forwardPath, _attempt, transaction) => {
      if (this.forced !== null) return this.forced;
      const tag = transaction.tag ?? '';
      const turn = (turns.get(tag) ?? 0) + 1;
      turns.set(tag, turn);
      return reply(this.fateOf(name, forwardPath.address, tag), turn);
    });
    this.hops.set(name, made);
    return made;
  }

  private fateOf(name: string, address: string, tag: string): Fate {
    const message = this.terms.messageOf(spoolIdOf(tag));
    return message?.fates[fateKey(name, address)] ?? { kind: 'accept' };
  }

  private async attempt(
    name: string,
    inner: MemoryNextHop,
    transaction: Transaction,
    signal: AbortSignal,
  ): Promise<readonly NextHopResult[]> {
    const sick = this.terms.sicknessOf(name);
    if (sick !== null) return this.attemptAtSick(sick, inner, transaction, signal);
    return this.attemptAtWell(name, inner, transaction, signal);
  }

  private async attemptAtSick(
    sick: Sick,
    inner: MemoryNextHop,
    transaction: Transaction,
    signal: AbortSignal,
  ): Promise<readonly NextHopResult[]> {
    const { nextHop: name, how } = sick;
    const number = (this.met.get(`${name} ${how}`) ?? 0) + 1;
    this.met.set(`${name} ${how}`, number);
    const course = courseOf(how, { seed: this.terms.seed, nextHop: name }, number);
    if (course.beforeMail && !(await waited(course, this.terms.after, transaction, signal))) return [LEFT];
    if (course.says === null) return this.attemptAtWell(name, inner, transaction, signal);
    this.forced = course.says;
    const attempted = this.attemptAtWell(name, inner, transaction, signal);
    this.forced = null;
    const results = await attempted;
    const [first] = results;
    // What could not be read from the spool ended the attempt before.
    const stalls = !course.beforeMail && first?.kind === 'network' && first.fault === 'timeout';
    if (stalls && !(await waited(course, this.terms.after, transaction, signal)))
      return [{ ...first, fault: 'aborted' }];
    return results.map((result) => withSecret(result, course));
  }

  private async attemptAtWell(
    name: string,
    inner: MemoryNextHop,
    transaction: Transaction,
    signal: AbortSignal,
  ): Promise<readonly NextHopResult[]> {
    const before = inner.accepted.length;
    const results = await inner.attempt(transaction, signal);
    const kept = inner.accepted.length > before;
    if (kept) this.terms.took(name, transaction);
    const [to] = transaction.forwardPaths;
    if (kept && to !== undefined) this.tellEvents(fateKey(name, to.address), transaction.tag ?? '');
    const [first] = results;
    if (first?.kind === 'network' && first.fault === 'aborted') await aborted(signal);
    return results;
  }

  private tellEvents(key: string, tag: string): void {
    const message = this.terms.messageOf(spoolIdOf(tag));
    for (const { says, afterMs } of message?.events[key] ?? []) this.terms.tell(say(SAID[says], tag), afterMs);
  }
}

/** It was left before MAIL. */
const LEFT: NextHopResult = {
  ...{ kind: 'network', phase: 'greeting', fault: 'aborted', host: 'memory.next-hop.example' },
  detail: 'scripted',
};

function withSecret(result: NextHopResult, { secretVersion }: Course): NextHopResult {
  return secretVersion === undefined || result.kind !== 'reply' ? result : { ...result, secretVersion };
}

const SAID = {
  delivery: 'delivery',
  bounce: 'bounce',
  delay: 'delay',
  complaint: 'complaint',
  send: 'send',
  reject: 'reject',
} as const satisfies Record<Event['says'], string>;

function spoolIdOf(tag: string): string {
  return tag.replace(/-[a-z2-7]{16}(?:-[a-z]+)?$/, '');
}

/** A server that hangs is left when the function's time is short. */
function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function reply(fate: Fate, turn: number): ScriptedReply {
  switch (fate.kind) {
    case 'accept':
      return OK;
    case 'refuse':
      return REFUSED[fate.at];
    case 'defer':
      if (turn > fate.times) return fate.next === 'accept' ? OK : REFUSED.rcpt;
      return DEFERRED[fate.how];
    case 'cut':
      return turn > fate.times ? OK : { fault: 'connection-lost', at: 'final-dot', accepted: fate.kept };
    case 'lie':
      if (fate.says === 'never') return { code: 554, status: '5.6.0', text: 'not wanted', kept: true };
      return turn > fate.times ? OK : { code: 451, status: '4.3.0', text: 'later', kept: true };
    case 'poison':
      throw new Fatal('this message ends the function');
    case 'hang':
      return turn > fate.times ? OK : { fault: 'aborted', at: fate.kept ? 'final-dot' : 'rcpt', accepted: fate.kept };
  }
}

const REFUSED = {
  mail: { code: 550, status: '5.1.8', text: 'the domain of the sender does not exist', at: 'mail' },
  rcpt: { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' },
  'final-dot': { code: 554, status: '5.6.0', text: 'its content is not wanted' },
} as const satisfies Record<string, ScriptedReply>;
const DEFERRED = {
  reply: { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' },
  network: { fault: 'timeout', at: 'connect' },
  operator: {
    code: 550,
    status: '5.7.60',
    text: 'Client does not have permissions to send as this sender',
    at: 'mail',
  },
} as const satisfies Record<string, ScriptedReply>;
