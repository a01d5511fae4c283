// The schema of the section `canary`: a message that is sent to itself, to find out whether mail comes through.
// schema.ts includes it; canary-rules.ts checks it against domains and routes.

import { canaryEveryMsMax, canaryEveryMsMin } from '#core/limits.ts';
import { object, text, told } from './fields.ts';
import { orNull } from './next-hop-schema.ts';
import { address } from './route-schema.ts';
import { parseDuration } from './values.ts';

const every = text(
  (value) => {
    const ms = parseDuration(value);
    return ms !== null && ms >= canaryEveryMsMin && ms <= canaryEveryMsMax ? ms : null;
  },
  'duration from 15 minutes to 7 days',
  "a duration such as '1h'",
  { pattern: '^[1-9]\\d{0,8}[smhd]$', values: 'a duration from `15m` to `7d`' },
);

export const canary = told(
  object(
    {
      every: told(every.prefault('1h'), { description: 'How often one is sent.' }),
      to: told(address, {
        description:
          'Its sender and its recipient: a mailbox of its own in one of `domains`, which an inbound route takes.',
      }),
    },
    "{ every: '1h', to: 'canary@example.com' }",
  )
    .transform(({ every: everyMs, to }) => ({ everyMs, to }))
    .optional()
    .transform(orNull),
  {
    description:
      'A message that Everpost sends by SES to its own MX, and that comes in and is routed as any other ' +
      '([how](decisions/canary.md)). One that its next hop has not accepted after 15 minutes raises the alarm ' +
      '`CanaryLate`. Nobody gets a notice of it, and no figure counts it.',
    values: '`{ every, to }`',
    fallback: 'none',
  },
);
