// What is wrong with SES's set-up, by the identities that cover our domains, and how often SES is asked: each hour
// while all is right, each minute while something is not. Instants are literals.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Settings } from '#config/settings.ts';
import { type SesIdentity, type SesSetUp, SesSetUpView, sesFaults } from '#pipeline/ses-set-up.ts';
import { bySes, settingsOf } from '../../../infra/template.ts';

const NEVER = new AbortController().signal;
const MINUTE = 60_000;
const right: SesIdentity = { isVerified: true, isUnsigned: false };
const settings: Settings = {
  ...settingsOf(bySes),
  ...{ stackName: 'Post', domains: ['example.com', 'a.example.net'], returnPathDomain: 'back.example.com' },
};
const setUp = (identities: Readonly<Record<string, SesIdentity>>, activeRuleSet: string | null = 'Post'): SesSetUp => ({
  activeRuleSet,
  identities: new Map(Object.entries(identities)),
});
const all = { 'example.com': right, 'example.net': right };
const none = { otherRuleSet: false, unverifiedReceiving: [], unverifiedSending: [], unsigned: [] };

describe('the faults', () => {
  it('are none where an identity above each domain is verified', () => {
    expect(sesFaults(settings, setUp(all))).toEqual(none);
  });
  it.each([['Other'], [null]])('are a rule set that is not ours: %s', (active) => {
    expect(sesFaults(settings, setUp(all, active))).toEqual({ ...none, otherRuleSet: true });
  });
  it('are identities that are missing or not verified, each once, by the nearest that there is', () => {
    const unverified = { isVerified: false, isUnsigned: false };
    expect(sesFaults(settings, setUp({ 'example.com': unverified }))).toMatchObject({
      unverifiedReceiving: ['a.example.net', 'example.com'],
      unverifiedSending: ['a.example.net', 'example.com'],
    });
    // Its own identity counts before the one above it; nobody sends as the return path.
    const back = { ...all, 'back.example.com': unverified };
    expect(sesFaults(settings, setUp(back))).toEqual({ ...none, unverifiedReceiving: ['back.example.com'] });
  });
  it('are identities as which SES does not sign, and nothing of sending where nothing is sent by SES', () => {
    const unsigned = setUp({ ...all, 'example.net': { isVerified: true, isUnsigned: true } });
    expect(sesFaults(settings, unsigned)).toEqual({ ...none, unsigned: ['example.net'] });
    const { nextHops, notices } = settingsOf();
    const bySmtp = { ...settings, nextHops, notices: { ...notices, via: Object.keys(nextHops)[0] ?? null } };
    expect(sesFaults(bySmtp, setUp({}))).toEqual({
      ...none,
      unverifiedReceiving: ['a.example.net', 'back.example.com', 'example.com'],
    });
  });
});

describe('the view', () => {
  function viewOf(answers: (SesSetUp | Error)[]) {
    const [clock, watch] = [new MemoryClock(0), new MemoryWatch()];
    const asked: (readonly string[])[] = [];
    const reader = {
      async read(names: readonly string[]) {
        asked.push(names);
        const answer = answers.shift() ?? setUp(all);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    const view = new SesSetUpView({ settings, reader, clock, watch }, { rightMs: 60 * MINUTE, wrongMs: MINUTE });
    return { view, clock, watch, asked };
  }
  it('asks for every name that may cover a domain, and for no top-level domain', async () => {
    const { view, asked } = viewOf([]);
    await view.faults(NEVER);
    expect(asked).toEqual([['example.com', 'a.example.net', 'example.net', 'back.example.com']]);
  });
  it('asks again after an hour, and after a minute where something is wrong or SES does not tell', async () => {
    const { view, clock, watch, asked } = viewOf([setUp(all, 'Other'), new Error('Throttling')]);
    expect(await view.faults(NEVER)).toMatchObject({ otherRuleSet: true });
    expect(watch.logged('sweep.ses-set-up')[0]?.fields).toMatchObject({ activeRuleSet: 'Other' });
    clock.advance(MINUTE - 1);
    expect(await view.faults(NEVER)).toMatchObject({ otherRuleSet: true });
    clock.advance(1);
    expect([await view.faults(NEVER), asked.length]).toEqual([null, 2]);
    expect(watch.logged('sweep.ses-set-up-not-read')).toHaveLength(1);
    clock.advance(MINUTE);
    expect([await view.faults(NEVER), asked.length]).toEqual([none, 3]);
    clock.advance(60 * MINUTE - 1);
    await view.faults(NEVER);
    expect(asked).toHaveLength(3);
    clock.advance(1);
    await view.faults(NEVER);
    expect(asked).toHaveLength(4);
  });
});
