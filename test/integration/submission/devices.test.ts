// Dialogues of printers, devices and libraries: each is accepted, stored byte for byte, handed on and traced; and a
// connection that is cut after any byte of them leaves no message that is half, and no 250 without its message.

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Settings } from '#config/settings.ts';
import { writeSubmissionEvent } from '#core/submission/stored-event.ts';
import { submissionOfKey } from '#core/submission/submission.ts';
import { LoginGuard } from '#gateway/login-guard.ts';
import { forPeople } from '../../../src/cli/trace.ts';
import { traceJson } from '../../../src/cli/trace-json.ts';
import { pipelineSettings, TestPipeline } from '../../kit/pipeline.ts';
import {
  bytesOf,
  type Cut,
  type Dialogue,
  deviceDialogues,
  deviceLogin,
  deviceSubmitters,
  type Ports,
  play,
} from './device-dialogue.ts';
import { type Gateway, openGateway, submissions, tls } from './gateway.ts';

const dialogues = deviceDialogues();
const settings: Settings = {
  ...pipelineSettings,
  submitters: deviceSubmitters,
  routes: [
    ...pipelineSettings.routes,
    {
      match: ['*'],
      direction: 'outbound',
      to: [{ via: 'exchange', address: null, copy: false, returnPath: 'keep' }],
      fallback: null,
    },
  ],
};
let gateway: Gateway;
let ports: Ports;

beforeEach(async () => {
  const secrets = { credentials: async () => deviceLogin, forget: () => {} };
  gateway = await openGateway({
    settings,
    clients: new LoginGuard(deviceSubmitters, secrets, { now: () => 0 }),
    ...{ tls, isLocal: () => false },
  });
  ports = {
    plain: gateway.port,
    implicit: await gateway.server.listen({ host: '127.0.0.1', port: 0, implicitTls: true }),
  };
});
afterEach(() => gateway.close());

test('there are twelve at least, of which each says where it was seen', () => {
  expect(dialogues.length).toBeGreaterThanOrEqual(12);
});

describe.each(dialogues)('$name', (dialogue) => {
  test('is accepted, and stored byte for byte', async () => {
    const { stored } = await play(dialogue, ports);
    expect(stored.length).toBe(dialogue.messages);
    const found = submissions(gateway.store);
    expect(found.length).toBe(dialogue.messages);
    for (const { envelope, content } of found) {
      expect(endOf(content, dialogue.content)).toEqual(dialogue.content);
      expect(content.subarray(0, 10).toString()).toBe('Received: ');
      expect(content.toString('latin1')).toMatch(/^Date: /m);
      expect(content.toString('latin1')).toMatch(/^Message-ID: /m);
      expect(envelope).toMatchObject({
        reversePath: 'scanner@example.com',
        forwardPaths: [{ address: 'bob@far.example' }],
        client: { address: dialogue.address, login: dialogue.login, tls: dialogue.tls },
      });
    }
    expect([...gateway.store.objects.keys()].every((key) => key.startsWith(`out/${dialogue.submitter}/`))).toBe(true);
  });
  test('is handed on to the next hop, and traced with who submitted it', async () => {
    const { stored } = await play(dialogue, ports);
    const pipeline = new TestPipeline(() => ({ code: 250, status: '2.0.0', text: 'taken' }), undefined, settings);
    handOver(pipeline, gateway);
    await pipeline.work();
    expect(pipeline.exchange.accepted.length).toBe(dialogue.messages);
    for (const spoolId of stored) {
      const [record] = await pipeline.ledger.trace({ ...ALL, spoolId });
      if (record === undefined) throw new Error(`${spoolId} has no trace`);
      const json = traceJson(record);
      expect(json.deliveries).toMatchObject([{ forwardPath: 'bob@far.example', state: 'relayed' }]);
      expect(json.submission).toEqual({
        submitter: dialogue.submitter,
        client: { address: dialogue.address, login: dialogue.login, tls: dialogue.tls },
      });
      const how = dialogue.login ? 'by login' : 'by its address';
      expect(forPeople([json])).toContain(
        `submitted by ${dialogue.submitter} from ${dialogue.address}, ${how}, ${dialogue.tls ?? 'without TLS'}\n`,
      );
    }
  });
  test('cut after any byte: no 250 without a message, and no message that is half', { timeout: 240_000 }, async () => {
    const cuts = Array.from({ length: bytesOf(dialogue) }, (_, index): Cut[] => {
      const after = index + 1;
      return dialogue.tls === null
        ? [
            { after, by: 'end' },
            { after, by: 'reset' },
          ]
        : [{ after, by: after % 2 === 0 ? 'end' : 'reset' }];
    }).flat();
    const acknowledged = await allOf(dialogue, cuts);
    await gateway.server.stop(); // what is in work comes to its end
    const found = submissions(gateway.store);
    const ids = new Set([...gateway.store.objects.keys()].flatMap(committedId));
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
    for (const { content } of found) expect(endOf(content, dialogue.content)).toEqual(dialogue.content);
    // Of a message whose end was just said, nobody heard what became of it: it may be there (RFC 1047).
    const ends = endsOf(dialogue);
    const unheard = cuts.filter(({ after }) => ends.includes(after)).length;
    const whole = cuts.reduce((sum, { after }) => sum + ends.filter((end) => end < after).length, 0);
    expect(acknowledged.length).toBeGreaterThanOrEqual(whole);
    expect(found.length).toBeGreaterThanOrEqual(acknowledged.length);
    expect(found.length).toBeLessThanOrEqual(whole + unheard);
  });
});

