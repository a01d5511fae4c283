// Replies that servers of several makers send in the same words. Rows alone, read by providers.ts: row.ts says what
// each field means.

import type { RowGroup } from './row.ts';

export const severalServers: readonly RowGroup[] = [
  {
    server: 'Several servers',
    rows: [
      {
        id: 'mailbox-unavailable-ip-blacklisted',
        seen: '550 5.2.1 Mailbox unavailable. Your IP address 192.0.2.7 is blacklisted using SPAMHAUS-XBL. Details: http://www.spamhaus.org/query/bl?ip=192.0.2.7',
        stage: 'rcpt',
        source: 'zone-eu/zone-mta:config/bounces.txt',
        status: '5.2.1',
        text: ['your ip address', 'blacklisted'],
        reason: 'our-address-listed',
      },
    ],
  },
];
