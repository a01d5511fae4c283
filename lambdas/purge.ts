// Purge, wired: run by its schedule, never by a queue. The only function that may remove content.
// A run that is cut off goes on at the next one, where its cursor says.

import { awsSettings, dynamoClient, s3ListClient } from '#adapters/aws-clients.ts';
import { DynamoLedger } from '#adapters/dynamo-ledger.ts';
import { PowertoolsWatch } from '#adapters/powertools-watch.ts';
import { S3Inventory } from '#adapters/s3-inventory.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { purgeConcurrency } from '#core/limits.ts';
import { purge } from '#pipeline/purge.ts';
import { config } from './config.ts';
import { scheduled } from './scheduled.ts';

const aws = awsSettings();
const watch = new PowertoolsWatch('purge');
const ports = {
  settings: config.settings,
  ledger: new DynamoLedger(dynamoClient(aws), config.table, {
    ledgerRetentionMs: config.settings.retentionMs.ledger,
    search: config.settings.trace.search,
  }),
  inventory: new S3Inventory(s3ListClient(aws, purgeConcurrency), config.bucket),
  clock: new SystemClock(),
  watch,
};

export const handler = scheduled('purge', { watch, timeScale: config.timeScale }, (signal) => purge(ports, signal));
