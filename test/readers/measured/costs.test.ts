// No reader of a stranger's text takes more than three times as long for twice as much. `npm run test:readers` shows
// the table at a larger size.

import { describe, expect, it } from 'vitest';
import { costsOf } from '../measure.ts';
import { READERS } from '../readers.ts';

/**
 * An expression that goes back takes over twice the floor at twice this; the table's size shows searches too. Below the
 * floor a slow machine's compiler takes as long as the reader.
 */
const SIZES = { chars: 3_072, floorMs: 20 };

describe('twice as much takes at most three times as long', () => {
  it.each(Object.entries(READERS))('%s', async (name, { runs }) => {
    for (const run of runs) {
      const costs = await costsOf(name, run, SIZES);
      expect(costs.filter(({ dear }) => dear)).toEqual([]);
    }
  });
});