test('cut while the message is being stored: what was acknowledged is there, and what is there is whole', async () => {
  const [dialogue] = dialogues;
  if (dialogue === undefined) throw new Error('there is no dialogue');
  const [end = 0] = endsOf(dialogue);
  let waits = 0;
  gateway.store.before = () => {
    waits += 1;
    return sleep(waits % 5);
  };
  const cuts = Array.from({ length: 100 }, (_, index): Cut => ({ after: end, by: index % 2 === 0 ? 'end' : 'reset' }));
  const acknowledged = await allOf(dialogue, cuts);
  await gateway.server.stop();
  const answers = () =>
    gateway.lines.filter(({ event }) => /^submission\.(?:not-)?stored$/.test(event)).map(({ fields }) => fields.answer);
  await expect.poll(() => answers().length).toBe(cuts.length); // those without a client may end later
  const ids = new Set([...gateway.store.objects.keys()].flatMap(committedId));
  expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
  expect(answers().filter((answer) => answer === '250 2.6.0').length).toBe(ids.size);
  for (const { content } of submissions(gateway.store))
    expect(endOf(content, dialogue.content)).toEqual(dialogue.content);
});

const ALL = { limit: 1, messageIdField: undefined, reversePath: undefined, forwardPath: undefined, since: undefined };
const WORKERS = 12;

/** The ids of all messages that were acknowledged before a cut. */
async function allOf(dialogue: Dialogue, cuts: readonly Cut[]): Promise<string[]> {
  const acknowledged: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let cut = cuts[next++]; cut !== undefined; cut = cuts[next++]) {
      acknowledged.push(...(await play(dialogue, ports, cut)).stored);
      await turn();
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  return acknowledged;
}

/** After how many bytes each of its messages is complete. */
function endsOf({ turns }: Dialogue): number[] {
  let bytes = 0;
  return turns.flatMap((each) => {
    if (each.kind !== 'says') return [];
    bytes += each.bytes.length;
    return each.endsContent ? [bytes] : [];
  });
}

function endOf(content: Buffer, original: Buffer): Buffer {
  return content.subarray(content.length - original.length);
}

function committedId(key: string): string[] {
  const found = submissionOfKey(key);
  return found?.part === 'envelope' ? [`${found.submitter}-${found.ulid}`] : [];
}

/** What the gateway stored, as S3 tells the ingest queue of it. */
function handOver(pipeline: TestPipeline, { store }: Gateway): void {
  const now = pipeline.clock.now();
  for (const [key, bytes] of store.objects) pipeline.spool.put(key, bytes, now);
  for (const objectKey of [...store.objects.keys()].filter((key) => key.endsWith('.envelope.json')))
    pipeline.notifications.push({
      body: writeSubmissionEvent({ objectKey, storedAt: now }),
      ...{ stage: 'ingest' as const, receives: 0, visibleAt: now },
    });
}
