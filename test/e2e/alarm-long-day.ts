// Causes of alarms on what runs: queues that nobody empties, functions that crash, calls that are refused, schedules
// that do not run, and a pause. Played by alarms.test.ts. Most of it happens in one stretch of a day and a half without
// a sweep, because many hours with one take too long in a test.

import { acceptedForWeeks, forgetRows } from './alarm-ledger.ts';
import { type AlarmWatch, DAY, HOUR, MINUTE, type Story } from './alarm-watch.ts';

const SCHEDULED = ['SweepFunction', 'OrphansFunction', 'PurgeFunction'];

export const runStories: readonly Story[] = [
  {
    name: 'a next hop takes nothing, its mail is kept by a pause, and meanwhile no function does its work',
    alarms: [
      ...['NextHopDown', 'Paused', 'ClientCertificateDays', 'SesPublishFailure', 'SesPublishExpired'],
      ...['SweepOverdue', 'OrphanSweepOverdue', 'PurgeOverdue', 'NoEnd'],
      ...['SweepDeadLetters', 'OrphansDeadLetters', 'PurgeDeadLetters', 'KeepAliveDeadLetters'],
      ...['IngestQueueAge', 'RelayQueueAge', 'SlowRelayQueueAge', 'FeedbackQueueAge'],
      ...['IngestErrors', 'RelayErrors', 'FeedbackErrors', 'CallsRefused', 'JobFailing', 'Poison'],
      ...['IngestDeadLetters', 'RelayDeadLetters', 'FeedbackDeadLetters'],
    ],
    async play(watch) {
      watch.certificateEnds(10);
      await watch.raised('ClientCertificateDays', 'a client certificate ends in ten days, without mail', 70 * MINUTE);
      watch.announces('ClientCertificateDays', 'to the end of the day in which relay read it');
      watch.behaviour.manners = { rcpt: (to) => (to.startsWith('ann') ? '451 4.3.2 not accepting mail' : undefined) };
      await watch.send('ann@example.com');
      await watch.raised('NextHopDown', 'a next hop defers everything', 20 * MINUTE);
      await watch.stands('NextHopDown', 15 * MINUTE);
      await watch.follow('NextHopDown', /^npx everpost pause NAME/, { NAME: 'boxes' });
      await watch.ended('NextHopDown', 5 * MINUTE);

      standStill(watch);
      await throttled(watch);
      await crashes(watch);
      const forgotten = await forget(watch);
      await nothingRuns(watch, forgotten);

      await watch.raised('Paused', 'a pause of a day', MINUTE);
      await watch.stands('Paused', 15 * MINUTE);
      watch.behaviour.manners = {};
      await watch.follow('Paused', /^npx everpost pause --stack/);
      await watch.follow('Paused', /^npx everpost resume NAME/, { NAME: 'boxes' });
      await watch.ended('Paused', 5 * MINUTE);
      await watch.advance(5 * MINUTE);
      for (const name of ['NextHopDown', 'WaitingLong']) await watch.ended(name, 20 * MINUTE);
    },
  },
  {
    name: 'no mail comes in for hours, where one came every quarter of an hour',
    alarms: ['NoMail'],
    async play(watch) {
      await acceptedForWeeks(watch);
      watch.fault('dynamodb', 'Query', 'kill', { times: 1 }); // a function reads the weeks once in its life
      await watch.raised('NoMail', 'the MX record is gone', 2 * HOUR);
      await watch.stands('NoMail', 30 * MINUTE);
      await watch.does('NoMail', 'send one message to yourself, which ends the alarm', () =>
        watch.send('ann@example.com'),
      );
      await watch.ended('NoMail', 10 * MINUTE);
      await watch.ended('SweepErrors', HOUR);
    },
  },
];

/** EventBridge may start neither the sweep, nor the search for orphans, nor the purge. */
function standStill(watch: AlarmWatch): void {
  watch.heal();
  for (const match of SCHEDULED) watch.fault('lambda', 'Invoke', 'deny', { match });
}

