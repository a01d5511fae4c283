// `everpost retry`: tries deliveries again that the failure limit holds. It writes the ledger and sends jobs by
// operate.ts, and touches no content. What is held for another cause goes on by `everpost release`.

import { parseDuration } from '#config/values.ts';
import { isHeldFailure } from '#core/delivery/delivery.ts';
import { retry as retryRow } from '#pipeline/operate/operate.ts';
import { Usage } from './exit.ts';
import { operateSections, toEach } from './operate.ts';
import { text, verb } from './verb.ts';

export const retry = verb({
  usage: 'retry --spool-id ID | --state held [options]',
  about: 'tries deliveries again that the failure limit holds',
  sections: [
    ...operateSections,
    { lifetime: text('DURATION', 'of one whose lifetime is over: how long it is tried from now (default 48h)') },
  ],
  elsewhere: { '--to': 'release', '--without-notice': 'remove' },
  async run(values) {
    const lifetimeMs = parseDuration(values.lifetime ?? '48h');
    if (lifetimeMs === null) throw new Usage(`--lifetime takes a duration such as 48h, not "${values.lifetime}"`);
    return toEach(values, ['held'], (ports, row) => retryRow(ports, row, lifetimeMs), isHeldFailure);
  },
});
