// Causes of alarms on mail that waits, is held or is lost on its way, and what their articles say to end them. Played
// by alarms.test.ts. At the end of a story no alarm is on.

import { PutObjectCommand } from '@aws-sdk/client-s3';
import { spoolIdOf } from '#core/submission/submission.ts';
import { loseRows, useUpNotices } from './alarm-ledger.ts';
import { type AlarmWatch, HOUR, MINUTE, type Story } from './alarm-watch.ts';
import { submitter } from './submitting.ts';

export const mailStories: readonly Story[] = [
  {
    name: 'receipts, events and envelopes are lost, and messages wait by faults of every kind',
    alarms: [
      ...['ReceiptDeadLetters', 'EventDeadLetters', 'ReceiptMissing', 'EnvelopeMissing', 'StrangeObject'],
      ...['SubmissionMalformed', 'WaitsForPerson', 'UnknownReply', 'OperatorFault', 'ContentUnreadable', 'WaitingLong'],
      ...['Complained', 'FailureShare', 'FrontDoor'],
    ],
    async play(watch) {
      await returned(watch);
      const lost = await losses(watch);
      const unknown = await faults(watch);
      await watch.raised('WaitingLong', 'mail waits for an hour', 65 * MINUTE);
      await watch.runFunction('OrphansFunction');
      await watch.raised('ReceiptMissing', 'an object without a receipt is an hour old', 65 * MINUTE);
      watch.announces('ReceiptMissing', 'WaitsForPerson');
      await watch.raised('EnvelopeMissing', 'content without an envelope is an hour old', 5 * MINUTE);
      watch.announces('EnvelopeMissing', 'WaitsForPerson');
      await watch.raised('StrangeObject', 'an object below `out/` that is no submission', 5 * MINUTE);
      watch.announces('StrangeObject', 'nothing: it is no mail');
      for (const name of ['WaitsForPerson', 'WaitingLong', 'FrontDoor', 'ReceiptDeadLetters', 'EventDeadLetters'])
        await watch.stands(name, 2 * MINUTE);
      await mendLosses(watch, lost);
      await mendFaults(watch, unknown);
      await watch.ended('FailureShare', HOUR);
    },
  },
  {
    name: 'functions fail, secrets and rows are out of reach, and a limit of notices is reached',
    alarms: [
      ...['SesSending', 'SesReceiving'],
      ...['SweepErrors', 'OrphansErrors', 'PurgeErrors', 'MarkSecretUnreadable', 'UnknownDelivery', 'NoticeLimit'],
    ],
    async play(watch) {
      await sendingOff(watch);
      await notReceiving(watch);
      watch.fault('dynamodb', 'Query', 'kill');
      await watch.raised('SweepErrors', 'the sweep is killed', 5 * MINUTE);
      watch.announces('SweepErrors', 'again at each run, then SweepOverdue');
      watch.heal();
      watch.fault('s3', 'ListObjectsV2', 'kill');
      for (const name of ['Orphans', 'Purge']) {
        await watch.runFunction(`${name}Function`);
        await watch.raised(`${name}Errors`, 'the function is killed', MINUTE);
        watch.announces(
          `${name}Errors`,
          `again at each run, then ${name === 'Purge' ? 'Purge' : 'OrphanSweep'}Overdue`,
        );
      }
      for (const name of ['SweepErrors', 'OrphansErrors', 'PurgeErrors'])
        await watch.does(name, 'Deploy the commit before, or again', () => watch.heal());
      for (const name of ['SweepErrors', 'OrphansErrors', 'PurgeErrors']) await watch.ended(name, 3 * MINUTE);

      watch.fault('secretsmanager', 'GetSecretValue', 'deny', { match: 'Mark' });
      watch.fault('lambda', 'Invoke', 'throttle', { match: 'FeedbackFunction' });
      const unknown = await watch.send('complaint@example.com');
      await watch.advance(0);
      const spoolId = await watch.spoolIdOf(unknown);
      await loseRows(watch, spoolId);
      await watch.raised('MarkSecretUnreadable', "a function may not read the marks' secret", 5 * MINUTE);
      watch.announces('MarkSecretUnreadable', 'again at each reading, while there is mail');
      await watch.does('MarkSecretUnreadable', 'deploy again', () => watch.heal());
      await watch.ended('MarkSecretUnreadable', 3 * MINUTE);
      await watch.raised('UnknownDelivery', 'the rows of a message are lost', 10 * MINUTE);
      watch.announces('UnknownDelivery', 'nothing: SES reports once');
      await watch.does('UnknownDelivery', 'Other kinds need nothing', () => {});
      await watch.ended('UnknownDelivery', 3 * MINUTE);
      // The search for orphans would find it in another story, and hold it.
      await watch.run(`aws s3 rm "s3://$(out Bucket)/in/${spoolId}"`);

      await useUpNotices(watch);
      watch.behaviour.manners = { rcpt: (to) => (to.startsWith('gone') ? '550 5.1.1 no such user' : undefined) };
      await watch.send('gone@example.com', false);
      await watch.raised('NoticeLimit', 'a thousand notices within the hour', 5 * MINUTE);
      watch.announces('NoticeLimit', 'again at each such message');
      await watch.does('NoticeLimit', 'A next hop that suddenly refuses ordinary mail: repair it', () => {
        watch.behaviour.manners = {};
      });
      await watch.ended('NoticeLimit', 3 * MINUTE);
      await watch.ended('CallsRefused', 20 * MINUTE); // for the secret
    },
  },
];

