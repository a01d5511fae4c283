// `everpost remove`: ends deliveries. It tells their senders, unless the operator says otherwise. It writes the ledger
// and sends bounce jobs by operate.ts, and touches no content.

import { remove as removeRow } from '#pipeline/operate/operate.ts';
import { GOING, KEPT, operateSections, toEach } from './operate.ts';
import { flag, verb } from './verb.ts';

export const remove = verb({
  usage: 'remove --spool-id ID | --state held|… [options]',
  about: 'ends deliveries; senders are told',
  sections: [...operateSections, { 'without-notice': flag('nobody is told') }],
  elsewhere: { '--lifetime': 'release', '--to': 'release' },
  run(values) {
    const notice = values['without-notice'] !== true;
    return toEach(values, [...KEPT, ...GOING], (ports, row) => removeRow(ports, row, notice));
  },
});
