// What an operator and deploys do while a plan runs: pauses and resumes, a configuration that pauses a direction, and
// held mail that is tried again or let go. Each command is a process that may go wrong like any other, and is said
// again until it has answered. It keeps what it was told, for the checker.

import type { Settings } from '#config/settings.ts';
import { isHeldFailure } from '#core/delivery/delivery.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import type { NextHopBoard } from '#pipeline/next-hop-board.ts';
import { type OperatePorts, release, retry } from '#pipeline/operate/operate.ts';
import { pause, resume } from '#pipeline/operate/pauses.ts';
import type { Condition } from './conditions.ts';
import type { Word } from './next-hop-claims.ts';
import { MINUTE, START } from './plan.ts';
import type { Invocation } from './process.ts';
import { planRestore } from './restores.ts';
import type { World } from './world.ts';

type Mode = Word['mode'];
/** A restore that takes longer dies, and is begun again. */
const RESTORE_MS = 20 * MINUTE;

export class Operator {
  readonly words: Word[] = [];
  /** As the functions that start now have it. */
  settings: Settings;
  private readonly world: World;
  private readonly saying = new Map<string, Promise<void>>();

  constructor(world: World) {
    this.world = world;
    this.settings = world.plan.settings;
  }

  begin(): void {
    for (const condition of this.world.plan.conditions) this.plan(condition);
    const { restore } = this.world.plan;
    if (restore === null) return;
    planRestore(this.world, restore, START, {
      pauseAll: () => this.say('all', 'hold'),
      resumeAll: () => this.say('all', null),
      untilAnswered: (command) => this.untilAnswered(command, RESTORE_MS),
    });
  }

  /** The ledger has the configuration's word as it is: the sweep writes it down. */
  isTold(): boolean {
    return (['inbound', 'outbound'] as const).every((direction) => {
      const told = this.world.board.transferOf(direction) === this.settings.transfer[direction];
      const word = this.words.findLast(({ scope, by }) => by === 'configuration' && scope === direction);
      if (told && word !== undefined) word.told ??= this.world.schedule.now;
      return told;
    });
  }

  private plan(condition: Condition): void {
    const at = (ms: number, run: () => void) => this.world.schedule.at(START + ms, run);
    if (condition.kind === 'pause') {
      const { scope, mode, other, from, until } = condition;
      at(from, () => void this.say(scope, mode));
      if (other !== null) at(other.at, () => void this.say(scope, other.mode));
      at(until, () => void this.say(scope, null));
    }
    if (condition.kind === 'transfer') {
      const { direction, mode, from, until } = condition;
      at(from, () => this.deploy(direction, mode));
      at(until, () => this.deploy(direction, null));
    }
    if (condition.kind === 'operator') at(condition.at, () => void this.goThrough(condition.verb));
  }

  /** Nobody gives the next word of a scope before the last one is answered: it would be undone by its repetition. */
  private say(scope: string, mode: Mode): Promise<void> {
    const said = (this.saying.get(scope) ?? Promise.resolve()).then(() => this.sayNow(scope, mode));
    this.saying.set(scope, said);
    return said;
  }

  private async sayNow(scope: string, mode: Mode): Promise<void> {
    const { schedule } = this.world;
    const word: Word = { scope, by: 'operator', mode, askedAt: schedule.now, told: null };
    this.words.push(word);
    const command = (process: Invocation) => {
      const ports = { board: portOf(process, this.world.board), clock: process.clock };
      return mode === null ? resume(ports, scope, 'ann') : pause(ports, scope, mode, 'ann');
    };
    await this.untilAnswered(command);
    word.told = schedule.now;
    this.world.coverage.count(mode === null ? 'operator: resume' : `operator: pause (${mode})`);
    this.world.looksAgain();
  }

  /** Functions that start from now on have it. */
  private deploy(direction: 'inbound' | 'outbound', mode: Mode): void {
    const { now } = this.world.schedule;
    this.settings = { ...this.settings, transfer: { ...this.settings.transfer, [direction]: mode ?? 'normal' } };
    // A drain keeps what comes after the sweep has written it down; a hold keeps everything at once.
    this.words.push({ scope: direction, by: 'configuration', mode, askedAt: now, told: mode === 'hold' ? now : null });
    this.world.coverage.count(`configuration: ${mode ?? 'normal'}`);
    this.world.looksAgain();
  }

  private async goThrough(verb: 'retry' | 'release'): Promise<void> {
    const { world } = this;
    const held = world.ledger.all().filter((row) => isHeldFailure(row));
    world.coverage.count(`operator: ${verb} looked`);
    for (const row of held) {
      const command = (process: Invocation) => {
        const run = verb === 'retry' ? retry : release;
        return run(this.operatePorts(process), row, world.plan.settings.retry.lifetimeMs);
      };
      const operated = await this.untilAnswered(command);
      if (operated.kind === 'done') world.coverage.count(`operator: ${verb} of a held failure`);
    }
  }

  private operatePorts(process: Invocation): OperatePorts {
    const { world } = this;
    const queue = (name: 'relay' | 'bounce' | 'feedback') => process.port(`${name}Queue`, 'queues', world.queues[name]);
    return {
      ledger: process.port('ledger', 'ledger', world.ledger.port),
      ...{ relayQueue: queue('relay'), bounceQueue: queue('bounce'), feedbackQueue: queue('feedback') },
      ...{ clock: process.clock, sweepAgainMs: lostJobAfterMs },
    };
  }

  /** A command that failed or died is given again a minute later. */
  private async untilAnswered<T>(command: (process: Invocation) => Promise<T>, forMs = MINUTE): Promise<T> {
    for (;;) {
      const process = this.world.operatorsProcess(forMs);
      const answer = await Promise.race([
        command(process).then(
          (value) => ({ value }),
          () => null,
        ),
        process.died,
      ]);
      process.end();
      if (answer !== null && answer !== 'died') return answer.value;
      await this.world.schedule.after(MINUTE);
    }
  }
}

function portOf(process: Invocation, board: NextHopBoard): NextHopBoard {
  return process.port('board', 'ledger', board);
}
