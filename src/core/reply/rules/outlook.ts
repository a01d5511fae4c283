// Replies of Outlook.com (Hotmail, Live, MSN), by Microsoft's own table of codes, and of what stands before it.
// Rows alone: row.ts says what each field means.

import type { RowGroup } from './row.ts';

const POSTMASTER = 'substrate.office.com/ip-domain-management-snds/Postmaster/Troubleshooting';
const MANUAL = 'ActiveCampaign/smtp-field-manual:data/codes';

export const outlook: readonly RowGroup[] = [
  {
    server: 'Outlook.com',
    rows: [
      {
        id: 'outlook-block-list',
        seen: "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150). You can also refer your provider to http://mail.live.com/mail/troubleshooting.aspx#errors.",
        stage: 'mail',
        source: 'wordtothewise.com/2017/10/troubleshooting-and-codes',
        text: 'part of their network is on our block list',
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-reputation-limit',
        seen: '451 4.7.650 The mail server [192.0.2.7] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://postmaster.live.com (S3113)',
        stage: 'mail',
        source: 'sisimai/set-of-emails:maildir/bsd/rhost-microsoft-05.eml',
        status: ['4.7.650', '4.7.651'],
        text: 'rate limited due to ip reputation',
        reason: 'throttled',
      },
      {
        id: 'outlook-mailbox-unavailable',
        seen: '550 5.5.0 Requested action not taken: mailbox unavailable.',
        stage: 'rcpt',
        source: `${MANUAL}/550.json`,
        codes: [550],
        text: 'requested action not taken: mailbox unavailable',
        not: 'failure sending mail',
        reason: 'recipient-unknown',
        says: 'There is no such address.',
      },
      {
        id: 'outlook-sc-001',
        seen: '550 SC-001 Mail rejected by Outlook.com for policy reasons. Reasons for rejection may be related to content with spam-like characteristics or IP/domain reputation.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'sc-001',
        stages: ['connect', 'ehlo', 'mail', 'rcpt'],
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-sc-002',
        seen: '550 SC-002 Mail rejected by Outlook.com for policy reasons. The mail server IP connecting to Outlook.com has exhibited namespace mining behavior.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'sc-002',
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-sc-003',
        seen: '550 SC-003 Mail rejected by Outlook.com for policy reasons. Your IP address appears to be an open proxy/relay.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'sc-003',
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-sc-004',
        seen: "550 SC-004 (COL0-MC1-F1) Unfortunately, messages from 192.0.2.7 weren't sent. We recommend that you contact your Internet service provider. The problem is that too many unwanted messages have been sent from the following IP address above.",
        stage: 'mail',
        source: 'sisimai/set-of-emails:maildir/bsd/lhost-ezweb-08.eml',
        text: 'sc-004',
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-dy-001',
        seen: "550 DY-001 Mail rejected by Outlook.com for policy reasons. We generally do not accept email from dynamic IP's as they are not typically used to deliver unauthenticated SMTP email to an Internet mail server.",
        stage: 'mail',
        source: POSTMASTER,
        text: 'dy-001',
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-dy-002',
        seen: '550 DY-002 Mail rejected by Outlook.com for policy reasons. The likely cause is a compromised or virus infected server/personal computer.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'dy-002',
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-ou-001',
        seen: '550 OU-001 Mail rejected by Outlook.com for policy reasons. For more information about this block and to request removal please go to: Spamhaus.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'ou-001',
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-ou-002',
        seen: '550 OU-002 Mail rejected by Outlook.com for policy reasons. Reasons for rejection may be related to content with spam-like characteristics or IP/domain reputation.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'ou-002',
        stages: ['connect', 'ehlo', 'mail', 'rcpt'],
        reason: 'our-address-listed',
      },
      {
        id: 'outlook-rp-001',
        seen: '421 RP-001 The mail server IP connecting to Outlook.com server has exceeded the rate limit allowed. Reason for rate limitation is related to IP/domain reputation.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'rp-001',
        reason: 'throttled',
      },
      {
        id: 'outlook-rp-002',
        seen: '421 RP-002 The mail server IP connecting to Outlook.com server has exceeded the rate limit allowed on this connection.',
        stage: 'mail',
        source: POSTMASTER,
        text: 'rp-002',
        reason: 'throttled',
      },
      {
        id: 'outlook-rp-003',
        seen: '421 RP-003 The mail server IP connecting to Outlook.com server has exceeded the connection limit allowed.',
        stage: 'connect',
        source: POSTMASTER,
        text: 'rp-003',
        reason: 'throttled',
      },
    ],
  },
];
