// `everpost release`: continues held or quarantined deliveries. With --to, it sends a message without a receipt to
// recipients whom the operator names. It writes the ledger and sends jobs by operate.ts and name-recipients.ts, and
// touches no content.

import { SqsIngestQueue } from '#adapters/aws/sqs-ingest-queue.ts';
import { parseDuration } from '#config/values.ts';
import { release as releaseRow } from '#pipeline/operate/operate.ts';
import { Usage } from './exit.ts';
import { findInstance, sqsFor } from './find-instance.ts';
import { checkNaming, nameRecipients } from './name-recipients.ts';
import { KEPT, type OperateValues, operateSections, portsOf, print, toEach } from './operate.ts';
import { text, texts, verb } from './verb.ts';

export const release = verb({
  usage: 'release --spool-id ID | --state held|quarantined [options]',
  about: 'lets deliveries go on',
  sections: [
    ...operateSections,
    {
      lifetime: text('DURATION', 'how long it is tried from now (default 48h)'),
      to: texts(
        'ADDR',
        'of a message without a receipt: deliver it to this recipient; may be given again. Routes are asked, policy is not. Without a route for each of them, nothing is sent',
      ),
    },
  ],
  elsewhere: { '--without-notice': 'remove' },
  async run(values) {
    const lifetimeMs = parseDuration(values.lifetime ?? '48h');
    if (lifetimeMs === null) throw new Usage(`--lifetime takes a duration such as 48h, not "${values.lifetime}"`);
    if (values.to !== undefined) return releaseTo(values, values.to, lifetimeMs);
    return toEach(values, KEPT, (ports, row) => releaseRow(ports, row, lifetimeMs));
  },
});

/** A message without a receipt, to recipients whom the operator names. */
async function releaseTo(values: OperateValues, recipients: readonly string[], lifetimeMs: number): Promise<number> {
  if (values['forward-path'] !== undefined || values.action !== undefined)
    throw new Usage('--to names new deliveries; --forward-path and --action choose among those that stand');
  if (values['spool-id'] === undefined) throw new Usage('--spool-id is missing: it says which message');
  checkNaming({ recipients, lifetimeMs });
  const instance = await findInstance(values);
  const { ledger, by } = await portsOf(instance);
  const ingestQueue = new SqsIngestQueue(sqsFor(instance), instance.ingestQueueUrl);
  const spoolId = values['spool-id'];
  const { lines, code } = await nameRecipients({ ledger, ingestQueue, spoolId, recipients, lifetimeMs, by });
  print(lines, values.json === true);
  return code;
}
