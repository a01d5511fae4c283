// Settings for simulations of routes: next hops `exchange` and `second` take mail, `gone` refuses and `sink` discards.

import type { ActionSettings, NextHopSettings, PolicyChoice, Settings } from '#config/settings.ts';
import { statusOf } from '#core/reply/status.ts';
import { pipelineSettings } from '../kit/pipeline.ts';

const HOUR = 3_600_000;
export type Routed = {
  readonly to?: readonly { via: string; copy?: true; address?: string }[];
  /** To `second`. */
  readonly fallback?: true;
  readonly spam?: PolicyChoice;
};

/** One route for example.com; a lifetime of three hours, short enough for every call of a path to be tried. */
export function settingsOf(path: Routed): Settings {
  const { exchange } = pipelineSettings.nextHops as { exchange: NextHopSettings };
  const to = (path.to ?? [{ via: 'exchange' }]).map(
    ({ via, copy, address }): ActionSettings => ({
      via,
      address: address ?? null,
      copy: copy ?? false,
      returnPath: 'keep',
    }),
  );
  return {
    ...pipelineSettings,
    nextHops: {
      exchange,
      second: exchange,
      gone: { kind: 'refuse', status: statusOf('5.1.6'), text: 'this address has moved' },
      sink: { kind: 'discard' },
    },
    routes: [
      { match: ['*@example.com'], direction: 'inbound', to, fallback: path.fallback === true ? 'second' : null },
    ],
    retry: { ...pipelineSettings.retry, lifetimeMs: 3 * HOUR },
    policy: { ...pipelineSettings.policy, spam: path.spam ?? 'quarantine' },
  };
}