/** Somebody switches the account's sending off. */
async function sendingOff(watch: AlarmWatch): Promise<void> {
  await watch.run('aws sesv2 put-account-sending-attributes --no-sending-enabled');
  await watch.raised('SesSending', "the account's sending is switched off, and nothing has been refused", 10 * MINUTE);
  await watch.stands('SesSending', 10 * MINUTE);
  await watch.follow('SesSending', /^aws sesv2 put-account-sending/);
  await watch.ended('SesSending', 10 * MINUTE);
}

/** Somebody deactivates our rule set, and the DNS loses an identity's records: the sweep sees both within an hour. */
async function notReceiving(watch: AlarmWatch): Promise<void> {
  await watch.run('aws ses set-active-receipt-rule-set');
  watch.unverified.push('example.com');
  await watch.raised('SesReceiving', 'our rule set is not active, and an identity is not verified', 70 * MINUTE);
  await watch.look('SesReceiving', /^aws ses describe-active-receipt-rule-set/);
  await watch.follow('SesReceiving', /^aws ses set-active-receipt-rule-set/);
  await watch.stands('SesReceiving', 3 * MINUTE);
  await watch.look('SesReceiving', /^aws sesv2 list-email-identities/);
  await watch.follow('SesReceiving', /^npx everpost dns/);
  watch.unverified.splice(0);
  for (const name of ['SesReceiving', 'SesSending', 'FrontDoor']) await watch.ended(name, 3 * MINUTE);
}

/** A next hop loses its directory: twelve senders are told of a failure. */
async function returned(watch: AlarmWatch): Promise<void> {
  watch.behaviour.manners = { rcpt: () => '550 5.1.1 no such user' };
  for (let sent = 0; sent < 12; sent += 1) await watch.send('gone@example.com');
  await watch.raised('FailureShare', 'a next hop refuses every recipient', 5 * MINUTE);
  await watch.stands('FailureShare', 5 * MINUTE);
  await watch.follow('FailureShare', /^npx everpost pause/, { HOP: 'sturdy' });
  watch.behaviour.manners = {};
  await watch.follow('FailureShare', /^npx everpost resume/, { HOP: 'sturdy' });
}

type Lost = { readonly content: string; readonly malformed: string };

