// The alarms on levels that the sweep publishes each minute (src/pipeline/sweep/levels.ts). Called by watch.ts, which
// makes them. It decides from which level on an alarm is raised, its article and its text. An alarm stands as long as
// its level: an event's alarm would be OK a minute later, while the mail still waits.

import type { Settings } from '#config/settings.ts';
import {
  canaryLateAlarmMinutes,
  failureShareAlarmPercent,
  nextHopDownAlarmMinutes,
  pausedAlarmHours,
  waitingLongAlarmMinutes,
} from '#core/limits.ts';
import { sendsBySes } from '#core/message/ses-use.ts';

/**
 * The set `essential`: all that waits for a person raises one of them (docs/alarm-sets.md). The names are those of the
 * set with all alarms.
 */
export const essentialAlarms: readonly string[] = [
  ...['WaitsForPerson', 'SweepOverdue', 'FrontDoor', 'SesSending'],
  'CanaryLate', // where there is a canary: it has no other alarm
];

const levelAlarms = [
  {
    id: 'WaitsForPerson',
    metricName: 'WaitsForPerson',
    threshold: 1,
    article: 'What waits for a person',
    says: 'messages, notices or jobs wait, and do not move without a person.',
  },
  {
    id: 'FrontDoor',
    metricName: 'FrontDoor',
    threshold: 1,
    article: 'Mail that enters and is not processed',
    says: 'mail is a dead letter, waits for ingest, may lie unseen, or SES takes none for us.',
  },
  {
    id: 'SesReceiving',
    metricName: 'SesReceiving',
    threshold: 1,
    article: 'Mail that SES does not take',
    says: 'another receipt rule set is active, or an identity of a domain is not verified: SES takes no mail for us.',
  },
  {
    id: 'SesSending',
    metricName: 'SesSending',
    threshold: 1,
    article: 'Mail that SES does not send',
    says: 'SES refuses mail or notices of ours, sends nothing for the account or an identity, or soon will not.',
  },
  {
    id: 'NextHopDown',
    metricName: 'NextHopDown',
    threshold: nextHopDownAlarmMinutes,
    article: 'A next hop that takes nothing',
    says: 'a next hop has taken nothing for a quarter of an hour, by its own fault or ours, while mail waits for it.',
  },
  {
    id: 'WaitingLong',
    metricName: 'WaitingLong',
    threshold: waitingLongAlarmMinutes,
    article: 'Mail that waits for over an hour',
    says: 'mail has waited for over an hour by a fault of its next hop or of ours.',
  },
  {
    id: 'Paused',
    metricName: 'PausedHours',
    threshold: pausedAlarmHours,
    article: 'A pause of more than a day',
    says: 'mail is kept by a pause that began a day ago or earlier.',
  },
  {
    id: 'FailureShare',
    metricName: 'FailureShare',
    threshold: failureShareAlarmPercent,
    article: 'Much mail is returned',
    says: "a quarter or more of an hour's mail to one next hop failed, and its senders are told.",
  },
  {
    id: 'NoMail',
    metricName: 'NoMail',
    threshold: 1,
    article: 'No mail comes in',
    says: 'no mail was accepted for three times as long as ever at this hour of the week.',
  },
  {
    id: 'CanaryLate',
    metricName: 'CanaryLate',
    threshold: canaryLateAlarmMinutes,
    article: 'A canary that does not arrive',
    says: 'the message that Everpost sent to itself has not arrived for a quarter of an hour: other mail may not either.',
  },
] as const;

/** Where nothing is sent by SES, SES can refuse nothing; without a canary none is late. */
export function levelAlarmsOf(settings: Settings) {
  return levelAlarms.filter(({ id }) => {
    if (id === 'CanaryLate') return settings.canary !== null;
    return id !== 'SesSending' || sendsBySes(settings);
  });
}
