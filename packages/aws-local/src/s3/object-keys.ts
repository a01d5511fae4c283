// The keys of one bucket in S3's order (UTF-8 bytes), and the pages of a listing. Called by objects.ts and lists.ts.
// New keys are merged in at the next listing, so that storing thousands of objects costs nothing. Whether a key is
// visible, the bucket decides.

export type KeyIndex = {
  add(key: string): void;
  delete(key: string): void;
  /** Keys in order, from the first that is not before `start`. */
  from(start: string): IterableIterator<string>;
};

export function createKeyIndex(): KeyIndex {
  let sorted: string[] = [];
  const added = new Set<string>();
  const deleted = new Set<string>();
  return {
    add(key) {
      if (!deleted.delete(key)) added.add(key);
    },
    delete(key) {
      if (!added.delete(key)) deleted.add(key);
    },
    *from(start) {
      merge();
      const keys = sorted;
      let low = 0;
      let high = keys.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (compareKeys(keys[middle] ?? '', start) < 0) low = middle + 1;
        else high = middle;
      }
      for (let i = low; i < keys.length; i += 1) yield keys[i] ?? '';
    },
  };

  function merge(): void {
    if (added.size === 0 && deleted.size === 0) return;
    const fresh = [...added].sort(compareKeys);
    const merged: string[] = [];
    let i = 0;
    for (const key of sorted) {
      if (deleted.has(key)) continue;
      for (; i < fresh.length && compareKeys(fresh[i] ?? '', key) < 0; i += 1) merged.push(fresh[i] ?? '');
      merged.push(key);
    }
    for (; i < fresh.length; i += 1) merged.push(fresh[i] ?? '');
    sorted = merged;
    added.clear();
    deleted.clear();
  }
}

/** By UTF-8 bytes. UTF-16 order differs from it only where surrogates meet U+E000 and above. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

export type Page = {
  readonly keys: readonly string[];
  readonly commonPrefixes: readonly string[];
  /** Where the next page goes on; null at the end. */
  readonly next: string | null;
};

/**
 * One page: keys under `prefix` after `after`, those sharing the text up to `delimiter` rolled up into one entry each.
 * `after` may be a common prefix already returned: all keys below it are then skipped.
 */
export function cutPage(
  index: KeyIndex,
  visible: (key: string) => boolean,
  wanted: { readonly prefix: string; readonly delimiter: string; readonly after: string; readonly max: number },
): Page {
  const { prefix, delimiter, after, max } = wanted;
  const keys: string[] = [];
  const commonPrefixes: string[] = [];
  let last = '';
  for (const key of index.from(compareKeys(after, prefix) > 0 ? after : prefix)) {
    if (!key.startsWith(prefix)) break;
    if (key === after) continue;
    if (
      last !== '' &&
      last.endsWith(delimiter) &&
      delimiter !== '' &&
      commonPrefixes.at(-1) === last &&
      key.startsWith(last)
    )
      continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const common = cut < 0 ? null : key.slice(0, cut + delimiter.length);
    if (common !== null && common === after) continue;
    if (!visible(key)) continue;
    if (keys.length + commonPrefixes.length >= max) return { keys, commonPrefixes, next: max === 0 ? null : last };
    last = common ?? key;
    if (common === null) keys.push(key);
    else commonPrefixes.push(common);
  }
  return { keys, commonPrefixes, next: null };
}
