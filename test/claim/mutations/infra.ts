// Mutations of infra/: see run.ts.

import type { Mutation } from './mutation.ts';

export const infraMutations: readonly Mutation[] = [
  {
    name: 'watch/own-alarms-at-ten',
    file: 'infra/watch.ts',
    text: 'metric: own(metricName, MINUTE), threshold: 1,',
    replacement: 'metric: own(metricName, MINUTE), threshold: 10,',
    test: {
      file: 'test/infra/watch.test.ts',
      name: 'our own metrics > Held calls at the 1 within 60 s, summed, at the first such period',
    },
  },
];
