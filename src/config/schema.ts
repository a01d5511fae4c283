// The schema of the configuration, stated once. The type that people write (Config), the check (check.ts), the JSON
// schema for editors and the reference page (docs/configuration.md) come from it. `npm run fix` writes both files
// again. rules.ts and route-rules.ts check what depends on several sections. It reads no file and uses no network.

import { z } from 'zod';
import { domainKeyOf } from '#core/message/domain-key.ts';
import { canary } from './canary-schema.ts';
import { concurrency } from './concurrency-schema.ts';
import { boolean, choice, later, list, object, oneOrMore, record, text, told, wholeNumber } from './fields.ts';
import { networkKey, VPC_EXAMPLE } from './network-schema.ts';
import { nextHops, orNull, secret } from './next-hop-schema.ts';
import { address, hopName, route } from './route-schema.ts';
import { domain, submitter } from './submitter-schema.ts';
import { parseDuration, parseSelector, parseStackName } from './values.ts';

const duration = text(
  parseDuration,
  'duration',
  "a number of seconds, minutes, hours or days such as '30s', '15m', '4h' or '2d'",
  { pattern: '^[1-9]\\d{0,8}[smhd]$', values: 'a duration' },
);
const retry = object(
  {
    schedule: told(
      list(duration, 'duration', "['1m', '15m', '1h']").prefault(['1m', '5m', '15m', '30m', '1h', '2h', '4h']),
      {
        description: 'The times between attempts. The last one repeats. Each is varied by 20 %.',
        values: 'a list of durations',
      },
    ),
    lifetime: told(duration.prefault('48h'), {
      description: 'How long after acceptance a delivery expires.',
      values: 'a duration below `14d`',
    }),
    delayNotice: told(z.union([duration, z.literal(false)]).prefault('4h'), {
      description: 'When the sender is told, once, that a delivery is still deferred. `false`: never.',
      values: 'a duration, or `false`',
    }),
  },
  "{ lifetime: '48h', delayNotice: '4h' }",
).transform(({ schedule, lifetime, delayNotice }) => ({
  scheduleMs: schedule,
  lifetimeMs: lifetime,
  delayNoticeMs: delayNotice === false ? null : delayNotice,
}));

const findings = choice(
  {
    relay: 'deliver it',
    quarantine: 'keep it until it is released',
    refuse: 'an NDR where one is allowed, else quarantine',
  },
  { reject: 'refuse', bounce: 'refuse', hold: 'quarantine', deliver: 'relay', accept: 'relay' },
);
const policy = object(
  {
    spam: told(findings.prefault('quarantine'), {
      description:
        'What becomes of mail that SES calls spam. Of the findings that are not to be relayed, the gravest ' +
        'decides: virus, spam, DMARC. Copies are quarantined where the message is refused.',
    }),
    virus: told(findings.prefault('quarantine'), { description: 'What becomes of mail in which SES found a virus.' }),
    dmarcReject: told(findings.prefault('quarantine'), {
      description: 'What becomes of mail that fails DMARC where the domain of its From field asks for rejection.',
    }),
    unscanned: told(choice({ relay: 'deliver it', quarantine: 'keep it until it is released' }).prefault('relay'), {
      description:
        'What becomes of mail of which SES says for spam or for viruses neither PASS nor FAIL, but GRAY, ' +
        'PROCESSING_FAILED, DISABLED or nothing, and against which nothing else speaks. The trace then says HOLD ' +
        '`policy-unscanned`.',
    }),
  },
  "{ spam: 'quarantine' }",
);

