// What is known of deliveries from a message that came back, in a form that two readings can be compared by.

import { readRemoteReport } from '#core/feedback/report.ts';

/** One line for each recipient; empty where it is no report, and goes to the postmaster or is an answer. */
export function factsOf(bytes: Uint8Array): string[] {
  const report = readRemoteReport(bytes, { nullPath: true });
  if (report.kind !== 'report') return [];
  const lines = report.recipients.map(
    ({ finalRecipient, action, status }) => `${finalRecipient?.toLowerCase() ?? '(nobody)'} ${action} ${status}`,
  );
  return [...new Set(lines)].sort();
}
