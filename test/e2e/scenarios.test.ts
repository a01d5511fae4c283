// Plays every folder of scenarios/, in turn, on as few instances as there are configurations. At the end hours pass,
// more than a lifetime, and nothing more may have left than each scenario expects: an absent expectation is a promise
// too.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { discard, type Instance, start, tool } from './instance.ts';
import {
  addressesOf,
  expectedLeavings,
  leavings,
  outcome,
  play,
  readScenarios,
  type Scenario,
  scriptedNextHop,
} from './scenario.ts';
import type { Catcher } from './smtp.ts';

const scenarios = readScenarios();
const byConfig = Map.groupBy(scenarios, (scenario) => JSON.stringify(scenario.config));

it('no two scenarios share an address', () => {
  const all = scenarios.flatMap((scenario) => [...new Set(addressesOf(scenario))]);
  expect(all.filter((address, index) => all.indexOf(address) !== index)).toEqual([]);
});

describe.each([...byConfig])('with %s', (config, group) => {
  let nextHop: Catcher;
  let instance: Instance;

  beforeAll(async () => {
    nextHop = await scriptedNextHop(group, () => instance);
    instance = await start({ config: { ...baseConfig(nextHop.port), ...JSON.parse(config) } });
  });
  afterAll(async () => {
    await discard(instance);
    await nextHop?.close();
  });

  it.each(group.map((scenario): [string, Scenario] => [scenario.name, scenario]))('%s', async (_, scenario) => {
    try {
      await play(scenario, instance);
      expect(await outcome(scenario, instance, nextHop.caught), scenario.why).toEqual([]);
    } finally {
      await tool(instance, 'DELETE', '/faults');
    }
  });

  it('nothing more leaves in the hours that follow', async () => {
    await tool(instance, 'POST', '/clock', { advance: '6h' });
    const left = group.map((scenario) => [scenario.name, leavings(scenario, nextHop.caught)]);
    expect(left).toEqual(group.map((scenario) => [scenario.name, expectedLeavings(scenario)]));
  });

  it('no permission was missing in any of this', async () => {
    expect((await tool<{ denied: unknown[] }>(instance, 'GET', '/permissions')).denied).toEqual([]);
  });
});

function baseConfig(port: number): object {
  return {
    domains: ['example.com'],
    nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' } },
    routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
    // Short, so that a whole lifetime passes in a second or two.
    retry: { schedule: ['1m', '5m', '15m'], lifetime: '2h', delayNotice: false },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
  };
}
