// Reports that come back, in the worst case: the process dies before and after each call of a port, and their words
// hold what the sender must not see, in every form. The message is joined or sent on, told once, and the routed address
// stays ours.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { ReturnPathMode } from '#config/settings.ts';
import {
  forwarded,
  noticesToAnn,
  reportOf,
  requireQuiet,
  reverseOf,
  row,
  TARGET,
  text,
  toPostmaster,
} from './returning.ts';

describe('the words of a report', () => {
  const forms = [
    TARGET,
    TARGET.toUpperCase(),
    `<${TARGET}>`,
    TARGET.replace('@', '%40'),
    TARGET.replace('@', '='),
    'kept.secret7@inner.target.example',
    'further@beyond.example',
    '"further"@beyond.example',
    '<kept.secret7>',
  ];
  it('hide the routed address and where it led to from there, whatever stands around them', async () => {
    let state = 7;
    const random = (max: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * max);
    };
    const words = ['user', 'said:', '(', ')', '...', '5.1.1', 'é', ';', ',', 'no such', '%', '\t', '"', '550'];
    for (let seed = 0; seed < 60; seed += 1) {
      const some = Array.from({ length: 3 + random(9) }, () => words[random(words.length)]);
      some.splice(random(some.length), 0, forms[seed % forms.length], forms[random(forms.length)]);
      const pipeline = await forwarded(seed % 2 === 0 ? 'token' : 'srs');
      pipeline.receive('r1', '', [reverseOf(pipeline)], reportOf(pipeline, { words: `550 ${some.join(' ')}` }));
      await pipeline.live(1);
      const said = text(noticesToAnn(pipeline)[0]?.content);
      expect(said, `seed ${seed}: ${some.join(' ')}`).toContain('Action: failed');
      expect(said, `seed ${seed}: ${some.join(' ')}`).not.toMatch(/kept\.secret7|further"?@beyond/i);
    }
  });
});

describe('crash everywhere', () => {
  const run = async (mode: ReturnPathMode, interrupt: Interrupt, what: 'report' | 'odd') => {
    const pipeline = await forwarded(mode);
    pipeline.receive(
      'r1',
      '',
      [reverseOf(pipeline)],
      what === 'report' ? reportOf(pipeline) : 'Subject: odd\r\n\r\nodd\r\n',
    );
    pipeline.interrupt = interrupt;
    await pipeline.live(24);
    return pipeline;
  };
  const calls = async (mode: ReturnPathMode, what: 'report' | 'odd') => {
    const interrupt = new Interrupt();
    await run(mode, interrupt, what);
    return interrupt.calls.length;
  };

  it.each([
    ['token', 'report'],
    ['token', 'odd'],
    ['srs', 'report'],
  ] as const)('a %s, %s: joined or sent on, and told once, wherever it dies', async (mode, what) => {
    const count = await calls(mode, what);
    expect(count).toBeGreaterThan(5);
    for (let index = 1; index <= count; index += 1) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await run(mode, Interrupt.at(index, when), what);
        const where = `${when} call ${index}`;
        if (what === 'report') {
          expect(row(pipeline, 'm1')?.state, where).toBe('returned');
          expect(row(pipeline, 'r1')?.stateReason, where).toBe('report-joined');
          expect(noticesToAnn(pipeline).length, where).toBeGreaterThanOrEqual(1);
          const marked = pipeline.ledger.all().some((each) => each.kind === 'notice' && each.possibleDuplicate);
          if (noticesToAnn(pipeline).length > 1) expect(marked, where).toBe(true);
          for (const { content } of noticesToAnn(pipeline)) expect(text(content)).not.toMatch(/kept\.secret7/i);
        } else {
          expect(row(pipeline, 'r1')?.state, where).toBe('relayed');
          expect(toPostmaster(pipeline).length, where).toBeGreaterThanOrEqual(1);
        }
        requireQuiet(pipeline);
      }
    }
  });
});