const reason = text(
  (value) => (/^[a-z0-9][a-z0-9.*-]*$/.test(value) ? value : null),
  'reason',
  "a reason or a status such as 'expired' or '5.7.*'",
);
const notices = object(
  {
    from: told(address, { description: 'The From of every notice. In one of `domains` where anything goes by SES.' }),
    postmaster: told(address, {
      description:
        'The person to ask, whom notices name. Gets the daily digest of what waits for a person, of pauses and next ' +
        'hops, and of the quarantine.',
    }),
    via: told(hopName.optional().transform(orNull), {
      description: 'The next hop, of kind `smtp` or `lmtp`, by which notices leave, with the null reverse-path.',
      values: 'a name of `nextHops`',
      fallback: 'by SES: `SendBounce` for a day, else a report of our own ([why](decisions/notices-by-ses.md))',
    }),
    mode: told(
      choice({
        send: 'notices are sent',
        hold: 'failed deliveries are held, and `everpost release` sends their notices',
      }).prefault('send'),
      { description: 'Whether notices are sent by themselves.' },
    ),
    copyPostmasterOn: told(list(reason, 'reason', "['expired', '5.7.*']", 0).prefault([]), {
      description:
        'Reasons, states or statuses, with `*` for any characters. Failures that fit are copied to ' +
        '`notices.postmaster`: as his mail goes, else by `via`, else by SES.',
      values: "a list such as `['expired', '5.7.*']`",
    }),
    perDomainPerHour: told(wholeNumber(1, 1_000_000).prefault(100), {
      description:
        'Notices to one registrable domain, its sub-domains counted with it, in an hour, where neither SPF nor the ' +
        'DMARC result of an author who is the reverse-path vouches for it. There, too: 5 of one message, 10 to one ' +
        'address in an hour, and in all 1,000 in an hour or this number, if it is more ' +
        '([why](decisions/backscatter.md)).',
    }),
    dkim: told(
      object(
        {
          secret: told(secret, { description: 'The secret in Secrets Manager that holds the key.' }),
          selector: told(text(parseSelector, 'DKIM selector', "a selector such as 'everpost'"), {
            description: 'The name of the key in the DNS.',
          }),
        },
        "{ secret: 'everpost/dkim', selector: 'everpost' }",
      )
        .optional()
        .transform(orNull),
      {
        description: 'The key that signs notices. Relay may read the secret already.',
        values: '`{ secret, selector }`',
        noEffectYet: true,
        fallback: 'none',
      },
    ),
  },
  "{ from: 'postmaster@example.com', postmaster: 'postmaster@example.com' }",
);

const retention = object(
  {
    spool: told(duration.prefault('14d'), {
      description:
        'How long after its arrival content stays at least, received or submitted. Then it is purged, a ' +
        "submission's envelope with it, once every delivery of it is final: never what is held or quarantined; " +
        'what SES relayed 62 hours after that at the earliest.',
      values: 'a duration, more than `retry.lifetime`',
    }),
    versions: told(duration.prefault('7d'), { description: 'How long deleted versions of content are kept.' }),
    ledger: told(duration.prefault('90d'), {
      description: 'How long a trace is kept after the last thing that happened.',
      values: 'a duration, at least `spool` and seven days',
    }),
    quarantine: told(duration.prefault('30d'), {
      description:
        'How long after acceptance quarantined mail waits for its release. Then it is discarded, traced. A digest ' +
        'tells the postmaster of it once, and warns a week before the end.',
      values: 'a duration, at most `ledger`',
    }),
  },
  "{ spool: '14d', ledger: '90d' }",
);

const transferMode = choice(
  {
    normal: 'mail is delivered',
    hold: 'mail is accepted and kept, and no attempt is made',
    drain: 'what was accepted before is delivered, and newer mail is kept',
  },
  { pause: 'hold', paused: 'hold', stop: 'hold', off: 'hold', on: 'normal', deliver: 'normal', relay: 'normal' },
).prefault('normal');
const transfer = object(
  {
    inbound: told(transferMode, { description: 'Mail that SES received. It is accepted always.' }),
    outbound: told(transferMode, {
      description:
        'Mail of submitters. Unless it is `normal`, the gateway answers 451 4.3.2; other submissions are kept.',
    }),
  },
  "{ inbound: 'hold' }",
);
const alarms = object(
  {
    set: told(
      choice(
        {
          all: 'one alarm for each kind of fault, each with its own article',
          essential:
            'four alarms, which stand for all that a person must act on: `WaitsForPerson`, `SweepOverdue`, `FrontDoor`, ' +
            '`SesSending`; and `CanaryLate` where there is a canary',
        },
        { full: 'all', every: 'all', everything: 'all', minimal: 'essential', four: 'essential' },
      ).prefault('all'),
      { description: '[What each set costs, and what the small one does not tell](alarm-sets.md).' },
    ),
    dashboard: told(boolean().prefault(true), {
      description:
        'A dashboard in CloudWatch that tells the state at a glance. Three are free in an account; each further one costs ' +
        '3 USD a month.',
    }),
    email: told(
      oneOrMore(address, 'address', "['you@example.net']")
        .optional()
        .transform((given = []) => [...new Set([given].flat())]),
      {
        description:
          'Who hears of alarms. AWS sends each a mail with a link; who has not opened it hears of nothing. Best in a ' +
          'domain whose mail does not come in by this stack.',
        values: 'an address, or a list of them',
        fallback: 'nobody, until somebody subscribes to the output `AlarmTopic`',
      },
    ),
  },
  "{ email: 'you@example.net' }",
);
const feedback = object(
  {
    confirm: told(boolean().prefault(false), {
      description:
        "SES also says when the recipient's server took a message, and its delivery is `confirmed`: one more " +
        'event and one more write for each message. Failures, delays and complaints are told in any case.',
    }),
  },
  '{ confirm: true }',
);
const trace = object(
  {
    subject: told(boolean().prefault(true), {
      description: 'Keep the subject in the ledger, for notices whose original cannot be read.',
    }),
    search: told(boolean().prefault(true), {
      description: 'Index Message-ID and both paths. Costs three index writes a message. Choose at the first deploy.',
    }),
  },
  '{ subject: false }',
);

