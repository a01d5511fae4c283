// The schema of the section `concurrency`: how many calls of each function run at once. schema.ts includes it. It asks
// nothing of the account, so that `npm run synth` needs none.

import { concurrencyDefault, mappingConcurrencyMax, mappingConcurrencyMin } from '#core/limits.ts';
import { boolean, object, told, wholeNumber } from './fields.ts';

function atOnce(stage: keyof typeof concurrencyDefault, description: string) {
  const part = wholeNumber(mappingConcurrencyMin, mappingConcurrencyMax).prefault(concurrencyDefault[stage]);
  return told(part, { description });
}

export const concurrency = object(
  {
    relay: atOnce('relay', 'Of relay. Each call has up to ten messages in work.'),
    slowRelay: atOnce(
      'slowRelay',
      'Of relay, for jobs of next hops that are slow or take nothing. They come on top of `relay`.',
    ),
    ingest: atOnce('ingest', 'Of ingest.'),
    feedback: atOnce(
      'feedback',
      'Of feedback, which also writes NDRs and other notices (bounce): both have one queue.',
    ),
    reserve: told(boolean().prefault(false), {
      description:
        'Reserves what the four add up to, one for the sweep, and with `network` or a client certificate one for the ' +
        'hourly call of relay, so that no other function of the account can take it. AWS reserves only while 100 stay ' +
        'unreserved for others: in a new account, which has 10 in all, the deploy fails.',
    }),
  },
  '{ relay: 10 }',
  { elsewhere: { bounce: 'feedback, because bounce and feedback are one function with one queue' } },
);
