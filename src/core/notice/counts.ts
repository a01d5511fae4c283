// How many notices there may be where nothing vouches for the reverse-path: of one message, to one address, to one
// registrable domain, and in all (RFC 3834 §2 and §4). Names and numbers of the counts alone: pipeline/bounce/bounce.ts
// counts. Pure.

import type { Settings } from '#config/settings.ts';
import type { MessageFacts, NoticeKind } from '#core/delivery/delivery.ts';
import {
  delayNoticesPerMessageMax,
  noticeCountMs,
  noticesInAllMax,
  noticesPerAddressMax,
  noticesPerMessageMax,
} from '#core/limits.ts';
import { type Mailbox, personKey } from '#core/message/address.ts';
import { organizationalDomain } from '#core/message/organizational-domain.ts';

/** As it stands in ledgers and traces, where it is reached. */
export type NoticeLimit = 'message-limit' | 'address-limit' | 'domain-limit' | 'total-limit';

export type NoticeCount = {
  readonly limit: NoticeLimit;
  /** Of the counter in the ledger. */
  readonly name: string;
  readonly max: number;
  /** When it may be forgotten, in milliseconds since the epoch. */
  readonly until: number;
  /** The key that is counted: once, however often it is asked for. Absent: every call counts. */
  readonly key?: string;
};

/**
 * In the order in which they are to be asked: a notice that a narrow limit refuses must not use up a wide one, or one
 * forger would silence everybody. The two small counts know each notice by a key, so that no crash of ours and no
 * duplicate job uses them up.
 */
export function noticeCounts(
  settings: Settings,
  about: {
    readonly message: MessageFacts;
    readonly to: Mailbox;
    readonly kind: NoticeKind;
    readonly noticeKey: string;
  },
  now: number,
): readonly NoticeCount[] {
  const { message, kind, noticeKey } = about;
  const to = oneSpelling(about.to);
  const { perDomainPerHour } = settings.notices;
  const hour = Math.floor(now / noticeCountMs) * noticeCountMs;
  const hourly = (limit: NoticeLimit, of: string, max: number): NoticeCount => ({
    limit,
    name: `notices/${of}/${hour}`,
    max,
    until: hour + 2 * noticeCountMs,
  });
  return [
    {
      limit: 'message-limit',
      name: `notices/of/${message.spoolId}`,
      max: kind === 'delay' ? delayNoticesPerMessageMax : noticesPerMessageMax,
      until: message.acceptedAt + settings.retentionMs.ledger,
      key: noticeKey,
    },
    { ...hourly('address-limit', `to/${personKey(to)}`, noticesPerAddressMax), key: `${message.spoolId}/${noticeKey}` },
    // Sub-domains of one organization are one: its owner may have any number of them (the public suffix list).
    hourly('domain-limit', `in/${organizationalDomain(to.domainKey) ?? to.domainKey}`, perDomainPerHour),
    hourly('total-limit', 'all', Math.max(noticesInAllMax, perDomainPerHour)),
  ];
}

/** An IPv6 address may be spelt in many ways, and each is the same host's. */
function oneSpelling(to: Mailbox): Mailbox {
  const address = /^\[ipv6:([0-9a-f:.]+)\]$/.exec(to.domainKey)?.[1];
  const url = address === undefined ? null : URL.parse(`http://[${address}]/`);
  return url === null ? to : { ...to, domainKey: url.hostname };
}