const EXAMPLE = [
  "{ domains: ['example.com']",
  "nextHops: { exchange: { kind: 'smtp', host: 'mail.example.com', port: 587, tls: 'required' } }",
  "routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }]",
  "notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' } }",
].join(', ');

export const schema = object(
  {
    $schema: told(z.string().optional(), {
      description: 'In a JSON file: the JSON schema, for editors. Nothing reads it.',
    }),
    stackName: told(
      text(parseStackName, 'stack name', 'a letter, then up to 29 letters, digits and hyphens', {
        pattern: '^[A-Za-z][A-Za-z0-9-]{0,29}$',
        values: 'a letter, then up to 29 letters, digits, hyphens',
      }).prefault('Everpost'),
      { description: 'Names the CloudFormation stack and the SES rule set.' },
    ),
    domains: told(
      list(domain, 'domain', (given) => (domainKeyOf(given) === null ? "['example.com']" : `['${given}']`)),
      {
        description: 'Those that we receive for. The first is our name in EHLO, Received and Reporting-MTA.',
        values: 'a list of domains',
      },
    ),
    nextHops: told(nextHops, { description: 'Where mail can go, by name.', values: 'name → next hop' }),
    routes: told(list(route, 'route', "[{ match: '*@example.com', to: [{ via: 'exchange' }] }]"), {
      description:
        'Which mail goes where. The first route that matches a forward-path wins. Each domain needs a route that ' +
        'takes its `postmaster@` (RFC 5321 §4.5.1).',
      values: 'a list of routes',
    }),
    submitters: told(
      record(
        submitter,
        "{ cron: { secret: 'everpost/cron', senderDomains: ['example.com'] } }",
        '^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$',
      ).prefault({}),
      {
        description:
          'Who may submit mail, by name: up to 32 lower-case letters, digits and hyphens. At least one outbound route must be there.',
        values: 'name → submitter',
        fallback: 'nobody',
      },
    ),
    retry: told(retry.prefault({}), { description: 'When attempts are made, and for how long.' }),
    policy: told(policy.prefault({}), { description: 'What becomes of mail that SES found something wrong with.' }),
    notices: told(notices, { description: 'NDRs, delay notices and success notices.' }),
    returnPathDomain: told(domain.optional().transform(orNull), {
      description:
        "Where return paths of ours live, and nobody is answered but at `postmaster` and `abuse`. None of `domains`, and no route's.",
      values: 'a domain',
      fallback: '`bounces.<first domain>`',
    }),
    retention: told(retention.prefault({}), { description: 'How long what is kept.' }),
    transfer: told(transfer.prefault({}), {
      description:
        'Whether mail that was accepted is delivered. A pause extends the lifetime of what it keeps, up to 14 days in ' +
        'all.',
    }),
    alarms: told(alarms.prefault({}), { description: 'Which alarms the stack has, and whether it has a dashboard.' }),
    feedback: told(feedback.prefault({}), { description: 'What SES tells after it took a message.' }),
    trace: told(trace.prefault({}), { description: 'What the ledger keeps.' }),
    network: told(networkKey, {
      description:
        'Puts relay into a VPC, and nothing else: for next hops on port 25, on private addresses, or that want to know ' +
        'us by our address ([when and what it costs](network.md)). Without it relay runs outside of any VPC, and a ' +
        'function outside a VPC reaches no port 25.',
      fallback: 'no VPC',
    }),
    concurrency: told(concurrency.prefault({}), {
      description:
        'How many calls of each function run at once. The defaults add up to eight: a new account runs ten functions ' +
        'at once, and one each is for the sweep and for what runs by the hour. Ask AWS for a higher quota before you ' +
        'raise them (*Service Quotas › Lambda › Concurrent executions*).',
    }),
    canary,
    dns: later('writing DNS records', "no dns, and set the records that the stack's outputs name"),
  },
  EXAMPLE,
  {
    elsewhere: {
      vpc: `network: { vpc: ${VPC_EXAMPLE} }`,
      port25: "network: { create: { zones: 1 }, port25: 'unblocked' }",
      helo: "helo: 'mail.example.com' in the next hop",
    },
  },
);

/** The type that people write in everpost.config.ts, .js or .json. */
export type Config = z.input<typeof schema>;
