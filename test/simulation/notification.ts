// SES's notification of a message that it received, as the tests' pipeline gets it.

/** When the pipeline's messages are accepted. */
export const ACCEPTED_AT = Date.UTC(2026, 10, 22, 10, 0, 0);

/** What else the receipt says: checks that could not judge, and who wrote the message. */
export type More = {
  readonly gray?: readonly Check[];
  readonly autoSubmitted?: string;
  readonly from?: string;
  /** When SES accepted it. */
  readonly acceptedAt?: number;
};
export type Check = 'spam' | 'virus' | 'spf' | 'dkim' | 'dmarc';

/** An SES receipt for the message; every verdict is PASS but those that failed. */
export function notification(
  spoolId: string,
  reversePath: string,
  recipients: readonly string[],
  failed: readonly Check[] = [],
  { gray = [], autoSubmitted, from = reversePath, acceptedAt = ACCEPTED_AT }: More = {},
): string {
  const verdict = (check: Check) => ({
    status: failed.includes(check) ? 'FAIL' : gray.includes(check) ? 'GRAY' : 'PASS',
  });
  return JSON.stringify({
    notificationType: 'Received',
    receipt: {
      timestamp: new Date(acceptedAt).toISOString(),
      recipients,
      spamVerdict: verdict('spam'),
      virusVerdict: verdict('virus'),
      spfVerdict: verdict('spf'),
      dkimVerdict: verdict('dkim'),
      dmarcVerdict: verdict('dmarc'),
      action: { type: 'S3', bucketName: 'spool', objectKeyPrefix: 'in/', objectKey: `in/${spoolId}` },
    },
    mail: {
      timestamp: new Date(acceptedAt).toISOString(),
      source: reversePath,
      messageId: spoolId,
      headersTruncated: false,
      headers: [
        { name: 'From', value: from },
        { name: 'Subject', value: spoolId },
        { name: 'Message-ID', value: `<${spoolId}@src.example>` },
        ...(autoSubmitted === undefined ? [] : [{ name: 'Auto-Submitted', value: autoSubmitted }]),
      ],
    },
  });
}
