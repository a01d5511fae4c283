// Replies of access providers in North America: Comcast, Cox, Spectrum.
// Rows alone: row.ts says what each field means.

import type { RowGroup } from './row.ts';

const MANUAL = 'ActiveCampaign/smtp-field-manual:data/codes';
const BOUNCES = 'zone-eu/zone-mta:config/bounces.txt';

export const accessProviders: readonly RowGroup[] = [
  {
    server: 'Comcast',
    rows: [
      {
        id: 'comcast-no-name',
        seen: '554 mx.comcast.example comcast 192.0.2.7 Comcast requires that all mail servers must have a PTR record with a valid Reverse DNS entry. Currently your mail server does not fill that requirement.',
        stage: 'connect',
        source: `${MANUAL}/554.json`,
        text: 'must have a ptr record with a valid reverse dns',
        reason: 'no-reverse-name',
      },
      {
        id: 'comcast-block',
        seen: '554 mx.comcast.example comcast 192.0.2.7 Comcast block for spam. Please see http://postmaster.comcast.net/smtp-error-codes.php#BL000000',
        stage: 'connect',
        source: `${MANUAL}/554.json`,
        text: 'comcast block for spam',
        reason: 'our-address-listed',
      },
      {
        id: 'comcast-lists',
        seen: '554 resimta-po-11v.sys.comcast.net resimta-po-11v.sys.comcast.net 192.0.2.7 found on one or more DNSBLs, see http://postmaster.comcast.net/smtp-error-codes.php#BL000010',
        stage: 'connect',
        source: BOUNCES,
        text: 'found on one or more dnsbls',
        reason: 'our-address-listed',
      },
      {
        id: 'comcast-recent-messages',
        seen: '452 4.1.1 <b@comcast.example> too many recent messages; Try again later',
        stage: 'rcpt',
        source: `${MANUAL}/452.json`,
        status: '4.1.1',
        text: 'too many recent messages',
        reason: 'throttled',
        says: 'The recipient received too many messages lately.',
      },
      {
        id: 'comcast-quota-violation',
        seen: '552 5.1.1 <b@comcast.example> recipient rejected - extended quota violation',
        stage: 'rcpt',
        source: `${MANUAL}/552.json`,
        status: '5.1.1',
        text: 'extended quota violation',
        reason: 'mailbox-full',
        says: "The recipient's mailbox has been full for long.",
      },
      {
        id: 'comcast-not-customer',
        seen: '550 5.1.1 Not our Customer',
        stage: 'rcpt',
        source: `${MANUAL}/550.json`,
        status: '5.1.1',
        text: 'not our customer',
        reason: 'recipient-unknown',
        says: 'There is no such account.',
      },
      {
        id: 'comcast-unallocated',
        seen: '550 5.1.1 <b@comcast.example> recipient mailbox unallocated',
        stage: 'rcpt',
        source: `${MANUAL}/550.json`,
        status: '5.1.1',
        text: 'recipient mailbox unallocated',
        reason: 'recipient-unknown',
        says: 'There is no such account.',
      },
      {
        id: 'comcast-unavailable',
        seen: '550 5.2.0 <b@comcast.example> - Recipient unavailable',
        stage: 'rcpt',
        source: `${MANUAL}/550.json`,
        status: '5.2.0',
        text: 'recipient unavailable',
        reason: 'mailbox-disabled',
      },
      {
        id: 'comcast-dmarc',
        seen: '550 5.2.0 Message rejected due to DMARC. Please see http://postmaster.comcast.net/smtp-error-codes.php#DM000001',
        stage: 'dot',
        source: `${MANUAL}/550.json`,
        status: '5.2.0',
        text: 'rejected due to dmarc',
        reason: 'sender-unauthenticated',
      },
    ],
  },
  {
    server: 'Cox',
    rows: [
      {
        id: 'cox-address-for-a-day',
        seen: '550 5.1.0 <bounce@src.example> sender rejected. Refer to Error Codes section at https://www.cox.com/residential/support/email-error-codes.html for more information. AUP#CDRBL',
        stage: 'mail',
        source: 'sisimai/set-of-emails:maildir/bsd/rhost-cox-01.eml',
        text: 'aup#cdrbl',
        reason: 'our-address-listed',
      },
    ],
  },
  {
    server: 'Spectrum',
    rows: [
      {
        id: 'spectrum-connections',
        seen: '550 5.1.0 <bounce@src.example> sender rejected. Please see https://www.spectrum.net/support/internet/understanding-email-error-codes for more information. AUP#In-1310',
        stage: 'mail',
        source: 'sisimai/set-of-emails:maildir/bsd/rhost-spectrum-01.eml',
        text: 'aup#in-13',
        reason: 'throttled',
      },
    ],
  },
];
