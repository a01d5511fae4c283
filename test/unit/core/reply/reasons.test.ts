// The table of reasons: each row is whole and agrees with the rules that use it; a reason of another version means
// nothing.

import { describe, expect, it } from 'vitest';
import { canFallBack } from '#core/delivery/fallback.ts';
import { statusText } from '#core/notice/texts.ts';
import { deferredFor, failedFor } from '#core/reply/outcome.ts';
import { inWords, REASONS, reasonRow, type TableReason } from '#core/reply/reasons.ts';
import { replyRules } from '#core/reply/reply-rules.ts';
import { sesErrorRules } from '#core/reply/ses-rules.ts';
import { parseStatus, statusOf } from '#core/reply/status.ts';
import { queued } from '../../../contract/rows.ts';

const names = Object.keys(REASONS) as TableReason[];

describe('each reason', () => {
  it.each(names)('%s: its status is one, of class 5 where it is permanent and of class 4 where it is not', (name) => {
    const { permanent, status, atExpiry } = REASONS[name];
    expect(parseStatus(status)).not.toBeNull();
    if (permanent === true) expect(status).toMatch(/^5/);
    if (permanent === false && atExpiry === null) expect(status).toMatch(/^4/);
    if (atExpiry !== null) expect(parseStatus(atExpiry)).toMatch(/^5/);
  });

  it.each(names)('%s: the words for the sender are a clause, and name no part of ours', (name) => {
    expect(REASONS[name].says).toMatch(/^[a-z].*[^.]$/);
    expect(REASONS[name].says).not.toMatch(/lambda|ledger|dynamo|s3|sqs|everpost/i);
  });

  it('waits for the operator on the long pace, but for what our own configuration names', () => {
    const short = names.filter((name) => REASONS[name].fault === 'operator' && REASONS[name].pace !== 'long');
    expect(short).toEqual(['next-hop-missing', 'delivery-missing']);
  });

  it('tells the sender that a server refused us where a server did, and nowhere else', () => {
    const refusals = new Set<TableReason>(
      replyRules.map(({ reason }) => reason).filter((reason) => REASONS[reason].fault === 'operator'),
    );
    const told = names.filter((name) => {
      const status = parseStatus(REASONS[name].status);
      return status !== null && /refused our own mail system/.test(statusText(status, true, name).cause);
    });
    expect(new Set(told)).toEqual(refusals.add('unrecognised-by-new-next-hop')); // no rule knows its text
    expect(statusText(statusOf('5.7.1'), true, 'removed-by-operator').cause).toBe(
      'Our mail system refused the message under its rules.',
    );
    expect(statusText(statusOf('4.3.5'), true, 'next-hop-not-found').cause).toMatch(/not set up rightly/);
  });

  it('by which an expiry counts as one of ours is no word of a next hop', () => {
    const ofRules = new Set<string>([...replyRules, ...sesErrorRules].map(({ reason }) => reason));
    const counted = names.filter((name) => REASONS[name].countsAsOurs);
    expect(counted.filter((name) => ofRules.has(name))).toEqual([]);
    expect(counted).toContain('never-attempted');
  });
});

describe('rules', () => {
  it.each(replyRules.map((rule) => [rule.reason, rule] as const))(
    '%s: a rule that a 4yz may meet has a reason that waits',
    (reason, rule) => {
      const only5yz = rule.codes === '5xx' || (Array.isArray(rule.codes) && rule.codes.every((code) => code >= 500));
      expect(only5yz || REASONS[reason].permanent !== true).toBe(true);
    },
  );

  it('blame nobody else for what is the operator’s', () => {
    expect(deferredFor('login-refused', 'd')).toMatchObject({ operatorFault: true, pace: 'long', status: '4.7.0' });
    expect(deferredFor('greylisted', 'd')).toMatchObject({ operatorFault: false, status: '4.7.1' });
    expect(failedFor('size-exceeded', 'd')).toEqual({
      kind: 'failed',
      reason: 'size-exceeded',
      status: '5.3.4',
      reply: null,
      detail: 'd',
    });
  });
});

describe('a reason of a ledger row', () => {
  it('that another version wrote means nothing but itself', () => {
    expect([reasonRow('of-tomorrow'), reasonRow(null), reasonRow('toString'), reasonRow('constructor')]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    expect(inWords('of-tomorrow')).toBe('of tomorrow');
    const row = { ...queued('m'), state: 'expired', fallback: 'second', stateReason: 'of-tomorrow' } as const;
    expect(canFallBack(row)).toBe(true);
    expect(canFallBack({ ...row, stateReason: 'poison' })).toBe(false);
  });

  it('of a kind of bounce that SES may add has the row of every bounce', () => {
    expect(reasonRow('bounced-of-tomorrow')).toBe(REASONS.bounced);
  });
});