/** What SNS cannot hand over, and what submitters leave behind. */
async function losses(watch: AlarmWatch): Promise<Lost> {
  const lose = (queue: string) => watch.fault('sqs', 'SendMessage', 'deny', { match: queue, times: 1 });
  lose('-IngestQueue');
  await watch.send('receipt@example.com');
  await watch.raised('ReceiptDeadLetters', 'SNS may not write to the ingest queue', 5 * MINUTE);
  await watch.raised('FrontDoor', 'a receipt is a dead letter', 5 * MINUTE);
  lose('-FeedbackQueue');
  for (let sent = 0; sent < 6; sent += 1) await watch.send('complaint@example.com');
  await watch.raised('EventDeadLetters', 'SNS may not write to the feedback queue', 5 * MINUTE);
  await watch.raised('Complained', 'five complaints within an hour', 5 * MINUTE);
  watch.announces('Complained', 'to the end of the hour');
  await watch.does('Complained', 'tell the sender that a list must have a way to unsubscribe', () => {});
  const [content, malformed] = ['01JD0000000000000000000001', '01JD0000000000000000000002'];
  const app = submitter(watch.runtime, 'SubmitterAppPolicyArn', 'app');
  const { Bucket } = watch.runtime.deployed.outputs;
  const put = (Key: string, Body: string) => app.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*' }));
  await put(`out/app/${content}.eml`, 'Subject: alone\r\n\r\n');
  await put(`out/app/${malformed}.eml`, 'Subject: malformed\r\n\r\n');
  await put(`out/app/${malformed}.envelope.json`, '{"version": 1}');
  app.destroy();
  await watch.put('out/app/strange', 'no mail');
  await watch.raised('SubmissionMalformed', 'an envelope without a reverse-path', 5 * MINUTE);
  watch.announces('SubmissionMalformed', 'WaitsForPerson');
  await watch.raised('WaitsForPerson', 'a delivery is held', 5 * MINUTE);
  const idOf = (ulid: string) => spoolIdOf({ submitter: 'app', ulid });
  return { content: idOf(content), malformed: idOf(malformed) };
}

async function mendLosses(watch: AlarmWatch, { content, malformed }: Lost): Promise<void> {
  await watch.follow('ReceiptDeadLetters', /^while :/);
  await watch.does('ReceiptMissing', 'The receipt is there: hand it on', () => {});
  await watch.ended('ReceiptDeadLetters', 5 * MINUTE);
  await watch.does('FrontDoor', 'Receipts in a dead-letter queue: as', () => {});
  await watch.ended('FrontDoor', 5 * MINUTE);
  await watch.does('EventDeadLetters', 'Move each one by hand', () => watch.moveEvents());
  await watch.ended('EventDeadLetters', 5 * MINUTE);
  await watch.follow('EnvelopeMissing', /^npx everpost remove .*--without-notice/, { ID: content });
  await watch.follow('SubmissionMalformed', /^npx everpost remove/, { ID: malformed });
  await watch.follow('StrangeObject', /^aws s3 rm/, { KEY: 'out/app/strange' });
  await watch.does('WaitsForPerson', '`npx everpost remove …`', () => {});
}

/** Returns the reverse-path of the message that is refused in no known words. */
async function faults(watch: AlarmWatch): Promise<string> {
  watch.behaviour.manners = {
    login: () => '535 5.7.8 authentication failed',
    rcpt: (to) => (to.startsWith('unknown') ? 'hm' : to.startsWith('unread') ? '451 4.3.2 later' : undefined),
  };
  await watch.send('barred@example.com');
  await watch.raised('OperatorFault', 'a next hop refuses our login', 5 * MINUTE);
  watch.announces('OperatorFault', 'NextHopDown, WaitingLong');
  const unknown = await watch.send('unknown@example.com');
  await watch.raised('UnknownReply', 'a next hop gives a reply that is none', 5 * MINUTE);
  watch.announces('UnknownReply', 'WaitingLong');
  const unreadable = await watch.send('unread@example.com');
  watch.fault('s3', 'GetObject', 'deny', { match: await watch.spoolIdOf(unreadable) });
  watch.behaviour.manners = {
    ...watch.behaviour.manners,
    rcpt: (to) => (to.startsWith('unknown') ? 'hm' : undefined),
  };
  await watch.raised('ContentUnreadable', 'relay may not read an object of the spool', 5 * MINUTE);
  watch.announces('ContentUnreadable', 'WaitingLong');
  return unknown;
}

async function mendFaults(watch: AlarmWatch, unknown: string): Promise<void> {
  await watch.does('ContentUnreadable', 'Denied: correct the policy. The next attempts succeed by themselves', () =>
    watch.heal(),
  );
  await watch.does('OperatorFault', 'Delivery continues by schedule when the fault is corrected', () => {
    const { login: _, ...manners } = watch.behaviour.manners;
    watch.behaviour.manners = manners;
  });
  await watch.does('UnknownReply', 'report the reply', () => {});
  await watch.follow('WaitingLong', /^npx everpost remove/, { ID: await watch.spoolIdOf(unknown) });
  await watch.ended('WaitingLong', 3 * HOUR);
  await watch.ended('WaitsForPerson', 5 * MINUTE);
  watch.behaviour.manners = {};
}
