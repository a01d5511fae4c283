// One mutation: a bug that somebody might write, and the test that must notice it.
// It decides nothing; run.ts makes each of them in a copy of the tree, and table.test.ts holds the table in order.

export type Mutation = {
  /** `layer/what-breaks`. */
  readonly name: string;
  readonly file: string;
  /** Exact text, which stands in the file once. */
  readonly text: string;
  readonly replacement: string;
  /** A file of the quick suite, and a test in it by its full name, `describe > it`. */
  readonly test: { readonly file: string; readonly name: string };
};

/** Null where its text stands in the source more or less than once. */
export function mutated(source: string, { text, replacement }: Mutation): string | null {
  const [before, after, ...more] = source.split(text);
  return before === undefined || after === undefined || more.length > 0 ? null : `${before}${replacement}${after}`;
}

/** For `vitest -t`, which sees the names of suites and test joined by a space. */
export function patternOf(names: readonly string[]): string {
  const escaped = names.map((name) =>
    name
      .split(' > ')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join(' (?:> )?'),
  );
  return `^\\s*(?:${[...new Set(escaped)].join('|')})$`;
}
