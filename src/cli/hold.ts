// `everpost hold`: stops queued or deferred deliveries until an operator releases them. It writes the ledger by
// operate.ts, sends no job and touches no content.

import { hold as holdRow } from '#pipeline/operate/operate.ts';
import { GOING, operateSections, toEach } from './operate.ts';
import { verb } from './verb.ts';

export const hold = verb({
  usage: 'hold --spool-id ID | --state queued|deferred [options]',
  about: 'stops deliveries until they are released',
  sections: operateSections,
  elsewhere: { '--lifetime': 'release', '--to': 'release', '--without-notice': 'remove' },
  run: (values) => toEach(values, GOING, holdRow),
});
