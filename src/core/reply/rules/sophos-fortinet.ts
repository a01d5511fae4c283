// Replies of Sophos Email, FortiMail, IceWarp and some who do not say what they are.
// Rows alone: row.ts says what each field means.

import type { RowGroup } from './row.ts';

const SOPHOS = 'docs.sophos.com/central/customer/help/en-us/ManageYourProducts/EmailSecurity/SMTPErrorCodes/index.html';

export const sophosFortinet: readonly RowGroup[] = [
  {
    server: 'Sophos Email',
    rows: [
      {
        id: 'sophos-dkim',
        seen: '550 5.7.1 XGEMAIL_0001 Command rejected',
        stage: 'dot',
        source: SOPHOS,
        text: 'xgemail_0001',
        reason: 'sender-unauthenticated',
      },
      {
        id: 'sophos-spf',
        seen: '550 5.7.1 XGEMAIL_0002 Command rejected',
        stage: 'mail',
        source: SOPHOS,
        text: 'xgemail_0002',
        reason: 'spf-refused',
      },
      {
        id: 'sophos-dmarc',
        seen: '550 5.7.1 XGEMAIL_0003 Command rejected',
        stage: 'dot',
        source: SOPHOS,
        text: 'xgemail_0003',
        reason: 'sender-unauthenticated',
      },
      {
        id: 'sophos-block-list',
        seen: '550 5.7.1 XGEMAIL_0004 Command rejected',
        stage: 'rcpt',
        source: SOPHOS,
        text: 'xgemail_0004',
        reason: 'our-address-listed',
      },
      {
        id: 'sophos-domain-listed',
        seen: '550 5.7.1 XGEMAIL_0005 Command rejected',
        stage: 'rcpt',
        source: SOPHOS,
        text: 'xgemail_0005',
        reason: 'sender-refused',
        says: "The sender's domain stands on a block list.",
      },
      {
        id: 'sophos-tls-version',
        seen: '550 5.7.1 XGEMAIL_0006 Command rejected',
        stage: 'rcpt',
        source: SOPHOS,
        text: 'xgemail_0006',
        reason: 'tls-wanted',
      },
      {
        id: 'sophos-licence',
        seen: '550 5.7.1 XGEMAIL_0007 Command rejected',
        stage: 'rcpt',
        source: SOPHOS,
        text: 'xgemail_0007',
        reason: 'licence-missing',
      },
      {
        id: 'sophos-blocked',
        seen: '550 5.7.1 XGEMAIL_0008 Command rejected',
        stage: 'rcpt',
        source: SOPHOS,
        text: 'xgemail_0008',
        reason: 'sender-refused',
        says: "The server's administrator blocks the sender.",
      },
      {
        id: 'sophos-blocked-by-user',
        seen: '550 5.7.1 XGEMAIL_0009 Command rejected',
        stage: 'rcpt',
        source: SOPHOS,
        text: 'xgemail_0009',
        reason: 'recipient-restricted',
        says: 'The recipient blocks the sender.',
      },
      {
        id: 'sophos-domain',
        seen: '550 5.7.1 XGEMAIL_0010 Command rejected',
        stage: 'rcpt',
        source: SOPHOS,
        text: 'xgemail_0010',
        reason: 'relaying-denied',
      },
      {
        id: 'sophos-unknown',
        seen: '550 5.7.1 XGEMAIL_0011 Command rejected',
        stage: 'rcpt',
        source: 'customeros/mailsherpa:internal/mailserver/mailserver_test.go',
        text: 'xgemail_0011',
        reason: 'recipient-unknown',
      },
      {
        id: 'sophos-size',
        seen: '550 5.7.1 XGEMAIL_0012 Command rejected',
        stage: 'dot',
        source: SOPHOS,
        text: 'xgemail_0012',
        reason: 'message-too-large',
      },
    ],
  },
  {
    server: 'FortiMail',
    rows: [
      {
        id: 'fortimail-spam',
        seen: '550 5.7.1 This email from IP 192.0.2.7 has been rejected. The email message was detected as spam. FortiGuard AntiSpam(SPAM URL:https://src.example/)',
        stage: 'dot',
        source:
          'community.fortinet.com/t5/FortiMail/Troubleshooting-Tip-Email-is-reject-with-the-error-message-This/ta-p/410082',
        text: ['this email from ip', 'message was detected as spam'],
        reason: 'refused-by-policy',
        says: 'The server considers the message to be spam.',
      },
    ],
  },
  {
    server: 'IceWarp',
    rows: [
      {
        id: 'icewarp-permission',
        seen: '501 5.7.1 Permission denied',
        stage: 'mail',
        source:
          'esupport.icewarp.com/index.php?/Knowledgebase/Article/View/12/29/interpretation-of-5xx-errors-in-icewarp-smtp',
        status: '5.7.1',
        codes: [501],
        text: 'permission denied',
        stages: ['mail'],
        reason: 'send-as-refused',
      },
      {
        id: 'icewarp-size',
        seen: '501 5.7.1 Message is too long',
        stage: 'mail',
        source:
          'esupport.icewarp.com/index.php?/Knowledgebase/Article/View/12/29/interpretation-of-5xx-errors-in-icewarp-smtp',
        status: '5.7.1',
        codes: [501],
        text: 'message is too long',
        reason: 'message-too-large',
      },
    ],
  },
  {
    server: 'Servers without a name',
    rows: [
      {
        id: 'connections-rate-controlled',
        seen: '450 too many connections from your IP (rate controlled)',
        stage: 'rcpt',
        source: 'gist.github.com/pbruna/4595838',
        text: 'too many connections from your ip',
        reason: 'throttled',
      },
      {
        id: 'return-domain-invalid',
        seen: '554 5.7.1 This message has been blocked because the return email domain is invalid.(failed to obtain DNS record for domain src.example)',
        stage: 'dot',
        source: 'pastebin.com/PBt9E9Rz',
        text: 'return email domain is invalid',
        reason: 'sender-refused',
      },
      {
        id: 'address-in-prison',
        seen: '550 ip in prison',
        stage: 'rcpt',
        source: 'ActiveCampaign/smtp-field-manual#11',
        text: 'ip in prison',
        reason: 'our-address-listed',
      },
      {
        id: 'recipient-does-not-want',
        seen: '554 5.7.1 The recipient definitively does not want your mail. It will not be delivered but analyzed again. We may feed it to a spam blacklist.',
        stage: 'rcpt',
        source: 'ActiveCampaign/smtp-field-manual#11',
        text: 'recipient definitively does not want',
        reason: 'recipient-restricted',
        says: 'The recipient does not want this mail.',
      },
    ],
  },
];
