// The schema of routes: their matches and their actions. schema.ts includes it. route-rules.ts checks what depends on
// other sections, such as the names of next hops.

import { z } from 'zod';
import { boolean, choice, hopNames, list, message, object, oneOrMore, text, told } from './fields.ts';
import { orNull } from './next-hop-schema.ts';
import { normalMatch, parseAddress, parseName } from './values.ts';

export const address = text(
  (value) => parseAddress(value)?.address ?? null,
  'address',
  'an address such as postmaster@example.com',
  { values: 'an address' },
);
/** The name of a next hop. That there is one is a rule: the file's other section knows. */
export const hopName = z.string({
  error: ({ input }) => message(input, (shown) => `${shown} is no next hop's name`, hopNames),
});

const match = text(
  normalMatch,
  'match',
  "user@example.com, *@example.com, *@.example.com (its sub-domains), or * where direction is 'outbound'",
  {},
);

export const action = object(
  {
    via: told(hopName, { description: 'The next hop that gets the message.', values: 'a name of `nextHops`' }),
    address: told(address.optional().transform(orNull), {
      description: 'Replaces the forward-path in RCPT. The sender is never shown it.',
      fallback: 'the forward-path as it came',
    }),
    copy: told(boolean().prefault(false), {
      description:
        'The first action answers to the sender. Each further one is a copy and says `true`: it never causes a ' +
        'notice, and where it fails it is held, with an alarm.',
    }),
    returnPath: told(
      choice(
        {
          keep: 'the reverse-path as it came',
          token: 'b+TOKEN@returnPathDomain',
          srs: 'SRS0=…@returnPathDomain',
        },
        { verp: 'token', ours: 'token', rewrite: 'srs', none: 'keep' },
      )
        .optional()
        .transform(orNull),
      {
        description:
          'The reverse-path under which the mail leaves by SMTP or LMTP. Reports that come back to a path of ours ' +
          'become one NDR to the sender, without `address`; what is no report goes to `notices.postmaster`. Next ' +
          'hops of kind `ses` ignore it. Towards a server of your own that checks SPF, or returns mail itself, ' +
          'write `keep`.',
        fallback: '`token` where `address` is given, else `keep`',
      },
    ),
  },
  "{ via: 'exchange' }",
);

export const route = object(
  {
    match: told(
      oneOrMore(match, 'match', "['*@example.com']").transform((given) => (Array.isArray(given) ? given : [given])),
      {
        description:
          'The forward-paths that the route takes, as one pattern or a list. Case does not matter. `*` alone is for outbound mail.',
        values:
          '`user@domain` (also `user+label@`), `user+label@domain` (itself alone), `*@domain`, `*@.domain` (its sub-domains), `*`',
      },
    ),
    direction: told(
      choice(
        { inbound: 'mail that SES received', outbound: 'mail of submitters' },
        { in: 'inbound', out: 'outbound' },
      ).prefault('inbound'),
      {
        description:
          'Which mail the route is for. Where no outbound route takes a forward-path of our own domains, the ' +
          'inbound one does; other forward-paths come back with 5.7.1.',
      },
    ),
    to: told(
      list(action, 'action', (given) => `[{ via: '${parseName(given) === null ? 'exchange' : given}' }]`),
      { description: 'Where the message goes: one action, and copies.', values: 'a list of actions' },
    ),
    fallback: told(hopName.optional().transform(orNull), {
      description:
        'The next hop that takes over, with the same address and a fresh lifetime, when the delivery of the first ' +
        'action expires. A permanent refusal never falls back.',
      values: 'a name of `nextHops`',
      fallback: 'none',
    }),
  },
  "{ match: '*@example.com', to: [{ via: 'exchange' }] }",
);