async function throttled(watch: AlarmWatch): Promise<void> {
  const throttle = (match: string) => watch.fault('lambda', 'Invoke', 'throttle', { match });
  throttle('FeedbackFunction');
  watch.behaviour.manners = { rcpt: (to) => (to.startsWith('gone') ? '550 5.1.1 no such user' : undefined) };
  await watch.send('gone@example.com');
  await watch.advance(0);
  await watch.send('paced@example.com');
  await watch.send('paced@example.com');
  await watch.advance(0);
  throttle('RelayFunction');
  await watch.send('sturdy@example.com');
  await watch.advance(0);
  throttle('IngestFunction');
  await watch.send('sturdy@example.com');
  const names = ['IngestQueueAge', 'RelayQueueAge', 'SlowRelayQueueAge', 'FeedbackQueueAge'];
  for (const name of names) await watch.raised(name, 'Lambda throttles the function', 45 * MINUTE);
  for (const name of names) await watch.stands(name, 10 * MINUTE);
  const mend = () => standStill(watch);
  for (const name of names) await watch.does(name, 'Throttled: ask AWS for a higher concurrency quota', mend);
  for (const name of names) await watch.ended(name, 80 * MINUTE);
}

/** Relay crashes at content, ingest and feedback at the first row that they write; then AWS refuses them that call. */
async function crashes(watch: AlarmWatch): Promise<void> {
  const also = (...faults: readonly (readonly [service: string, operation: string, effect: string])[]): void => {
    standStill(watch);
    for (const each of faults) watch.fault(...each);
  };
  const content = ['s3', 'GetObject', 'kill'] as const;
  watch.fault('lambda', 'Invoke', 'throttle', { match: 'FeedbackFunction' });
  await watch.send('gone@example.com');
  await watch.advance(0);
  watch.fault(...content);
  await watch.send('sturdy@example.com');
  await watch.raised('RelayErrors', 'relay is killed at the content', 5 * MINUTE);
  watch.announces('RelayErrors', 'RelayDeadLetters, from the fifth time on');
  also(content, ['dynamodb', 'PutItem', 'kill']);
  await watch.send('sturdy@example.com');
  for (const name of ['IngestErrors', 'FeedbackErrors']) {
    await watch.raised(name, 'the function is killed at the first row that it writes', 15 * MINUTE);
    watch.announces(name, `${name.replace('Errors', 'DeadLetters')}, from the 25th time on`);
  }
  also(content, ['dynamodb', 'PutItem', 'deny']);
  await watch.raised('CallsRefused', 'ingest and feedback may not write to the ledger', 14 * MINUTE);
  await watch.stands('CallsRefused', 30 * MINUTE);
  await watch.raised('JobFailing', 'a job fails at its fifth receive', 40 * MINUTE);
  watch.announces('JobFailing', 'again at each receive, then the alarm of the dead-letter queue');
  await watch.raised('IngestDeadLetters', 'a job of ingest failed at 25 receives', 3 * HOUR);
  await watch.raised('FeedbackDeadLetters', 'a job of feedback failed at 25 receives', HOUR);
  await watch.raised('Poison', 'a delivery was claimed five times', 8 * HOUR);
  watch.announces('Poison', 'RelayDeadLetters, WaitingLong');
  await watch.raised('RelayDeadLetters', 'relay was killed at five receives of a job', 2 * HOUR);
  await mendCrashes(watch);
}

async function mendCrashes(watch: AlarmWatch): Promise<void> {
  const queues = ['IngestDeadLetters', 'FeedbackDeadLetters', 'RelayDeadLetters'];
  for (const name of queues) await watch.stands(name, 5 * MINUTE);
  const mend = () => standStill(watch);
  for (const name of ['IngestErrors', 'FeedbackErrors', 'RelayErrors'])
    await watch.does(name, 'Deploy the commit before, or again', mend);
  await watch.does('CallsRefused', 'Deploy the stack again, or take back the change', mend);
  await watch.does('JobFailing', 'do what the article of that queue says', mend);
  await watch.does('Poison', 'After a redrive the delivery may be attempted again', mend);
  for (const name of queues) await watch.follow(name, new RegExp(`^redrive ${name}Url$`));
  for (const name of queues) await watch.ended(name, 5 * MINUTE);
  await watch.ended('CallsRefused', 20 * MINUTE);
}

/** Of a message only its rows are left, and no job or instant leads to them. */
async function forget(watch: AlarmWatch): Promise<string> {
  watch.fault('lambda', 'Invoke', 'throttle', { match: 'RelayFunction' });
  const from = await watch.send('sturdy@example.com');
  await watch.advance(0);
  const forgotten = await watch.spoolIdOf(from);
  await forgetRows(watch, forgotten);
  await watch.run('aws sqs purge-queue --queue-url "$(out RelayQueueUrl)"');
  standStill(watch);
  return forgotten;
}

