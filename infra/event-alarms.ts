// The alarms that are raised at the first count of one of our own metrics. Called by watch.ts, which makes them. It
// decides their articles and texts.

type EventAlarm = { readonly metricName: string; readonly article: string; readonly says: string };

/** Of our own metrics (src/pipeline/metric-names.ts), those that raise an alarm at the first count. */
export const eventAlarms: readonly EventAlarm[] = [
  {
    metricName: 'ContentUnreadable',
    article: 'Content that cannot be opened',
    says: 'an accepted message cannot be read from the spool.',
  },
  {
    metricName: 'NoticeLimit',
    article: 'Notices that are not sent any more',
    says: 'the hourly number of notices where nothing vouches for the reverse-path is used up; further senders are not told.',
  },
  {
    metricName: 'OperatorFault',
    article: 'A next hop that refuses us',
    says: 'deliveries wait until the operator corrects a fault, such as a wrong password.',
  },
  {
    metricName: 'UnknownReply',
    article: 'A reply that we do not know',
    says: 'a next hop gave a reply that no rule knows; it is tried again until the lifetime.',
  },
  {
    metricName: 'MarkSecretUnreadable',
    article: 'The secret of marks cannot be read',
    says: "marks are signed by the values read before, or by the stack's id; mail goes on.",
  },
  {
    metricName: 'Poison',
    article: 'A delivery that was claimed five times',
    says: 'attempts at a delivery end without a result.',
  },
  {
    metricName: 'ReceiptMissing',
    article: 'Mail without a receipt',
    says: 'an accepted message is in the spool, and its recipients are not known.',
  },
  {
    metricName: 'UnknownDelivery',
    article: 'Feedback about a delivery that is not there',
    says: 'SES reported on mail that the ledger does not know; its sender may have to be told by hand.',
  },
  {
    metricName: 'JobFailing',
    article: 'A job that fails again and again',
    says: 'a stage failed at a job that it had received four times before; it is tried again until its dead-letter queue.',
  },
  {
    metricName: 'NoEnd',
    article: 'Mail that came to no end',
    says: 'a message is long past its lifetime and still under way.',
  },
];

/** Where there are submitters. */
export const submissionAlarms: readonly EventAlarm[] = [
  {
    metricName: 'SubmissionMalformed',
    article: 'An envelope that cannot be used',
    says: 'a submitter stored an envelope that ingest does not understand; its message was not sent.',
  },
  {
    metricName: 'StrangeObject',
    article: 'An object that is no submission',
    says: 'an object below out/ is neither content nor an envelope; it is no mail, and will be removed.',
  },
  {
    metricName: 'EnvelopeMissing',
    article: 'Content without an envelope',
    says: 'a submitter stored content and never committed it.',
  },
];
