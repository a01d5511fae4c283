// Turns the answers of an SMTP dialogue into facts for core/reply/classify.ts: one result for each forward-path. The
// SMTP client calls it. It never decides what follows from them, and never reads a reply out of step as acceptance or
// refusal.

import type { AttemptResult, Phase, Reply } from '#core/reply/reply.ts';
import type { SmtpReply } from '#core/reply/smtp-reply.ts';
import type { NextHopResult } from '#pipeline/ports.ts';
import { isFault, type SmtpWire, type WireFault } from './wire.ts';

/** The result of each forward-path; the first one counts. */
export class Results {
  readonly #host: string;
  readonly #wire: SmtpWire;
  readonly #results: (NextHopResult | null)[];
  broken = false;
  bareLineEndings: number | null = null;
  /** The server got the submitter's DSN request. */
  dsnTaken = false;

  constructor(host: string, wire: SmtpWire, count: number) {
    this.#host = host;
    this.#wire = wire;
    this.#results = new Array<NextHopResult | null>(count).fill(null);
  }

  /** Forward-paths that may still be accepted. */
  get open(): number {
    return this.openIndexes().length;
  }

  /** The connection's end decided for one at least, not an answer: another connection may find out. */
  get undecided(): boolean {
    return this.#results.some((result) => result === null || result.kind === 'network' || isClosing(result));
  }

  openIndexes(): readonly number[] {
    return this.#results.flatMap((result, index) => (result === null ? [index] : []));
  }

  one(index: number, phase: Phase, answer: SmtpReply | WireFault, acceptable = false): void {
    if (isFault(answer) || answer.code === 421) this.broken = true; // RFC 5321 §3.8: it closes the channel
    const result = answerResult(phase, answer, this.#host, this.#wire.tls, acceptable);
    if (result.kind === 'network') this.broken = true;
    this.#results[index] ??= {
      ...result,
      ...(this.bareLineEndings === null ? {} : { bareLineEndings: this.bareLineEndings }),
      ...(this.dsnTaken ? { dsnTaken: true } : {}),
    };
  }

  rest(phase: Phase, answer: SmtpReply | WireFault, acceptable = false): void {
    if (isFault(answer)) this.broken = true;
    for (let i = 0; i < this.#results.length; i++) this.one(i, phase, answer, acceptable);
  }

  unreadable(result: NextHopResult): void {
    for (let i = 0; i < this.#results.length; i++) this.#results[i] ??= result;
  }

  all(): readonly NextHopResult[] {
    return this.#results.map((result) => result ?? networkResult('mail', NO_ANSWER, this.#host));
  }
}

function isClosing(result: NextHopResult): boolean {
  return result.kind === 'reply' && result.reply.code === 421;
}

export const OUT_OF_STEP: WireFault = { fault: 'garbled-reply', detail: 'RSET was refused' };
export const NO_ANSWER: WireFault = { fault: 'connection-lost', detail: 'the dialogue ended without an answer' };

export function accepted(answer: SmtpReply | WireFault): boolean {
  return !isFault(answer) && answer.code >= 200 && answer.code < 300;
}

/** `acceptable`: a 2xx is an answer here. Elsewhere one where only a refusal makes sense is out of step: garbage. */
export function answerResult(
  phase: Phase,
  answer: SmtpReply | WireFault,
  host: string,
  tls: boolean,
  acceptable = false,
): AttemptResult {
  if (isFault(answer)) return networkResult(phase, answer, host);
  if (answer.code < 400 && !(acceptable && answer.code < 300)) {
    const detail = `${answer.code} is no answer here: ${answer.text}`.slice(0, 300);
    return networkResult(phase, { fault: 'garbled-reply', detail }, host);
  }
  const reply: Reply = { code: answer.code, status: answer.status, text: answer.text, host };
  return { kind: 'reply', phase, reply, tls };
}

export function networkResult(phase: Phase, { fault, detail }: WireFault, host: string): AttemptResult {
  return { kind: 'network', phase, fault, detail, host };
}
