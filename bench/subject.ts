// One process, one forwarder, one size: the thing measured. It is bundled to plain JavaScript first, so that nothing of
// the tool chain is in its memory, and started with the flags that Lambda gives Node.
//   node subject.cjs everpost|peer MODULE SIZE WARM COUNT BATCH
// writes one JSON line to file descriptor 3; logs go wherever stdout goes. WARM and COUNT are messages, BATCH how many
// an invocation brings.

import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';

export type Measured = {
  /** User and system CPU time of the whole process for each message after the warm-up, in milliseconds. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Peak resident set of the process, in MB (2^20). */
  readonly peakMb: number;
};
/** One invocation, with these spool keys. */
type Relay = (keys: readonly string[]) => Promise<void>;

const [, , name = '', modulePath = '', size = '', warm = '0', count = '1', batch = '1'] = process.argv;
const load = createRequire(__filename);

function everpost(): Relay {
  const { handler } = load(modulePath) as {
    handler: (event: unknown, context: unknown) => Promise<{ batchItemFailures: unknown[] }>;
  };
  const context = { awsRequestId: 'benchmark', functionName: 'relay', getRemainingTimeInMillis: () => 720_000 };
  return async (keys) => {
    const Records = keys.map((spoolId) => ({
      messageId: spoolId,
      receiptHandle: spoolId,
      body: JSON.stringify({ version: 1, spoolId, deliveryKey: 'benchmark' }),
      attributes: {
        ApproximateReceiveCount: '1',
        SentTimestamp: '0',
        SenderId: 'x',
        ApproximateFirstReceiveTimestamp: '0',
      },
      messageAttributes: {},
      eventSource: 'aws:sqs',
      awsRegion: 'eu-west-1',
    }));
    const { batchItemFailures } = await handler({ Records }, context);
    if (batchItemFailures.length > 0) throw new Error('the relay handler failed');
  };
}

/** aws-lambda-ses-forwarder, unchanged: its handler makes its clients anew in each invocation, as it ships. */
function peer(): Relay {
  const { handler } = load(modulePath) as {
    handler: (event: unknown, context: unknown, done: (error: unknown) => void, overrides: unknown) => void;
  };
  const config = {
    fromEmail: 'forward@example.com',
    subjectPrefix: '',
    emailBucket: 'spool',
    emailKeyPrefix: 'in/',
    allowPlusSign: true,
    forwardMapping: { 'info@example.com': ['dest@example.net'] },
  };
  return ([key = '']) => {
    const ses = {
      mail: { messageId: key, source: 'ann@sender.example', destination: ['info@example.com'] },
      receipt: { recipients: ['info@example.com'] },
    };
    const event = { Records: [{ eventSource: 'aws:ses', eventVersion: '1.0', ses }] };
    return new Promise((resolve, reject) => {
      handler(event, {}, (error) => (error ? reject(error) : resolve()), { config });
    });
  };
}

async function main(): Promise<void> {
  const relay = name === 'everpost' ? everpost() : peer();
  const relayAll = async (from: number, total: number) => {
    for (let done = 0; done < total; done += Number(batch)) {
      const many = Math.min(Number(batch), total - done);
      await relay(Array.from({ length: many }, (_, i) => `${size}-${from + done + i}`));
    }
  };
  await relayAll(0, Number(warm));
  const began = process.cpuUsage();
  const beganAt = performance.now();
  await relayAll(1_000_000, Number(count));
  const used = process.cpuUsage(began);
  const measured: Measured = {
    cpuMs: (used.user + used.system) / 1_000 / Number(count),
    wallMs: (performance.now() - beganAt) / Number(count),
    peakMb: process.resourceUsage().maxRSS / 1_024,
  };
  writeSync(3, JSON.stringify(measured));
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
