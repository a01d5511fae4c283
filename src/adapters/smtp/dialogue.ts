// Sends the commands of a transaction and matches their replies. Called by connection.ts. It writes them together where
// the server offers PIPELINING (RFC 2920), otherwise one by one. It notices a server that drops commands written
// together. It never writes a command while unexpected bytes wait in the socket.

import { smtpGroupBytesMax, smtpGroupSilenceMs } from '#core/limits.ts';
import type { SmtpReply } from '#core/reply/smtp-reply.ts';
import { isFault, type SmtpWire, type WireFault } from './wire.ts';

export class Dialogue {
  readonly pipelined: boolean;
  readonly #wire: SmtpWire;
  readonly #laterMs: number;
  #commands: string[] = [];
  #answered = 0;
  #dropped = false;

  /** `laterMs`: how long the second and later replies to a group may take. */
  constructor(wire: SmtpWire, pipelined: boolean, laterMs: number) {
    this.#wire = wire;
    this.pipelined = pipelined;
    this.#laterMs = laterMs;
  }

  /**
   * The server seems to drop, or to mishandle, commands that arrive together: one by one may work. Never true of the
   * first reply of a group, which is to a command that any server reads.
   */
  get dropped(): boolean {
    return this.#dropped;
  }

  async plan(commands: readonly string[]): Promise<void> {
    if (!this.pipelined) {
      this.#commands = [...commands];
      return;
    }
    await this.#wire.settle();
    // In pieces that the socket takes at once: a reply is due to the commands that were written, and to no others.
    let piece: string[] = [];
    let bytes = 0;
    const write = () => this.#wire.send(`${piece.join('\r\n')}\r\n`, piece.length);
    for (const command of commands) {
      if (piece.length > 0 && bytes + command.length > smtpGroupBytesMax) {
        write();
        piece = [];
        bytes = 0;
      }
      piece.push(command);
      bytes += command.length + 2;
    }
    write();
  }

  /** The reply to the next command. */
  async next(timeoutMs: number): Promise<SmtpReply | WireFault> {
    const command = this.#commands.shift();
    if (command !== undefined) {
      await this.#wire.settle();
      this.#wire.send(`${command}\r\n`);
    }
    const later = this.pipelined && this.#answered > 0;
    const since = Date.now();
    const answer = await this.#wire.reply(later ? Math.min(timeoutMs, this.#laterMs) : timeoutMs);
    this.#answered++;
    if (this.pipelined && isDrop(answer, this.#wire.junk, Date.now() - since))
      this.#dropped = later || this.#wire.junk !== null;
    return answer;
  }
}

/** No answer; the server's own timeout reply; a line that is no reply, among several that are due. */
function isDrop(answer: SmtpReply | WireFault, junk: string | null, waitedMs: number): boolean {
  if (!isFault(answer)) return answer.code === 421 && waitedMs >= smtpGroupSilenceMs;
  if (answer.fault === 'timeout') return true;
  if (answer.fault === 'garbled-reply') return junk !== null;
  return answer.fault === 'connection-lost' && waitedMs >= smtpGroupSilenceMs;
}
