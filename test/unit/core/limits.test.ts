// The relations between limits that the design relies on: leases, visibilities, time-outs, sizes.
// A number that is changed alone must fail here, with the reason in the test's name.

import { expect, test } from 'vitest';
import * as limits from '#core/limits.ts';

test('every limit is a positive number, or a list of such', () => {
  const positive = (value: unknown): boolean =>
    typeof value === 'number'
      ? Number.isFinite(value) && value > 0
      : typeof value === 'object' && value !== null && Object.values(value).every(positive);
  expect(Object.entries(limits).filter(([, value]) => !positive(value))).toEqual([]);
});

test.each([
  ['relay', limits.relayTimeoutMs, limits.relayVisibilityMs],
  ['ingest', limits.ingestTimeoutMs, limits.ingestVisibilityMs],
  ['feedback', limits.feedbackTimeoutMs, limits.feedbackVisibilityMs],
])(
  '%s: a job stays invisible for six function timeouts, within what SQS and Lambda allow',
  (_, timeout, visibility) => {
    expect(timeout).toBeLessThanOrEqual(900_000); // Lambda
    expect(visibility).toBeGreaterThanOrEqual(6 * timeout);
    expect(visibility).toBeLessThanOrEqual(limits.visibilityMsMax);
  },
);

test('the numbers that the design names', () => {
  expect(limits).toMatchObject({
    relayTimeoutMs: 840_000,
    smtpLeaseMs: 870_000,
    relayVisibilityMs: 5_040_000,
    maxReceiveCount: 5,
    lostJobAfterMs: 900_000,
    activeJobsMax: 10_000,
    messageBytesMax: 41_943_040,
    extractBytesMax: 600,
    ndrOriginalBytesMax: 65_536,
    ownPassesMax: 4,
    receivedFieldsMax: 50,
  });
});

test('SES tries for as long as a configuration set allows, and less than a queue keeps what it says of it', () => {
  expect(limits.sesDeliveryMsMax / 1000).toBeGreaterThanOrEqual(300);
  expect(limits.sesDeliveryMsMax / 1000).toBeLessThanOrEqual(50_400);
  expect(limits.sesDeliveryMsMax).toBeLessThan(limits.queueRetentionMs);
});

test('a lease outlives the function that holds it, and ends before its job is seen again', () => {
  expect(limits.smtpLeaseMs).toBeGreaterThan(limits.relayTimeoutMs);
  expect(limits.smtpLeaseMs).toBeLessThan(limits.relayVisibilityMs);
});

test('the final dot fits into a relay function with room for the dialogue before it', () => {
  const { connect, tls, finalDot } = limits.smtpTimeoutsMs;
  expect(finalDot).toBeGreaterThanOrEqual(600_000); // RFC 5321 §4.5.3.2.6
  expect(finalDot + connect + tls).toBeLessThan(limits.relayTimeoutMs - limits.deadlineMarginMs);
});

test('a function that is held by the final dot works on beside it until its end, and its lease ends before a sweep', () => {
  const { relayTimeoutMs, deadlineMarginMs, heldLeastMs, slowAfterMs, smtpTimeoutsMs } = limits;
  expect(relayTimeoutMs - deadlineMarginMs - heldLeastMs).toBeGreaterThan(slowAfterMs + smtpTimeoutsMs.finalDot);
  expect(limits.heldAfterMs).toBeGreaterThan(slowAfterMs); // its next hop is known as slow by then
  expect(limits.smtpLeaseMs).toBeLessThan(limits.lostJobAfterMs);
});

test('the hosts before the last one leave it the final dot', () => {
  const { smtpOpeningMs, smtpTimeoutsMs, relayTimeoutMs, deadlineMarginMs } = limits;
  expect(smtpOpeningMs + smtpTimeoutsMs.finalDot).toBeLessThanOrEqual(relayTimeoutMs - deadlineMarginMs);
  expect(limits.smtpLookupMs).toBeLessThan(smtpOpeningMs);
  // Five hosts that do not answer a SYN, at two addresses each, are all left in time for a sixth.
  expect(smtpOpeningMs / 10).toBeGreaterThanOrEqual(limits.smtpAddressAttemptMs);
});

