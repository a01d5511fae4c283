// Auto Validation of the emulated SES: what becomes of mail to an address that cannot exist, by what the configuration
// set says of it.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, describe, expect, it } from 'vitest';
import { eventTypes, openConfigurationSets } from '../src/ses/configuration-sets.ts';
import { openOutgoing } from '../src/ses/outgoing.ts';
import type { Announce } from '../src/ses/receipt-actions.ts';
import { openEvents } from '../src/ses/sending-events.ts';
import type { StartedEmulators } from '../src/start-emulators.ts';
import { mayPublish, topicArn, withQueue } from './ses-events-queue.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-validation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('Auto Validation', () => {
  it.each([
    [undefined, false],
    [true, false],
    [false, true],
  ] as const)('of a set that says %s: an address that cannot exist is tried: %s', async (validates, tried) => {
    const to = join(folder, `validated-${String(validates)}`);
    const other = await withQueue([mayPublish('judged')]);
    const announce: Announce = (by, topic, _subject, message) => other.topics.announce(by, topic, { message });
    const sets = openConfigurationSets(other.world, other.store, announce);
    sets.create({
      name: 'judged',
      maxDeliverySeconds: null,
      suppresses: false,
      ...(validates === undefined ? {} : { validates }),
    });
    await sets.addDestination('judged', { name: 'told', enabled: true, types: eventTypes, topicArn });
    const events = openEvents(other.world, other.store, sets, announce);
    const outgoing = openOutgoing(other.world, { folder: to }, { sets, events });
    const mail = {
      sesMessageId: 'one',
      reversePath: 'v@x',
      source: 'a@example.com',
      configurationSet: 'judged',
      acceptedAt: 0,
    };
    await outgoing.accept(
      { ...mail, acceptedAt: other.clock.now(), forwardPaths: ['bob@nowhere.invalid'], tags: {} },
      Buffer.from('From: a@example.com\r\n\r\nHello\r\n'),
    );
    const kinds = await kindsTold(other, tried ? 'Delivery' : 'Bounce');
    expect(kinds).toContainEqual(tried ? ['Delivery', undefined] : ['Bounce', 'EmailValidationSuppressed']);
    expect(existsSync(join(to, 'bob@nowhere.invalid'))).toBe(tried);
    outgoing.stop();
    await other.close();
  });
});

/** Type and subtype of the events in the queue, once one of that type is there. */
async function kindsTold(from: StartedEmulators, wanted: string): Promise<(readonly [string, unknown])[]> {
  const sqs = new SQSClient({ endpoint: from.endpoint, region: 'eu-west-1', credentials: from.credentials });
  const kinds: (readonly [string, unknown])[] = [];
  for (let i = 0; i < 50 && !kinds.some(([type]) => type === wanted); i += 1) {
    const QueueUrl = from.queueUrl('told');
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    for (const { Body = '' } of Messages) {
      if (!Body.startsWith('{')) continue;
      const event = JSON.parse(Body) as { eventType: string; bounce?: { bounceSubType: string } };
      kinds.push([event.eventType, event.bounce?.bounceSubType]);
    }
  }
  sqs.destroy();
  return kinds;
}
