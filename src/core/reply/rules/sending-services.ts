// Replies of services that send for a client: Amazon SES and WorkMail, SendGrid, Mailgun, SparkPost, ZeptoMail and
// others.
// Rows alone: row.ts says what each field means.

import type { RowGroup } from './row.ts';

const SENDGRID = 'sendgrid.com/docs/for-developers/sending-email/smtp-errors-and-troubleshooting';

export const sendingServices: readonly RowGroup[] = [
  {
    server: 'Amazon SES',
    rows: [
      {
        id: 'amazon-ses-rate',
        seen: '454 Throttling failure: Maximum sending rate exceeded.',
        stage: 'dot',
        source: 'knadh/listmonk#2273',
        text: 'throttling failure: maximum sending rate',
        reason: 'throttled',
      },
      {
        id: 'amazon-ses-daily',
        seen: '454 Throttling failure: Daily message quota exceeded.',
        stage: 'dot',
        source: 'EFForg/action-center-platform#874',
        text: 'throttling failure: daily message quota',
        reason: 'sending-limit',
      },
      {
        id: 'amazon-ses-not-verified',
        seen: '554 Message rejected: Email address is not verified. The following identities failed the check in region AP-NORTHEAST-1: a@src.example',
        stage: 'dot',
        source: 'sisimai/set-of-emails:maildir/bsd/lhost-postfix-77.eml',
        text: 'email address is not verified',
        reason: 'send-as-refused',
      },
      {
        id: 'amazon-ses-mail-from',
        seen: '501 Invalid MAIL FROM address provided',
        stage: 'mail',
        source: 'repost.aws/knowledge-center/ses-501-errors-smtp-endpoint',
        text: 'invalid mail from address provided',
        reason: 'commands-refused',
      },
      {
        id: 'amazon-ses-rcpt',
        seen: '501 Invalid RCPT TO address provided',
        stage: 'rcpt',
        source: 'repost.aws/knowledge-center/ses-501-errors-smtp-endpoint',
        text: 'invalid rcpt to address provided',
        reason: 'recipient-address-bad',
      },
      {
        id: 'amazon-workmail-address',
        seen: '554 INVALID IP FOR SENDING MAIL OF DOMAIN amazonses.com',
        stage: 'rcpt',
        source: 'sisimai/set-of-emails:maildir/bsd/lhost-yahoo-14.eml',
        text: 'invalid ip for sending mail',
        reason: 'our-address-listed',
      },
    ],
  },
  {
    server: 'Amazon SES, receiving',
    rows: [
      {
        id: 'amazon-ses-filtered',
        seen: '550 5.2.0 Message Filtered',
        stage: 'rcpt',
        source: 'sisimai/set-of-emails:maildir/bsd/lhost-receivingses-07.eml',
        status: '5.2.0',
        text: 'message filtered',
        reason: 'refused-by-policy',
        says: "A rule of the recipient's organization refused the message.",
      },
    ],
  },
  {
    server: 'SendGrid, Mailgun, ZeptoMail, Brevo and others',
    rows: [
      {
        id: 'sendgrid-not-authorized',
        seen: '403 You are not authorized to send from that email address',
        stage: 'mail',
        source: SENDGRID,
        text: 'not authorized to send from that email',
        reason: 'send-as-refused',
      },
      {
        id: 'sendgrid-connects',
        seen: '450 too frequent connects from 192.0.2.7, please try again later.',
        stage: 'connect',
        source: SENDGRID,
        text: 'too frequent connects from',
        reason: 'throttled',
      },
      {
        id: 'sendgrid-deferred',
        seen: '421 Message from (192.0.2.7) temporarily deferred',
        stage: 'mail',
        source: SENDGRID,
        codes: [421],
        text: 'temporarily deferred',
        not: ['volume', 'rfc'],
        reason: 'throttled',
      },
      {
        id: 'sendgrid-unauthenticated',
        seen: '550 Unauthenticated senders not allowed',
        stage: 'mail',
        source: 'sisimai/set-of-emails:maildir/bsd/lhost-postfix-65.eml',
        text: 'unauthenticated senders not allowed',
        reason: 'login-wanted',
      },
      {
        id: 'mailgun-not-activated',
        seen: '421 Domain sandbox.mailgun.example is not allowed to send: Please activate your Mailgun account. Check your inbox or log in to your control panel to resend the activation email.',
        stage: 'dot',
        source: 'Monstarrrr/rebutify#162',
        text: 'is not allowed to send: please activate',
        reason: 'tenant-blocked',
      },
      {
        id: 'emailit-per-second',
        seen: '452 4.4.5 Messages per second limit exceeded',
        stage: 'mail',
        source: 'emailit.com/docs/smtp/troubleshooting',
        status: '4.4.5',
        text: 'messages per second limit',
        reason: 'throttled',
      },
      {
        id: 'emailit-daily',
        seen: '452 4.5.3 Daily message limit exceeded',
        stage: 'mail',
        source: 'emailit.com/docs/smtp/troubleshooting',
        status: '4.5.3',
        text: 'daily message limit exceeded',
        reason: 'sending-limit',
      },
    ],
  },
];
