// The counts of notices where nothing vouches for the reverse-path: which there are, for whom, up to what, and in which
// order.

import { describe, expect, it } from 'vitest';
import type { NoticeKind } from '#core/delivery/delivery.ts';
import {
  delayNoticesPerMessageMax,
  noticesInAllMax,
  noticesPerAddressMax,
  noticesPerMessageMax,
} from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import { noticeCounts } from '#core/notice/counts.ts';
import { facts, T0 } from '../../../contract/rows.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const HOUR = 3_600_000;
function countsFor(address: string, kind: NoticeKind = 'ndr', perDomainPerHour = 100, now = T0) {
  const to = parseMailbox(address);
  if (to === null) throw new Error(address);
  const settings = { ...pipelineSettings, notices: { ...pipelineSettings.notices, perDomainPerHour } };
  return noticeCounts(settings, { message: facts('m1'), to, kind, noticeKey: `k-${kind}` }, now);
}
const nameOf = (address: string, limit: string) => countsFor(address).find((each) => each.limit === limit)?.name;

it('go from the narrow to the wide, and what is over in the narrow one is not counted in the wide', () => {
  expect(countsFor('ann@src.example').map(({ limit, max }) => [limit, max])).toEqual([
    ['message-limit', 5],
    ['address-limit', 10],
    ['domain-limit', 100],
    ['total-limit', 1_000],
  ]);
});

describe('of a message', () => {
  it('know each notice by its key, for as long as the message has rows', () => {
    const [count] = countsFor('ann@src.example');
    const { acceptedAt } = facts('m1');
    expect(count).toMatchObject({ key: 'k-ndr', until: acceptedAt + pipelineSettings.retentionMs.ledger });
    expect(countsFor('eve@other.example')[0]?.name).toBe(count?.name); // one message has one reverse-path
    expect(countsFor('ann@src.example')[0]?.name).toBe(countsFor('ann@src.example', 'ndr', 100, T0 + HOUR)[0]?.name);
  });
  it('keep room for NDRs where delays were told', () => {
    expect(countsFor('ann@src.example', 'delay')[0]?.max).toBe(delayNoticesPerMessageMax);
    expect(delayNoticesPerMessageMax).toBeLessThan(noticesPerMessageMax / 2);
    expect(countsFor('ann@src.example', 'uncertain')[0]?.max).toBe(noticesPerMessageMax);
  });
});

it.each([
  ['the case of an address', 'address-limit', 'Ann@SRC.example', 'ann@src.example', true],
  ['a sub-address', 'address-limit', 'ann+1@src.example', 'ann+2@src.example', true],
  ['a plus in front', 'address-limit', '+1@src.example', '+2@src.example', false],
  ['another person', 'address-limit', 'ann@src.example', 'bob@src.example', false],
  ['a sub-domain', 'domain-limit', 'a@x1.src.example', 'b@x2.y.src.example', true],
  ['a sub-domain below a public suffix of two labels', 'domain-limit', 'a@x.shop.co.uk', 'b@shop.co.uk', true],
  ['another organization there', 'domain-limit', 'a@shop.co.uk', 'b@other.co.uk', false],
  ['an address literal, spelt otherwise', 'domain-limit', 'a@[IPv6:2001:db8::1]', 'b@[IPv6:2001:0DB8:0::1]', true],
  ['the same of one address', 'address-limit', 'a@[IPv6:2001:db8::1]', 'A@[ipv6:2001:0db8:0::1]', true],
  ['an IPv4 address within', 'domain-limit', 'a@[IPv6:::ffff:192.0.2.1]', 'a@[IPv6:::ffff:c000:201]', true],
  ['what is no IPv6 address', 'domain-limit', 'a@[IPv6:1::2::3]', 'a@[IPv6:1::2:3]', false],
  ['customers of one host', 'domain-limit', 'a@ann.github.io', 'b@eve.github.io', false],
  [
    'an internationalised domain in its two forms',
    'domain-limit',
    'a@bücher.example',
    'b@x.xn--bcher-kva.example',
    true,
  ],
  ['two address literals', 'domain-limit', 'a@[192.0.2.1]', 'b@[192.0.2.2]', false],
  ['all of them', 'total-limit', 'a@src.example', 'b@[192.0.2.2]', true],
])('%s: %s', (_, limit, one, other, same) => {
  expect(nameOf(one, limit) === nameOf(other, limit)).toBe(same);
});

it('by the hour begin anew with it, and may be forgotten after the next one', () => {
  const at = (now: number) => countsFor('ann@src.example', 'ndr', 100, now).slice(1);
  const hour = Math.floor(T0 / HOUR) * HOUR;
  expect(at(hour)).toEqual(at(hour + HOUR - 1));
  at(hour).forEach(({ name, until }, index) => {
    expect(until).toBe(hour + 2 * HOUR);
    expect(at(hour + HOUR)[index]?.name).not.toBe(name);
  });
});

it('have names of their own: no domain is taken for another count', () => {
  const names = countsFor('all@all').map(({ name }) => name);
  expect(new Set(names).size).toBe(4);
});

it('in all are no fewer than the configuration grants one domain, and relate to each other', () => {
  expect(countsFor('a@src.example', 'ndr', 5_000).map(({ max }) => max)).toEqual([5, 10, 5_000, 5_000]);
  expect(noticesPerMessageMax).toBeLessThanOrEqual(noticesPerAddressMax);
  expect(noticesPerAddressMax).toBeLessThan(100); // perDomainPerHour as it comes
  expect(noticesInAllMax).toBeGreaterThan(100);
});
