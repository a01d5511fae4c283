// Collects the mistakes and warnings of one configuration file: in the order of the sections, each once, with examples
// that fit the file. check.ts, the schema's issues and the rules write to it. It decides nothing about the file.

import type { z } from 'zod';
import { hopNames } from './fields.ts';
import type { Given, Mistakes } from './given.ts';
import { schema } from './schema.ts';
import { among, join } from './words.ts';

/** More lines than an operator reads, and few enough to print. */
const linesMax = 200;

/** Lines of one file, ordered by its sections. */
export class Lines {
  readonly #source: string;
  readonly #lines: { readonly section: number; readonly line: string }[] = [];
  readonly #places = new Set<string>();
  readonly #said = new Set<string>();
  #host = 'example.com';
  #nextHop = 'exchange';
  #nextHops = hopNames;
  #more = 0;
  constructor(source: string) {
    this.#source = source;
  }
  get found(): boolean {
    return this.#lines.length > 0;
  }
  /** So that an example can be copied as it is: with a domain and a next hop that the file has. */
  know({ domains, nextHops }: Given): void {
    const first: unknown = Array.isArray(domains) ? domains[0] : undefined;
    if (schema.shape.domains.safeParse([first]).success) this.#host = String(first);
    const names = typeof nextHops === 'object' && nextHops !== null ? Object.keys(nextHops) : [];
    const [name] = names;
    if (name === undefined) return;
    this.#nextHop = names.includes('exchange') ? 'exchange' : name;
    this.#nextHops = among(names);
  }
  readonly mistake: Mistakes = (at, wrong, write) => {
    this.#places.add(at);
    this.#add(at, () => `${wrong}; write ${typeof write === 'string' ? write : write()}`);
  };
  /** The schema's issues. A place that already has a line gets no second one. */
  issues(issues: readonly z.core.$ZodIssue[], at: string, value: unknown): void {
    for (const issue of issues) {
      const path = issue.path.reduce<string>((sum, key) => join(sum, key as string | number), at);
      const there = issue.path.reduce<unknown>((of, key) => (of as Given | undefined)?.[key as string], value);
      if (issue.code === 'invalid_union' && issue.errors.length > 0)
        this.issues(issue.errors[Array.isArray(there) ? issue.errors.length - 1 : 0] ?? [], path, there);
      else if (!this.#places.has(path)) this.#add(path, () => this.#fitted(issue.message));
    }
  }
  all(): readonly string[] {
    const lines = this.#lines.toSorted((a, b) => a.section - b.section).map(({ line }) => line);
    return this.#more === 0 ? lines : [...lines, `${this.#source}: and ${this.#more} more`];
  }
  /** Lines beyond the limit are counted, not made. */
  #add(at: string, say: () => string): void {
    if (this.#lines.length >= linesMax) {
      this.#more += 1;
      return;
    }
    const said = say();
    if (this.#said.has(`${at} ${said}`)) return;
    this.#said.add(`${at} ${said}`);
    const section = Object.keys(schema.shape).indexOf(/^[$\w]*/.exec(at)?.[0] ?? '');
    this.#lines.push({ section, line: `${this.#source}: ${at === '' ? '' : `${at}: `}${said}` });
  }
  /** It changes only what to write, never what is wrong. */
  #fitted(said: string): string {
    const cut = said.lastIndexOf('; write ');
    const write = said
      .slice(cut)
      .replaceAll('@example.com', `@${this.#host}`)
      .replaceAll('@.example.com', `@.${this.#host}`)
      .replaceAll("via: 'exchange'", `via: '${this.#nextHop}'`)
      .replaceAll(hopNames, this.#nextHops);
    return said.slice(0, cut) + write;
  }
}