/** SES cannot store a message either. */
async function nothingRuns(watch: AlarmWatch, forgotten: string): Promise<void> {
  watch.fault('s3', 'PutObject', 'deny', { match: '/in/' });
  await watch.send('carl@example.com');
  await watch.raised('SesPublishFailure', 'SES may not write to the spool', 2 * MINUTE);
  watch.announces('SesPublishFailure', "again at each of SES's tries");
  await watch.raised('SweepDeadLetters', 'EventBridge may not start the sweep', 2 * MINUTE);
  await watch.raised('SweepOverdue', 'no sweep ends', 11 * MINUTE);
  await watch.raised('OrphansDeadLetters', 'EventBridge may not start the search for orphans', HOUR);
  watch.fault('lambda', 'Invoke', 'deny', { match: 'RelayFunction' });
  await watch.raised('KeepAliveDeadLetters', "EventBridge may not make relay's hourly call", HOUR);
  await watch.raised('OrphanSweepOverdue', 'no search for orphans ends', 5 * HOUR);
  await watch.raised('PurgeDeadLetters', 'EventBridge may not start the purge', 7 * HOUR);
  await watch.raised('PurgeOverdue', 'no purge ends for a day', 2 * DAY);
  for (const name of ['SweepDeadLetters', 'OrphansDeadLetters', 'PurgeDeadLetters', 'KeepAliveDeadLetters'])
    await watch.stands(name, MINUTE);
  for (const name of ['SweepOverdue', 'OrphanSweepOverdue', 'PurgeOverdue']) await watch.stands(name, 2 * HOUR);
  await watch.raised('SesPublishExpired', 'SES could not write to the spool for 36 hours', 2 * DAY);
  watch.announces('SesPublishExpired', 'nothing: the mail is lost');
  await watch.look('SweepOverdue', /^peek SweepDeadLettersUrl$/);
  await watch.look('OrphanSweepOverdue', /^peek OrphansDeadLettersUrl$/);
  await watch.look('PurgeOverdue', /^peek PurgeDeadLettersUrl$/);
  await mendRuns(watch, forgotten);
}

/** The sweep's rule last: until the day of the purge's alarm is over, a sweep each minute would take long. */
async function mendRuns(watch: AlarmWatch, forgotten: string): Promise<void> {
  const restored = (): void => {
    watch.heal();
    watch.fault('lambda', 'Invoke', 'deny', { match: 'SweepFunction' });
  };
  await watch.does('SesPublishFailure', 'Deploy again, or restore the policy by hand', restored);
  await watch.does('SesPublishExpired', 'inform them, with the time from the metric', restored);
  await watch.does('OrphanSweepOverdue', 'Restore it, or deploy again', restored);
  await watch.does('PurgeOverdue', 'Throttled: see [Purges that could not be started]', restored);
  const emptied = /^aws sqs purge-queue/;
  await watch.follow('OrphansDeadLetters', emptied, { SweepDeadLettersUrl: 'OrphansDeadLettersUrl' });
  await watch.follow('KeepAliveDeadLetters', emptied, { SweepDeadLettersUrl: 'KeepAliveDeadLettersUrl' });
  await watch.follow('PurgeDeadLetters', emptied);
  for (const name of ['OrphansDeadLetters', 'KeepAliveDeadLetters', 'PurgeDeadLetters'])
    await watch.ended(name, 5 * MINUTE);
  await watch.does('ClientCertificateDays', 'Store it with its key', () => watch.certificateEnds(100));
  await watch.ended('OrphanSweepOverdue', 5 * HOUR);
  await watch.raised('NoEnd', 'a delivery is under way past its lifetime, and due to nobody', 7 * HOUR);
  watch.announces('NoEnd', 'again at each purge');
  await watch.follow('NoEnd', /^npx everpost hold/, { ID: forgotten });
  await watch.run(`npx everpost remove --stack $STACK --spool-id ${forgotten} --without-notice`);
  await watch.ended('PurgeOverdue', DAY + 7 * HOUR);
  await watch.ended('NoEnd', HOUR);
  await watch.ended('ClientCertificateDays', DAY);
  watch.heal();
  await watch.does('SweepOverdue', 'Throttled: see [Sweeps that could not be started]', () => watch.heal());
  await watch.follow('SweepDeadLetters', emptied);
  await watch.ended('SweepDeadLetters', 5 * MINUTE);
  await watch.ended('SweepOverdue', 11 * MINUTE);
}
