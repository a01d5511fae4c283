// The heap against a plain sorted list, over a long run of mixed operations from a fixed seed: removal from the middle
// is what queues and clock depend on, and what is easiest to get wrong.

import { expect, test } from 'vitest';
import { createHeap, type HeapNode } from '../src/heap.ts';

test('gives what a sorted list gives, through adding, taking and removing', () => {
  let seed = 42;
  const next = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed % below;
  };
  const heap = createHeap<number>();
  const model: HeapNode<number>[] = [];
  const first = () => model.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
  for (let step = 0; step < 5_000; step += 1) {
    const what = next(10);
    if (what < 5 || model.length === 0) model.push(heap.add(next(50), step));
    else if (what < 8) {
      const [gone] = model.splice(next(model.length), 1);
      if (gone !== undefined) {
        heap.remove(gone);
        heap.remove(gone); // a second time means nothing
      }
    } else {
      const now = next(60);
      const due = first();
      expect(heap.takeDue(now)).toBe(due !== undefined && due.at <= now ? due.value : undefined);
      if (due !== undefined && due.at <= now) model.splice(model.indexOf(due), 1);
    }
    expect(heap.size).toBe(model.length);
    expect(heap.peek()).toBe(first());
  }
});

test('equal instants come in the order of arrival', () => {
  const heap = createHeap<string>();
  for (const name of ['a', 'b', 'c', 'd']) heap.add(1, name);
  expect(['a', 'b', 'c', 'd'].map(() => heap.takeDue(1))).toEqual(['a', 'b', 'c', 'd']);
});
