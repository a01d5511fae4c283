// How mail for the postmaster goes, as a table: one decision for copies and the digest, which leave with the null
// reverse-path, and for mail that is sent on to the postmaster.

import { describe, expect, it } from 'vitest';
import type { ActionSettings, NextHopSettings, Settings } from '#config/settings.ts';
import { noticeWay } from '#core/notice/way.ts';
import { wayToPostmaster } from '#core/routing/postmaster-way.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const exchange = pipelineSettings.nextHops.exchange as NextHopSettings;
const ses: NextHopSettings = { kind: 'ses' };
const discard: NextHopSettings = { kind: 'discard' };
const action = { via: 'hop', address: null, copy: false, returnPath: 'keep' } as const;

type Given = { readonly hop?: NextHopSettings; readonly to?: Partial<ActionSettings>; readonly via?: string | null };
function settings({ hop, to = {}, via = null }: Given): Settings {
  const match = hop === undefined ? '*@elsewhere.example' : '*@example.com';
  return {
    ...pipelineSettings,
    nextHops: { ...(hop === undefined ? {} : { hop }), relay: exchange, out: ses },
    routes: [{ match: [match], direction: 'inbound', to: [{ ...action, ...to }], fallback: null }],
    notices: { ...pipelineSettings.notices, postmaster: 'postmaster@example.com', via },
  };
}

describe('wayToPostmaster', () => {
  it.each<[string, Given, string | null, string | null]>([
    // what, given, a notice's next hop, mail's next hop
    ['a route', { hop: exchange }, 'hop', 'hop'],
    ['a route, and what carries notices', { hop: exchange, via: 'relay' }, 'hop', 'hop'],
    ['a route by SES', { hop: ses }, 'hop', 'hop'],
    ['a route by SES, and what carries notices', { hop: ses, via: 'relay' }, 'relay', 'hop'],
    ['a route that discards', { hop: discard }, null, 'out'],
    ['a route that discards, and what carries notices', { hop: discard, via: 'relay' }, 'relay', 'relay'],
    ['no route', {}, null, 'out'],
    ['no route, and what carries notices', { via: 'relay' }, 'relay', 'relay'],
  ])('%s', (_, given, notice, mail) => {
    expect(wayToPostmaster(settings(given), { nullReversePath: true })?.nextHop ?? null).toBe(notice);
    expect(wayToPostmaster(settings(given), { nullReversePath: false })?.nextHop ?? null).toBe(mail);
  });

  it('is the way that the copy takes: its address is the one for that next hop', () => {
    const given = settings({ hop: exchange, to: { address: 'ann@corp.example' }, via: 'relay' });
    const way = wayToPostmaster(given, { nullReversePath: true });
    expect(way).toMatchObject({ nextHop: 'hop', address: 'ann@corp.example' });
    const facts = { via: 'relay', direction: 'inbound', acceptedAt: 0, now: 1, autoSubmitted: null } as const;
    const taken = (rowNextHop: string) =>
      noticeWay({ ...facts, kind: 'postmaster', forwardPath: 'bob@example.com', rowNextHop });
    expect(taken(way?.nextHop ?? '')).toEqual({ kind: 'next-hop', name: 'hop' });
    expect(taken('ses-report')).toEqual({ kind: 'next-hop', name: 'relay' });
  });

  it('says the routed address and the return path of the route', () => {
    const routed = settings({ hop: exchange, to: { address: 'ann@corp.example', returnPath: 'srs' } });
    expect(wayToPostmaster(routed, { nullReversePath: false })).toEqual({
      nextHop: 'hop',
      address: 'ann@corp.example',
      route: 0,
      returnPath: 'srs',
    });
  });

  it('is none where nothing could carry it', () => {
    const { out: _, ...nextHops } = settings({}).nextHops;
    expect(wayToPostmaster({ ...settings({}), nextHops }, { nullReversePath: false })).toBeNull();
  });
});
