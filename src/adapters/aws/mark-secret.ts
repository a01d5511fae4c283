// Reads the stack's secret that signs marks, for the functions that make or check marks. If the secret cannot be read,
// it goes on without it, because a mark must not stop mail. Until the first read, marks are made and checked with the
// stack's id alone. After that, the last value is used until the secret can be read again. It never logs a value.

import type { MarkKey } from '#core/message/mark-key.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';

/** How long an invocation may be held up by it. */
const waitMs = 2_000;
/** After a failure the next invocations are not held up again for this long. */
const againMs = 60_000;

export class MarkSecret {
  private readonly read: () => Promise<readonly string[]>;
  private readonly stackId: string;
  private readonly clock: Clock;
  private readonly watch: Watch;
  private current: MarkKey;
  private notBefore = 0;

  /** `read`: the newest value, then the one before it (AwsSecrets.rotating, which keeps them for some minutes). */
  constructor(given: {
    readonly read: () => Promise<readonly string[]>;
    readonly stackId: string;
    readonly clock: Clock;
    readonly watch: Watch;
  }) {
    this.read = given.read;
    this.stackId = given.stackId;
    this.clock = given.clock;
    this.watch = given.watch;
    this.current = given.stackId;
  }

  get key(): MarkKey {
    return this.current;
  }

  /** Before each invocation. Never rejects. */
  async refresh(): Promise<void> {
    if (this.clock.now() < this.notBefore) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${waitMs} ms`)), waitMs);
    });
    try {
      const [current, previous = null] = await Promise.race([this.read(), late]);
      if (current !== undefined) this.current = { current, previous, stackId: this.stackId };
    } catch (error) {
      this.notBefore = this.clock.now() + againMs;
      this.watch.count('MarkSecretUnreadable');
      this.watch.error('marks.secret-unreadable', {
        goesOnWith: typeof this.current === 'string' ? "the stack's id" : 'the values read before',
        error: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
