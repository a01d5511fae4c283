// Reports that were wrapped, damaged or merged on their way say the same as before, recipient by recipient, or they go
// to the postmaster. Never does one make another fact, and never does an answer or ordinary mail make a failure,
// however it is wrapped.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { factsOf } from '#test/kit/report-facts.ts';
import { combinationsOf, mergedOf, statusAlone, variantsOf } from '#test/kit/report-variants.ts';

const SEED = 1;
const FOLDER = join(import.meta.dirname, '../../../fixtures/reports');
const stems = readdirSync(FOLDER).flatMap((name) => (name.endsWith('.eml') ? [name.slice(0, -4)] : []));
const contentOf = (stem: string) => readFileSync(join(FOLDER, `${stem}.eml`));
const isMime = (bytes: Buffer) => /^content-type: *message\/(global-)?delivery-status/im.test(bytes.toString('latin1'));

describe('a variant says the same, or goes to the postmaster', () => {
  it.each(stems)('%s', (stem) => {
    const bytes = contentOf(stem);
    const before = factsOf(bytes);
    for (const variant of [...variantsOf(bytes), ...combinationsOf(bytes, SEED, 25)]) {
      const after = factsOf(variant.bytes);
      if (after.length > 0 || before.length === 0) expect([variant.name, after]).toEqual([variant.name, before]);
    }
  });

  it('and one with a part for machines says the same in every variant', () => {
    const lost = stems.flatMap((stem) => {
      const bytes = contentOf(stem);
      if (!isMime(bytes) || factsOf(bytes).length === 0) return [];
      const variants = variantsOf(bytes);
      expect(variants.length).toBeGreaterThan(8);
      return variants.filter((variant) => factsOf(variant.bytes).length === 0).map(({ name }) => `${stem}: ${name}`);
    });
    expect(lost).toEqual([]);
  });
});

describe('two reports in one message', () => {
  // Words in the text, which merging loses, make no difference to these.
  const reports = stems.filter((stem) => {
    const alone = statusAlone(contentOf(stem));
    return alone !== null && factsOf(alone).length > 0 && `${factsOf(alone)}` === `${factsOf(contentOf(stem))}`;
  });
  it.each(reports)('%s and each other one: nobody is forgotten, nobody added', (one) => {
    for (const other of reports) {
      const both = [...new Set([...factsOf(contentOf(one)), ...factsOf(contentOf(other))])].sort();
      for (const { name, bytes } of mergedOf(contentOf(one), contentOf(other)))
        expect([name, other, factsOf(bytes)]).toEqual([name, other, both]);
    }
  });
});
