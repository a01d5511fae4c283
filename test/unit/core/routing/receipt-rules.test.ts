// From routes to SES receipt rules: what is said and what is left out, SES's limits, and what a change moves.
// Recipients are refused during SMTP by exactly these lists.

import { describe, expect, test } from 'vitest';
import type { RouteSettings } from '#config/settings.ts';
import { receiptAddressesMax, receiptRecipientsPerRuleMax, receiptRulesMax } from '#core/limits.ts';
import { receiptRules } from '#core/routing/receipt-rules.ts';

function routesOf(matches: readonly string[], direction: 'inbound' | 'outbound' = 'inbound'): RouteSettings[] {
  return [
    { match: matches, direction, to: [{ via: 'hop', address: null, copy: false, returnPath: 'keep' }], fallback: null },
  ];
}
function recipientsOf(...matches: string[]): readonly string[] {
  return receiptRules(routesOf(matches)).rules.flatMap((rule) => rule.recipients);
}
const many = (count: number, domain: string) => Array.from({ length: count }, (_, n) => `user${n}@${domain}`);

describe('what SES is told', () => {
  test.each<[string, string[], string[]]>([
    ['addresses, in lower case', ['Ann@a.example', 'bob@a.example'], ['ann@a.example', 'bob@a.example']],
    ['a domain', ['*@a.example'], ['a.example']],
    ['sub-domains', ['*@.a.example'], ['.a.example']],
    ['a domain and its sub-domains', ['*@a.example', '*@.a.example'], ['.a.example', 'a.example']],
    ['an address once', ['ann@a.example', 'ANN@a.example'], ['ann@a.example']],
    ['no address that its domain takes already', ['ann@a.example', '*@a.example'], ['a.example']],
    ['no address that a parent takes already', ['ann@b.a.example', '*@.a.example'], ['.a.example']],
    ['no domain that a parent takes already', ['*@b.a.example', '*@.a.example', '*@.b.a.example'], ['.a.example']],
    ['no labelled address beside its own one', ['ann+x@a.example', 'ann@a.example'], ['ann@a.example']],
    ['a labelled address alone', ['ann+x@a.example', '+y@a.example'], ['+y@a.example', 'ann+x@a.example']],
    ['a domain in A-labels', ['*@b\u00fccher.example'], ['xn--bcher-kva.example']],
  ])('%s', (_, matches, expected) => {
    expect(recipientsOf(...matches)).toEqual(expected);
  });

  test('takes what comes back too, and no recipient twice', () => {
    const returns = { returnPathDomain: 'bounces.a.example', noticesFrom: 'Notices@a.example', domains: ['a.example'] };
    const taken = (matches: readonly string[], change = {}) =>
      receiptRules(routesOf(matches), { ...returns, ...change })
        .rules.flatMap(({ recipients }) => recipients)
        .sort();
    expect(taken(['bob@a.example'])).toEqual(['bob@a.example', 'bounces.a.example', 'notices@a.example']);
    expect(taken(['*@a.example'])).toEqual(['a.example', 'bounces.a.example']);
    expect(taken(['*@a.example', '*@.a.example'])).toEqual(['.a.example', 'a.example']);
    expect(taken(['notices@a.example'])).toEqual(['bounces.a.example', 'notices@a.example']);
    expect(taken(['bob@a.example'], { noticesFrom: 'x@else.example' })).toEqual(['bob@a.example', 'bounces.a.example']);
  });

  test('nothing of outbound routes', () => {
    const inbound = routesOf(['ann@a.example']);
    expect(receiptRules([...inbound, ...routesOf(['*', '*@far.example'], 'outbound')]).rules).toEqual([
      { slot: 0, recipients: ['ann@a.example'] },
    ]);
  });

  test('never a rule without recipients: to SES that would be all mail of the account', () => {
    expect(receiptRules(routesOf(['*'], 'outbound')).rules).toEqual([]);
  });

  test('a local part that a rule cannot say takes its whole domain, and says so', () => {
    expect(receiptRules(routesOf(['"a b"@a.example', 'ann@a.example', 'bob@b.example']))).toEqual({
      rules: [{ slot: 0, recipients: ['a.example', 'bob@b.example'] }],
      widened: ['a.example'],
    });
    expect(receiptRules(routesOf(['j\u00fcrgen@a.example'])).widened).toEqual(['a.example']);
  });
});

describe("SES's limits", () => {
  test.each([1, 500, 501, 3000, receiptAddressesMax])('%i addresses: each in one rule, no rule too long', (count) => {
    const { rules, widened } = receiptRules(routesOf(many(count, 'a.example')));
    expect(widened).toEqual([]);
    expect(rules.flatMap((rule) => rule.recipients).sort()).toEqual(many(count, 'a.example').sort());
    expect(rules.length).toBeLessThanOrEqual(receiptRulesMax);
    for (const rule of rules) expect(rule.recipients.length).toBeLessThanOrEqual(receiptRecipientsPerRuleMax);
    if (count <= 500) expect(rules).toHaveLength(1);
  });

  test('above the limit the largest domains are taken whole, and no more of them than needed', () => {
    const matches = [...many(6000, 'large.example'), ...many(4000, 'middle.example'), ...many(3000, 'small.example')];
    const { rules, widened } = receiptRules(routesOf(matches));
    expect(widened).toEqual(['large.example']);
    const recipients = rules.flatMap((rule) => rule.recipients);
    expect(recipients).toHaveLength(7001);
    expect(recipients).toContain('large.example');
    expect(recipients.filter((recipient) => recipient.endsWith('@large.example'))).toEqual([]);
  });

  test('ten thousand domains fit; more than all rules can hold is an error, not a loss', () => {
    const domains = (count: number) => Array.from({ length: count }, (_, n) => `*@d${n}.example`);
    expect(receiptRules(routesOf(domains(10_000))).rules.flatMap((rule) => rule.recipients)).toHaveLength(10_000);
    expect(() => receiptRules(routesOf(domains(110_000)))).toThrow('110000 recipients and domains do not fit');
  });
});

describe('a change of the configuration', () => {
  const slots = (matches: readonly string[]) =>
    new Map(
      receiptRules(routesOf(matches)).rules.flatMap(({ slot, recipients }) =>
        recipients.map((recipient) => [recipient, slot]),
      ),
    );

  test('moves no recipient to another rule as long as their number is the same', () => {
    const before = slots(many(3000, 'a.example'));
    const after = slots(['aaa@a.example', 'zzz@a.example', ...many(2990, 'a.example')]);
    for (const [recipient, slot] of after)
      if (before.has(recipient)) expect([recipient, slot]).toEqual([recipient, before.get(recipient)]);
  });

  test('that doubles the rules moves recipients only to later ones, which are written first', () => {
    const before = slots(many(450, 'a.example'));
    const after = slots(many(900, 'a.example'));
    expect(new Set(before.values())).toEqual(new Set([0]));
    expect(Math.max(...after.values())).toBeGreaterThan(0);
    for (const [recipient, slot] of before) expect(after.get(recipient)).toBeGreaterThanOrEqual(slot);
  });
});