test('by default the mappings leave a new account two calls: for the sweep, and for what runs by the hour', () => {
  const all = Object.values(limits.concurrencyDefault);
  expect(Math.min(...all)).toBeGreaterThanOrEqual(limits.mappingConcurrencyMin);
  expect(all.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(limits.newAccountConcurrency - 2);
});

test.each([
  ['ingest', limits.ingestReceivesMax, limits.ingestVisibilityMs],
  ['feedback', limits.feedbackReceivesMax, limits.feedbackVisibilityMs],
  ['relay', limits.maxReceiveCount, limits.relayVisibilityMs],
])('%s: a job outlives two hours in which no function may run, and is then tried like any other', (...given) => {
  const [name, receives, visibilityMs] = given;
  const throttled = Math.ceil(limits.starvedMsMax / visibilityMs);
  expect(Number.isInteger(receives)).toBe(true);
  // The ledger has relay's jobs too: three tries are enough there.
  expect(receives - throttled).toBeGreaterThanOrEqual(name === 'relay' ? 3 : limits.maxReceiveCount);
  expect(receives * visibilityMs).toBeLessThan(limits.queueRetentionMs / 10); // poison comes to rest
});

test('an event of a schedule waits for less than the starved hours: later events do its work', () => {
  expect(limits.scheduledEventMsMax).toBeGreaterThan(limits.sweepOverdueMs);
  expect(limits.scheduledEventMsMax).toBeGreaterThanOrEqual(limits.keepAliveEveryMs);
  expect(limits.scheduledEventMsMax).toBeLessThanOrEqual(21_600_000); // Lambda, MaximumEventAgeInSeconds
});

test('a sweep ends before the next begins, and a lost job is looked for only after its lease', () => {
  expect(limits.sweepTimeoutMs).toBeLessThan(limits.sweepEveryMs);
  expect(limits.lostJobAfterMs).toBeGreaterThan(limits.smtpLeaseMs);
});

test('a purge ends before the next begins, and rows outlast many of them that failed', () => {
  expect(limits.purgeTimeoutMs).toBeLessThanOrEqual(900_000); // Lambda
  expect(limits.purgeTimeoutMs).toBeLessThan(limits.purgeEveryMs);
  expect(limits.rowsOutliveObjectMs).toBeGreaterThan(3 * limits.purgeOverdueMs + limits.sesFeedbackMs);
});

test('both exits for poison agree', () => {
  expect(limits.claimsMax).toBe(limits.maxReceiveCount);
});

test('redelivery of poison ends long before a queue forgets it', () => {
  expect(limits.maxReceiveCount * limits.relayVisibilityMs).toBeLessThan(limits.queueRetentionMs / 10);
});

test('the largest message fits the budget, and what is held of a header fits in it many times', () => {
  expect(limits.batchBytesMax).toBeGreaterThan(limits.messageBytesMax);
  expect(limits.headerBytesMax * 10).toBeLessThan(limits.batchBytesMax);
  expect(limits.returnPathFieldBytesMax).toBeGreaterThan(
    'Return-Path: <>\r\n'.length + limits.localPartOctetsMax + 1 + limits.domainOctetsMax,
  );
});

test('an extract leaves room in a row of one kilobyte; a notice is far smaller than any message', () => {
  expect(limits.extractBytesMax).toBeLessThan(1024);
  expect(limits.ndrOriginalBytesMax).toBeLessThan(limits.messageBytesMax / 100);
});

test('our own passes end a loop before Lambda cuts it off at 16 hops of two functions each', () => {
  expect(limits.ownPassesMax * 2).toBeLessThan(16);
  expect(limits.passesCheckedMax).toBeGreaterThan(limits.ownPassesMax * 2);
});

test('a search for orphans ends before the next begins, reads by as many sockets as there are, and may fail twice unnoticed', () => {
  expect(limits.orphanSweepTimeoutMs).toBeLessThan(limits.orphanSweepEveryMs);
  expect(limits.orphanSweepTimeoutMs).toBeLessThanOrEqual(900_000);
  expect(limits.orphanShardsAtOnce * limits.orphanReadsAtOnce).toBeLessThanOrEqual(64);
  expect(limits.orphanSweepOverdueMs).toBe(3 * limits.orphanSweepEveryMs);
  // A receipt that ingest is still at work on must not be an orphan's: ingest looks for a placeholder from half the
  // time on.
  expect(limits.orphanAfterMs / 2).toBeGreaterThan(limits.maxReceiveCount * limits.ingestTimeoutMs);
});
