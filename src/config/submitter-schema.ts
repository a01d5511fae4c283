// The schema of a submitter: how it is identified (login, addresses), as whom it may send, and which TLS its devices
// speak. schema.ts includes it. submitter-rules.ts checks what one key cannot know alone.

import { z } from 'zod';
import { domainKeyOf } from '#core/message/domain-key.ts';
import { readSourceNetwork } from '#core/submission/source-network.ts';
import { boolean, list, message, object, text, told } from './fields.ts';
import { orNull, secret } from './next-hop-schema.ts';
import type { SubmitterSettings } from './settings.ts';

export const domain = text(domainKeyOf, 'domain name', 'a domain such as example.com');

/** The text of a network in its usual form; the reader describes a mistake. */
const network = told(
  z
    .string({ error: ({ input }) => message(input, (shown) => `${shown} is no network`, "'192.168.10.0/24'") })
    .transform((value, context): string => {
      const read = readSourceNetwork(value);
      if (read.kind === 'network') return read.text;
      context.issues.push({
        code: 'custom',
        message: message(value, (shown) => `${shown} ${read.wrong}`, read.write),
        input: value,
      });
      return z.NEVER;
    }),
  { values: 'a network', pattern: '^[0-9A-Fa-f:.]{2,45}(?:/\\d{1,3})?$' },
);

export const submitter = object(
  {
    secret: told(secret.optional().transform(orNull), {
      description:
        'The secret in Secrets Manager that holds what it says in AUTH: `{"username": "…", "password": "…"}`. It may ' +
        'be left out where `from` is there.',
      values: 'the name of a secret',
      fallback: 'no login, where `from` is there',
    }),
    senderDomains: told(
      list(domain, 'domain', (given) => (domainKeyOf(given) === null ? "['example.com']" : `['${given}']`)),
      {
        description:
          'The domains of its reverse-paths, each by name ([who may submit](decisions/who-may-submit.md)). SES ' +
          'must have them verified where it sends for them, and signs for these authors alone.',
        values: 'a list of domains',
      },
    ),
    from: told(list(network, 'network', "['192.168.10.0/24']").optional(), {
      description:
        'Networks from which the gateway takes its mail without a login, in CIDR notation ([devices](devices.md)). ' +
        'Outside private ranges at most a `/24`, of IPv6 a `/56`. Every author must then be of `senderDomains`, ' +
        'however the mail is submitted. No two submitters may have the same address.',
      values: "a list of networks such as `['192.168.10.0/24']`",
      fallback: 'none: it logs in',
    }),
    oldTls: told(boolean().optional(), {
      description:
        'Whether clients in `from` may speak TLS 1.0 and 1.1, which can be read and changed by who is on the way. ' +
        'Needs `from`, because TLS is agreed on before the login.',
      values: '`true` or `false`',
      fallback: '`false`: TLS 1.2 at least',
    }),
    withoutTls: told(boolean().optional(), {
      description:
        'Whether clients in `from` may submit mail without TLS: who is on the way reads it. They still cannot log ' +
        'in without TLS. Needs `from`.',
      values: '`true` or `false`',
      fallback: '`false`',
    }),
  },
  "{ secret: 'everpost/exchange', senderDomains: ['example.com'] }",
  {
    elsewhere: Object.fromEntries(
      ['ip', 'ips', 'cidr', 'cidrs', 'address', 'addresses', 'network', 'networks', 'source'].map((key) => [
        key,
        "from: ['192.168.10.0/24']",
      ]),
    ),
  },
).transform(
  ({ secret: name, senderDomains, from, oldTls, withoutTls }): SubmitterSettings => ({
    secret: name,
    senderDomains,
    ...(from === undefined ? {} : { from }),
    ...(oldTls ? { oldTls } : {}),
    ...(withoutTls ? { withoutTls } : {}),
  }),
);
