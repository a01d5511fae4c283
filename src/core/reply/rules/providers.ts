// All rows of the reply rules, in order: the first row that takes a reply decides. A row that is asked earlier must not
// take the reply of a later one; test/unit/core/reply/reply-rows.test.ts says so.

import { accessProviders } from './access-providers.ts';
import { blockLists } from './block-lists.ts';
import { chineseProviders } from './chinese-providers.ts';
import { europeanProviders } from './european-providers.ts';
import { exchangeOnline } from './exchange-online.ts';
import { exchangeOnlineMessages } from './exchange-online-messages.ts';
import { exchangeSubmission } from './exchange-submission.ts';
import { eximSendmailQmail } from './exim-sendmail-qmail.ts';
import { filterServices } from './filter-services.ts';
import { filters } from './filters.ts';
import { gmail } from './gmail.ts';
import { gmailLimits } from './gmail-limits.ts';
import { godaddyOrange } from './godaddy-orange.ts';
import { googleRelay } from './google-relay.ts';
import { mailServers } from './mail-servers.ts';
import { mailboxProviders } from './mailbox-providers.ts';
import { outlook } from './outlook.ts';
import { postfix } from './postfix.ts';
import type { ReplyRow, RowGroup } from './row.ts';
import { sendingServices } from './sending-services.ts';
import { severalServers } from './several-servers.ts';
import { sophosFortinet } from './sophos-fortinet.ts';
import { yahooApple } from './yahoo-apple.ts';

export const rowGroups: readonly RowGroup[] = [
  ...severalServers,
  ...exchangeOnline,
  ...exchangeOnlineMessages,
  ...exchangeSubmission,
  ...outlook,
  ...googleRelay,
  ...gmailLimits,
  ...gmail,
  ...yahooApple,
  ...accessProviders,
  ...godaddyOrange,
  ...europeanProviders,
  ...mailboxProviders,
  ...chineseProviders,
  ...filterServices,
  ...sophosFortinet,
  ...filters,
  ...postfix,
  ...eximSendmailQmail,
  ...mailServers,
  ...sendingServices,
  ...blockLists,
];

const byId = new Map(rowGroups.flatMap(({ rows }) => rows.map((row) => [row.id, row] as const)));

/** The row of an id as a ledger has it; null for what is no row of this version. */
export function rowOf(id: string | null): ReplyRow | null {
  return id === null ? null : (byId.get(id) ?? null);
}
