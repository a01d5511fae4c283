// Reading the secret of marks: a function goes on without it, for as long as need be, and takes it when it is there.

import { expect, it, vi } from 'vitest';
import { MarkSecret } from '#adapters/aws/mark-secret.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';

function reading(read: () => Promise<readonly string[]>) {
  const clock = new MemoryClock(0);
  const watch = new MemoryWatch();
  return { clock, watch, marks: new MarkSecret({ read, stackId: 'the-id', clock, watch }) };
}

it('until it was read once, marks are by the stack', async () => {
  const { marks, watch } = reading(async () => Promise.reject(new Error('AccessDeniedException')));
  expect(marks.key).toBe('the-id');
  await marks.refresh();
  expect(marks.key).toBe('the-id');
  expect(watch.total('MarkSecretUnreadable')).toBe(1);
});

it('what was read stays while it cannot be read again, and a rotation shows when it can', async () => {
  let answer: readonly string[] | null = ['one'];
  const { marks, clock } = reading(async () => answer ?? Promise.reject(new Error('InternalServiceError')));
  await marks.refresh();
  expect(marks.key).toEqual({ current: 'one', previous: null, stackId: 'the-id' });
  answer = null;
  await marks.refresh();
  expect(marks.key).toMatchObject({ current: 'one' });
  answer = ['two', 'one'];
  await marks.refresh();
  expect(marks.key).toMatchObject({ current: 'one' }); // within the minute it is not asked again
  clock.advance(60_000);
  await marks.refresh();
  expect(marks.key).toEqual({ current: 'two', previous: 'one', stackId: 'the-id' });
});

it('a Secrets Manager that does not answer holds an invocation up for two seconds, and not the next', async () => {
  vi.useFakeTimers();
  try {
    const read = vi.fn(() => new Promise<readonly string[]>(() => {}));
    const { marks, watch } = reading(read);
    const held = marks.refresh();
    await vi.advanceTimersByTimeAsync(2_000);
    await held;
    await marks.refresh();
    expect([read.mock.calls.length, watch.total('MarkSecretUnreadable'), marks.key]).toEqual([1, 1, 'the-id']);
  } finally {
    vi.useRealTimers();
  }
});

it('the value is never in what is logged', async () => {
  let answer: readonly string[] | null = ['sesame'];
  const { marks, watch } = reading(async () => answer ?? Promise.reject(new Error('gone')));
  await marks.refresh();
  answer = null;
  await marks.refresh();
  expect(JSON.stringify(watch)).not.toContain('sesame');
});
