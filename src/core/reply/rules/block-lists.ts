// Replies that name a block list on which our own address stands, by whatever server; several hundred servers say so in
// their own words.
// Rows alone: row.ts says what each field means.

import type { RowGroup } from './row.ts';

const BOUNCES = 'zone-eu/zone-mta:config/bounces.txt';

export const blockLists: readonly RowGroup[] = [
  {
    server: 'Block lists',
    rows: [
      {
        id: 'list-geographical',
        seen: '554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using ee.countries.nerd.dk; Your IP is in ee, rejected based on geographical location',
        stage: 'rcpt',
        source: BOUNCES,
        text: 'based on geographical location',
        reason: 'our-address-listed',
        says: 'The server takes no mail from the country of our mail system.',
      },
      {
        id: 'list-grey',
        seen: '421 4.7.1 Service unavailable; Client host [192.0.2.7] blocked using grey.rbl - Rechazo temporal, intentelo mas tarde por favor...Greylisting in action, please try again later',
        stage: 'rcpt',
        source: BOUNCES,
        text: 'greylisting in action',
        reason: 'greylisted',
      },
      {
        id: 'list-bizsmtp',
        seen: '554 bosimpinc12 bizsmtp 192.0.2.7 is on the Spamhaus XBL blacklist. Please visit: http://www.spamhaus.org/query/bl?ip=192.0.2.7',
        stage: 'connect',
        source: BOUNCES,
        text: ['bizsmtp', 'xbl'],
        reason: 'our-address-listed',
      },
      {
        id: 'list-cloudmark-csi',
        seen: '554 mx.terra.example cmsmtp 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using cm-csi-v11; Cloudmark Poor Reputation Sender Blacklist http://csi.cloudmark.com/reset-request/?ip=192.0.2.7',
        stage: 'connect',
        source: BOUNCES,
        text: ['cmsmtp', 'cm-csi'],
        reason: 'our-address-listed',
      },
      {
        id: 'list-sorbs-for-now',
        seen: '451 Currently Sending Spam See: http://www.sorbs.net/lookup.shtml?192.0.2.7',
        stage: 'rcpt',
        source: BOUNCES,
        codes: [451, 450, 421],
        text: 'currently sending spam see:',
        reason: 'our-address-listed',
      },
      {
        id: 'list-hostkarma',
        seen: '550 Black listed at hostkarma http://ipadmin.junkemailfilter.com/remove.php?ip=192.0.2.7',
        stage: 'rcpt',
        source: BOUNCES,
        text: 'black listed at hostkarma',
        reason: 'our-address-listed',
      },
      {
        id: 'list-identified-spammer',
        seen: '553 5.7.1 <relay.in.example[192.0.2.7]>: Client host rejected: Relaying denied - Your IP identified as spammer. Please contact 123',
        stage: 'rcpt',
        source: BOUNCES,
        text: 'your ip identified as spammer',
        reason: 'our-address-listed',
      },
      {
        id: 'list-not-allowed-to-connect',
        seen: '554 5.7.1 You are not allowed to connect',
        stage: 'connect',
        source: BOUNCES,
        text: 'you are not allowed to connect',
        reason: 'our-address-listed',
      },
      {
        id: 'list-own-web',
        seen: '554 5.7.1 <a8-95.smtp-out.amazonses.com[203.0.113.22]>: Client host rejected: blocked using mail.neko.example.org; Please see http://mail.neko.example.org/rbl/?ip=203.0.113.22 to send.',
        stage: 'rcpt',
        source: 'sisimai/set-of-emails:maildir/bsd/lhost-amazonses-14.eml',
        text: 'client host rejected: blocked using',
        reason: 'our-address-listed',
      },
      {
        id: 'list-ivmsip',
        seen: '550 Blocked by ivmSIP',
        stage: 'rcpt',
        source: 'KumoCorp/kumomta:assets/community/bounces.toml',
        text: 'blocked by ivmsip',
        reason: 'our-address-listed',
      },
      {
        id: 'list-open-relay',
        seen: '501 <b@example.co.jp>... no access from mail server [192.0.2.55] which is an open relay.',
        stage: 'rcpt',
        source: 'sisimai/set-of-emails:maildir/bsd/lhost-v5sendmail-07.eml',
        text: 'which is an open relay',
        reason: 'our-address-listed',
      },
    ],
  },
];
