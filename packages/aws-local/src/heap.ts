// A binary heap of instants. Each node knows its place, so that any node can be removed in O(log n). The clock uses it
// for its timers, and each queue for its waiting and expiring messages. It compares nothing but instants and the order
// of arrival.

export type HeapNode<T> = {
  readonly at: number;
  readonly value: T;
  /** Ties break by arrival. Written by the heap alone, as is `index`; -1 when the node is in no heap. */
  order: number;
  index: number;
};

export type Heap<T> = {
  readonly size: number;
  add(at: number, value: T): HeapNode<T>;
  remove(node: HeapNode<T>): void;
  peek(): HeapNode<T> | undefined;
  /** Takes the earliest node out when it is due at `now`. */
  takeDue(now: number): T | undefined;
  clear(): void;
};

export function createHeap<T>(): Heap<T> {
  const nodes: HeapNode<T>[] = [];
  let arrivals = 0;

  return {
    get size() {
      return nodes.length;
    },
    add(at, value) {
      const node: HeapNode<T> = { at, value, order: arrivals++, index: nodes.length };
      nodes.push(node);
      rise(node);
      return node;
    },
    remove,
    peek: () => nodes[0],
    takeDue(now) {
      const first = nodes[0];
      if (first === undefined || first.at > now) return undefined;
      remove(first);
      return first.value;
    },
    clear() {
      for (const node of nodes) node.index = -1;
      nodes.length = 0;
    },
  };

  function remove(node: HeapNode<T>): void {
    if (node.index < 0) return;
    const last = nodes.pop();
    if (last !== undefined && last !== node) {
      place(last, node.index);
      rise(last);
      sink(last);
    }
    node.index = -1;
  }

  function rise(node: HeapNode<T>): void {
    while (node.index > 0) {
      const parentIndex = (node.index - 1) >> 1;
      const parent = nodes[parentIndex];
      if (parent === undefined || !before(node, parent)) return;
      place(parent, node.index);
      place(node, parentIndex);
    }
  }

  function sink(node: HeapNode<T>): void {
    for (;;) {
      const left = nodes[2 * node.index + 1];
      const right = nodes[2 * node.index + 2];
      if (left === undefined) return;
      const child = right !== undefined && before(right, left) ? right : left;
      if (!before(child, node)) return;
      const childIndex = child.index;
      place(child, node.index);
      place(node, childIndex);
    }
  }

  function place(node: HeapNode<T>, index: number): void {
    nodes[index] = node;
    node.index = index;
  }
}

function before(one: HeapNode<unknown>, other: HeapNode<unknown>): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
